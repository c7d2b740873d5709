"""The sum of the task losses, which is the sum of the task gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import weighted_rows
from skmtl.aggregation.numerics import checked_gramian
from skmtl.base import LossWeighting


class Sum(LossWeighting):
    r"""Add the tasks up.

    .. math:: w_i = 1

    Notes
    -----
    The direction of `Mean`, T times as long: with Adam nearly the same training, with plain gradient descent T times the learning rate.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import Sum
    >>> Sum().weights(torch.eye(2))
    tensor([1., 1.], dtype=torch.float64)
    """

    def loss_weights(self, losses: Tensor) -> Tensor:
        """Return 1 for every task.

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
        return torch.ones(values.shape, dtype=torch.float64, device=values.device)

    def weights(self, gramian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Return 1 for every task.

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
        return torch.ones_like(checked_gramian(gramian, type(self).__name__)[..., 0])

    def aggregate(self, jacobian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Return the sum of the task gradients.

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
