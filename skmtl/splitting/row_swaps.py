"""Swapping rows between folds so that labels are spread more evenly, and no task misses from a
fold.
"""

from __future__ import annotations

from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

# Rows of either fold that a swap considers, and rounds over all pairs of folds.
_TRIED = 64
_ROUNDS = 10
# Rounds, and swaps of two folds in a round, where the table of labels is large: dealing has left
# little to gain there, and the time must not grow with the number of labels.
_FEW_ROUNDS, _FEW_SWAPS = 3, 10

# Which row has which label, (n, L), with ones and zeros.
LabelTable: TypeAlias = "NDArray[np.float64] | csr_array"


def spread_labels(held: LabelTable, folds: NDArray[np.intp], n_folds: int) -> None:
    r"""Swap pairs of rows, in place, while this brings the folds' counts of labels nearer to even.

    What falls is :math:`\sum_l \sum_f (c_{lf} - e_l)^2 / e_l`, with :math:`e_l` the even share of
    label l. ``held`` (n, L) says which labels a row has; of either fold the rows that promise most
    are tried.
    """
    weight = n_folds / np.maximum(held.sum(axis=0), 1)
    norm = held @ weight
    counts = _counts(held, folds, n_folds)
    rounds, most = (
        (_ROUNDS, held.shape[1]) if isinstance(held, np.ndarray) else (_FEW_ROUNDS, _FEW_SWAPS)
    )
    for _ in range(rounds):
        swaps = 0
        for f, g in combinations(range(n_folds), 2):
            for _ in range(most):
                pull = held @ ((counts[f] - counts[g]) * weight)
                a, b = _lowest(norm - pull, folds == f), _lowest(norm + pull, folds == g)
                change = (
                    (norm - pull)[a][:, None] + (norm + pull)[b] - 2 * _overlap(held, a, b, weight)
                )
                i, j = np.unravel_index(np.argmin(change), change.shape)
                if change[i, j] > -1e-9:
                    break
                _swap(a[i], b[j], _row(held, a[i]) - _row(held, b[j]), folds, counts)
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
        # One row more or less changes where a task is only if a fold has at most one of its rows.
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


def _counts(held: LabelTable, folds: NDArray[np.intp], n_folds: int) -> NDArray[np.float64]:
    return np.stack([held[folds == fold].sum(axis=0) for fold in range(n_folds)])


def _row(held: LabelTable, row: np.intp) -> NDArray[np.float64]:
    return held[row] if isinstance(held, np.ndarray) else held[[row]].toarray()[0]


def _overlap(
    held: LabelTable, a: NDArray[np.intp], b: NDArray[np.intp], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weight of the labels that rows of either set share, (a, b)."""
    if isinstance(held, np.ndarray):
        return (held[a] * weight) @ held[b].T
    shared: NDArray[np.float64] = (held[a].multiply(weight) @ held[b].T).toarray()
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
    """Swap the folds of two rows; ``moved`` is what the first has more of every label."""
    counts[folds[a]] -= moved
    counts[folds[b]] += moved
    folds[a], folds[b] = folds[b], folds[a]
