"""SI: sum of the logarithms of the losses."""

from __future__ import annotations

from torch import Tensor

from skmtl.aggregation.kinds import LossWeighting, State
from skmtl.aggregation.loss_batch import LossBatch, inverse, unsolved
from skmtl.base import Signals


class SI(LossWeighting):
    r"""Scale-invariant scalarization (SI): minimize the sum of the logarithms of the losses.

    .. math:: \min \sum_i \log L_i, \qquad w_i = 1 / L_i

    See Also
    --------
    GLS : The same direction, whose length shrinks with the losses.

    Notes
    -----
    Multiplying a loss by a constant does not change the direction, so the units of the losses do
    not matter. A task whose loss is zero gets weight 0.

    Examples
    --------
    All weighted losses are 1:

    >>> import torch
    >>> from skmtl.aggregation import SI
    >>> from skmtl.base import Signals
    >>> SI().step(Signals(losses=torch.tensor([0.5, 2.0, 100.0])), {})[0]
    tensor([2.0000, 0.5000, 0.0100], dtype=torch.float64)
    """

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state)
        active = unsolved(batch.losses, batch.present)
        return batch.weights(inverse(batch.losses, active)), state
