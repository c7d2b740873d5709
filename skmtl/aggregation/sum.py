"""Sum of the task losses, which is the sum of the task gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.blind import BlindWeighting
from skmtl.aggregation.kinds import State
from skmtl.aggregation.loss_batch import LossBatch
from skmtl.base import Signals


class Sum(BlindWeighting):
    r"""Unit weights: minimize the sum of the task losses.

    .. math:: w_i = 1

    Notes
    -----
    The direction is that of `Mean`, T times as long. With Adam, training is nearly the same; with
    plain gradient descent, it is that of T times the learning rate.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import Sum
    >>> Sum().weights(torch.eye(2))
    tensor([1., 1.], dtype=torch.float64)
    """

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state, nonnegative=False)
        return batch.weights(torch.ones_like(batch.losses)), state
