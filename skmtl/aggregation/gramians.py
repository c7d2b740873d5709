"""Gramians in double precision: those of diverged networks, relative thresholds, scalings."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Rounding noise of a Gramian, per task and relative to its largest eigenvalue, is a few units in
# the last place of what it was computed in.
NOISE = 16.0


def settled(gramian: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return a float64 copy in which the Gramian of a diverged network is the identity.

    Also returns which Gramians are finite, (...); None = all.
    """
    matrix = gramian.detach().to(torch.float64)
    if math.isfinite(matrix.sum().item()):
        return matrix, None
    finite = matrix.isfinite().all(-1).all(-1)
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return torch.where(finite[..., None, None], matrix, identity), finite


def nan_unless(finite: Tensor | None, values: Tensor) -> Tensor:
    """Return values, NaN for the networks that are not finite."""
    if finite is None:
        return values
    shape = (*finite.shape, *[1] * (values.ndim - finite.ndim))
    return torch.where(finite.reshape(shape), values, torch.nan)


def uniform(gramian: Tensor) -> Tensor:
    """Return weights 1/T, (..., T)."""
    n_tasks = gramian.shape[-1]
    return torch.full(gramian.shape[:-1], 1.0 / n_tasks, dtype=torch.float64, device=gramian.device)


def rank_tolerance(gramian: Tensor) -> float:
    """Share of the largest eigenvalue below which eigenvalues are rounding noise of the dtype."""
    dtype = gramian.dtype
    precision = torch.finfo(dtype if dtype.is_floating_point else torch.float64).eps
    return NOISE * gramian.shape[-1] * precision


def squared_norms(gramian: Tensor) -> Tensor:
    """Return the squared norms of the task gradients, (..., T); rounding below zero is cut off."""
    return gramian.diagonal(dim1=-2, dim2=-1).clamp(min=0.0)


def unit_diagonal(gramian: Tensor) -> tuple[Tensor, Tensor]:
    """Split a Gramian into the cosines of its gradients, (..., T, T), and their norms, (..., T).

    A zero gradient is treated as if it were orthogonal to the others and of their mean norm (1
    where all are zero): it takes no part in a direction, and its weight stays finite.
    """
    cosines, norms = cosines_and_norms(gramian.cpu().numpy())
    return torch.as_tensor(cosines, device=gramian.device), torch.as_tensor(
        norms, device=gramian.device
    )


def cosines_and_norms(
    gramian: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Do what `unit_diagonal` does, for an array.

    Calls of numpy cost a fraction of those of torch where matrices are small.
    """
    diagonal = np.arange(gramian.shape[-1])
    squares = gramian[..., diagonal, diagonal]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        norms = np.sqrt(np.maximum(squares, 0.0))
        present = norms > 0
        if not present.all():
            count = present.sum(-1, keepdims=True)
            norms = np.where(
                present,
                norms,
                np.where(count > 0, norms.sum(-1, keepdims=True) / np.maximum(count, 1), 1.0),
            )
        cosines = gramian / norms[..., :, None] / norms[..., None, :]
    if not present.all():
        cosines *= present[..., :, None] & present[..., None, :]
    np.clip(cosines, -1.0, 1.0, out=cosines)
    cosines[..., diagonal, diagonal] = 1.0
    return cosines, norms
