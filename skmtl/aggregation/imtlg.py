"""IMTL-G: the direction with equal projections on all task gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skmtl.aggregation.config import equal_angles
from skmtl.aggregation.kinds import GramianWeighting, uniform
from skmtl.aggregation.numerics import unit_diagonal


class IMTLG(GramianWeighting):
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

    def _weights(self, gramian: Tensor, **options: Any) -> Tensor:
        cosines, norms = unit_diagonal(gramian)
        raw = equal_angles(cosines, options["tolerance"]) / norms
        total = raw.sum(-1, keepdim=True)
        negligible = total.abs() <= 1e-12 * raw.abs().sum(-1, keepdim=True)
        return torch.where(negligible, uniform(gramian), raw / torch.where(negligible, 1.0, total))
