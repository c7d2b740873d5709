"""Choice of the penalty of a ridge regression by leave-one-block-out cross-validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Array = NDArray[np.float64]

ALPHAS = np.logspace(
    -2, 6, 33
)  # for weights whose mean is one; the last one predicts hardly more than the mean
LINEAR_SCALES = (1.0, 3.0, 10.0, 30.0, 100.0)


def choose_penalty(
    polynomial: Array, linear: Array, target: Array, weight: Array, blocks: NDArray[np.intp]
) -> tuple[float, float]:
    """Return the penalty and the scale of the linear columns with the smallest error."""
    alphas = (
        ALPHAS[::-1] * weight.mean()
    )  # from strong to weak, so that ties go to the smoother model
    if blocks.min() == blocks.max():
        return float(alphas[len(alphas) // 2]), 1.0
    scales = LINEAR_SCALES if polynomial.shape[1] and linear.shape[1] else (1.0,)
    members = _blocks_by_size(blocks)
    best = (np.inf, float(alphas[0]), 1.0)
    for scale, (basis, shrunk) in zip(
        scales, _hat_factors(polynomial, linear, scales, alphas), strict=True
    ):
        errors = _left_out_errors(basis, shrunk, target, np.sqrt(weight), members)
        k = int(np.argmin(errors))
        if errors[k] < best[0]:
            best = (float(errors[k]), float(alphas[k]), scale)
    return best[1], best[2]


def _blocks_by_size(blocks: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the row positions of the blocks, one array of shape (n_blocks, size) per size."""
    order = np.argsort(blocks, kind="stable")
    sizes = np.bincount(blocks)
    sizes = sizes[sizes > 0]
    starts = np.cumsum(sizes) - sizes
    return [order[starts[sizes == size][:, None] + np.arange(size)] for size in np.unique(sizes)]


def _hat_factors(
    polynomial: Array, linear: Array, scales: Sequence[float], alphas: Array
) -> Iterator[tuple[Array, Array]]:
    """Return Z and D per scale: Z diag(D[k]) Z' is the hat matrix at the k-th penalty."""
    n_rows, n_monomials, n_terms = (
        len(polynomial),
        polynomial.shape[1],
        polynomial.shape[1] + linear.shape[1],
    )
    if n_rows < n_terms:
        kernel, linear_kernel = polynomial @ polynomial.T, linear @ linear.T
        for scale in scales:
            values, vectors = scipy.linalg.eigh(
                kernel + scale**2 * linear_kernel, check_finite=False, driver="evd"
            )
            values = values.clip(min=0)
            yield vectors * np.sqrt(values), 1.0 / (values + alphas[:, None])
    else:
        design = np.hstack([polynomial, linear])
        gram = design.T @ design
        for scale in scales:
            factor = np.repeat([1.0, scale], [n_monomials, n_terms - n_monomials])
            values, vectors = scipy.linalg.eigh(
                factor[:, None] * gram * factor, check_finite=False, driver="evd"
            )
            yield design @ (factor[:, None] * vectors), 1.0 / (values.clip(min=0) + alphas[:, None])


def _left_out_errors(
    basis: Array, shrunk: Array, target: Array, root: Array, members: list[NDArray[np.intp]]
) -> Array:
    """Return the sum of squared errors on left-out blocks for each penalty.

    The errors of a block B are e = (I - H_BB)^-1 r_B, where the hat matrix H includes the
    intercept.
    """
    mean_direction = root / np.linalg.norm(root)
    residuals = target - (shrunk * (basis.T @ target)) @ basis.T
    errors = np.zeros(len(shrunk))
    for rows in members:
        size = rows.shape[1]
        remaining = np.empty((len(shrunk), *rows.shape, size))
        for i in range(size):
            for j in range(i, size):
                hat = (
                    shrunk @ (basis[rows[:, i]] * basis[rows[:, j]]).T
                    + mean_direction[rows[:, i]] * mean_direction[rows[:, j]]
                )
                remaining[:, :, i, j] = remaining[:, :, j, i] = float(i == j) - hat
        left_out = _solve_small(remaining, residuals[:, rows])
        errors += np.einsum("abk,abk->a", left_out, left_out)
    return errors


def _solve_small(matrices: Array, vectors: Array) -> Array:
    """Solve many small linear systems, those of sizes one and two in closed form."""
    if matrices.shape[-1] == 1:
        return np.asarray(vectors / matrices[..., 0])
    if matrices.shape[-1] == 2:
        (a, b), (_, d) = np.moveaxis(matrices, (-2, -1), (0, 1))
        x, y = np.moveaxis(vectors, -1, 0)
        return np.asarray(
            np.stack([d * x - b * y, a * y - b * x], axis=-1) / (a * d - b * b)[..., None]
        )
    return np.asarray(np.linalg.solve(matrices, vectors[..., None])[..., 0])
