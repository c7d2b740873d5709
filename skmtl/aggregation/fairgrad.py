"""FairGrad: alpha-fair improvements of the tasks."""

from __future__ import annotations

from torch import Tensor

from skmtl.aggregation.equation import EquationWeighting, equal_priorities, solve_step
from skmtl.aggregation.kinds import State
from skmtl.aggregation.parameter_checks import checked_number
from skmtl.base import Signals, TrunkStep


class FairGrad(EquationWeighting):
    r"""FairGrad: alpha-fair allocation of the improvement among the tasks.

    .. math:: (G w)^\alpha = 1 / w, \qquad w > 0

    Parameters
    ----------
    alpha : float, default=2.0
        Degree of fairness; a larger value favors the worst-off task. 0 is the sum of the gradients,
        1 is `NashMTL`, and 2 is minimum potential delay fairness (all experiments of the paper).
        Large values approach max-min fairness.

    Warns
    -----
    ConvergenceWarning
        If the gradients are Pareto-stationary: the equation then has no solution, and the losses of
        the tasks that oppose each other hardly change.

    Notes
    -----
    Damped Newton steps solve the equation up to rounding, on gradients scaled to length one. In
    training, the direction is multiplied by T and clipped to length 1, as in the published code.

    References
    ----------
    .. [1] Ban and Ji, "Fair resource allocation in multi-task learning", ICML 2024.

    Examples
    --------
    The task with the longer gradient gets the smaller weight:

    >>> import torch
    >>> from skmtl.aggregation import FairGrad
    >>> FairGrad(alpha=2.0).weights(torch.tensor([[1.0, 0.0], [0.0, 8.0]]))
    tensor([1.0000, 0.2500], dtype=torch.float64)
    """

    trunk_step = TrunkStep(max_norm=1.0, times_tasks=True)

    def __init__(self, alpha: float = 2.0) -> None:
        self.alpha = alpha

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        checked_number(self, "alpha", self.alpha, 0.0)

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        return solve_step(signals.gramian, state, equal_priorities, power=float(self.alpha))
