"""Squared error."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.base import Curvature, TargetCoding, TaskLoss

Array = NDArray[np.float64]

# Targets beyond this have squares, or sums of squares, beyond the range of float64.
_SQUARES_OVERFLOW = 1e150


def mean_squared_error(y: Array, predictions: Array) -> float:
    """Return the mean squared error of predictions; raise where targets make it overflow."""
    with np.errstate(over="ignore"):
        loss = float(np.mean((predictions - y) ** 2))
    if np.isinf(loss) and np.abs(y).max() > _SQUARES_OVERFLOW:  # else the network has diverged
        raise ValueError(
            "The squared errors of held-out rows overflow float64. Scale the targets first."
        )
    return loss


class SquaredError(TaskLoss):
    r"""Squared error of a standardized target.

    .. math:: L(s, z) = (s - z)^2, \qquad z = (y - \mu_t) / \sigma_t

    with the mean and standard deviation of the task's training targets. The prediction, which
    estimates the conditional mean, is :math:`\mu_t + \sigma_t s`. Held-out losses are in squared
    units of the target.

    See Also
    --------
    Huber : Grows linearly, so that outliers count less.

    Examples
    --------
    >>> import torch
    >>> from skmtl.losses import SquaredError
    >>> SquaredError().values(torch.tensor([[[[0.5, 3.0]]]]), torch.zeros(1, 1, 2))
    tensor([[[0.2500, 9.0000]]])
    """

    degree: ClassVar[float] = 2.0

    def values(self, scores: Tensor, labels: Tensor) -> Tensor:  # noqa: D102
        return (scores.squeeze(2) - labels).square_()

    def derivative(  # noqa: D102
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor | None = None
    ) -> Tensor:
        out = torch.empty_like(scores) if out is None else out
        torch.sub(scores.squeeze(2), labels, out=out.squeeze(2)).mul_(weights).mul_(2.0)
        return out

    def sums_and_derivative(  # noqa: D102
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        out = torch.empty_like(scores) if out is None else out
        residuals = scores.squeeze(2) - labels
        weighted = residuals * weights
        torch.mul(weighted, 2.0, out=out.squeeze(2))
        return weighted.mul_(residuals).sum(2), out

    def curvature(self, n_scores: int) -> Curvature:  # noqa: D102
        return Curvature(2.0, constant=True)

    def mean_loss(self, coding: TargetCoding, y: Array, outputs: Array) -> float:  # noqa: D102
        return mean_squared_error(y, outputs)
