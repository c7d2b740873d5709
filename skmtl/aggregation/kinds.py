"""Base classes of gradient weightings and loss weightings."""

from __future__ import annotations

import math
from typing import NoReturn, TypeAlias

import torch
from torch import Tensor

from skmtl.aggregation.drawing import Generators
from skmtl.aggregation.given import checked_gramian, checked_jacobian
from skmtl.aggregation.newton import warn_of_unsolved
from skmtl.aggregation.voldet import gradient_conflict
from skmtl.base import Aggregator, Signals

State: TypeAlias = dict[str, Tensor]
Device: TypeAlias = torch.device | str | None


class GradientWeighting(Aggregator):
    """Aggregator that computes task weights from the Gramian of the task gradients.

    Its ``step`` reads the Gramian, of shape (..., T, T) and in any floating dtype, and returns
    weights, (..., T).
    """

    kind = "gradient_weights"

    def weights(self, gramian: Tensor, *, generator: Generators = None) -> Tensor:
        """Return the task weights for a Gramian of the task gradients.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients; leading axes are networks. Never changed.
        generator : torch.Generator, sequence of torch.Generator or None, default=None
            Source of random numbers: one generator for all networks, or one per network (first
            axis). None = nothing is drawn, and the result depends on `gramian` alone.

        Returns
        -------
        Tensor of shape (..., T)
            One weight per task, float64.
        """
        return weigh(self, checked_gramian(gramian, type(self).__name__), generator)

    def aggregate(self, jacobian: Tensor, *, generator: Generators = None) -> Tensor:
        """Return the weighted sum of the task gradients, without clipping or rescaling.

        Parameters
        ----------
        jacobian : Tensor of shape (..., T, P)
            One row per task, one column per parameter; leading axes are networks. Never changed.
        generator : torch.Generator, sequence of torch.Generator or None, default=None
            As for `weights`.

        Returns
        -------
        Tensor of shape (..., P)
            The direction, in the dtype of `jacobian`; computed in float64.
        """
        return weighted_rows(self, jacobian, generator)

    def diagnostics(self, gramian: Tensor) -> State:
        """Return measures of the conflict between the task gradients.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients.

        Returns
        -------
        dict of str to Tensor
            "negative_cosine_fraction" and "voldet", both of shape (...).
        """
        return gradient_conflict(gramian)


def weigh(
    method: Aggregator,
    gramian: Tensor,
    generator: Generators = None,
    *,
    scores: Tensor | None = None,
) -> Tensor:
    """Return the weights of a first step, (..., T), for Gramians that have been checked."""
    leading, n_tasks = gramian.shape[:-2], gramian.shape[-1]
    method.check(n_tasks)
    fresh = method.init(math.prod(leading), n_tasks, device=gramian.device)
    state = {name: values.reshape((*leading, *values.shape[1:])) for name, values in fresh.items()}
    signals = Signals(generators=generator, gramian=gramian)
    if scores is not None:
        signals = signals.replaced(scores=scores)
    weights, state = method.step(signals, state)
    if "unsolved" in state:
        warn_of_unsolved(state["unsolved"])
    return weights


def weighted_rows(
    method: Aggregator,
    jacobian: Tensor,
    generator: Generators = None,
    *,
    scores: Tensor | None = None,
) -> Tensor:
    """Return weights(J J') J, multiplied out in float64, in the dtype of the Jacobian."""
    rows = checked_jacobian(jacobian, type(method).__name__)
    exact = rows.to(torch.float64)
    gramian = exact @ exact.mT
    if not bool(gramian.isfinite().all()):
        raise ValueError(
            f"{type(method).__name__} needs a Jacobian whose inner products of rows are finite; "
            "they overflow. Divide the Jacobian by its largest entry."
        )
    weights = weigh(method, gramian, generator, scores=scores)
    return (weights[..., None, :] @ exact)[..., 0, :].to(rows.dtype)


class LossWeighting(Aggregator):
    """Aggregator whose ``step`` reads losses, (..., T), and returns weights, (..., T)."""

    sees_absent_tasks = True

    def weights(self, gramian: Tensor, *, generator: Generators = None) -> Tensor:
        """Raise TypeError: the method needs losses, not gradients.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Not read.
        generator : torch.Generator, default=None
            Not used.

        Returns
        -------
        Tensor of shape (..., T)
            Nothing: it always raises.

        Raises
        ------
        TypeError
            Always.
        """
        reject_gradients(self)

    def aggregate(self, jacobian: Tensor, *, generator: Generators = None) -> Tensor:
        """Raise TypeError, as `weights` does.

        Parameters
        ----------
        jacobian : Tensor of shape (..., T, P)
            Not read.
        generator : torch.Generator, default=None
            Not used.

        Returns
        -------
        Tensor of shape (..., P)
            Nothing: it always raises.
        """
        reject_gradients(self)


def reject_gradients(method: Aggregator) -> NoReturn:
    """Raise TypeError: a loss weighting cannot weigh gradients alone."""
    raise TypeError(
        f"{type(method).__name__} is a loss weighting: it needs the losses and their history, "
        "which a Gramian does not contain. Call step(Signals(losses=...), state), or pass it to an "
        "estimator as aggregator=. For gradients alone, use a gradient weighting such as UPGrad()."
    )
