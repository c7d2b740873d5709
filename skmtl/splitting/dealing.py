"""Dealing rows to folds so that every label is spread evenly."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmtl.splitting.row_swaps import LabelTable, bring_tasks_to_all_folds, spread_labels

# Starting points that are tried where a task misses from a fold that could have it.
_STARTS = 10
# Rows times labels up to which their table is an array; a larger one is sparse.
_MOST_CELLS = 4_000_000


def deal_in_turn(
    tasks: NDArray[np.intp], classes: NDArray[np.intp], order: NDArray[np.intp], n_folds: int
) -> NDArray[np.intp]:
    """Fold of every row that has one task and one class: rows sorted by task, then class, are dealt
    in turn.

    Rows of a task, and of a class of a task, stand in a row, so their numbers in two folds differ
    by at most one.
    """
    folds = np.empty(len(order), dtype=np.intp)
    folds[order[np.lexsort((classes[order], tasks[order]))]] = np.arange(len(order)) % n_folds
    return folds


def deal_label_sets(
    codes: list[NDArray[np.intp]], order: NDArray[np.intp], n_folds: int
) -> NDArray[np.intp]:
    """Fold of every row that has a class of several tasks (-1 = none), by iterative stratification
    and swaps.

    Folds never differ by more than one row.
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
    """Folds of rows in the order that they come, and how often a task misses from a fold that could
    have it.
    """
    labels, n_labels = _label_numbers(codes)
    n_classes = n_labels - len(codes)
    folds = _rarest_first(labels, n_labels, n_classes, n_folds)
    spread_labels(_label_table(labels, n_labels), folds, n_folds)
    known = (labels[:, len(codes) :] >= 0).astype(np.float64)
    return folds, bring_tasks_to_all_folds(known, folds, n_folds)


def _label_table(labels: NDArray[np.intp], n_labels: int) -> LabelTable:
    """Return which row has which label, (n, L): an array, or a sparse one where it would be large."""
    rows, columns = np.nonzero(labels >= 0)
    found = labels[rows, columns]
    if len(labels) * n_labels > _MOST_CELLS:
        shape = (len(labels), n_labels)
        return csr_array((np.ones(len(rows)), (rows, found)), shape=shape)
    held = np.zeros((len(labels), n_labels))
    held[rows, found] = 1.0
    return held


def _rarest_first(
    labels: NDArray[np.intp], n_labels: int, n_classes: int, n_folds: int
) -> NDArray[np.intp]:
    """Deal the class with the fewest rows left first: each row to the fold that lacks the class
    most.

    Among equals it goes to the fold that lacks the row's other labels most, then to the smallest.
    """
    folds = np.full(len(labels), -1, dtype=np.intp)
    own_labels, rows_of_class = _by_row(labels), _by_class(labels, n_classes)
    left = np.bincount(labels[labels >= 0], minlength=n_labels)
    wanted = np.repeat(left[:, None] / n_folds, n_folds, axis=1)
    room = _Room(len(labels), n_folds)
    # The queue may hold numbers of a class that have fallen since; each fall has an entry.
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
    """Labels of every row."""
    known = labels >= 0
    return np.split(labels[known], np.cumsum(known.sum(axis=1))[:-1])


def _by_class(labels: NDArray[np.intp], n_classes: int) -> list[NDArray[np.intp]]:
    """Rows of every class, in rising order."""
    rows, columns = np.nonzero((labels >= 0) & (labels < n_classes))
    classes = labels[rows, columns]
    order = np.argsort(classes, kind="stable")
    ends = np.cumsum(np.bincount(classes, minlength=n_classes))[:-1]
    return np.split(rows[order], ends)


class _Room:
    """How many rows every fold still takes: sizes differ by at most one in the end."""

    def __init__(self, n: int, n_folds: int):
        self.free = np.full(n_folds, n // n_folds)
        self.spare = n % n_folds

    def best(self, *wishes: NDArray[np.float64]) -> int:
        """Fold with room that is first in the wishes, then in room; it loses a place."""
        open_ = np.flatnonzero(self.free > (-1 if self.spare else 0))
        for wish in (*wishes, self.free):
            largest = wish[open_].max()
            open_ = open_[wish[open_] >= largest - 1e-9]
        fold = int(open_[0])
        self.free[fold] -= 1
        self.spare -= self.free[fold] < 0
        return fold


def _label_numbers(codes: list[NDArray[np.intp]]) -> tuple[NDArray[np.intp], int]:
    """Numbers of every row's labels, -1 for none: one per class of a task, and, after all
    classes, one per task for having any.
    """
    sizes = [int(own.max(initial=-1)) + 1 for own in codes]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
    classes = [
        np.where(own >= 0, own + start, -1) for own, start in zip(codes, starts, strict=False)
    ]
    known = [np.where(own >= 0, starts[-1] + t, -1) for t, own in enumerate(codes)]
    return np.column_stack([*classes, *known]), int(starts[-1]) + len(codes)
