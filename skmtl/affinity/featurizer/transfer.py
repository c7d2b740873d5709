"""How well a linear model of one task serves another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# For columns of variance 1: from hardly any shrinkage of ten rows to the mean for a hundred
# thousand.
_PENALTIES = np.logspace(-1, 5, 19)


def transfer_tables(
    X: Array, members: list[NDArray[np.intp]], labels: list[Array]
) -> dict[str, Array]:
    """Compare ridge regressions of the tasks, each with the penalty that predicts its left-out rows
    best.

    Parameters
    ----------
    X : ndarray of shape (n, q)
        Rows.
    members : list of T ndarrays of shape (n_t,)
        Rows of every task.
    labels : list of T ndarrays of shape (n_t,)
        Their targets.

    Returns
    -------
    dict of str to ndarray of shape (T, T)
        One table for every name in ``catalogue.TRANSFERS``, rows = target, columns = source; 0
        where a model or the labels do not vary.
    """
    rows, scaled = [X[index] for index in members], [standardised(y) for y in labels]
    coef = np.stack([ridge_coefficients(A, y) for A, y in zip(rows, scaled, strict=True)])
    scores = [A @ coef.T for A in rows]
    transfer = np.stack([correlations(score, y) for score, y in zip(scores, scaled, strict=True)])
    agreement = np.stack([correlations(score, score[:, t]) for t, score in enumerate(scores)])
    lengths = np.linalg.norm(coef, axis=1, keepdims=True)
    directions = np.divide(coef, lengths, out=np.zeros_like(coef), where=lengths > 0)
    return {
        "transfer_to_target": transfer,
        "transfer_to_source": transfer.T,
        "agreement_on_target": agreement,
        "agreement_on_source": agreement.T,
        "coefficient_cosine": directions @ directions.T,
    }


def ridge_coefficients(X: Array, y: Array) -> Array:
    """Coefficients of ridge regression with an intercept, at the penalty with the smallest
    leave-one-out error.
    """
    left, scales, right = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    y = y - y.mean()
    inside = left.T @ y
    best, chosen = np.inf, _PENALTIES[-1]
    for penalty in _PENALTIES[::-1]:
        shrunk = scales**2 / (scales**2 + penalty)
        leverage = (left**2) @ shrunk + 1 / len(y)
        error = float(
            np.mean(((y - left @ (shrunk * inside)) / np.maximum(1 - leverage, 1e-9)) ** 2)
        )
        if error < best:
            best, chosen = error, penalty
    coefficients: Array = right.T @ (scales / (scales**2 + chosen) * inside)
    return coefficients


def standardised(values: Array) -> Array:
    """Values with mean 0 and variance 1; zeros where they do not vary."""
    deviation = values.std()
    return np.zeros(len(values)) if np.ptp(values) == 0 else (values - values.mean()) / deviation


def correlations(columns: Array, y: Array) -> Array:
    """Correlation of every column with y; 0 where one of them does not vary."""
    centred, y = columns - columns.mean(axis=0), y - y.mean()
    lengths = np.linalg.norm(centred, axis=0) * np.linalg.norm(y)
    noise = 1e-12 * np.abs(columns).max(axis=0, initial=0.0) * np.linalg.norm(y) * np.sqrt(len(y))
    found: Array = np.divide(
        centred.T @ y, lengths, out=np.zeros(columns.shape[1]), where=lengths > noise
    )
    return found
