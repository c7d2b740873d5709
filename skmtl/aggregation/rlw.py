"""RLW: random weights."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.blind import BlindWeighting
from skmtl.aggregation.drawing import draws
from skmtl.aggregation.kinds import State
from skmtl.aggregation.loss_batch import LossBatch, task_softmax
from skmtl.base import Signals


class RLW(BlindWeighting):
    r"""Draw the weights anew in every step.

    .. math:: w = \operatorname{softmax}(z), \qquad z \sim N(0, I)

    Notes
    -----
    Random loss weighting [1]_: the baseline that other weightings have to beat. Reads no losses, so
    it can be asked for weights by a Gramian as well. Without a generator the weights are the mean
    of the draws, 1/T.

    References
    ----------
    .. [1] Lin et al., "Reasonable effectiveness of random weighting: a litmus test for multi-task
       learning", TMLR 2022.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import RLW
    >>> from skmtl.base import Signals
    >>> generator = torch.Generator().manual_seed(0)
    >>> weights, _ = RLW().step(Signals(losses=torch.ones(3), generators=generator), {})
    >>> weights.sum()
    tensor(1., dtype=torch.float64)
    """

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state, nonnegative=False)
        drawn = torch.zeros_like(batch.losses)
        if signals.generators is not None:
            drawn = draws(tuple(drawn.shape), signals.generators, drawn, normal=True)
        return batch.weights(task_softmax(drawn, batch.present)), state
