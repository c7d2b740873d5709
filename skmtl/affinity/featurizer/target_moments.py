"""Mean and standard deviation of the targets of each task."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skmtl.data import TaskSet


def label_moments(tasks: TaskSet) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the mean and population standard deviation of each task's targets.

    Parameters
    ----------
    tasks : TaskSet
        The tasks. Classes count by their place in the sorted union of all tasks' classes: 0 and 1
        where there are two.

    Returns
    -------
    means, deviations : ndarray of shape (T,)
        Over all rows of every task.
    """
    targets = label_codes(tasks)
    return np.array([y.mean() for y in targets]), np.array([y.std() for y in targets])


def label_codes(tasks: TaskSet) -> list[NDArray[np.float64]]:
    """Return the targets of each task as numbers."""
    targets = [task.y for task in tasks]
    if tasks.kind == "classification":
        place = {label: code for code, label in enumerate(union_of_classes(targets))}
        targets = [np.array([place[label] for label in y.tolist()]) for y in targets]
    return [np.asarray(y, dtype=np.float64) for y in targets]


def union_of_classes(targets: list[NDArray]) -> list:
    """Return all classes in order; classes that cannot be compared are ordered as strings."""
    union = {label for y in targets for label in y.tolist()}
    try:
        return sorted(union)
    except TypeError:
        return sorted(union, key=lambda label: (type(label).__name__, str(label)))
