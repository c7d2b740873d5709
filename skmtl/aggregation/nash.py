"""Nash-MTL: the Nash bargaining solution of the tasks."""

from __future__ import annotations

from torch import Tensor

from skmtl.aggregation.equation import EquationWeighting, equal_priorities, solve_step
from skmtl.aggregation.kinds import State
from skmtl.base import Signals, TrunkStep


class NashMTL(EquationWeighting):
    r"""Nash-MTL: the direction with the largest product of the tasks' improvements.

    .. math:: G w = 1 / w, \qquad w > 0

    This is the Nash bargaining solution. It does not depend on the scales of the losses:
    multiplying the loss of one task by a constant leaves the direction as it is.

    Warns
    -----
    ConvergenceWarning
        If the gradients are Pareto-stationary: the equation then has no solution, and the losses of
        the tasks that oppose each other hardly change.

    Notes
    -----
    Damped Newton steps solve the equation up to rounding; the published code of [1]_ stops a
    sequence of convex programs after at most 20 rounds. The direction always has the length
    :math:`\sqrt T`, however short the gradients are. In training it is clipped to length 1.

    References
    ----------
    .. [1] Navon et al., "Multi-task learning as a bargaining game", ICML 2022.

    Examples
    --------
    Both weighted gradients have length 1, whatever the scales of the losses:

    >>> import torch
    >>> from skmtl.aggregation import NashMTL
    >>> NashMTL().weights(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
    tensor([1.0000, 0.5000], dtype=torch.float64)
    """

    trunk_step = TrunkStep(max_norm=1.0)

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        return solve_step(signals.gramian, state, equal_priorities, power=1.0)
