"""Linear models of many tasks: their training rows and their predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from skmtl.data import (
    TaskSet,
    as_target,
    check_inputs,
    checked_weight,
    known_task_codes,
    long_tasks,
    weighted_rows,
)
from skmtl.estimators import Layout, TaskOutputs, column_holder, rows_by_task

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearRows:
    """Checked training rows; all inputs are numeric and none is missing.

    Attributes
    ----------
    layout : Layout
        Columns of X.
    tasks : TaskSet
        The tasks.
    sample_weight : ndarray of shape (n,) or None
        Weights of the rows of ``tasks.X``; every task has a row of positive weight.
    """

    layout: Layout
    tasks: TaskSet
    sample_weight: Array | None


@dataclass(frozen=True, eq=False)
class LinearTasks:
    """One linear model per task.

    Attributes
    ----------
    layout : Layout
        Columns of X.
    task_names : list of str
        Names of the tasks.
    coef : ndarray of shape (T, p)
        Coefficients.
    intercept : ndarray of shape (T,)
        Intercepts.
    """

    layout: Layout
    task_names: list[str]
    coef: Array
    intercept: Array

    def task_ids(self, X: Any) -> NDArray[np.object_] | None:
        """Return the task column of X; None in wide form."""
        return self.layout.task_ids(X)

    def outputs(self, X: Any) -> TaskOutputs:
        """Return the predictions for the rows of X."""
        owner, two_dimensional = self.layout.owner, self.layout.one_column_per_task
        inputs, ids = self.layout.split(X)
        inputs = _numbers(inputs, owner)
        if ids is None:
            columns = (inputs @ self.coef.T + self.intercept).T
            return TaskOutputs(dict(enumerate(columns)), None, len(inputs), two_dimensional)
        codes = known_task_codes(ids, self.task_names, owner)
        predicted = np.einsum("ij,ij->i", inputs, self.coef[codes]) + self.intercept[codes]
        rows = rows_by_task(codes)
        return TaskOutputs({t: predicted[own] for t, own in rows.items()}, rows, len(inputs))


def read_linear_rows(
    owner: str, task_column: str | int | None, X: Any, y: Any, sample_weight: Any = None
) -> LinearRows:
    """Check training data.

    Parameters
    ----------
    owner : str
        Class name of the estimator, for messages.
    task_column : str, int or None
        Column of task ids; None = wide form.
    X, y, sample_weight : object
        Arguments of ``fit``.

    Returns
    -------
    LinearRows
        Layout, tasks and weights.
    """
    if y is None:
        raise ValueError(
            f"This {owner} estimator requires y to be passed, but the target y is None."
        )
    holder: Any = column_holder(owner)
    ids, inputs = check_inputs(holder, X, reset=True, task_column=task_column)
    inputs, y = _numbers(inputs, owner), as_target(y)
    check_consistent_length(inputs, y)
    tasks = (
        TaskSet.from_wide(inputs, y) if ids is None else long_tasks(inputs, y, ids, "regression")
    )
    weight = None
    if sample_weight is not None:
        weight = checked_weight(sample_weight, len(tasks.X))
        weighted_rows(tasks, weight)  # only for its errors: moments accept rows of weight zero
    layout = Layout(
        owner,
        task_column,
        int(holder.n_features_in_),
        getattr(holder, "feature_names_in_", None),
        one_column_per_task=ids is None and np.ndim(y) == 2,
    )
    return LinearRows(layout, tasks, weight)


def _numbers(inputs: Any, owner: str) -> Array:
    numbers: Array = check_array(
        inputs, dtype=np.float64, input_name="X", estimator=column_holder(owner)
    )
    return numbers
