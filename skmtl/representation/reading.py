"""What a user gives to a linear model: numbers without gaps, a task column in long form, targets
with gaps in wide form.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from skmtl.data import TaskSet, as_target, check_inputs, checked_weight, long_tasks, weighted_rows

Array = NDArray[np.float64]


def read_inputs(estimator: Any, X: Any, *, reset: bool) -> tuple[Any, Array]:
    """Return the task column, or None in wide form, and the other columns as numbers; set or
    compare number and names of columns.
    """
    ids, inputs = check_inputs(estimator, X, reset=reset, task_column=estimator.task_column)
    return ids, check_array(inputs, dtype=np.float64, input_name="X", estimator=estimator)


def read_tasks(estimator: Any, X: Any, y: Any) -> tuple[TaskSet, bool]:
    """Return the tasks of a fit, and whether y had one column a task."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None."
        )
    ids, inputs = read_inputs(estimator, X, reset=True)
    y = as_target(y)
    check_consistent_length(inputs, y)
    if ids is None:
        return TaskSet.from_wide(inputs, y), np.ndim(y) == 2
    return long_tasks(inputs, y, ids, "regression"), False


def read_row_weight(sample_weight: Any, tasks: TaskSet) -> Array | None:
    """Return weights of the rows, some of every task positive."""
    if sample_weight is None:
        return None
    weight = checked_weight(sample_weight, len(tasks.X))
    weighted_rows(tasks, weight)  # for what it raises: moments take rows of weight zero as they are
    return weight
