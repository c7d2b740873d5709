"""Transfer features: agreement of a task's ridge regression with another task."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skmtl.affinity.featurizer.components import cosine_similarities

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# Penalties for columns of variance 1: from almost no shrinkage of ten rows to full shrinkage of a
# hundred thousand rows.
_PENALTIES = np.logspace(-1, 5, 19)


def ridge_models(rows: list[Array], labels: list[Array]) -> Array:
    """Fit a ridge regression of each task's standardized labels on its rows, (T, q)."""
    return np.stack([ridge_coefficients(A, y) for A, y in zip(rows, labels, strict=True)])


def transfer_features(
    coef: Array, rows: list[Array], labels: list[Array], targets: Index, sources: Index
) -> dict[str, Array]:
    """Compare ridge regressions of the tasks of pairs.

    Parameters
    ----------
    coef : ndarray of shape (T, q)
        Coefficients of every task.
    rows : list of T ndarrays of shape (n_t, q)
        Rows of every task.
    labels : list of T ndarrays of shape (n_t,)
        Their standardized labels.
    targets, sources : ndarray of shape (m,)
        Pairs of tasks.

    Returns
    -------
    dict of str to ndarray of shape (m,)
        One entry for every name in ``catalogue.TRANSFERS``; 0 where a model or the labels do not
        vary.
    """
    on_target = _on_own_rows(coef, rows, labels, targets, sources)
    on_source = _on_own_rows(coef, rows, labels, sources, targets)
    lengths = np.linalg.norm(coef, axis=1, keepdims=True)
    directions = np.divide(coef, lengths, out=np.zeros_like(coef), where=lengths > 0)
    return {
        "transfer_to_target": on_target[0],
        "transfer_to_source": on_source[0],
        "agreement_on_target": on_target[1],
        "agreement_on_source": on_source[1],
        "coefficient_cosine": cosine_similarities(directions, targets, sources),
    }


def _on_own_rows(
    coef: Array, rows: list[Array], labels: list[Array], own: Index, other: Index
) -> tuple[Array, Array]:
    """Correlate the other task's model with labels and model of a task, on its rows, (m,)."""
    transfer, agreement = np.zeros(len(own)), np.zeros(len(own))
    involved = np.unique(np.concatenate([own, other]))
    most = 2 * len(own) >= len(involved) * (len(involved) - 1)
    order = np.argsort(own, kind="stable")
    for at in np.split(order, np.flatnonzero(np.diff(own[order])) + 1) if len(own) else []:
        t = own[at[0]]
        compared = involved if most else np.unique(np.append(other[at], t))
        column = np.searchsorted(compared, other[at])
        scores = rows[t] @ coef[compared].T
        transfer[at] = correlations(scores, labels[t])[column]
        mine = scores[:, np.searchsorted(compared, t)]
        agreement[at] = correlations(scores, mine)[column]
    return transfer, agreement


def ridge_coefficients(X: Array, y: Array) -> Array:
    """Fit a ridge regression with intercept at the penalty of smallest leave-one-out error."""
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


def standardized(values: Array) -> Array:
    """Scale values to mean 0 and variance 1; constant values become 0."""
    deviation = values.std()
    return np.zeros(len(values)) if np.ptp(values) == 0 else (values - values.mean()) / deviation


def correlations(columns: Array, y: Array) -> Array:
    """Return the correlation of each column with y; 0 where one of them is constant."""
    centered, y = columns - columns.mean(axis=0), y - y.mean()
    lengths = np.linalg.norm(centered, axis=0) * np.linalg.norm(y)
    noise = 1e-12 * np.abs(columns).max(axis=0, initial=0.0) * np.linalg.norm(y) * np.sqrt(len(y))
    found: Array = np.divide(
        centered.T @ y, lengths, out=np.zeros(columns.shape[1]), where=lengths > noise
    )
    return found
