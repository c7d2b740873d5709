"""SVFair: tasks whose gradients deviate from the others get a larger share of the step."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.aggregation.kinds import checked_number, solve_finite
from skmtl.aggregation.newton import EquationWeighting
from skmtl.aggregation.shapley import UTILITIES, shapley_values, volume_shares
from skmtl.aggregation.voldet import negative_cosine_fraction
from skmtl.base import GradientUse

Array = NDArray[np.float64]

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
    r"""Weights that give every task a gain in proportion to how far its gradient deviates from the
    others.

    With the task gradients :math:`g_i`, their Gramian :math:`G` and the Shapley values :math:`\phi`
    of their conflict,

    .. math:: \omega = \operatorname{softmax}(\phi / \tau), \qquad (G \alpha)_i^2 = \omega_i /
        \alpha_i, \qquad
              d = \sum_i \alpha_i g_i.

    The step :math:`d` minimises :math:`\sum_i \omega_i / \langle g_i, d \rangle` among the steps of
    its length.

    Parameters
    ----------
    utility : {"voldet", "voldetpro", "auto"}, default="voldet"
        What conflict is, see :func:`voldet` and :func:`voldetpro`. "auto" takes VolDetPro where
        more than a quarter of the task pairs have a negative cosine, anew in every call.
    tau : float or "auto", default=1.0
        Temperature: small values favour deviating tasks, large ones make all alike. "auto" takes
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

    def weights(self, gramian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Weigh the task gradients by their inner products.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients; leading axes are fleet members. Never changed.
        generator : torch.Generator, default=None
            Where orders are drawn from if Shapley values have to be sampled; None draws the same
            orders in every call. All leading axes see the same orders.

        Returns
        -------
        Tensor of shape (..., T)
            One positive weight a task, float64; NaN for a member whose Gramian is not finite.
        """
        return solve_finite(self, gramian, **self._options(gramian, generator=generator))

    def use(self) -> GradientUse:
        """Return how a network takes and applies the gradients.

        Returns
        -------
        GradientUse
            Times T, then clipped to `max_norm`.
        """
        if self.head_gradient not in ("own", "weighted"):
            raise ValueError(
                "The 'head_gradient' parameter of SVFair must be 'own' or 'weighted'. Got "
                f"{self.head_gradient!r} instead."
            )
        max_norm = (
            None
            if self.max_norm is None
            else checked_number(self, "max_norm", self.max_norm, 0, strict=True)
        )
        return GradientUse(max_norm=max_norm, head_gradient=self.head_gradient, times_tasks=True)

    def _options(self, gramian: Tensor, **options: Any) -> dict[str, Any]:
        generator = options.get("generator")
        return {"random_state": 0 if generator is None else generator}

    def _equation(
        self, cosines: Array, norms: Array, gramian: Tensor, **options: Any
    ) -> tuple[Array, float]:
        if self.utility not in (*UTILITIES, "auto"):
            raise ValueError(
                f"The 'utility' parameter of SVFair must be one of {(*UTILITIES, 'auto')}. Got "
                f"{self.utility!r} instead."
            )
        tau = None if self.tau == "auto" else checked_number(self, "tau", self.tau, 0, strict=True)
        present = np.diagonal(gramian.cpu().numpy(), axis1=-2, axis2=-1) > 0
        if self.utility == "voldet":
            shares = np.where(present, volume_shares(cosines, present), 0.0)
        else:
            shares = self._shapley_values(gramian, options["random_state"]).cpu().numpy()
        return priorities(shares, present, tau), 2.0

    def _shapley_values(self, gramian: Tensor, random_state: int | torch.Generator) -> Tensor:
        if self.utility != "auto":
            return shapley_values(
                gramian, self.utility, n_permutations=self.n_permutations, random_state=random_state
            )
        shares = shapley_values(gramian)
        in_conflict = negative_cosine_fraction(gramian) > CONFLICT
        if in_conflict.any():
            shares[in_conflict] = shapley_values(
                gramian[in_conflict],
                "voldetpro",
                n_permutations=self.n_permutations,
                random_state=random_state,
            )
        return shares


def priorities(shares: Array, present: NDArray[np.bool_], tau: float | None) -> Array:
    """Return softmax(shares / tau) over the tasks that have a gradient, and 1 / their number for
    those that have none; None = "auto".
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
    """Return the largest 1 / tau at which no priority exceeds LARGEST_RATIO times the mean:
    appendix H.1, by bisection.
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
