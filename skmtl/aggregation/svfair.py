"""SVFair: tasks whose gradients deviate from the others get a larger share of the step."""

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

# share of negative cosines above which utility="auto" takes VolDetPro: section 5.5 of the paper
CONFLICT = 0.25
LARGEST_RATIO = (
    2.0  # kappa_max of appendix H.1: the largest priority is at most this many times the mean
)
# where priorities differ less than that at any temperature, "auto" stops here instead of blowing up
# rounding noise
SMALLEST_TAU = 0.1
SMALLEST_PRIORITY = 1e-12  # a priority of 0 would have no solution


class SVFair(EquationWeighting):
    r"""Weights that give every task a gain in proportion to the deviation of its gradient.

    The deviation is from the gradients of the other tasks.

    With the task gradients :math:`g_i`, their Gramian :math:`G` and the Shapley values :math:`\phi`
    of their conflict,

    .. math:: \omega = \operatorname{softmax}(\phi / \tau), \qquad (G \alpha)_i^2 = \omega_i /
        \alpha_i, \qquad
              d = \sum_i \alpha_i g_i.

    The step :math:`d` minimizes :math:`\sum_i \omega_i / \langle g_i, d \rangle` among the steps of
    its length.

    Parameters
    ----------
    utility : {"voldet", "voldetpro", "auto"}, default="voldet"
        What conflict is, see :func:`voldet` and :func:`voldetpro`. "auto" takes VolDetPro where
        more than a quarter of the task pairs have a negative cosine, anew in every call.
    tau : float or "auto", default=1.0
        Temperature: small values favor deviating tasks, large ones make all alike. "auto" takes
        the smallest temperature from 0.1 up at which no task has more than twice the mean priority
        :math:`1 / T`, anew in every call.
    n_permutations : int, default=1000
        Orders drawn where Shapley values have to be sampled: VolDetPro with more than 12 tasks,
        where 100 already bring the error below 1 % of the spread between tasks. VolDet is always
        exact.
    max_norm : float or None, default=1.0
        Length to which a network clips the step of the trunk.
    head_gradient : {"own", "weighted"}, default="own"
        What a network's heads follow: the loss of their task, or that loss times
        :math:`T \alpha_i`.

    See Also
    --------
    shapley_values : The values, without sampling.

    Notes
    -----
    Softmax, equation and heads are those of [1]_, the equation is solved to 1e-10 by Newton's
    method. The paper samples the Shapley values of more than a few tasks; here those of VolDet have
    a closed form. With two tasks both have the same Shapley value, so that all settings give the
    weights of FairGrad(alpha=2) times a constant.

    Appendix H.1 chooses the temperature once, after a warm-up, and leaves its bounds open: "auto"
    follows its rule in every call, with the bounds above.

    A task whose gradient is zero is left out: the others get the direction that they would get
    without it. Its own weight is finite, as if it were orthogonal to the others, of mean priority
    and of their mean norm. Priorities below 1e-12 are raised to that.

    References
    ----------
    .. [1] Wang et al., "From gradient volume to Shapley fairness: towards fair multi-task
       learning", ICLR 2026, algorithm 1.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import SVFair
    >>> jacobian = torch.tensor(
    ...     [[1.0, 0.0, 0.0], [1.0, 0.5, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64
    ... )
    >>> SVFair(tau=0.1).weights(jacobian @ jacobian.T)
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
        """Raise ValueError where a parameter cannot be used."""
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
        # All networks see the same orders, so that none depends on the others: generators of single
        # networks are not used.
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
    """Raise ValueError where a temperature or number of permutations cannot be used."""
    if tau != "auto":
        checked_number(owner, "tau", tau, 0.0, strict=True)
    checked_count(owner, "n_permutations", n_permutations, 1)


def priorities(shares: Array, present: NDArray[np.bool_], tau: float | None) -> Array:
    """Return softmax(shares / tau) over the tasks that have a gradient.

    Tasks without one get 1 / the number of those that have one; tau None = "auto".
    """
    n_present = np.maximum(present.sum(-1, keepdims=True), 1)
    with np.errstate(invalid="ignore"):
        gaps = np.where(
            present, np.where(present, shares, -np.inf).max(-1, keepdims=True) - shares, np.inf
        )
        relative = np.exp(
            -(_largest_inverse_temperature(gaps, n_present) if tau is None else 1 / tau) * gaps
        )
        omega = np.maximum(relative / relative.sum(-1, keepdims=True), SMALLEST_PRIORITY)
    weights: Array = np.where(present, omega, 1 / n_present)
    return weights


def _largest_inverse_temperature(gaps: Array, n_present: NDArray[np.int64]) -> Array:
    """Return the largest 1 / tau at which no priority is too large: appendix H.1, by bisection.

    No priority exceeds LARGEST_RATIO times the mean.
    """

    def allowed(inverse: Array) -> NDArray[np.bool_]:
        fits: NDArray[np.bool_] = n_present <= LARGEST_RATIO * np.exp(-inverse * gaps).sum(
            -1, keepdims=True
        )
        return fits

    high = np.full(n_present.shape, 1 / SMALLEST_TAU)
    low = np.where(allowed(high), high, 1e-300)  # not 0, which times an infinite gap is no number
    for _ in range(50):
        middle = (low + high) / 2
        fits = allowed(middle)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return low
