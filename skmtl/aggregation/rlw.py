"""RLW: random task weights."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.blind import BlindWeighting
from skmtl.aggregation.drawing import draws
from skmtl.aggregation.kinds import State
from skmtl.aggregation.loss_batch import LossBatch, task_softmax
from skmtl.base import Signals


class RLW(BlindWeighting):
    r"""Random loss weighting (RLW): draw new task weights in every step.

    .. math:: w = \operatorname{softmax}(z), \qquad z \sim N(0, I)

    Notes
    -----
    A baseline that other weightings should beat [1]_. The weights do not depend on the losses, so
    `weights` accepts a Gramian as well. Without a generator they are their mean, 1/T.

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
    >>> RLW().step(Signals(losses=torch.ones(3), generators=generator), {})[0]
    tensor([0.8446, 0.1349, 0.0205], dtype=torch.float64)
    >>> RLW().step(Signals(losses=torch.ones(3)), {})[0]
    tensor([0.3333, 0.3333, 0.3333], dtype=torch.float64)
    """

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state, nonnegative=False)
        drawn = torch.zeros_like(batch.losses)
        if signals.generators is not None:
            drawn = draws(tuple(drawn.shape), signals.generators, drawn, normal=True)
        return batch.weights(task_softmax(drawn, batch.present)), state
