"""What gradient weightings have in common: from Gramian or Jacobian, in float64, one method to fill
in.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from skmtl.aggregation.numerics import checked_gramian, checked_jacobian, rank_tolerance
from skmtl.aggregation.voldet import negative_cosine_fraction, voldet
from skmtl.base import Aggregator, GradientUse, GradientWeighting


class GramianWeighting(GradientWeighting):
    """A gradient weighting whose weights are found by ``_weights``, from a finite float64 Gramian
    of shape (..., T, T).

    Its ``options`` are what ``weights`` passes on: here ``tolerance``, the share of the largest
    eigenvalue below which others are rounding.
    """

    _use: GradientUse = GradientUse()

    def use(self) -> GradientUse:
        """Return how a network takes and applies the gradients.

        Returns
        -------
        GradientUse
            What the gradients are of, the length that the direction is clipped to, and what heads
            follow.
        """
        return self._use

    def _weights(self, gramian: Tensor, **options: Any) -> Tensor:
        raise NotImplementedError

    def weights(self, gramian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Weigh the task gradients by their inner products.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients; leading axes are fleet members. Never changed.
        generator : torch.Generator, default=None
            Not used: the method draws nothing.

        Returns
        -------
        Tensor of shape (..., T)
            One weight a task, float64; NaN for a member whose Gramian is not finite.
        """
        return solve_finite(self, gramian, tolerance=rank_tolerance(gramian))

    def aggregate(self, jacobian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Return the weighted sum of the task gradients, without clipping or rescaling.

        Parameters
        ----------
        jacobian : Tensor of shape (..., T, P)
            One row a task, one column a parameter; leading axes are fleet members. Never changed.
        generator : torch.Generator, default=None
            Passed to `weights`.

        Returns
        -------
        Tensor of shape (..., P)
            The direction, in the dtype of `jacobian`; computed in float64.
        """
        return weighted_rows(self, jacobian, generator=generator)

    def diagnostics(self, gramian: Tensor) -> dict[str, Tensor]:
        """Return how far the task gradients are in conflict.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients.

        Returns
        -------
        dict of str to Tensor
            "negative_cosine_fraction" and "voldet", of shape (...).
        """
        return {
            "negative_cosine_fraction": negative_cosine_fraction(gramian),
            "voldet": voldet(gramian),
        }


def solve_finite(method: GramianWeighting, gramian: Tensor, **options: Any) -> Tensor:
    """Call ``method._weights`` on a float64 copy in which a Gramian that is not finite is replaced,
    and fill its weights with NaN.
    """
    matrix = checked_gramian(gramian, type(method).__name__)
    if math.isfinite(matrix.sum().item()):
        return method._weights(matrix, **options)
    finite = matrix.isfinite().all(-1).all(-1)
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    weights = method._weights(torch.where(finite[..., None, None], matrix, identity), **options)
    return torch.where(
        finite.reshape(*finite.shape, *[1] * (weights.ndim - finite.ndim)), weights, torch.nan
    )


def weighted_rows(method: Any, jacobian: Tensor, **options: Any) -> Tensor:
    """Return weights(J J') J, multiplied out in float64, in the dtype of the Jacobian."""
    rows = checked_jacobian(jacobian, type(method).__name__)
    exact = rows.to(torch.float64)
    weights = method.weights(exact @ exact.mT, **options)
    return (weights[..., None, :] @ exact)[..., 0, :].to(rows.dtype)


def uniform(gramian: Tensor) -> Tensor:
    """Return weights 1/T, (..., T)."""
    n_tasks = gramian.shape[-1]
    return torch.full(gramian.shape[:-1], 1.0 / n_tasks, dtype=torch.float64, device=gramian.device)


def checked_number(
    owner: Aggregator, name: str, value: Any, low: float, *, strict: bool = False
) -> float:
    """Return a parameter as a float; raise ValueError in scikit-learn's words where it is below
    `low` or not finite.
    """
    wanted = f"a finite number {'greater than' if strict else 'of at least'} {low:g}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not low <= number < float("inf") or (strict and number == low):
        raise ValueError(
            f"The {name!r} parameter of {type(owner).__name__} must be {wanted}. Got {value!r} "
            "instead."
        )
    return number
