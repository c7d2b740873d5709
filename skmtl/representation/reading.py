"""What a user gives to a linear model: numbers without gaps, a task column in long form, targets with gaps in wide form."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length, validate_data

from skmtl._sklearn_compat import check_sample_weight
from skmtl.tasks import TaskSet

Array = NDArray[np.float64]


def read_inputs(estimator: Any, X: Any, *, reset: bool) -> tuple[Any, Array]:
    """Return the task column, or None in wide form, and the other columns as numbers; set or compare number and names of columns."""
    if estimator.task_column is None:
        return None, validate_data(estimator, X, reset=reset, dtype=np.float64)
    X = X.to_pandas() if hasattr(X, "to_pandas") else X
    if not isinstance(X, pd.DataFrame):
        strings = not isinstance(X, np.ndarray) and np.asarray(X).dtype.kind in "US"
        X = check_array(np.array(X, dtype=object) if strings else X, dtype=None, ensure_all_finite=False, input_name="X", estimator=estimator)
    validate_data(estimator, X, skip_check_array=True, reset=reset)
    position = _column_position(X, estimator.task_column)
    others = [k for k in range(X.shape[1]) if k != position]
    ids, inputs = (X.iloc[:, position], X.iloc[:, others]) if isinstance(X, pd.DataFrame) else (X[:, position], X[:, others])
    return ids, check_array(inputs, dtype=np.float64, input_name="X", estimator=estimator)


def read_tasks(estimator: Any, X: Any, y: Any) -> tuple[TaskSet, bool]:
    """Return the tasks of a fit, and whether y had one column a task."""
    if y is None:
        raise ValueError(f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is None.")
    ids, inputs = read_inputs(estimator, X, reset=True)
    y = y.to_pandas() if hasattr(y, "to_pandas") else y
    if not isinstance(y, (pd.DataFrame, pd.Series)):
        y = check_array(y, ensure_2d=False, dtype=None, ensure_all_finite=False, input_name="y", estimator=estimator)
    if np.ndim(y) == 2 and np.shape(y)[1] == 0:
        raise ValueError(f"y must have shape (n,) or (n, T) with at least one task. Got shape {np.shape(y)}.")
    check_consistent_length(inputs, y)
    if ids is None:
        return TaskSet.from_wide(inputs, y), np.ndim(y) == 2
    if np.ndim(y) != 1:
        raise ValueError(f"With task_column, y must have shape (n,). Got an array with {np.ndim(y)} dimensions.")
    return TaskSet.from_long(inputs, y, ids), False


def read_row_weight(sample_weight: Any, tasks: TaskSet) -> Array | None:
    """Return weights of the rows as scikit-learn demands them, some of every task positive."""
    if sample_weight is None:
        return None
    weight: Array = check_sample_weight(sample_weight, np.empty((len(tasks.X), 0)), dtype=np.float64, ensure_non_negative=True)
    for name in tasks.names:
        if not weight[tasks.rows(name)].any():
            raise ValueError(f"sample_weight is zero for every labelled row of task {name!r}: no sample is left to learn it from.")
    return weight


def _column_position(X: Any, column: Any) -> int:
    if isinstance(X, pd.DataFrame):
        found = np.flatnonzero([name == column for name in X.columns])
        if len(found) == 1:
            return int(found[0])
        if len(found) > 1:
            raise ValueError(f"task_column={column!r} stands for {len(found)} columns of X; names must be distinct.")
    if not isinstance(column, Integral):
        has = f"has the columns {list(X.columns)[:8]}" if isinstance(X, pd.DataFrame) else "is not a DataFrame; give the column's index instead"
        raise ValueError(f"task_column={column!r} is not a column of X, which {has}.")
    if not -X.shape[1] <= column < X.shape[1]:
        raise ValueError(f"task_column={column!r} is out of range: X has {X.shape[1]} columns.")
    return int(column) % int(X.shape[1])
