"""Cross-link ratio of all pairs, from one nearest-neighbor list per row and task."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

TIE = 1e-9


class CrossLinks:
    """Cross-links of the nearest-neighbor graphs of all pairs of tasks.

    In the graph of tasks i and j, each row points to its k nearest other rows of both tasks. These
    k are among its k nearest rows in i and its k nearest rows in j, so that T lists per row are
    enough for all pairs. If rows are tied (squared distances within 1e-9 of each other) and not all
    of them are among the k nearest, they share the remaining places equally, which is the
    expectation over random tie-breaking.

    Parameters
    ----------
    sizes : ndarray of shape (T,)
        Rows of every task.
    n_neighbors : int
        k; a pair with fewer than k + 1 rows links all of them.
    """

    def __init__(self, sizes: NDArray[np.float64], n_neighbors: int):
        # k beyond all rows of the two largest tasks changes nothing but the length of the lists
        self.k = min(n_neighbors, int(np.sort(sizes)[-2:].sum()))
        self.sizes = sizes
        self.cross = np.zeros((len(sizes), len(sizes)))
        self._start_block(0)

    def _start_block(self, n_rows: int) -> None:
        n_tasks = len(self.sizes)
        self.nearest = np.full((n_rows, n_tasks, self.k + 1), np.inf)
        self.within = np.zeros((n_rows, n_tasks))
        self.within_own: dict[int, NDArray[np.float64]] = {}

    def read(self, task: int, squared: NDArray[np.float64], own: csr_array) -> None:
        """Store the k + 1 smallest distances of a block's rows to one task.

        Parameters
        ----------
        task : int
            The task.
        squared : ndarray of shape (b, n_t)
            Squared distances of the block's rows to its rows; reordered in place.
        own : csr_array of shape (T, b)
            How often every task holds the block's rows.
        """
        if len(self.nearest) != len(squared):
            self._start_block(len(squared))
        k, length = self.k, min(self.k + 1, squared.shape[1])
        if squared.shape[1] > length:
            squared.partition(k, axis=1)
        self.nearest[:, task, :length] = np.sort(squared[:, :length], axis=1)
        self.within[:, task] = np.count_nonzero(
            squared <= self.nearest[:, task, k - 1, None] * (1 + TIE), axis=1
        )
        mine = row_of(own, task)[0]
        self.within_own[task] = np.count_nonzero(
            squared[mine] <= self.nearest[mine, task, k, None] * (1 + TIE), axis=1
        ).astype(float)

    def close_block(self, own: csr_array) -> None:
        """Count the links that leave the block's rows."""
        others = self.nearest[:, :, : self.k]
        for task in range(len(self.sizes)):
            rows, repeats = row_of(own, task)
            if len(rows) == 0:
                continue
            self_removed, within = self.nearest[rows, task, 1:], self.within_own[task] - 1
            self.cross[task] += repeats @ share_of_other(
                self_removed[:, None, :], within[:, None], others[rows], self.within[rows]
            )
        self._start_block(0)

    def ratios(self) -> NDArray[np.float64]:
        """Return the fraction of cross-task edges in the graph of each pair, (T, T)."""
        total = self.sizes[:, None] + self.sizes
        complete = total - 1 <= self.k
        with np.errstate(divide="ignore", invalid="ignore"):
            everything = 2 * np.outer(self.sizes, self.sizes) / (total * (total - 1))
        ratio: NDArray[np.float64] = np.where(
            complete, everything, (self.cross + self.cross.T) / (total * self.k)
        )
        np.fill_diagonal(ratio, 0.0)
        return ratio


def row_of(counts: csr_array, task: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the columns and values of one row of a sparse matrix."""
    part = slice(counts.indptr[task], counts.indptr[task + 1])
    return counts.indices[part], counts.data[part]


def share_of_other(
    own: NDArray[np.float64],
    own_within: NDArray[np.float64],
    other: NDArray[np.float64],
    other_within: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Count how many of a row's k nearest neighbors belong to the other task.

    Parameters
    ----------
    own, other : ndarray of shape (..., k)
        Smallest squared distances to the own and to the other task, ascending, infinite where the
        task has fewer rows.
    own_within, other_within : ndarray of shape (...)
        Rows of the task that are no farther than the last of the list, ties beyond the list
        included.

    Returns
    -------
    ndarray of shape (...)
        Between 0 and k; 0 where both tasks together have fewer than k rows.
    """
    k = other.shape[-1]
    last = kth_of_two(own, other)
    low, high = last * (1 - TIE), last * (1 + TIE)
    own_below, own_ties = below_and_tied(own, own_within, low, high)
    other_below, other_ties = below_and_tied(other, other_within, low, high)
    share = np.divide(
        other_ties, own_ties + other_ties, out=np.zeros_like(last), where=np.isfinite(last)
    )
    return np.where(np.isfinite(last), other_below + (k - own_below - other_below) * share, 0.0)


def kth_of_two(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the k-th smallest value of two ascending lists of length k.

    It is the minimum over m of max(m-th of a, (k - m)-th of b).
    """
    k = b.shape[-1]
    best = np.minimum(np.broadcast_to(a[..., k - 1], b.shape[:-1]), b[..., k - 1])
    for m in range(1, k):
        np.minimum(best, np.maximum(a[..., m - 1], b[..., k - m - 1]), out=best)
    return best


def below_and_tied(
    nearest: NDArray[np.float64],
    within: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count the rows that are nearer than a distance, and those at it."""
    below, up_to = np.zeros(low.shape), np.zeros(low.shape)
    for m in range(nearest.shape[-1]):
        below += nearest[..., m] < low
        up_to += nearest[..., m] <= high
    return below, np.where(nearest[..., -1] <= high, within, up_to) - below
