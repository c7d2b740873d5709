"""Cache of the costly statistics of task pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skmtl.affinity.featurizer.distances import compare_rows
from skmtl.affinity.featurizer.ranks import rank_divergence, rank_divergence_of_two

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# Overhead of a pair besides its distances, in units of one distance.
_OVERHEAD = 20_000


class MeasuredPairs:
    """Cached mean distances, links of neighbor graphs and rank divergences of pairs.

    Parameters
    ----------
    n_tasks : int
        Number of tasks.
    n_neighbors : int or None
        Neighbors of a row in the graph of a pair; None leaves links out.
    distances, ranks : bool
        Whether mean distances and rank divergences are wanted.
    """

    def __init__(self, n_tasks: int, n_neighbors: int | None, *, distances: bool, ranks: bool):
        self.n_tasks, self.n_neighbors = n_tasks, n_neighbors
        self.distances, self.ranks = distances or n_neighbors is not None, ranks
        # Unordered pairs, i * T + j with i < j, ascending, and their values: distance within the
        # first task, within the second, between them, link ratio, rank divergence. One attribute,
        # so that threads see both or neither.
        self.known: tuple[NDArray[np.int64], Array] = (np.empty(0, np.int64), np.empty((0, 5)))

    def of(self, points: Array, members: list[Index], targets: Index, sources: Index) -> Array:
        """Return the statistics of pairs, (m, 5).

        Columns: distance within targets, within sources, and between them, link ratio, and rank
        divergence.
        """
        swapped = targets > sources
        codes = np.minimum(targets, sources) * self.n_tasks + np.maximum(targets, sources)
        known, values = self.known
        new = np.setdiff1d(codes, known)
        if len(new):
            measured = self._measure(points, members, *np.divmod(new, self.n_tasks))
            known, values = np.concatenate([known, new]), np.concatenate([values, measured])
            order = np.argsort(known)
            known, values = self.known = known[order], values[order]
        found: Array = values[np.searchsorted(known, codes)]
        found[swapped, :2] = found[swapped, 1::-1]
        return found

    def _measure(self, points: Array, members: list[Index], first: Index, second: Index) -> Array:
        """Measure pairs of different tasks, all at once or pair by pair, whichever costs less."""
        involved = np.unique(np.concatenate([first, second]))
        sizes = np.array([len(members[t]) for t in involved], dtype=np.int64)
        i, j = np.searchsorted(involved, first), np.searchsorted(involved, second)
        by_pair = int(((sizes[i] + sizes[j]) ** 2).sum()) + _OVERHEAD * len(i)
        if by_pair >= int(sizes.sum()) ** 2 + _OVERHEAD:
            return self._all_at_once(*restricted(points, members, involved), i, j)
        return np.concatenate(
            [
                self._one_pair(*restricted(points, members, np.array([a, b])))
                for a, b in zip(first, second, strict=True)
            ]
        )

    def _all_at_once(self, points: Array, members: list[Index], i: Index, j: Index) -> Array:
        values = np.zeros((len(i), 5))
        if self.distances:
            mean, links = compare_rows(points, members, self.n_neighbors)
            values[:, :3] = np.column_stack([mean[i, i], mean[j, j], mean[i, j]])
            values[:, 3] = 0.0 if links is None else links[i, j]
        if self.ranks:
            values[:, 4] = rank_divergence(points, members)[i, j]
        return values

    def _one_pair(self, points: Array, members: list[Index]) -> Array:
        values = np.zeros((1, 5))
        if self.distances:
            mean, links = compare_rows(points, members, self.n_neighbors)
            values[0, :3] = mean[0, 0], mean[1, 1], mean[0, 1]
            values[0, 3] = 0.0 if links is None else links[0, 1]
        if self.ranks:
            values[0, 4] = rank_divergence_of_two(points[members[0]], points[members[1]])
        return values


def restricted(points: Array, members: list[Index], tasks: Index) -> tuple[Array, list[Index]]:
    """Return the points of some tasks, and the tasks' rows among them."""
    chosen = [members[t] for t in tasks]
    used, position = np.unique(np.concatenate(chosen), return_inverse=True)
    if len(used) == len(points):
        return points, chosen
    ends = np.cumsum([len(index) for index in chosen])[:-1]
    return points[used], np.split(position.ravel().astype(np.intp), ends)
