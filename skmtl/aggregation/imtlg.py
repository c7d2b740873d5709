"""IMTL-G: the direction with equal projections onto all task gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.config import equal_angles
from skmtl.aggregation.gramians import nan_unless, rank_tolerance, settled, uniform, unit_diagonal
from skmtl.aggregation.kinds import GradientWeighting, State
from skmtl.base import Signals


class IMTLG(GradientWeighting):
    r"""IMTL-G: the direction with equal projections onto all task gradients.

    .. math:: \langle d, g_i / \|g_i\| \rangle = \text{const.}, \qquad \sum_i w_i = 1

    Weights may be negative. The direction is that of `ConFIG`, but the shortest gradients determine
    its length: it shrinks with the gradient of a task that is nearly solved.

    Notes
    -----
    If no direction has equal projections onto all gradients, the least-squares solution is taken.
    If that is zero, or its weights sum to zero, the weights are 1/T.

    References
    ----------
    .. [1] Liu et al., "Towards impartial multi-task learning", ICLR 2021.

    Examples
    --------
    The weighted gradients of two orthogonal tasks, of lengths 1 and 2, are equally long:

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
