"""Nash-MTL: the tasks bargain for a direction."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from skmtl.aggregation.newton import Array, EquationWeighting
from skmtl.base import GradientUse


class NashMTL(EquationWeighting):
    r"""Take the Nash bargaining solution: the direction with the largest product of the tasks'
    improvements.

    .. math:: G w = 1 / w, \qquad w > 0

    Every task improves by the same share of what it could, whatever the scale of its loss: the
    direction does not change when one task's loss is multiplied by a number.

    Notes
    -----
    Solved to rounding by damped Newton steps; the published code stops a sequence of convex
    programs after at most 20 rounds. The direction always has length :math:`\sqrt T`, however short
    the gradients are; a network clips it to 1. At a Pareto-stationary point there is no solution: a
    ConvergenceWarning says so, and the tasks that oppose each other hardly move.

    References
    ----------
    .. [1] Navon et al., "Multi-task learning as a bargaining game", ICML 2022.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import NashMTL
    >>> NashMTL().weights(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
    tensor([1.0000, 0.5000], dtype=torch.float64)
    """

    _use = GradientUse(max_norm=1.0)

    def _equation(
        self, cosines: Array, norms: Array, gramian: Tensor, **options: Any
    ) -> tuple[Array, float]:
        return np.ones_like(norms), 1.0
