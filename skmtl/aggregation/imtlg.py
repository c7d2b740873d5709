"""IMTL-G: the direction with equal projections on all task gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.config import equal_angles
from skmtl.aggregation.gramians import nan_unless, rank_tolerance, settled, uniform, unit_diagonal
from skmtl.aggregation.kinds import GradientWeighting, State
from skmtl.base import Signals


class IMTLG(GradientWeighting):
    r"""Weigh the tasks so that the direction projects equally on all task gradients.

    .. math:: \langle d, g_i / \|g_i\| \rangle = \text{the same for all } i, \qquad \sum_i w_i = 1

    Weights may be negative. The direction is that of `ConFIG`; its length follows the shortest
    gradients, so that it shrinks with that of a task that is nearly solved.

    Notes
    -----
    Where no direction projects equally on all gradients, it is the least-squares one; where that is
    zero, or the weights sum to zero, the weights are 1/T.

    References
    ----------
    .. [1] Liu et al., "Towards impartial multi-task learning", ICLR 2021.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import IMTLG
    >>> IMTLG().weights(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
    tensor([0.6667, 0.3333], dtype=torch.float64)
    """

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        gramian, finite = settled(signals.gramian)
        cosines, norms = unit_diagonal(gramian)
        raw = equal_angles(cosines, rank_tolerance(signals.gramian)) / norms
        total = raw.sum(-1, keepdim=True)
        negligible = total.abs() <= 1e-12 * raw.abs().sum(-1, keepdim=True)
        weights = torch.where(
            negligible, uniform(gramian), raw / torch.where(negligible, 1.0, total)
        )
        return nan_unless(finite, weights), state
