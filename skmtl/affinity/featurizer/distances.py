"""Blockwise computation of the distances of all rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmtl.affinity.featurizer.neighbors import CrossLinks

BLOCK_ELEMENTS = 2**21
CANCELLATION = 1e-4


def compare_rows(
    points: NDArray[np.float64],
    members: list[NDArray[np.intp]],
    n_neighbors: int | None,
    *,
    block_elements: int = BLOCK_ELEMENTS,
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Compute mean distances within and between tasks, and links of nearest-neighbor graphs.

    Parameters
    ----------
    points : ndarray of shape (u, q)
        Distinct rows.
    members : list of T ndarrays of shape (n_t,)
        Rows of every task, with repetitions.
    n_neighbors : int or None
        Neighbors of a row in the graph of a pair; None leaves the graphs out.
    block_elements : int
        Numbers that are held in memory at a time, in each of a handful of arrays. Changes results
        by rounding only.

    Returns
    -------
    distances : ndarray of shape (T, T)
        Mean Euclidean distance over all pairs of rows, those of a row with itself included: eq. (6)
        on the diagonal, eq. (7) elsewhere.
    links : ndarray of shape (T, T) or None
        Cross-link ratios, eq. (13), 0 on the diagonal.
    """
    sizes = np.array([len(index) for index in members], dtype=float)
    counts = membership(members, len(points))
    links = None if n_neighbors is None else CrossLinks(sizes, n_neighbors)
    sums = np.zeros((len(members), len(members)))
    row_cost = max(len(points), len(members) * (1 if links is None else links.k + 1))
    for start, squared in squared_distance_blocks(points, max(1, block_elements // row_cost)):
        own = counts[:, start : start + len(squared)]
        by_task = np.empty((len(squared), len(members)))
        for t, index in enumerate(members):
            part = take_columns(squared, index)
            if links is not None:
                links.read(t, part, own)
            np.sqrt(part, out=part)
            part.sum(axis=1, out=by_task[:, t])
        sums += own @ by_task
        if links is not None:
            links.close_block(own)
    distances = sums / np.outer(sizes, sizes)
    return (distances + distances.T) / 2, None if links is None else links.ratios()


def membership(members: list[NDArray[np.intp]], n_points: int) -> csr_array:
    """Return how often each task contains each distinct row, sparse (T, u)."""
    task = np.repeat(np.arange(len(members)), [len(index) for index in members])
    counts = csr_array(
        (np.ones(len(task)), (task, np.concatenate(members))), shape=(len(members), n_points)
    )
    counts.sum_duplicates()
    return counts


def squared_distance_blocks(
    points: NDArray[np.float64], step: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    r"""Yield the squared distances of blocks of rows to all rows.

    :math:`\|x\|^2 + \|x'\|^2 - 2 \langle x, x' \rangle` around the columns' medians; where this
    cancels (the result is below 1e-4 of its first two terms), the difference of the rows is squared
    instead, so that the relative error stays near 1e-12 however close two rows are.

    Parameters
    ----------
    points : ndarray of shape (u, q)
        Rows.
    step : int
        Rows in a block.

    Yields
    ------
    start : int
        First row of the block.
    squared : ndarray of shape (b, u)
        Squared distances of rows start, ..., start + b - 1 to all rows.
    """
    centered = points - np.median(points, axis=0)
    norms = np.einsum("ij,ij->i", centered, centered)
    for start in range(0, len(points), step):
        block = slice(start, min(start + step, len(points)))
        scale = norms[block, None] + norms
        squared = centered[block] @ centered.T
        squared *= -2.0
        squared += scale
        scale *= CANCELLATION
        row, column = np.nonzero(squared <= scale)
        for at in range(0, len(row), 2**16):
            a, b = row[at : at + 2**16], column[at : at + 2**16]
            difference = points[start + a] - points[b]
            squared[a, b] = np.einsum("ij,ij->i", difference, difference)
        yield start, squared


def take_columns(block: NDArray[np.float64], index: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return a copy of some columns, by a slice if they are contiguous."""
    if index[-1] - index[0] + 1 == len(index) and (np.diff(index) == 1).all():
        return np.array(block[:, index[0] : index[-1] + 1])
    taken: NDArray[np.float64] = np.take(block, index, axis=1)
    return taken
