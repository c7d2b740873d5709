"""Swapping rows between folds so that labels are spread more evenly, and no task misses from a
fold.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

# Rows of either fold that a swap considers, and rounds over all pairs of folds.
_TRIED = 64
_ROUNDS = 10


def spread_labels(held: NDArray[np.float64], folds: NDArray[np.intp], n_folds: int) -> None:
    r"""Swap pairs of rows, in place, while this brings the folds' counts of labels nearer to even.

    What falls is :math:`\sum_l \sum_f (c_{lf} - e_l)^2 / e_l`, with :math:`e_l` the even share of
    label l. ``held`` (n, L) says which labels a row has; of either fold the rows that promise most
    are tried.
    """
    weight = n_folds / np.maximum(held.sum(axis=0), 1)
    norm = held @ weight
    counts = _counts(held, folds, n_folds)
    for _ in range(_ROUNDS):
        swaps = 0
        for f, g in combinations(range(n_folds), 2):
            for _ in range(held.shape[1]):
                pull = held @ ((counts[f] - counts[g]) * weight)
                a, b = _lowest(norm - pull, folds == f), _lowest(norm + pull, folds == g)
                change = (
                    (norm - pull)[a][:, None]
                    + (norm + pull)[b]
                    - 2 * (held[a] * weight) @ held[b].T
                )
                i, j = np.unravel_index(np.argmin(change), change.shape)
                if change[i, j] > -1e-9:
                    break
                _swap(a[i], b[j], held, folds, counts)
                swaps += 1
        if swaps == 0:
            return


def bring_tasks_to_all_folds(
    known: NDArray[np.float64], folds: NDArray[np.intp], n_folds: int
) -> int:
    """Swap rows, in place, while this lessens how often a task misses from a fold that could have
    it.

    ``known`` (n, T) says which tasks a row has a label of. A task with a row for every fold should
    be in all of them, one with at least two rows in two. Return how often one still misses.
    """
    counts = _counts(known, folds, n_folds)
    due = np.minimum(counts.sum(axis=0), n_folds)
    due = np.where(due == n_folds, n_folds, np.minimum(due, 2))
    while True:
        missing = np.maximum(due - (counts > 0).sum(axis=0), 0)
        wishes = [
            (task, fold)
            for task in np.flatnonzero(missing)
            for fold in np.flatnonzero(counts[:, task] == 0)
        ]
        if not any(
            _one_better_swap(known, folds, counts, due, missing.sum(), task, fold)
            for task, fold in wishes
        ):
            return int(missing.sum())


def _one_better_swap(
    known: NDArray[np.float64],
    folds: NDArray[np.intp],
    counts: NDArray[np.float64],
    due: NDArray[np.float64],
    n_missing: float,
    task: np.intp,
    fold: np.intp,
) -> bool:
    """Bring a row of the task into the fold by the swap that leaves the fewest missing; False where
    none lessens them.
    """
    best, chosen = n_missing, None
    for giver in np.flatnonzero(counts[:, task] > 1):
        a = np.flatnonzero((folds == giver) & (known[:, task] > 0))[:_TRIED]
        b = np.flatnonzero(folds == fold)[:_TRIED]
        moved = known[a][:, None] - known[b]
        others = (np.delete(counts, [giver, fold], axis=0) > 0).sum(axis=0)
        present = others + (counts[fold] + moved > 0) + (counts[giver] - moved > 0)
        after = np.maximum(due - present, 0).sum(axis=2)
        i, j = np.unravel_index(np.argmin(after), after.shape)
        if after[i, j] < best:
            best, chosen = after[i, j], (b[j], a[i])
    if chosen is not None:
        _swap(*chosen, known, folds, counts)
    return chosen is not None


def _counts(
    held: NDArray[np.float64], folds: NDArray[np.intp], n_folds: int
) -> NDArray[np.float64]:
    return np.stack([held[folds == fold].sum(axis=0) for fold in range(n_folds)])


def _lowest(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    rows = np.flatnonzero(mask)
    return rows[np.argsort(values[rows], kind="stable")[:_TRIED]]


def _swap(
    a: np.intp,
    b: np.intp,
    held: NDArray[np.float64],
    folds: NDArray[np.intp],
    counts: NDArray[np.float64],
) -> None:
    moved = held[a] - held[b]
    counts[folds[a]] -= moved
    counts[folds[b]] += moved
    folds[a], folds[b] = folds[b], folds[a]
