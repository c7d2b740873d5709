"""The mean of the task losses, which is the mean of the task gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import uniform, weighted_rows
from skmtl.aggregation.numerics import checked_gramian
from skmtl.base import LossWeighting


class Mean(LossWeighting):
    r"""Weigh all tasks alike.

    .. math:: w_i = 1 / T

    Notes
    -----
    Also called linear scalarisation or equal weighting. It needs neither losses nor gradients, so it can be asked for weights by either.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import Mean
    >>> Mean().weights(torch.eye(2))
    tensor([0.5000, 0.5000], dtype=torch.float64)
    """

    def loss_weights(self, losses: Tensor) -> Tensor:
        """Return 1/T for every task.

        Parameters
        ----------
        losses : Tensor of shape (..., T)
            Only the shape is read.

        Returns
        -------
        Tensor of shape (..., T)
            The weights, float64.
        """
        values = torch.as_tensor(losses)
        return torch.full(values.shape, 1.0 / values.shape[-1], dtype=torch.float64, device=values.device)

    def weights(self, gramian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Return 1/T for every task.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Only the shape is read.
        generator : torch.Generator, default=None
            Not used: the method draws nothing.

        Returns
        -------
        Tensor of shape (..., T)
            The weights, float64.
        """
        return uniform(checked_gramian(gramian, type(self).__name__))

    def aggregate(self, jacobian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Return the mean of the task gradients.

        Parameters
        ----------
        jacobian : Tensor of shape (..., T, P)
            One row a task, one column a parameter.
        generator : torch.Generator, default=None
            Not used: the method draws nothing.

        Returns
        -------
        Tensor of shape (..., P)
            The direction, in the dtype of `jacobian`.
        """
        return weighted_rows(self, jacobian, generator=generator)
