"""FairGrad: alpha-fair improvements."""

from __future__ import annotations

from torch import Tensor

from skmtl.aggregation.equation import EquationWeighting, equal_priorities, solve_step
from skmtl.aggregation.kinds import State
from skmtl.aggregation.parameter_checks import checked_number
from skmtl.base import Signals, TrunkStep


class FairGrad(EquationWeighting):
    r"""Share the improvement among the tasks in the alpha-fair way.

    .. math:: (G w)^\alpha = 1 / w, \qquad w > 0

    Parameters
    ----------
    alpha : float, default=2.0
        How much the worst-off task counts: 0 is the sum of the gradients, 1 is `NashMTL`, 2 the
        minimum potential delay (all of the paper's runs), large values approach max-min fairness.

    Notes
    -----
    Solved to rounding by damped Newton steps on gradients scaled to length one. A network
    multiplies the direction by T and clips it to length 1, as in the authors' program. At a
    Pareto-stationary point there is no solution: a ConvergenceWarning says so, and the tasks that
    oppose each other hardly move.

    References
    ----------
    .. [1] Ban and Ji, "Fair resource allocation in multi-task learning", ICML 2024.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import FairGrad
    >>> FairGrad(alpha=2.0).weights(torch.tensor([[1.0, 0.0], [0.0, 8.0]]))
    tensor([1.0000, 0.2500], dtype=torch.float64)
    """

    trunk_step = TrunkStep(max_norm=1.0, times_tasks=True)

    def __init__(self, alpha: float = 2.0) -> None:
        self.alpha = alpha

    def check(self, n_tasks: int) -> None:
        """Raise ValueError where a parameter cannot be used."""
        checked_number(self, "alpha", self.alpha, 0.0)

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        return solve_step(signals.gramian, state, equal_priorities, power=float(self.alpha))
