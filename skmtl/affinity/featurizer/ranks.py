"""Rank divergence of all pairs of tasks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import rankdata

CHUNK_ELEMENTS = 2**21


def rank_divergence(
    X: NDArray[np.float64], members: list[NDArray[np.intp]], *, chunk_elements: int = CHUNK_ELEMENTS
) -> NDArray[np.float64]:
    r"""Compute the mean absolute difference of mean ranks, eq. (12), over the number of rows.

    With mid-ranks :math:`1, \ldots, n_i + n_j` (ties share their mean rank, as in
    ``scipy.stats.rankdata``), the difference for a feature is

    .. math::

        \frac{\bar r_i - \bar r_j}{n_i + n_j}
        = P(x_i > x_j) + \tfrac12 P(x_i = x_j) - \tfrac12,

    which is the area under the ROC curve minus one half. It requires no ranking of each pair, only
    the distribution function of each task at the values of all others.

    Parameters
    ----------
    X : ndarray of shape (n, q)
        Rows.
    members : list of T ndarrays of shape (n_t,)
        Rows of every task.
    chunk_elements : int
        Counts that are held in memory at a time.

    Returns
    -------
    ndarray of shape (T, T)
        Between 0 and 1/2, symmetric, 0 on the diagonal.
    """
    sizes = np.array([len(index) for index in members], dtype=float)
    task, rows = np.repeat(np.arange(len(members)), sizes.astype(np.intp)), np.concatenate(members)
    divergence: NDArray[np.float64] = np.zeros((len(members), len(members)))
    for column in X.T:
        levels, codes = np.unique(column[rows], return_inverse=True)
        if len(levels) > 1:
            wins = count_wins(task, codes.ravel(), len(members), len(levels), chunk_elements)
            divergence += np.abs(wins - wins.T)
    divergence /= 2 * X.shape[1] * np.outer(sizes, sizes)
    return divergence


def rank_divergence_of_two(A: NDArray[np.float64], B: NDArray[np.float64]) -> float:
    """Compute the rank divergence of one pair of tasks from their rows."""
    n, m = len(A), len(B)
    ranks = rankdata(np.concatenate([A, B]), axis=0)
    wins = ranks[:n].sum(axis=0) - n * (n + 1) / 2
    return float(np.abs(2 * wins - n * m).sum() / (2 * A.shape[1] * n * m))


def count_wins(
    task: NDArray[np.intp],
    codes: NDArray[np.intp],
    n_tasks: int,
    n_levels: int,
    chunk_elements: int,
) -> NDArray[np.float64]:
    """Count the pairs of rows, one of task i and one of task j, where that of i is larger.

    Equal values count one half.

    Parameters
    ----------
    task, codes : ndarray of shape (n,)
        Task and rank among the distinct values of every row.
    n_tasks, n_levels : int
        Number of tasks and of distinct values.
    chunk_elements : int
        Counts that are held in memory at a time.

    Returns
    -------
    ndarray of shape (T, T)
        Wins of the row's task over the column's.
    """
    counts = csr_array((np.ones(len(task)), (codes, task)), shape=(n_levels, n_tasks))
    wins, smaller = np.zeros((n_tasks, n_tasks)), np.zeros(n_tasks)
    step = max(1, chunk_elements // n_tasks)
    for start in range(0, n_levels, step):
        chunk = counts[start : start + step]
        here = chunk.toarray()
        up_to = here.cumsum(axis=0) + smaller
        wins += chunk.T @ (up_to - here / 2)
        smaller = up_to[-1]
    return wins
