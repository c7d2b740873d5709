"""Ridge regression with one penalty per block of columns, by restricted maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MAX_ROUNDS, _TOLERANCE = 200, 1e-3
# Fractions of the variance: a block that explains less than the first is ignored; the noise is at
# least the second.
_NEGLIGIBLE, _LEAST_NOISE = 1e-6, 1e-6


@dataclass(frozen=True)
class Components:
    """Coefficients as random effects.

    Attributes
    ----------
    coef : ndarray of shape (p,)
        Expected coefficients given the data.
    covariance : ndarray of shape (p, p)
        Their covariance given the data.
    variances : ndarray of shape (p,)
        Prior variance of each coefficient, the same within a block.
    noise : float
        Residual variance of a row of weight 1.
    """

    coef: Array
    covariance: Array
    variances: Array
    noise: float


# The variance of a block without information may diverge; an overflow is harmless there.
@np.errstate(over="ignore", invalid="ignore")
def fit_components(design: Array, target: Array, blocks: NDArray[np.intp]) -> Components:
    r"""Estimate the coefficients, their variance per block, and the noise variance.

    .. math::

        y = \sum_b Z_b u_b + e, \qquad u_b \sim N(0, \sigma_b^2 I), \qquad e \sim N(0, \sigma^2 I)

    The restricted likelihood is maximized by MacKay's fixed-point iteration [1]_: a block of p
    columns has :math:`\gamma_b = p - \operatorname{tr} \operatorname{Cov}(u_b \mid y) /
    \sigma_b^2` effective coefficients, and

    .. math::

        \sigma_b^2 \leftarrow \lVert \hat u_b \rVert^2 / \gamma_b, \qquad
        \sigma^2 \leftarrow \lVert y - Z \hat u \rVert^2 / \left(n - 1 - \sum_b \gamma_b\right)

    Parameters
    ----------
    design : ndarray of shape (n, p)
        Centered columns; rows multiplied by the square root of their weight.
    target : ndarray of shape (n,)
        Centered target, multiplied by the same factors.
    blocks : ndarray of shape (p,)
        Block of each column, 0 to B - 1.

    Returns
    -------
    Components
        Coefficients and variances; all zero if the target is constant.

    References
    ----------
    .. [1] D. J. C. MacKay, "Bayesian interpolation", Neural Computation 4, 1992.
    """
    n_rows, n_columns = design.shape
    gram, products, total = design.T @ design, design.T @ target, float(target @ target)
    if total == 0 or n_columns == 0:
        return Components(
            np.zeros(n_columns), np.zeros((n_columns, n_columns)), np.zeros(n_columns), 0.0
        )
    mean_square = total / n_rows
    counts = np.bincount(blocks).astype(np.float64)
    # Variance of a row's sum where coefficients have variance 1; a block of zeros has the least by
    # which the mean square can be divided.
    least_size = np.finfo(np.float64).tiny * max(1.0, mean_square)
    size = np.maximum(np.bincount(blocks, gram.diagonal()) / n_rows, least_size)
    least = 1e-3 * _NEGLIGIBLE * mean_square / size
    variances, noise = 0.3 * mean_square / len(counts) / size, 0.7 * mean_square
    for _ in range(_MAX_ROUNDS):
        coef, covariance = _posterior(gram, products, variances[blocks], noise)
        effective = np.maximum(
            counts - np.bincount(blocks, covariance.diagonal()) / variances, 1e-9
        )
        new = np.clip(
            np.bincount(blocks, coef**2) / effective,
            np.maximum(variances / 10, least),
            np.minimum(variances, np.finfo(np.float64).max / 10) * 10,
        )
        squares = total - 2 * coef @ products + coef @ gram @ coef
        free = max(n_rows - 1 - effective.sum(), 1e-3 * n_rows)
        noise = float(np.clip(squares / free, _LEAST_NOISE * mean_square, mean_square))
        matters = new * size > _NEGLIGIBLE * mean_square
        change = np.abs(np.log(new / variances))[matters]
        variances = new
        if change.max(initial=0.0) < _TOLERANCE:
            break
    coef, covariance = _posterior(gram, products, variances[blocks], noise)
    return Components(coef, covariance, variances[blocks], noise)


def _posterior(gram: Array, products: Array, variances: Array, noise: float) -> tuple[Array, Array]:
    """Return the posterior mean and covariance, computed in units of the prior deviations."""
    deviation = np.sqrt(variances)
    precision = deviation[:, None] * gram * (deviation / noise)
    precision[np.diag_indices(len(gram))] += 1.0
    covariance: Array = deviation[:, None] * np.linalg.inv(precision) * deviation
    return covariance @ products / noise, covariance


def column_blocks(linear: Array, degrees: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the block of every column: monomials by degree, then linear columns.

    Parameters
    ----------
    linear : ndarray of shape (n, q)
        Linear columns. Adjacent 0/1 columns that sum to one in each row, such as indicators of the
        target, are one block. The remaining 0/1 columns are one block, and all other columns are
        one block.
    degrees : ndarray of shape (k,)
        Degree of each monomial.

    Returns
    -------
    ndarray of shape (k + q,)
        Block of each column, numbered consecutively from 0.
    """
    labels: list[tuple[str, int]] = [("degree", int(degree)) for degree in degrees]
    indicator = ((linear == 0) | (linear == 1)).all(axis=0)
    closed, covered = 0, np.zeros(len(linear))
    for column, is_indicator in zip(linear.T, indicator, strict=True):
        if not is_indicator:
            labels.append(("linear", 0))
            continue
        labels.append(("indicators", closed))
        covered += column
        if (covered == 1).all():
            closed, covered = closed + 1, np.zeros(len(linear))
    found = list(dict.fromkeys(labels))
    return np.array([found.index(label) for label in labels], dtype=np.intp)
