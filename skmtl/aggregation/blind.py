"""Weightings that depend on the number of tasks only, and accept losses or a Gramian."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.drawing import Generators
from skmtl.aggregation.given import checked_gramian, checked_jacobian
from skmtl.base import Aggregator, Signals


class BlindWeighting(Aggregator):
    """A loss weighting whose weights do not depend on the losses."""

    sees_absent_tasks = True

    def weights(self, gramian: Tensor, *, generator: Generators = None) -> Tensor:
        """Return the task weights, which do not depend on the gradients.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Only the shape is used.
        generator : torch.Generator, sequence of torch.Generator or None, default=None
            Source of random weights; None = their mean.

        Returns
        -------
        Tensor of shape (..., T)
            One weight per task, float64.
        """
        return _blind(self, checked_gramian(gramian, type(self).__name__)[..., 0], generator)

    def aggregate(self, jacobian: Tensor, *, generator: Generators = None) -> Tensor:
        """Return the weighted sum of the task gradients.

        Parameters
        ----------
        jacobian : Tensor of shape (..., T, P)
            One row per task, one column per parameter.
        generator : torch.Generator, sequence of torch.Generator or None, default=None
            As for `weights`.

        Returns
        -------
        Tensor of shape (..., P)
            The direction, in the dtype of `jacobian`.
        """
        rows = checked_jacobian(jacobian, type(self).__name__)
        weights = _blind(self, rows[..., 0], generator)
        return (weights[..., None, :] @ rows.to(torch.float64))[..., 0, :].to(rows.dtype)


def _blind(method: Aggregator, like: Tensor, generator: Generators) -> Tensor:
    """Return the weights, (..., T), computed from losses of 1."""
    ones = torch.ones_like(like, dtype=torch.float64)
    return method.step(Signals(losses=ones, generators=generator), {})[0]
