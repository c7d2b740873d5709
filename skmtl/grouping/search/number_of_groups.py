"""Choice of the number of groups by the total gain of the resulting partition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from skmtl.grouping.search.score import group_gains, partition_mask

Partitioner = Callable[[int], NDArray[np.intp]]


def partition_gain(affinity: NDArray[np.float64], labels: NDArray[np.intp]) -> float:
    """Return the total predicted gain of a partition."""
    return float(group_gains(affinity, partition_mask(labels)).max(axis=0).sum())


def best_partition(
    affinity: NDArray[np.float64], partition: Partitioner, try_all_up_to: int
) -> NDArray[np.intp]:
    """Return the partition with the largest total gain over numbers of groups; ties go to fewer.

    Up to `try_all_up_to` tasks, all numbers are tried. With more tasks, 1, 2, 4, 8, ... and T are
    tried first; then, as long as the total improves, the midpoints between the best number and its
    neighbors among the numbers tried. The total need not be unimodal in the number of groups, so
    for many tasks the result is good but not guaranteed to be optimal.

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Pairwise gains with a diagonal of 0.
    partition : callable
        Function of a number of groups that returns labels (T,).
    try_all_up_to : int
        Largest number of tasks for which all numbers of groups are tried.

    Returns
    -------
    ndarray of shape (T,)
        Labels of the best partition found.
    """
    n_tasks = len(affinity)
    tried: dict[int, tuple[float, NDArray[np.intp]]] = {}

    def visit(number: int) -> None:
        if number not in tried:
            labels = partition(number)
            tried[number] = (partition_gain(affinity, labels), labels)

    def best() -> int:
        top = max(gain for gain, _ in tried.values())
        return min(number for number, (gain, _) in tried.items() if gain >= top - 1e-9)

    numbers = (
        range(1, n_tasks + 1)
        if n_tasks <= try_all_up_to
        else [*(2**e for e in range((n_tasks - 1).bit_length())), n_tasks]
    )
    for number in numbers:
        visit(number)
    while True:
        centre, n_tried = best(), len(tried)
        below = max((number for number in tried if number < centre), default=centre)
        above = min((number for number in tried if number > centre), default=centre)
        visit((below + centre) // 2 if centre - below > 1 else centre)
        visit((centre + above) // 2 if above - centre > 1 else centre)
        if len(tried) == n_tried or best() == centre:
            return tried[best()][1]
