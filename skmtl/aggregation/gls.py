"""GLS: geometric mean of the losses."""

from __future__ import annotations

from torch import Tensor

from skmtl.aggregation.kinds import LossWeighting, State
from skmtl.aggregation.loss_batch import LossBatch, inverse, mean_over, unsolved
from skmtl.base import Signals


class GLS(LossWeighting):
    r"""Geometric loss strategy (GLS): minimize the geometric mean of the losses.

    .. math:: \min L = \Big(\prod_i L_i\Big)^{1/T}, \qquad w_i = \frac{L}{T L_i}

    See Also
    --------
    SI : The same direction, whose length does not shrink with the losses.

    Notes
    -----
    The weighted losses are all equal [1]_. Multiplying all losses by a constant leaves the weights
    as they are. The product is computed from logarithms, so that it neither underflows nor
    overflows. A task whose loss is zero would stop the training of all others; it gets weight 0,
    and the mean is taken over the others.

    References
    ----------
    .. [1] Chennupati et al., "MultiNet++: multi-stream feature aggregation and geometric loss
       strategy for multi-task learning", CVPR Workshops 2019.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import GLS
    >>> from skmtl.base import Signals
    >>> GLS().step(Signals(losses=torch.tensor([1.0, 4.0])), {})[0]
    tensor([1.0000, 0.2500], dtype=torch.float64)
    """

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state)
        active = unsolved(batch.losses, batch.present)
        geometric = mean_over(batch.losses.clamp(min=1e-300).log(), active).exp()
        weights = geometric * inverse(batch.losses, active)
        return batch.weights(weights / active.sum(-1, keepdim=True).clamp(min=1)), state
