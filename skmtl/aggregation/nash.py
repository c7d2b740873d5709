"""Nash-MTL: the tasks bargain for a direction."""

from __future__ import annotations

from torch import Tensor

from skmtl.aggregation.equation import EquationWeighting, equal_priorities, solve_step
from skmtl.aggregation.kinds import State
from skmtl.base import Signals, TrunkStep


class NashMTL(EquationWeighting):
    r"""Take the Nash bargaining solution.

    It is the direction with the largest product of the improvements of the tasks.

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

    trunk_step = TrunkStep(max_norm=1.0)

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        return solve_step(signals.gramian, state, equal_priorities, power=1.0)
