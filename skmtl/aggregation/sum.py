"""The sum of the task losses, which is the sum of the task gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.blind import BlindWeighting
from skmtl.aggregation.losses import State
from skmtl.aggregation.numerics import Generators


class Sum(BlindWeighting):
    r"""Add the tasks up.

    .. math:: w_i = 1

    Notes
    -----
    The direction of `Mean`, T times as long: with Adam nearly the same training, with plain
    gradient descent T times the learning rate.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import Sum
    >>> Sum().weights(torch.eye(2))
    tensor([1., 1.], dtype=torch.float64)
    """

    def _weights(
        self, losses: Tensor, state: State, present: Tensor, generator: Generators
    ) -> Tensor:
        return torch.ones_like(losses)
