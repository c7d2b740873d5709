"""What all methods share: checked inputs in double precision, relative thresholds, scalings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Generators = torch.Generator | Sequence[torch.Generator] | None

# Rounding noise of a Gramian, per task and relative to its largest eigenvalue, is a few units in
# the last place of what it was computed in.
NOISE = 16.0


def checked_gramian(gramian: Any, owner: str) -> Tensor:
    """Return the Gramian detached and in float64, (..., T, T); raise ValueError where it is not
    square.
    """
    matrix = torch.as_tensor(gramian).detach()
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] == 0:
        raise ValueError(
            f"{owner} needs a Gramian of shape (..., T, T), inner products of the T task "
            f"gradients. Got shape {tuple(matrix.shape)}."
        )
    return matrix.to(torch.float64)


def checked_jacobian(jacobian: Any, owner: str) -> Tensor:
    """Return the Jacobian detached, (..., T, P), in the floating dtype it has; raise ValueError
    where it has no rows.
    """
    matrix = torch.as_tensor(jacobian).detach()
    if matrix.ndim < 2 or matrix.shape[-2] == 0:
        raise ValueError(
            f"{owner} needs a Jacobian of shape (..., T, P), one row a task. Got shape "
            f"{tuple(matrix.shape)}."
        )
    return matrix if matrix.is_floating_point() else matrix.to(torch.float64)


def rank_tolerance(gramian: Any) -> float:
    """Eigenvalues below this share of the largest one are rounding noise of the dtype that the
    Gramian comes in.
    """
    dtype = torch.as_tensor(gramian).dtype
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
    """Do what `unit_diagonal` says for an array: numpy's calls cost a fraction of torch's where
    matrices are small.
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


def draws(
    shape: tuple[int, ...],
    generator: torch.Generator | Sequence[torch.Generator],
    like: Tensor,
    *,
    normal: bool,
) -> Tensor:
    """Draw standard normal or uniform numbers, members first: from one generator, or each member's
    from its own.
    """
    draw = torch.randn if normal else torch.rand
    if isinstance(generator, torch.Generator):
        return draw(shape, generator=generator, device=generator.device, dtype=torch.float64).to(
            like.device
        )
    if len(generator) != shape[0]:
        raise ValueError(
            f"generator must be one torch.Generator, or one for each of the {shape[0]} members. "
            f"Got {len(generator)}."
        )
    return torch.stack(
        [
            draw(shape[1:], generator=own, device=own.device, dtype=torch.float64).to(like.device)
            for own in generator
        ]
    )
