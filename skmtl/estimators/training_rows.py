"""Validated training data: tasks, sample weights and sensitive groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length

from skmtl.data import (
    Groups,
    TaskSet,
    as_pandas,
    as_target,
    check_inputs,
    checked_weight,
    column_position,
    group_codes,
    long_tasks,
    n_rows_of,
    named_columns,
    resolve_categorical,
    weighted_rows,
    wide_tasks,
    without_columns,
)
from skmtl.estimators.class_labels import check_class_labels
from skmtl.estimators.fit_settings import ReadingSettings, Settings
from skmtl.estimators.fitted_networks import FittedNetworks
from skmtl.estimators.intake import Intake, Layout, column_holder


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Checked training rows.

    Attributes
    ----------
    layout : Layout
        Columns of X.
    tasks : TaskSet
        The tasks, without rows of weight 0.
    sample_weight : ndarray of shape (n,) or None
        Weights of the rows of ``tasks.X``.
    groups : Groups or None
        Sensitive group of every row.
    categorical : list of int, "from_dtype" or None
        Categorical columns of ``tasks.X``.
    """

    layout: Layout
    tasks: TaskSet
    sample_weight: NDArray[np.float64] | None = None
    groups: Groups | None = None
    categorical: Any = "from_dtype"


def read_training_rows(
    settings: Settings,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    sensitive_features: Any = None,
    *,
    earlier: FittedNetworks | None = None,
) -> TrainingRows:
    """Check training data.

    Parameters
    ----------
    settings : Settings
        Settings of the estimator, which name the task column and categorical columns.
    X, y, sample_weight, sensitive_features : object
        Arguments of ``fit``.
    earlier : FittedNetworks, optional
        Model of an earlier fit, whose columns and tasks are required.

    Returns
    -------
    TrainingRows
        Tasks, weights and groups.

    Raises
    ------
    ValueError
        If the data have another form, or contain an unknown task.
    """
    reading, known = settings.reading, None if earlier is None else earlier.intake
    X, groups, sensitive_columns = _without_sensitive(X, sensitive_features, reading)
    if y is None:
        raise ValueError(
            f"This {settings.owner} estimator requires y to be passed, but the target y is None."
        )
    X, y = as_pandas(X), as_pandas(y)
    holder: Any = (
        column_holder(settings.owner)
        if known is None
        else column_holder(settings.owner, known.layout.n_columns, known.layout.column_names)
    )
    ids, inputs = check_inputs(holder, X, reset=known is None, task_column=reading.task_column)
    position = None if ids is None else column_position(X, reading.task_column, "task_column")
    shape = list(X.columns) if hasattr(X, "columns") else inputs.shape[1] + (ids is not None)
    categorical = resolve_categorical(reading.categorical_features, shape, position)
    y = as_target(y)
    check_consistent_length(inputs, y)
    weight = None if sample_weight is None else checked_weight(sample_weight, len(inputs))
    check = check_class_labels if settings.kind == "classification" else _any_label
    if ids is None:
        before = None if known is None else (known.layout.one_column_per_task, known.task_names)
        tasks = wide_tasks(inputs, y, settings.kind, check, known=before)
    else:
        tasks = long_tasks(inputs, y, ids, settings.kind, check)
    layout = Layout(
        owner=settings.owner,
        task_column=reading.task_column,
        n_columns=int(holder.n_features_in_),
        column_names=getattr(holder, "feature_names_in_", None),
        sensitive_columns=sensitive_columns,
        one_column_per_task=ids is None and np.ndim(y) == 2,
    )
    if known is not None:
        layout = replace(known.layout, sensitive_columns=sensitive_columns)
        _check_known(tasks, known)
    if weight is not None:
        tasks = weighted_rows(tasks, weight)
    return TrainingRows(layout, tasks, weight, groups, categorical)


def _without_sensitive(
    X: Any, sensitive_features: Any, reading: ReadingSettings
) -> tuple[Any, Groups | None, list[Any]]:
    """Return X without sensitive columns, the groups of its rows, and the columns' names."""
    if sensitive_features is None:
        return X, None, []
    X = as_pandas(X)
    groups = Groups(*group_codes(X, sensitive_features, n_rows_of(X)))
    named = [] if reading.sensitive_as_input else named_columns(X, sensitive_features)
    return without_columns(X, named), groups, named


def _any_label(name: str, labels: NDArray[Any]) -> None:
    """Accept the labels of a regression task, which TaskSet checks."""


def _check_known(tasks: TaskSet, known: Intake) -> None:
    """Raise if a task was not in the first fit."""
    unknown = [name for name in tasks.names if name not in set(known.task_names)]
    if unknown:
        raise ValueError(
            f"Task {unknown[0]!r} was not in the first fit of this {known.layout.owner}; only "
            "known tasks can be learned further."
        )
