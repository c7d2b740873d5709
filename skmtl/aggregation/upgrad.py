"""UPGrad: unconflicting projection of gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.gramians import nan_unless, settled, unit_diagonal
from skmtl.aggregation.kinds import GradientWeighting, State
from skmtl.aggregation.nonnegative import nonnegative_minimum
from skmtl.base import Signals


class UPGrad(GradientWeighting):
    r"""Average the projections of the task gradients onto directions that harm no task.

    A direction harms a task if it conflicts with the gradient of the task.

    .. math:: w = \frac1T \sum_{i=1}^T v_i, \qquad v_i = \arg\min_{v \ge e_i} v^\top G v

    The directions along which no loss rises form the dual cone of the gradients; so does every
    average of them. Where nothing conflicts, it is the mean.

    Notes
    -----
    The T quadratic programs are solved exactly and without regularization, on gradients scaled to
    length one, so that the direction conflicts with no task however short its gradient is. The
    published code adds 1e-4 to the diagonal of the Gramian, divided by its trace, and takes the
    mean where the trace is below 1e-4.

    References
    ----------
    .. [1] Quinton and Rey, "Jacobian descent for multi-objective optimization", 2024.

    Examples
    --------
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

    Preferences u are >= 0 and have shape (..., T).
    """
    cosines, norms = unit_diagonal(gramian)
    wanted = preferences * norms
    linear = -(cosines @ wanted[..., None])[..., 0]
    return preferences + nonnegative_minimum(cosines, linear) / norms
