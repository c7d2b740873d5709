"""Rows of a sweep: inputs, encoded labels and sensitive groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length

from skmtl.data import (
    check_label_types,
    group_codes,
    in_task_order,
    named_columns,
    rows_as_given,
    sensitive_table,
    split_rows,
    take_rows,
    tidy_labels,
    wide_columns,
    without_columns,
)

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class SweepRows:
    """Rows on which the networks of a sweep are fitted or evaluated.

    Attributes
    ----------
    X : ndarray or DataFrame of shape (n, p)
        Inputs.
    Y : ndarray, Series or DataFrame of shape (n,) or (n, T)
        Labels as given.
    coded : ndarray of shape (n, T)
        1 for the larger of the two classes of a task, 0 for the other, NaN for missing labels.
    sensitive : DataFrame of shape (n, q)
        Sensitive features, whose combinations are the groups.
    groups : ndarray of int of shape (n,)
        Code of the sensitive group of every row, -1 if a value is missing.
    """

    X: Any
    Y: Any
    coded: NDArray[np.float64]
    sensitive: pd.DataFrame
    groups: NDArray[np.int64]

    def take(self, rows: Rows) -> SweepRows:
        """Return a subset of the rows."""
        return SweepRows(
            take_rows(self.X, rows),
            take_rows(self.Y, rows),
            self.coded[rows],
            self.sensitive.iloc[rows],
            self.groups[rows],
        )

    def split(self, fraction: float, seed: int) -> tuple[SweepRows, SweepRows]:
        """Split at random by combinations of labels and groups; the second part is validation."""
        table = pd.DataFrame(np.column_stack([self.coded, self.groups]))
        patterns = table.groupby(list(table.columns), dropna=False, sort=False).ngroup().to_numpy()
        held = split_rows(patterns, fraction, np.random.RandomState(seed), stratify=True)
        return self.take(np.flatnonzero(~held)), self.take(np.flatnonzero(held))

    def of_task(self, t: int) -> SweepRows:
        """Return the labeled rows of one task."""
        rows = np.flatnonzero(~np.isnan(self.coded[:, t]))
        labels = pd.Series(wide_columns(self.Y)[1][t][rows])
        return replace(
            self.take(rows), Y=labels.infer_objects().to_numpy(), coded=self.coded[rows][:, [t]]
        )


@dataclass(frozen=True)
class SweepParts:
    """Training, validation and test rows of a sweep."""

    train: SweepRows
    validation: SweepRows
    test: SweepRows

    def of_task(self, t: int) -> SweepParts:
        """Return the labeled rows of one task."""
        return SweepParts(self.train.of_task(t), self.validation.of_task(t), self.test.of_task(t))

    def with_inputs(self, inputs: Callable[[SweepRows], Any]) -> SweepParts:
        """Return the rows with new inputs, computed from the rows, training rows first."""
        return SweepParts(
            *(replace(rows, X=inputs(rows)) for rows in (self.train, self.validation, self.test))
        )


@dataclass(frozen=True)
class SweepTasks:
    """Names of the tasks and their two classes."""

    names: list[str]
    classes: list[NDArray[Any]]


def read_training_rows(
    X: Any, Y: Any, sensitive_features: Any, *, drop: bool
) -> tuple[SweepRows, SweepTasks]:
    """Check training rows; return them and the tasks.

    With ``drop``, columns of X that are named as sensitive features are dropped from the inputs.
    """
    X, Y = rows_as_given(X), rows_as_given(Y)
    names, columns = wide_columns(Y, "Y")
    Y = _with_missing(Y, names, columns)
    classes = [_classes(name, column) for name, column in zip(names, columns, strict=True)]
    for name, own in zip(names, classes, strict=True):
        if len(own) != 2:
            raise ValueError(
                f"fairness_sweep needs two classes per task. Task {name!r} has {len(own)} in Y: "
                f"{own.tolist()[:5]}."
            )
    tasks = SweepTasks(names, classes)
    return _read(X, Y, sensitive_features, tasks, drop=drop), tasks


def read_test_rows(
    X: Any, Y: Any, sensitive_features: Any, tasks: SweepTasks, *, drop: bool
) -> SweepRows:
    """Check test rows and return them; the columns of a frame are matched by name."""
    X, Y = rows_as_given(X), rows_as_given(Y)
    Y = in_task_order(Y, tasks.names, "Y_test", "the columns of Y")
    columns = wide_columns(Y, "Y_test")[1]
    Y = _with_missing(Y, tasks.names, columns)
    if len(columns) != len(tasks.names):
        raise ValueError(
            f"Y_test must have one column per task of Y, {len(tasks.names)}. Got {len(columns)} "
            "columns."
        )
    for name, column, expected in zip(tasks.names, columns, tasks.classes, strict=True):
        own = _classes(name, column).tolist()
        if unknown := sorted(set(own) - set(expected.tolist()), key=str):
            raise ValueError(
                f"Task {name!r} has the label {unknown[0]!r} in Y_test, which is not among its "
                f"classes {expected.tolist()} in Y."
            )
    return _read(X, Y, sensitive_features, tasks, drop=drop)


def _read(X: Any, Y: Any, sensitive_features: Any, tasks: SweepTasks, *, drop: bool) -> SweepRows:
    check_consistent_length(X, Y)
    columns = wide_columns(Y)[1]
    coded = np.column_stack(
        [_coded(column, own) for column, own in zip(columns, tasks.classes, strict=True)]
    )
    groups = sensitive_table(X, sensitive_features, len(coded))
    named = named_columns(X, sensitive_features)
    codes = group_codes(None, groups, len(coded))[0]
    return SweepRows(without_columns(X, named) if drop else X, Y, coded, groups, codes)


def _with_missing(Y: Any, names: list[str], columns: Sequence[NDArray[Any]]) -> Any:
    """Return labels with NaN in place of strings that stand for missing values.

    Otherwise every fit would replace them again, and warn.
    """
    found = np.column_stack([pd.isna(column) for column in columns])
    if not (found & ~np.asarray(pd.isna(Y)).reshape(found.shape)).any():
        return Y
    if np.ndim(Y) == 1:
        return pd.Series(columns[0])
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def _classes(name: str, column: NDArray[Any]) -> NDArray[Any]:
    """Return the sorted classes of a task."""
    labels = column[~pd.isna(column)]
    check_label_types(labels, f"Task {name!r}")
    return np.unique(tidy_labels(labels, f"Task {name!r}"))


def _coded(column: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.float64]:
    missing = pd.isna(column)
    positive = np.zeros(len(column))
    positive[~missing] = tidy_labels(column[~missing]) == classes[-1]
    return np.where(missing, np.nan, positive)
