"""Checks of Gramians and Jacobians that users pass. Training skips these checks."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from skmtl.data import as_pandas

# Asymmetry and negative eigenvalues below this share of the largest entry count as rounding errors
# (or below the square root of the precision, if that is larger).
ROUNDING = 1e-6


def as_real_tensor(given: Tensor | ArrayLike, owner: str) -> Tensor:
    """Return numbers that a user passed as a detached tensor; missing values become NaN.

    Raises
    ------
    TypeError
        If they are not numbers.
    ValueError
        If they are complex.
    """
    values = as_pandas(given)
    if hasattr(values, "to_numpy"):  # a pandas object, which may return a read-only view
        values = values.to_numpy(copy=True)
    try:
        if isinstance(values, np.ndarray) and values.dtype.kind == "O":
            values = values.astype(np.float64)
        tensor = torch.as_tensor(values).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{owner} needs a tensor or array of numbers: {error}") from None
    if tensor.is_complex():
        raise ValueError(f"Complex data not supported: {owner} got complex numbers.")
    return tensor


def checked_shape(gramian: Tensor | ArrayLike, owner: str) -> Tensor:
    """Return the Gramian, detached; raise ValueError if it is not square."""
    matrix = as_real_tensor(gramian, owner)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] == 0:
        raise ValueError(
            f"{owner} needs a Gramian of shape (..., T, T), the inner products of the T task "
            f"gradients. Got shape {tuple(matrix.shape)}."
        )
    return matrix


def checked_gramian(gramian: Tensor | ArrayLike, owner: str) -> Tensor:
    """Return a Gramian that a user passed, detached and checked.

    Raises ValueError unless it is finite, symmetric and positive semidefinite up to rounding.
    """
    matrix = checked_shape(gramian, owner)
    precision = torch.finfo(matrix.dtype).eps if matrix.is_floating_point() else 0.0
    exact = matrix.to(torch.float64)
    _reject_where(owner, exact, ~exact.isfinite().all(-1).all(-1), "has NaN or infinite entries")
    level = exact.abs().amax((-2, -1))
    scaled = exact / torch.where(level > 0, level, 1.0)[..., None, None]
    tolerance = max(ROUNDING, precision**0.5)
    asymmetry = (scaled - scaled.mT).abs().amax((-2, -1))
    _reject_where(owner, exact, asymmetry > tolerance, "is not symmetric")
    eye = torch.eye(matrix.shape[-1], dtype=torch.float64, device=matrix.device)
    indefinite = torch.linalg.cholesky_ex(scaled + tolerance * eye).info > 0
    _reject_where(owner, exact, indefinite, "has a negative eigenvalue")
    return matrix


def checked_jacobian(jacobian: Tensor | ArrayLike, owner: str) -> Tensor:
    """Return a Jacobian that a user passed, (..., T, P), detached and checked.

    It keeps its floating dtype. Raises ValueError if it has no rows, or entries that are not
    finite.
    """
    matrix = as_real_tensor(jacobian, owner)
    if matrix.ndim < 2 or matrix.shape[-2] == 0:
        raise ValueError(
            f"{owner} needs a Jacobian of shape (..., T, P), one row per task. Got shape "
            f"{tuple(matrix.shape)}."
        )
    if not bool(matrix.isfinite().all()):
        raise ValueError(f"{owner} needs a finite Jacobian. Got one with NaN or infinite entries.")
    return matrix if matrix.is_floating_point() else matrix.to(torch.float64)


def _reject_where(owner: str, matrices: Tensor, wrong: Tensor, what: str) -> None:
    if not bool(wrong.any()):
        return
    where = "" if wrong.ndim == 0 else f" at index {tuple(torch.nonzero(wrong)[0].tolist())}"
    raise ValueError(
        f"{owner} needs inner products of task gradients: finite, symmetric and positive "
        f"semidefinite. The Gramian{where} {what}."
    )
