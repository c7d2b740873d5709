"""Local search over partitions, for gains that depend on the group size and on pair averages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skmtl.grouping.search.serving import TOLERANCE

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SizedValue:
    r"""Value V of a group as a function of its size and its pairs.

    .. math:: V(G) = \sum_{i \in G} b_{i, |G|} + \frac{s_{|G|}}{|G| - 1} \sum_{i, j \in G} P_{ij},
        \qquad V(\{i\}) = 0

    Attributes
    ----------
    pairs : ndarray of shape (T, T)
        P, with a diagonal of 0.
    slope : ndarray of shape (T + 1,)
        s, by group size.
    base, rise : ndarrays of shape (T,)
        Terms of b: ``b = base + rise * log2(size / 2)``.
    """

    pairs: Array
    slope: Array
    base: Array
    rise: Array

    def of_sums(self, size: NDArray[np.intp], base: Array, rise: Array, inside: Array) -> Array:
        """Return V from the size of a group and sums over its tasks and its pairs."""
        log = np.log2(np.maximum(size, 2) / 2)
        value = (
            base
            + rise * log
            + self.slope[np.minimum(size, len(self.slope) - 1)] / np.maximum(size - 1, 1) * inside
        )
        return np.where(size > 1, value, 0.0)

    def of(self, members: NDArray[np.bool_]) -> Array:
        """Return V of each row of memberships (K, T)."""
        weights = members.astype(np.float64)
        inside = np.einsum("kt,kt->k", weights @ self.pairs, weights)
        return self.of_sums(members.sum(axis=1), weights @ self.base, weights @ self.rise, inside)


def climb(value: SizedValue, labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Move tasks and merge groups, best step first, as long as the total value increases.

    Parameters
    ----------
    value : SizedValue
        Value of a group.
    labels : ndarray of shape (T,)
        Initial partition.

    Returns
    -------
    ndarray of shape (T,)
        Labels, numbered from 0.

    Examples
    --------
    >>> import numpy as np
    >>> block = np.array([0, 0, 1, 1])
    >>> P = np.where(block[:, None] == block, 0.2, -0.3) * (1 - np.eye(4))
    >>> climb(SizedValue(P, np.ones(5), np.zeros(4), np.zeros(4)), np.arange(4))
    array([0, 0, 1, 1])
    """
    labels = np.unique(labels, return_inverse=True)[1].astype(np.intp)
    n_tasks = len(labels)
    tasks = np.arange(n_tasks)
    both_ways = value.pairs + value.pairs.T
    while True:
        members = (
            np.arange(labels.max() + 2)[:, None] == labels
        )  # the last group is empty: a task may leave for itself
        weights = members.astype(np.float64)
        size, links = members.sum(axis=1), weights @ both_ways
        base, rise = weights @ value.base, weights @ value.rise
        inside = np.einsum("kt,kt->k", links, weights) / 2
        now = value.of_sums(size, base, rise, inside)
        sign = np.where(members, -1, 1)
        toggled = value.of_sums(
            size[:, None] + sign,
            base[:, None] + sign * value.base,
            rise[:, None] + sign * value.rise,
            inside[:, None] + sign * links,
        )
        change = toggled - now[:, None]
        moved = change + change[labels, tasks]
        moved[labels, tasks] = -np.inf
        target, task = np.unravel_index(moved.argmax(), moved.shape)
        merged = value.of_sums(
            size[:, None] + size,
            base[:, None] + base,
            rise[:, None] + rise,
            inside[:, None] + inside + links @ weights.T,
        ) - (now[:, None] + now)
        np.fill_diagonal(merged, -np.inf)
        kept, gone = np.unravel_index(merged.argmax(), merged.shape)
        if max(moved[target, task], merged[kept, gone]) <= TOLERANCE * max(
            1.0, float(np.abs(now).sum())
        ):
            return labels
        labels = (
            np.where(labels == gone, kept, labels)
            if merged[kept, gone] >= moved[target, task]
            else np.where(tasks == task, target, labels)
        )
        labels = np.unique(labels, return_inverse=True)[1].astype(np.intp)
