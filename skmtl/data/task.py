"""One task: a name, inputs and targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Task:
    """One task: its name, its inputs and its targets.

    Parameters
    ----------
    name : str
        Name of the task.
    X : ndarray or DataFrame of shape (n_t, p)
        Inputs of the rows that are labeled for this task.
    y : ndarray of shape (n_t,)
        Targets: float64 for regression, labels in their own type for classification.

    Examples
    --------
    >>> from skmtl import TaskSet
    >>> task = TaskSet.from_wide([[1.0], [2.0], [3.0]], [5.0, float("nan"), 6.0])["0"]
    >>> task.name, task.y, len(task)
    ('0', array([5., 6.]), 2)
    """

    name: str
    X: Any
    y: NDArray[Any]

    def __len__(self) -> int:
        return len(self.y)
