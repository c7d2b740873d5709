"""RLW: random weights."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.blind import BlindWeighting
from skmtl.aggregation.losses import State, task_softmax
from skmtl.aggregation.numerics import Generators, draws


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
    >>> weights = RLW().loss_weights(torch.ones(3), generator=torch.Generator().manual_seed(0))
    >>> weights.sum()
    tensor(1., dtype=torch.float64)
    """

    random = True

    def _weights(
        self, losses: Tensor, state: State, present: Tensor, generator: Generators
    ) -> Tensor:
        drawn = (
            torch.zeros_like(losses)
            if generator is None
            else draws(tuple(losses.shape), generator, losses, normal=True)
        )
        return task_softmax(drawn, present)
