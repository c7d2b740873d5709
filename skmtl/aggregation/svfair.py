"""SVFair: tasks whose gradients deviate from the others get a larger share of the improvement."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.aggregation.equation import Array, EquationWeighting, solve_step
from skmtl.aggregation.kinds import State
from skmtl.aggregation.parameter_checks import (
    checked_choice,
    checked_count,
    checked_max_norm,
    checked_number,
)
from skmtl.aggregation.shapley import UTILITIES, shapley_shares, volume_shares
from skmtl.aggregation.voldet import normalized, share_in_conflict
from skmtl.base import Aggregator, Signals, TrunkStep

# Share of negative cosines above which utility="auto" takes VolDetPro, section 5.5 of the paper.
CONFLICT = 0.25
# kappa_max of appendix H.1: the largest priority is at most this many times the mean.
LARGEST_RATIO = 2.0
# Smallest temperature of "auto". If the priorities still differ less than LARGEST_RATIO allows, a
# smaller one would amplify rounding errors.
SMALLEST_TAU = 0.1
SMALLEST_PRIORITY = 1e-12  # a priority of 0 would have no solution


class SVFair(EquationWeighting):
    r"""SVFair: weighted fair improvements, with priority for tasks whose gradients deviate.

    With the task gradients :math:`g_i`, their Gramian :math:`G`, and the Shapley values
    :math:`\phi` of the tasks in the conflict between the gradients,

    .. math:: \omega = \operatorname{softmax}(\phi / \tau), \qquad
        (G \alpha)_i^2 = \omega_i / \alpha_i, \qquad d = \sum_i \alpha_i g_i.

    The direction :math:`d` minimizes :math:`\sum_i \omega_i / \langle g_i, d \rangle` among all
    directions of its length.

    Parameters
    ----------
    utility : {"voldet", "voldetpro", "auto"}, default="voldet"
        Measure of conflict, see :func:`voldet` and :func:`voldetpro`. "auto" uses VolDetPro in
        steps in which more than a quarter of the task pairs have a negative cosine.
    tau : float or "auto", default=1.0
        Temperature. Small values favor tasks whose gradients deviate from the others; large values
        make all priorities alike. "auto" takes in every step the smallest temperature, but at
        least 0.1, at which no task has more than twice the mean priority :math:`1 / T`.
    n_permutations : int, default=1000
        Number of random orders if the Shapley values are sampled (VolDetPro with more than 12
        tasks). 100 orders already reduce the error below 1 % of the spread between tasks. VolDet is
        always exact.
    max_norm : float or None, default=1.0
        Length to which the step of the trunk is clipped in training; None = no limit.
    head_gradient : {"own", "weighted"}, default="own"
        Loss that trains a task head: the loss of its task, or that loss times
        :math:`T \alpha_i`.

    Warns
    -----
    ConvergenceWarning
        If the gradients are Pareto-stationary: the equation then has no solution, and the losses of
        the tasks that oppose each other hardly change.

    See Also
    --------
    shapley_values : The Shapley values.

    Notes
    -----
    Softmax, equation and heads are those of [1]_; the equation is solved to 1e-12 by Newton's
    method. The paper samples the Shapley values of more than a few tasks; here those of VolDet have
    a closed form. Two tasks always have the same Shapley value, so that all settings give the
    weights of FairGrad(alpha=2) times a constant.

    Appendix H.1 of the paper chooses the temperature once, after a warm-up, and does not state the
    bounds. "auto" applies its rule in every step, with the bounds above.

    A task whose gradient is zero does not change the direction of the others. Its weight is finite:
    it counts as orthogonal to the others, with mean priority and their mean norm. Priorities below
    1e-12 are raised to 1e-12.

    References
    ----------
    .. [1] Wang et al., "From gradient volume to Shapley fairness: towards fair multi-task
       learning", ICLR 2026, algorithm 1.

    Examples
    --------
    The third gradient deviates from the other two:

    >>> import torch
    >>> from skmtl.aggregation import SVFair
    >>> gramian = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.25, 0.0], [0.0, 0.0, 1.0]])
    >>> SVFair(tau=0.1).weights(gramian)
    tensor([0.1754, 0.1419, 0.9881], dtype=torch.float64)
    """

    def __init__(
        self,
        utility: str = "voldet",
        *,
        tau: float | str = 1.0,
        n_permutations: int = 1000,
        max_norm: float | None = 1.0,
        head_gradient: str = "own",
    ):
        self.utility = utility
        self.tau = tau
        self.n_permutations = n_permutations
        self.max_norm = max_norm
        self.head_gradient = head_gradient

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        check_shapley(self, self.tau, self.n_permutations)
        checked_choice(self, "utility", self.utility, (*UTILITIES, "auto"))
        checked_choice(self, "head_gradient", self.head_gradient, ("own", "weighted"))
        checked_max_norm(self, self.max_norm)

    @property
    def trunk_step(self) -> TrunkStep:  # type: ignore[override]
        """How a network applies the weights: times T, then clipped to `max_norm`."""
        return TrunkStep(self.max_norm, times_tasks=True, head_gradient=self.head_gradient)

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        # All networks use the same orders, so that no network depends on the others. Generators of
        # single networks are not used.
        generator = signals.generators
        random_state = generator if isinstance(generator, torch.Generator) else 0

        def omega(gramian: Tensor, cosines: Array, norms: Array) -> Array:
            present = np.diagonal(gramian.cpu().numpy(), axis1=-2, axis2=-1) > 0
            if self.utility == "voldet":
                shares = np.where(present, volume_shares(cosines, present), 0.0)
            else:
                shares = self._shapley_shares(gramian, random_state).cpu().numpy()
            return priorities(shares, present, None if self.tau == "auto" else float(self.tau))

        return solve_step(signals.gramian, state, omega, power=2.0)

    def _shapley_shares(self, gramian: Tensor, random_state: int | torch.Generator) -> Tensor:
        def shares_by(utility: str, gramian: Tensor) -> Tensor:
            return shapley_shares(
                gramian, utility, n_permutations=self.n_permutations, random_state=random_state
            )

        if self.utility != "auto":
            return shares_by(self.utility, gramian)
        shares = shares_by("voldet", gramian)
        in_conflict = share_in_conflict(*normalized(gramian)) > CONFLICT
        if in_conflict.any():
            shares[in_conflict] = shares_by("voldetpro", gramian[in_conflict])
        return shares


def check_shapley(owner: Aggregator, tau: object, n_permutations: object) -> None:
    """Raise ValueError if a temperature or a number of permutations is out of range."""
    if tau != "auto":
        checked_number(owner, "tau", tau, 0.0, strict=True)
    checked_count(owner, "n_permutations", n_permutations, 1)


def priorities(shares: Array, present: NDArray[np.bool_], tau: float | None) -> Array:
    """Return softmax(shares / tau) over the tasks with a nonzero gradient; tau None = "auto".

    The other tasks get the mean priority.
    """
    n_present = np.maximum(present.sum(-1, keepdims=True), 1)
    with np.errstate(invalid="ignore"):
        largest = np.where(present, shares, -np.inf).max(-1, keepdims=True)
        gaps = np.where(present, largest - shares, np.inf)
        inverse = _largest_inverse_temperature(gaps, n_present) if tau is None else 1 / tau
        relative = np.exp(-inverse * gaps)
        omega = np.maximum(relative / relative.sum(-1, keepdims=True), SMALLEST_PRIORITY)
    weights: Array = np.where(present, omega, 1 / n_present)
    return weights


def _largest_inverse_temperature(gaps: Array, n_present: NDArray[np.int64]) -> Array:
    """Return the largest 1 / tau at which no priority exceeds LARGEST_RATIO times the mean.

    This is the rule of appendix H.1, by bisection.
    """

    def allowed(inverse: Array) -> NDArray[np.bool_]:
        total = np.exp(-inverse * gaps).sum(-1, keepdims=True)
        fits: NDArray[np.bool_] = n_present <= LARGEST_RATIO * total
        return fits

    high = np.full(n_present.shape, 1 / SMALLEST_TAU)
    low = np.where(allowed(high), high, 1e-300)  # not 0, which times an infinite gap is NaN
    for _ in range(50):
        middle = (low + high) / 2
        fits = allowed(middle)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return low
