"""Huber loss: squared near zero, linear beyond."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import torch
from torch import Tensor

from skmtl.base import Curvature, TaskLoss


class Huber(TaskLoss):
    r"""Huber loss of a standardized target, robust to outliers among the labels.

    .. math:: L(r) = \begin{cases} \frac12 r^2 & |r| \le \delta \\
              \delta (|r| - \frac12 \delta) & |r| > \delta \end{cases},
              \qquad r = s - (y - \mu_t) / \sigma_t

    with the mean and standard deviation of the task's training targets [1]_. The prediction is
    :math:`\mu_t + \sigma_t s`. Held-out losses are in squared units of the target.

    Parameters
    ----------
    delta : float, default=1.35
        Absolute residual above which the loss is linear, in standard deviations of the task's
        targets. Larger values approach half the squared error, smaller ones the absolute error.
        The default is that of :class:`sklearn.linear_model.HuberRegressor`, which is 95 % as
        efficient as least squares for normal residuals. There it is in units of the residuals'
        scale. Choose a smaller value if the inputs explain most of the targets' variance.

    See Also
    --------
    SquaredError : Estimates the conditional mean.

    References
    ----------
    .. [1] Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics
       35(1), 1964.

    Examples
    --------
    >>> import torch
    >>> from skmtl.losses import Huber
    >>> Huber(delta=1.0).values(torch.tensor([[[[0.5, 3.0]]]]), torch.zeros(1, 1, 2))
    tensor([[[0.1250, 2.5000]]])
    """

    degree: ClassVar[float] = 2.0

    def __init__(self, delta: float = 1.35):
        self.delta = delta

    def values(self, scores: Tensor, labels: Tensor) -> Tensor:  # noqa: D102
        size = (scores.squeeze(2) - labels).abs()
        near = size.clamp(max=self._checked_delta())
        return near * (size - 0.5 * near)

    def derivative(  # noqa: D102
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor | None = None
    ) -> Tensor:
        delta = self._checked_delta()
        out = torch.empty_like(scores) if out is None else out
        residuals = torch.sub(scores.squeeze(2), labels, out=out.squeeze(2))
        residuals.clamp_(-delta, delta).mul_(weights)
        return out

    def curvature(self, n_scores: int) -> Curvature:  # noqa: D102
        return Curvature(1.0)

    def _checked_delta(self) -> float:
        if not (isinstance(self.delta, Real) and self.delta > 0):
            raise ValueError(f"The 'delta' parameter of Huber must be > 0. Got {self.delta!r}.")
        return float(self.delta)
