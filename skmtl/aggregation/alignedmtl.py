"""Aligned-MTL: gradients made orthogonal and equally long."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.gramians import nan_unless, rank_tolerance, settled
from skmtl.aggregation.kinds import GradientWeighting, State
from skmtl.aggregation.parameter_checks import checked_choice
from skmtl.base import Signals

SCALES = ("min", "median", "rmse")


class AlignedMTL(GradientWeighting):
    r"""Aligned-MTL: average the nearest gradients that are orthogonal and equally long.

    .. math:: G = V \Lambda V^\top, \qquad w = \sqrt{\lambda} \, V \Lambda^{-1/2} V^\top 1 / T

    over the nonzero eigenvalues; :math:`\lambda` is the smallest of them by default.

    Parameters
    ----------
    scale_mode : {"min", "median", "rmse"}, default="min"
        Choice of :math:`\lambda`: the smallest eigenvalue, the (lower) median, or the mean.

    Notes
    -----
    With "min", the direction shrinks with the gradient of a task that is nearly solved. Eigenvalues
    below the rounding error of the Gramian's dtype count as zero. The result is the mean of the
    aligned gradients; the published code takes the sum, which is T times as long.

    References
    ----------
    .. [1] Senushkin et al., "Independent component alignment for multi-task learning", CVPR 2023.

    Examples
    --------
    The longer gradient is shortened to the length of the other one:

    >>> import torch
    >>> from skmtl.aggregation import AlignedMTL
    >>> AlignedMTL().weights(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
    tensor([0.5000, 0.2500], dtype=torch.float64)
    """

    def __init__(self, scale_mode: str = "min") -> None:
        self.scale_mode = scale_mode

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        checked_choice(self, "scale_mode", self.scale_mode, SCALES)

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        gramian, finite = settled(signals.gramian)
        n_tasks = gramian.shape[-1]
        largest = gramian.diagonal(dim1=-2, dim2=-1).amax(-1)
        usable = largest > 0
        eye = torch.eye(n_tasks, dtype=gramian.dtype, device=gramian.device)
        level = torch.where(usable, largest, 1.0)[..., None, None]
        scaled = torch.where(usable[..., None, None], gramian / level, eye)
        values, vectors = torch.linalg.eigh(scaled)
        kept = values > rank_tolerance(signals.gramian) * values[..., -1:]
        scale = self._scale(values, kept)
        inverse_root = (scale / torch.where(kept, values, 1.0)).sqrt()
        parts = torch.where(kept, inverse_root * vectors.sum(-2), 0.0)
        return nan_unless(finite, (vectors @ parts[..., None])[..., 0] / n_tasks), state

    def _scale(self, values: Tensor, kept: Tensor) -> Tensor:
        rank = kept.sum(-1, keepdim=True)
        if self.scale_mode == "rmse":
            return torch.where(kept, values, 0.0).sum(-1, keepdim=True) / rank
        first = values.shape[-1] - rank  # eigenvalues ascend
        return values.gather(-1, first if self.scale_mode == "min" else first + (rank - 1) // 2)
