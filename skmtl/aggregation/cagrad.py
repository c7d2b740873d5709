"""CAGrad: conflict-averse gradient descent."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.gramians import nan_unless, settled, squared_norms, uniform
from skmtl.aggregation.kinds import GradientWeighting, State
from skmtl.aggregation.mgda import shortest_average
from skmtl.aggregation.parameter_checks import checked_number
from skmtl.base import Signals


class CAGrad(GradientWeighting):
    r"""CAGrad: the direction near the mean gradient that improves the worst-off task most.

    .. math:: \max_d \min_i \langle g_i, d \rangle \quad\text{s.t. } \|d - g_0\| \le c \|g_0\|,
        \qquad g_0 = \frac1T \sum_i g_i

    Parameters
    ----------
    c : float, default=0.5
        Radius of the search, relative to the length of the mean gradient. 0 gives the mean; with 1
        or more, no task's loss rises. The paper uses 0.4 and 0.5.

    Notes
    -----
    The dual problem, :math:`\min_w \langle g_w, g_0 \rangle + c \|g_0\| \|g_w\|` over convex
    combinations :math:`g_w` of the gradients, is solved exactly. Let
    :math:`\kappa = \|g_w\| / (c \|g_0\|)` at its solution. The solution is the shortest convex
    combination of the shifted gradients :math:`g_i + \kappa g_0` (the problem of `MGDA`), and the
    direction is that combination divided by :math:`\kappa`. A bracketed secant method finds
    :math:`\kappa`. The direction is not rescaled by :math:`1 + c^2`, as in some implementations.

    References
    ----------
    .. [1] Liu et al., "Conflict-averse gradient descent for multi-task learning", NeurIPS 2021.

    Examples
    --------
    A larger radius gives the task with the short gradient a larger weight:

    >>> import torch
    >>> from skmtl.aggregation import CAGrad
    >>> gramian = torch.tensor([[1.0, 0.0], [0.0, 4.0]])
    >>> CAGrad(c=0.0).weights(gramian)
    tensor([0.5000, 0.5000], dtype=torch.float64)
    >>> CAGrad(c=0.5).weights(gramian)
    tensor([1.0590, 0.5000], dtype=torch.float64)
    """

    def __init__(self, c: float = 0.5) -> None:
        self.c = c

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        checked_number(self, "c", self.c, 0.0)

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        gramian, finite = settled(signals.gramian)
        return nan_unless(finite, conflict_averse(gramian, float(self.c))), state


# Lengths below this share of the longest gradient are rounding errors.
RESOLUTION = 1e-7


def conflict_averse(gramian: Tensor, c: float) -> Tensor:
    """Return the weights, (..., T), of the best direction within c times the mean gradient."""
    equal = uniform(gramian)
    largest = squared_norms(gramian).amax(-1)
    level = torch.where(largest > 0, largest, 1.0)
    products = gramian.mean(-1) / level[..., None]
    radius = c * products.mean(-1).clamp(min=0.0).sqrt()
    if not bool((radius > 0).any()):
        return equal
    kappa, weights = _shift(
        gramian / level[..., None, None], products, torch.where(radius > 0, radius, 1.0)
    )
    return torch.where(
        (radius > RESOLUTION * c)[..., None], equal + weights / kappa[..., None], equal
    )


def _shift(gramian: Tensor, products: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """Return the shift kappa, (...), of the gradients, and the weights of their shortest average.

    At kappa, the shortest average g_w of the gradients shifted by kappa g_0 has the length kappa
    times the radius.
    """
    high = -radius.log()  # no average is longer than the longest gradient, which has length 1 here
    low = high + torch.log(torch.full_like(high, RESOLUTION))
    above, _ = _excess(gramian, products, radius, low)
    below, weights = _excess(gramian, products, radius, high)
    found, side, done = low, torch.zeros_like(high), torch.zeros_like(high, dtype=torch.bool)
    for _ in range(80):
        secant = high - below * (high - low) / torch.where(below == above, 1.0, below - above)
        point = torch.where((secant > low) & (secant < high), secant, 0.5 * (low + high))
        # Pareto-stationary: the direction is short, and lies inside the ball.
        point = torch.where(above <= 0, low, point)
        value, trial = _excess(gramian, products, radius, point)
        found = torch.where(done, found, point)
        weights = torch.where(done[..., None], weights, trial)
        done = (
            done
            | (value.abs() < 1e-10)
            | (high - low < 1e-14 * high.abs().clamp(min=1.0))
            | (above <= 0)
        )
        if bool(done.all()):
            break
        # Illinois method: the value at an end that stays a second time is halved, so that both
        # ends move.
        previous, side = side, value.sign()
        halved = torch.where(side == previous, 0.5, 1.0)
        up = value > 0
        above = torch.where(up, value, halved * above)
        below = torch.where(up, halved * below, value)
        low, high = torch.where(up, point, low), torch.where(up, high, point)
    return found.exp(), weights


def _excess(
    gramian: Tensor, products: Tensor, radius: Tensor, log_kappa: Tensor
) -> tuple[Tensor, Tensor]:
    """Return log(|g_w| / (kappa radius)), which decreases in kappa, and w."""
    kappa = log_kappa.exp()[..., None]
    shift = kappa * products
    shifted = (
        gramian
        + shift[..., :, None]
        + shift[..., None, :]
        + (kappa**2 * products.mean(-1, keepdim=True))[..., None]
    )
    weights = shortest_average(shifted)
    squared_length = (weights * (gramian @ weights[..., None])[..., 0]).sum(-1)
    length = squared_length.clamp(min=RESOLUTION**4).sqrt()
    return length.log() - log_kappa - radius.log(), weights
