"""Gramians in float64: diverged networks, relative tolerances, and scaling to unit diagonal."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Rounding error of a Gramian, per task and relative to its largest eigenvalue, in units of the
# machine precision of the dtype in which it was computed.
NOISE = 16.0


def settled(gramian: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return a float64 copy with the identity in place of the Gramians of diverged networks.

    Also returns which Gramians are finite, (...); None = all.
    """
    matrix = gramian.detach().to(torch.float64)
    if math.isfinite(matrix.sum().item()):
        return matrix, None
    finite = matrix.isfinite().all(-1).all(-1)
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return torch.where(finite[..., None, None], matrix, identity), finite


def nan_unless(finite: Tensor | None, values: Tensor) -> Tensor:
    """Return the values, with NaN for networks whose Gramian is not finite."""
    if finite is None:
        return values
    shape = (*finite.shape, *[1] * (values.ndim - finite.ndim))
    return torch.where(finite.reshape(shape), values, torch.nan)


def uniform(gramian: Tensor) -> Tensor:
    """Return equal weights 1/T, (..., T)."""
    n_tasks = gramian.shape[-1]
    return torch.full(gramian.shape[:-1], 1.0 / n_tasks, dtype=torch.float64, device=gramian.device)


def rank_tolerance(gramian: Tensor) -> float:
    """Return the share of the largest eigenvalue below which eigenvalues are rounding errors."""
    dtype = gramian.dtype
    precision = torch.finfo(dtype if dtype.is_floating_point else torch.float64).eps
    return NOISE * gramian.shape[-1] * precision


def squared_norms(gramian: Tensor) -> Tensor:
    """Return the squared norms of the task gradients, (..., T), clipped at zero."""
    return gramian.diagonal(dim1=-2, dim2=-1).clamp(min=0.0)


def unit_diagonal(gramian: Tensor) -> tuple[Tensor, Tensor]:
    """Split a Gramian into the cosines of its gradients, (..., T, T), and their norms, (..., T).

    A zero gradient counts as orthogonal to the others with their mean norm (1 if all are zero): it
    does not change the direction, and its weight is finite.
    """
    cosines, norms = cosines_and_norms(gramian.cpu().numpy())
    device = gramian.device
    return torch.as_tensor(cosines, device=device), torch.as_tensor(norms, device=device)


def cosines_and_norms(
    gramian: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Do what `unit_diagonal` does, for a numpy array.

    For small matrices, numpy calls cost a fraction of torch calls.
    """
    diagonal = np.arange(gramian.shape[-1])
    squares = gramian[..., diagonal, diagonal]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        norms = np.sqrt(np.maximum(squares, 0.0))
        present = norms > 0
        if not present.all():
            count = present.sum(-1, keepdims=True)
            mean = norms.sum(-1, keepdims=True) / np.maximum(count, 1)
            norms = np.where(present, norms, np.where(count > 0, mean, 1.0))
        cosines = gramian / norms[..., :, None] / norms[..., None, :]
    if not present.all():
        cosines *= present[..., :, None] & present[..., None, :]
    np.clip(cosines, -1.0, 1.0, out=cosines)
    cosines[..., diagonal, diagonal] = 1.0
    return cosines, norms
