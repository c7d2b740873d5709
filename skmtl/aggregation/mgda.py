"""MGDA: the shortest convex combination of the task gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.gramians import nan_unless, settled, squared_norms, unit_diagonal
from skmtl.aggregation.kinds import GradientWeighting, State
from skmtl.aggregation.nonnegative import nonnegative_minimum
from skmtl.base import Signals


class MGDA(GradientWeighting):
    r"""Multiple-gradient descent (MGDA): the shortest convex combination of the task gradients.

    .. math:: \min_{w \ge 0,\ \sum_i w_i = 1} w^\top G w

    The direction has the same inner product with every gradient whose weight is positive, and a
    larger one with all others, so that no task's loss rises. It is zero exactly at a
    Pareto-stationary point.

    Notes
    -----
    The quadratic program is solved exactly. A fixed number of Frank-Wolfe steps does not suffice:
    if gradients differ in length by two orders of magnitude, 100 steps end far from the minimum, in
    a direction that conflicts with some tasks. By definition, the shortest gradients determine the
    direction: it shrinks with the gradient of a task that is nearly solved, and a task whose
    gradient is zero gets all the weight. If several weights give the same direction (repeated
    gradients), one of them is returned.

    References
    ----------
    .. [1] Désidéri, "Multiple-gradient descent algorithm (MGDA) for multiobjective optimization",
       Comptes Rendus Mathématique, 2012.
    .. [2] Sener and Koltun, "Multi-task learning as multi-objective optimization", NeurIPS 2018.

    Examples
    --------
    The shorter gradient gets the larger weight:

    >>> import torch
    >>> from skmtl.aggregation import MGDA
    >>> MGDA().weights(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
    tensor([0.8000, 0.2000], dtype=torch.float64)
    """

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        gramian, finite = settled(signals.gramian)
        return nan_unless(finite, shortest_average(gramian)), state


def shortest_average(gramian: Tensor) -> Tensor:
    """Return the weights of the shortest convex combination, (..., T), for a float64 Gramian.

    Let m be the smallest squared norm of a gradient. Then ``z = argmin z' (G + m 1 1') z / 2 - m 1'
    z`` over z >= 0 is a multiple of the weights, whether or not the combination is zero. Gradients
    are scaled to length one first.
    """
    squares = squared_norms(gramian)
    zero = squares <= 0
    cosines, norms = unit_diagonal(gramian)
    inverse = norms.amin(-1, keepdim=True) / norms
    z = nonnegative_minimum(cosines + inverse[..., :, None] * inverse[..., None, :], inverse)
    weights = z / norms
    weights = torch.where(zero.any(-1, keepdim=True), zero.to(weights.dtype), weights)
    return weights / weights.sum(-1, keepdim=True)
