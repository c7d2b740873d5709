"""Subsamples of rows per task, without repeated rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def subsample(
    members: list[NDArray[np.intp]], names: list[str], max_samples: int, seed: int
) -> list[NDArray[np.intp]]:
    """Draw at most ``max_samples`` rows of each task.

    The draw of a task depends only on the seed and its name, not on the other tasks or on their
    order.

    Parameters
    ----------
    members : list of T ndarrays of shape (n_t,)
        Rows of every task.
    names : list of str
        Their names.
    max_samples : int
        Tasks with no more rows than this keep all of them.
    seed : int
        Seed of the draws.

    Returns
    -------
    list of T ndarrays of shape (min(n_t, max_samples),)
        Rows drawn without replacement, in their old order.
    """
    kept = []
    for name, index in zip(names, members, strict=True):
        if len(index) > max_samples:
            rng = np.random.default_rng([seed, *name.encode()])
            index = index[np.sort(rng.choice(len(index), max_samples, replace=False))]
        kept.append(index)
    return kept


def merge_identical_rows(
    X: NDArray[np.float64], members: list[NDArray[np.intp]]
) -> tuple[NDArray[np.float64], list[NDArray[np.intp]]]:
    """Return each distinct row once.

    Repeated rows, within a task or between tasks, then need only one distance, and their distance
    to each other is exactly zero.

    Parameters
    ----------
    X : ndarray of shape (n, q)
        Rows.
    members : list of T ndarrays of shape (n_t,)
        Rows of every task.

    Returns
    -------
    points : ndarray of shape (u, q)
        Distinct rows that belong to some task, in order of first appearance.
    members : list of T ndarrays of shape (n_t,)
        Positions in ``points``, sorted, repeated as often as the task repeats the row.
    """
    stacked = np.concatenate(members)
    rows = (
        np.ascontiguousarray(X[stacked]) + 0.0
    )  # -0.0 and 0.0 are one number but two byte patterns
    keys = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    parts = np.split(rank[inverse.ravel()], np.cumsum([len(index) for index in members])[:-1])
    return rows[first[order]], [np.sort(part) for part in parts]
