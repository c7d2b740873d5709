"""Swaps of rows between folds, for evenly spread labels and all tasks in every fold."""

from __future__ import annotations

from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

# Candidate rows of each fold in a swap, and rounds over all pairs of folds.
_TRIED = 64
_ROUNDS = 10
# Rounds, and swaps per pair of folds and round, for a large table of labels: stratification has
# left little to improve there, and the time must not grow with the number of labels.
_FEW_ROUNDS, _FEW_SWAPS = 3, 10

# Table of rows and labels, (n, L), with ones and zeros.
LabelTable: TypeAlias = "NDArray[np.float64] | csr_array"


def spread_labels(table: LabelTable, folds: NDArray[np.intp], n_folds: int) -> None:
    r"""Swap pairs of rows, in place, while this evens out the folds' counts of labels.

    Every swap decreases :math:`\sum_l \sum_f (c_{lf} - e_l)^2 / e_l`, where :math:`c_{lf}` counts
    label l in fold f and :math:`e_l` is its mean over folds. ``table`` (n, L) marks the labels of
    every row. Only the most promising rows of each fold are tried.
    """
    weight = n_folds / np.maximum(table.sum(axis=0), 1)
    norm = table @ weight
    counts = _counts(table, folds, n_folds)
    rounds, most = (
        (_ROUNDS, table.shape[1]) if isinstance(table, np.ndarray) else (_FEW_ROUNDS, _FEW_SWAPS)
    )
    for _ in range(rounds):
        swaps = 0
        for f, g in combinations(range(n_folds), 2):
            for _ in range(most):
                pull = table @ ((counts[f] - counts[g]) * weight)
                a, b = _lowest(norm - pull, folds == f), _lowest(norm + pull, folds == g)
                change = (
                    (norm - pull)[a][:, None] + (norm + pull)[b] - 2 * _overlap(table, a, b, weight)
                )
                i, j = np.unravel_index(np.argmin(change), change.shape)
                if change[i, j] > -1e-9:
                    break
                _swap(a[i], b[j], _row(table, a[i]) - _row(table, b[j]), folds, counts)
                swaps += 1
        if swaps == 0:
            return


def bring_tasks_to_all_folds(
    known: NDArray[np.float64], folds: NDArray[np.intp], n_folds: int
) -> int:
    """Swap rows, in place, while this brings tasks into folds that lack them.

    ``known`` (n, T) marks the tasks of which a row has a label. A task with at least one row per
    fold should be in all folds, one with at least two rows in two folds. Return the number of
    (task, fold) pairs that are still missing.
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
    """Swap a row of the task into the fold, if this reduces the missing pairs; return whether.

    Of all candidates it makes the swap that leaves the fewest missing pairs.
    """
    best, chosen = n_missing, None
    for giver in np.flatnonzero(counts[:, task] > 1):
        a = np.flatnonzero((folds == giver) & (known[:, task] > 0))[:_TRIED]
        b = np.flatnonzero(folds == fold)[:_TRIED]
        # A swap changes the presence of a task only if a fold has at most one of its rows.
        few = np.flatnonzero((counts[fold] <= 1) | (counts[giver] <= 1))
        moved = known[np.ix_(a, few)][:, None] - known[np.ix_(b, few)]
        others = (np.delete(counts, [giver, fold], axis=0) > 0).sum(axis=0)
        present = others[few] + (counts[fold, few] + moved > 0) + (counts[giver, few] - moved > 0)
        after = np.maximum(due[few] - present, 0).sum(axis=2)
        unchanged = np.maximum(due - others - 2, 0)
        after += unchanged.sum() - unchanged[few].sum()
        i, j = np.unravel_index(np.argmin(after), after.shape)
        if after[i, j] < best:
            best, chosen = after[i, j], (b[j], a[i])
    if chosen is not None:
        _swap(*chosen, known[chosen[0]] - known[chosen[1]], folds, counts)
    return chosen is not None


def _counts(table: LabelTable, folds: NDArray[np.intp], n_folds: int) -> NDArray[np.float64]:
    return np.stack([table[folds == fold].sum(axis=0) for fold in range(n_folds)])


def _row(table: LabelTable, row: np.intp) -> NDArray[np.float64]:
    return table[row] if isinstance(table, np.ndarray) else table[[row]].toarray()[0]


def _overlap(
    table: LabelTable, a: NDArray[np.intp], b: NDArray[np.intp], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the weight of the labels that each pair of rows shares, (a, b)."""
    if isinstance(table, np.ndarray):
        return (table[a] * weight) @ table[b].T
    shared: NDArray[np.float64] = (table[a].multiply(weight) @ table[b].T).toarray()
    return shared


def _lowest(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    rows = np.flatnonzero(mask)
    return rows[np.argsort(values[rows], kind="stable")[:_TRIED]]


def _swap(
    a: np.intp,
    b: np.intp,
    moved: NDArray[np.float64],
    folds: NDArray[np.intp],
    counts: NDArray[np.float64],
) -> None:
    """Swap the folds of two rows; ``moved`` is the difference of their labels, first - second."""
    counts[folds[a]] -= moved
    counts[folds[b]] += moved
    folds[a], folds[b] = folds[b], folds[a]
