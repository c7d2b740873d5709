"""Mean of the task losses, which is the mean of the task gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.blind import BlindWeighting
from skmtl.aggregation.kinds import State
from skmtl.aggregation.loss_batch import LossBatch
from skmtl.base import Signals


class Mean(BlindWeighting):
    r"""Equal weights: minimize the mean of the task losses.

    .. math:: w_i = 1 / T

    Notes
    -----
    Also called linear scalarization or equal weighting. The weights depend neither on losses nor on
    gradients, so `weights` accepts a Gramian as well. A task without labels in a batch does not
    change the weights of the others.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import Mean
    >>> Mean().weights(torch.eye(2))
    tensor([0.5000, 0.5000], dtype=torch.float64)
    """

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state, nonnegative=False)
        weights = torch.full_like(batch.losses, 1.0 / batch.losses.shape[-1])
        return batch.weights(weights), state
