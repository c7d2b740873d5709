"""DualProj: the mean gradient, projected so that it conflicts with no task."""

from __future__ import annotations

from torch import Tensor

from skmtl.aggregation.gramians import nan_unless, settled, uniform
from skmtl.aggregation.kinds import GradientWeighting, State
from skmtl.aggregation.upgrad import project_on_dual_cone
from skmtl.base import Signals


class DualProj(GradientWeighting):
    r"""DualProj: the mean task gradient, projected onto the directions that conflict with no task.

    .. math:: w = \arg\min_{v \ge 1/T} v^\top G v

    This is the projection of gradient episodic memory (GEM) with all tasks as constraints. If no
    gradients conflict, it is the mean.

    Notes
    -----
    The quadratic program is solved exactly and without regularization, on gradients scaled to
    length one. The direction therefore conflicts with no task, however short its gradient is.

    References
    ----------
    .. [1] Lopez-Paz and Ranzato, "Gradient episodic memory for continual learning", NeurIPS 2017.

    Examples
    --------
    The mean conflicts with the first gradient, whose weight rises until they are orthogonal:

    >>> import torch
    >>> from skmtl.aggregation import DualProj
    >>> DualProj().weights(torch.tensor([[1.0, -2.0], [-2.0, 9.0]]))
    tensor([1.0000, 0.5000], dtype=torch.float64)
    """

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        gramian, finite = settled(signals.gramian)
        weights = project_on_dual_cone(gramian, uniform(gramian))
        return nan_unless(finite, weights), state
