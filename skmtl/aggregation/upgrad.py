"""UPGrad: mean of the task gradients, each projected so that it conflicts with no task."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.gramians import nan_unless, settled, unit_diagonal
from skmtl.aggregation.kinds import GradientWeighting, State
from skmtl.aggregation.nonnegative import nonnegative_minimum
from skmtl.base import Signals


class UPGrad(GradientWeighting):
    r"""UPGrad: mean of the task gradients, each projected so that it conflicts with no task.

    .. math:: w = \frac1T \sum_{i=1}^T v_i, \qquad v_i = \arg\min_{v \ge e_i} v^\top G v

    The gradients are projected onto their dual cone, which contains the directions along which no
    loss rises. The cone is convex, so their mean is one of these directions, too. If no gradients
    conflict, it is the mean of the gradients.

    Notes
    -----
    The T quadratic programs are solved exactly and without regularization, on gradients scaled to
    length one. The direction therefore conflicts with no task, however short its gradient is. The
    published code of [1]_ divides the Gramian by its trace and adds 1e-4 to the diagonal, and takes
    the mean if the trace is below 1e-4.

    References
    ----------
    .. [1] Quinton and Rey, "Jacobian descent for multi-objective optimization", 2024.

    Examples
    --------
    Each of two conflicting gradients is projected onto the directions orthogonal to the other:

    >>> import torch
    >>> from skmtl.aggregation import UPGrad
    >>> UPGrad().weights(torch.tensor([[1.0, -0.5], [-0.5, 1.0]]))
    tensor([0.7500, 0.7500], dtype=torch.float64)
    """

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        gramian, finite = settled(signals.gramian)
        n_tasks = gramian.shape[-1]
        units = torch.eye(n_tasks, dtype=gramian.dtype, device=gramian.device).expand(gramian.shape)
        weights = project_on_dual_cone(gramian[..., None, :, :], units).mean(-2)
        return nan_unless(finite, weights), state


def project_on_dual_cone(gramian: Tensor, preferences: Tensor) -> Tensor:
    """Return the weights v >= u, (..., T), of the projection of J'u onto {d : J d >= 0}.

    The preferences u >= 0 have shape (..., T).
    """
    cosines, norms = unit_diagonal(gramian)
    wanted = preferences * norms
    linear = -(cosines @ wanted[..., None])[..., 0]
    return preferences + nonnegative_minimum(cosines, linear) / norms
