"""Local search over the assignment of tasks to groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skmtl.grouping.search.serving import TOLERANCE, serving_values


class Serving:
    """Partition of the tasks into sets that are each served by one group, with local search.

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Pairwise gains with a diagonal of 0, scaled to a largest absolute value of 1.
    labels : ndarray of shape (T,)
        Set of each task, below `n_sets`; -1 for a task that is not served yet.
    n_sets : int
        Maximum number of sets; some may be empty.
    max_group_size : int
        Largest size of a group.
    """

    def __init__(
        self,
        affinity: NDArray[np.float64],
        labels: NDArray[np.intp],
        n_sets: int,
        max_group_size: int,
    ) -> None:
        self.affinity = affinity
        self.labels: NDArray[np.intp] = np.array(labels, dtype=np.intp)
        self.max_group_size = max_group_size
        self.value = np.zeros(n_sets)
        self.add = np.zeros((n_sets, len(labels)))
        self.remove = np.zeros(len(labels))
        self.clock = 0
        self.changed = np.zeros(n_sets, dtype=np.int64)
        self.swapped = np.full((n_sets, n_sets), -1, dtype=np.int64)
        self._update(range(n_sets))

    @property
    def total(self) -> float:
        """Total gain of the served tasks."""
        return float(self.value.sum())

    def insert_unserved(self) -> Serving:
        """Insert unserved tasks into the sets with the largest gain, best insertion first."""
        while (self.labels < 0).any():
            change = np.where(self.labels < 0, self.add, -np.inf)
            target, task = np.unravel_index(change.argmax(), change.shape)
            self._move(int(task), int(target))
        return self

    def climb(self) -> Serving:
        """Move and swap tasks until no single move and no swap increases the total gain."""
        while True:
            self._climb_by_moves()
            if not self._swap_once_around():
                return self

    def _climb_by_moves(self) -> None:
        tasks = np.arange(len(self.labels))
        while True:
            change = self.add + self.remove
            change[self.labels, tasks] = -np.inf
            target, task = np.unravel_index(change.argmax(), change.shape)
            if not change[target, task] > TOLERANCE:
                return
            self._move(int(task), int(target))

    def _swap_once_around(self) -> bool:
        swapped = False
        n_sets = len(self.value)
        for first in range(n_sets):
            for second in range(first + 1, n_sets):
                if self.swapped[first, second] < max(self.changed[first], self.changed[second]):
                    self.swapped[first, second] = self.clock
                    swapped |= self._swap_between(first, second)
        return swapped

    def _swap_between(self, first: int, second: int) -> bool:
        a, b = np.flatnonzero(self.labels == first), np.flatnonzero(self.labels == second)
        if len(a) == 0 or len(b) == 0 or len(a) == len(b) == 1:
            return False
        out, into = np.repeat(a, len(b)), np.tile(b, len(a))
        rows = np.arange(len(out))
        values = np.zeros(len(out))
        for which, leaves, joins in ((first, out, into), (second, into, out)):
            served = np.tile(self.labels == which, (len(out), 1))
            served[rows, leaves] = False
            served[rows, joins] = True
            values += serving_values(self.affinity, served, self.max_group_size)
        best = int(np.argmax(values))
        if not values[best] > self.value[first] + self.value[second] + TOLERANCE:
            return False
        self.labels[out[best]], self.labels[into[best]] = second, first
        self._update((first, second))
        return True

    def _move(self, task: int, target: int) -> None:
        source = int(self.labels[task])
        self.labels[task] = target
        self._update((target,) if source < 0 else (source, target))

    def _update(self, changed: range | tuple[int, ...]) -> None:
        self.clock += 1
        self.changed[list(changed)] = self.clock
        everyone = np.eye(len(self.labels), dtype=bool)
        for which in changed:
            served = self.labels == which
            toggled = served ^ everyone
            values = serving_values(
                self.affinity, np.vstack([served, toggled]), self.max_group_size
            )
            self.value[which] = values[0]
            change = values[1:] - values[0]
            self.add[which] = np.where(served, -np.inf, change)
            self.remove[served] = change[served]


def merge(
    affinity: NDArray[np.float64],
    labels: NDArray[np.intp],
    target: int,
    max_group_size: int,
    allowed_loss: float = np.inf,
) -> NDArray[np.intp]:
    """Merge the two sets whose union loses least, down to `target` sets or up to `allowed_loss`.

    If the size limit forbids all mergers, the smallest sets are dissolved and their tasks are
    inserted into the others.

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Pairwise gains with a diagonal of 0.
    labels : ndarray of shape (T,)
        Set of each task.
    target : int
        Number of sets at which to stop.
    max_group_size : int
        Largest size of a group.
    allowed_loss : float, default=inf
        Largest decrease of the total gain that one merger may cause.

    Returns
    -------
    ndarray of shape (T,)
        Set of each task, numbered from 0.
    """
    sets = np.unique(labels)[:, None] == labels
    value = serving_values(affinity, sets, max_group_size)
    first, second = np.triu_indices(len(sets), 1)
    loss = np.full((len(sets), len(sets)), np.inf)
    loss[first, second] = (
        value[first]
        + value[second]
        - serving_values(affinity, sets[first] | sets[second], max_group_size)
    )
    loss = np.minimum(loss, loss.T)
    alive = len(sets)
    while alive > target:
        kept, gone = np.unravel_index(loss.argmin(), loss.shape)
        if not loss[kept, gone] <= allowed_loss or np.isinf(loss[kept, gone]):
            break
        sets[kept] |= sets[gone]
        value[kept] = serving_values(affinity, sets[[kept]], max_group_size)[0]
        sets[gone] = False
        loss[gone], loss[:, gone] = np.inf, np.inf
        other = np.flatnonzero(sets.any(axis=1) & (np.arange(len(sets)) != kept))
        loss[kept, other] = (
            value[kept]
            + value[other]
            - serving_values(affinity, sets[other] | sets[kept], max_group_size)
        )
        loss[other, kept] = loss[kept, other]
        alive -= 1
    sets = sets[sets.any(axis=1)]
    if len(sets) > target and np.isinf(allowed_loss):
        sets = sets[np.argsort(-sets.sum(axis=1), kind="stable")]
        few = Serving(
            affinity,
            np.where(sets[:target].any(axis=0), sets[:target].argmax(axis=0), -1),
            target,
            max_group_size,
        )
        return few.insert_unserved().labels
    return np.asarray(sets.argmax(axis=0), dtype=np.intp)
