"""How X and y are read, as learned in the first fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skmtl.data import (
    TaskSet,
    check_inputs,
    known_task_codes,
    take_column,
    without_columns,
)
from skmtl.estimators.fit_settings import Settings
from skmtl.estimators.input_reader import InputReader
from skmtl.estimators.targets import Targets, learn_targets

Column = str | int


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """Encoded rows.

    Attributes
    ----------
    numeric : ndarray of shape (n, q)
        Finite numbers.
    codes : ndarray of shape (n, c) or None
        Levels of the embedded categories.
    tasks : ndarray of shape (n,) or None
        Position of every row's task; None in wide form.
    """

    numeric: NDArray[np.float64]
    codes: NDArray[np.int64] | None
    tasks: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self.numeric)

    def take(self, rows: NDArray[np.intp]) -> EncodedRows:
        """Return some of the rows."""
        return EncodedRows(
            self.numeric[rows],
            None if self.codes is None else self.codes[rows],
            None if self.tasks is None else self.tasks[rows],
        )


@dataclass(frozen=True, eq=False)
class Layout:
    """Columns of X, and the task column among them.

    Attributes
    ----------
    owner : str
        Class of the estimator, for messages.
    task_column : str, int or None
        Column of task ids; None = wide form.
    n_columns : int
        Number of columns of X, including the task column.
    column_names : ndarray of str or None
        Names of the columns, if X was a frame with string names.
    sensitive_columns : list of str
        Columns that are dropped from X if it has them.
    one_column_per_task : bool
        Whether y had two dimensions.
    """

    owner: str
    task_column: Column | None
    n_columns: int
    column_names: NDArray[np.object_] | None = None
    sensitive_columns: list[Any] = field(default_factory=list)
    one_column_per_task: bool = False

    def split(self, X: Any) -> tuple[Any, Any]:
        """Return the inputs of X and its task column (None in wide form)."""
        ids, inputs = check_inputs(
            column_holder(self.owner, self.n_columns, self.column_names),
            without_columns(X, self.sensitive_columns),
            reset=False,
            task_column=self.task_column,
        )
        return inputs, ids

    def attributes(self) -> dict[str, Any]:
        """Return scikit-learn's attributes for the number and names of columns."""
        names = {} if self.column_names is None else {"feature_names_in_": self.column_names}
        return {"n_features_in_": self.n_columns, **names}

    def task_ids(self, X: Any) -> NDArray[np.object_] | None:
        """Return the task column; None in wide form."""
        if self.task_column is None:
            return None
        return np.asarray(take_column(X, self.task_column, "task_column")[0], dtype=object)


@dataclass(frozen=True, eq=False)
class Intake:
    """Encoders of X and y, learned from training rows.

    Attributes
    ----------
    layout : Layout
        Columns of X.
    reader : InputReader
        How inputs become numbers and codes.
    targets : Targets
        How targets are coded.
    task_names : list of str
        The tasks, in order.
    """

    layout: Layout
    reader: InputReader
    targets: Targets
    task_names: list[str]

    def read(self, X: Any) -> EncodedRows:
        """Encode the rows of X; raise for an unknown task."""
        inputs, ids = self.layout.split(X)
        return self.encode(inputs, self.task_codes(ids))

    def encode(self, inputs: Any, tasks: NDArray[np.intp] | None) -> EncodedRows:
        """Encode checked inputs without the task column."""
        return EncodedRows(*self.reader.read(inputs), tasks)

    def task_codes(self, ids: Any) -> NDArray[np.intp] | None:
        """Return the position of every row's task; None in wide form."""
        return None if ids is None else known_task_codes(ids, self.task_names, self.layout.owner)

    def for_tasks(self, names: Sequence[str]) -> Intake:
        """Return the intake for some of the tasks."""
        return replace(self, task_names=list(names))


def learn_intake(
    settings: Settings,
    layout: Layout,
    tasks: TaskSet,
    *,
    categorical: Any,
    sample_weight: NDArray[np.float64] | None = None,
    separate: bool | None = None,
    targets: Targets | None = None,
) -> Intake:
    """Learn how to read inputs and targets.

    Parameters
    ----------
    settings : Settings
        How inputs are encoded, and the loss, which codes the targets.
    layout : Layout
        Columns of X.
    tasks : TaskSet
        Training tasks.
    categorical : list of int, "from_dtype" or None
        Categorical columns of ``tasks.X``.
    sample_weight : ndarray of shape (n,), optional
        Weights of the rows of ``tasks.X``.
    separate : bool, optional
        Whether a row counts once for each of its tasks; by default only where tasks share no row.
    targets : Targets, optional
        Coding of the targets, where it does not follow from these rows.

    Returns
    -------
    Intake
        What was learned.
    """
    index = np.concatenate([tasks.rows(name) for name in tasks.names])
    shared = tasks.shares_rows if separate is None else not separate
    reader = InputReader.learn(
        tasks.X,
        categorical_features=categorical,
        embedding_dim=settings.reading.embedding_dim,
        standardize=settings.reading.standardize,
        sample_weight=sample_weight,
        rows=np.unique(index) if shared else index,
    )
    if targets is None:
        targets = learn_targets(tasks, settings.loss, row_weights(tasks, sample_weight))
    return Intake(layout, reader, targets, list(tasks.names))


def row_weights(
    tasks: TaskSet, sample_weight: NDArray[np.float64] | None
) -> dict[str, NDArray[np.float64]] | None:
    """Return the weights of the rows of every task."""
    if sample_weight is None:
        return None
    return {name: sample_weight[tasks.rows(name)] for name in tasks.names}


def layout_of_tasks(owner: str, tasks: TaskSet) -> Layout:
    """Return the layout of a TaskSet's table, which has no task column."""
    return Layout(owner, None, tasks.X.shape[1])


def column_holder(
    owner: str, n_columns: int | None = None, column_names: NDArray[np.object_] | None = None
) -> BaseEstimator:
    """Return a bare estimator of this class name, for scikit-learn's checks of columns."""
    holder = _holder_class(owner)()
    if n_columns is not None:
        holder.n_features_in_ = n_columns
    if column_names is not None:
        holder.feature_names_in_ = column_names
    return holder


@cache
def _holder_class(owner: str) -> type[Any]:
    """Return an estimator class of this name, which scikit-learn uses in messages."""
    return type(owner, (BaseEstimator,), {})
