"""Stratified assignment of rows to folds."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmtl.splitting.row_swaps import LabelTable, bring_tasks_to_all_folds, spread_labels

# Starting points that are tried while a task is absent from a fold that could have it.
_STARTS = 10
# Rows times labels up to which their table is an array; larger tables are sparse.
_MOST_CELLS = 4_000_000


def deal_in_turn(
    tasks: NDArray[np.intp], classes: NDArray[np.intp], order: NDArray[np.intp], n_folds: int
) -> NDArray[np.intp]:
    """Return the fold of every row, for rows with one task and one class each.

    Rows are sorted by task, then by class, and assigned to the folds in turn. The numbers of rows
    of a task, and of a class of a task, therefore differ by at most one between two folds.
    """
    folds = np.empty(len(order), dtype=np.intp)
    folds[order[np.lexsort((classes[order], tasks[order]))]] = np.arange(len(order)) % n_folds
    return folds


def deal_label_sets(
    codes: list[NDArray[np.intp]], order: NDArray[np.intp], n_folds: int
) -> NDArray[np.intp]:
    """Return the fold of every row, for rows with labels of several tasks (code -1 = missing).

    Uses iterative stratification, then swaps. The sizes of folds differ by at most one row.
    """
    folds = np.empty(len(order), dtype=np.intp)
    fewest = np.inf
    for start in np.linspace(0, len(order), _STARTS, endpoint=False).astype(int):
        turned = np.roll(order, start)
        dealt, n_missing = _dealt([own[turned] for own in codes], n_folds)
        if n_missing < fewest:
            fewest, folds[turned] = n_missing, dealt
        if n_missing == 0:
            break
    return folds


def _dealt(codes: list[NDArray[np.intp]], n_folds: int) -> tuple[NDArray[np.intp], int]:
    """Return the folds of rows in the given order, and how many (task, fold) pairs lack a row."""
    labels, n_labels = _label_numbers(codes)
    n_classes = n_labels - len(codes)
    folds = _rarest_first(labels, n_labels, n_classes, n_folds)
    spread_labels(_label_table(labels, n_labels), folds, n_folds)
    known = (labels[:, len(codes) :] >= 0).astype(np.float64)
    return folds, bring_tasks_to_all_folds(known, folds, n_folds)


def _label_table(labels: NDArray[np.intp], n_labels: int) -> LabelTable:
    """Return the table of rows and labels, (n, L), with ones and zeros; sparse if it is large."""
    rows, columns = np.nonzero(labels >= 0)
    found = labels[rows, columns]
    if len(labels) * n_labels > _MOST_CELLS:
        shape = (len(labels), n_labels)
        return csr_array((np.ones(len(rows)), (rows, found)), shape=shape)
    table = np.zeros((len(labels), n_labels))
    table[rows, found] = 1.0
    return table


def _rarest_first(
    labels: NDArray[np.intp], n_labels: int, n_classes: int, n_folds: int
) -> NDArray[np.intp]:
    """Assign rows of the class with the fewest remaining rows first (iterative stratification).

    Each row goes to the fold that lacks the class most. Ties are broken by the row's other labels,
    then by the size of the fold.
    """
    folds = np.full(len(labels), -1, dtype=np.intp)
    own_labels, rows_of_class = _by_row(labels), _by_class(labels, n_classes)
    left = np.bincount(labels[labels >= 0], minlength=n_labels)
    wanted = np.repeat(left[:, None] / n_folds, n_folds, axis=1)
    room = _Room(len(labels), n_folds)
    # When the count of a class falls, the new count is pushed; outdated entries are skipped.
    queue = [(int(count), label) for label, count in enumerate(left[:n_classes]) if count > 0]
    heapify(queue)
    while queue:
        count, rarest = heappop(queue)
        if count != left[rarest]:
            continue
        touched = []
        for row in rows_of_class[rarest]:
            if folds[row] >= 0:
                continue
            own = own_labels[row]
            fold = room.best(wanted[rarest], wanted[own].sum(axis=0))
            folds[row] = fold
            wanted[own, fold] -= 1
            left[own] -= 1
            touched.append(own)
        if touched:
            changed = np.unique(np.concatenate(touched))
            for label in changed[(changed < n_classes) & (left[changed] > 0)].tolist():
                heappush(queue, (int(left[label]), label))
    for row in np.flatnonzero(folds < 0):
        folds[row] = room.best()
    return folds


def _by_row(labels: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the labels of every row."""
    known = labels >= 0
    return np.split(labels[known], np.cumsum(known.sum(axis=1))[:-1])


def _by_class(labels: NDArray[np.intp], n_classes: int) -> list[NDArray[np.intp]]:
    """Return the rows of every class, in increasing order."""
    rows, columns = np.nonzero((labels >= 0) & (labels < n_classes))
    classes = labels[rows, columns]
    order = np.argsort(classes, kind="stable")
    ends = np.cumsum(np.bincount(classes, minlength=n_classes))[:-1]
    return np.split(rows[order], ends)


class _Room:
    """Number of rows that every fold can still take, so that final sizes differ by at most one."""

    def __init__(self, n: int, n_folds: int):
        self.free = np.full(n_folds, n // n_folds)
        self.spare = n % n_folds

    def best(self, *wishes: NDArray[np.float64]) -> int:
        """Return the fold with room that maximizes the wishes in turn, and fill one place."""
        open_ = np.flatnonzero(self.free > (-1 if self.spare else 0))
        for wish in (*wishes, self.free):
            largest = wish[open_].max()
            open_ = open_[wish[open_] >= largest - 1e-9]
        fold = int(open_[0])
        self.free[fold] -= 1
        self.spare -= self.free[fold] < 0
        return fold


def _label_numbers(codes: list[NDArray[np.intp]]) -> tuple[NDArray[np.intp], int]:
    """Return label numbers of every row, -1 if missing, and their count.

    There is one number per class of a task and, after all classes, one per task, which stands for
    any label of the task.
    """
    sizes = [int(own.max(initial=-1)) + 1 for own in codes]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
    classes = [
        np.where(own >= 0, own + start, -1) for own, start in zip(codes, starts, strict=False)
    ]
    known = [np.where(own >= 0, starts[-1] + t, -1) for t, own in enumerate(codes)]
    return np.column_stack([*classes, *known]), int(starts[-1]) + len(codes)
