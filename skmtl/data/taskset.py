"""The one container that every part of skmtl accepts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from skmtl.data.names import encode_task_ids, wide_columns
from skmtl.data.rows import (
    Kind,
    RowOrder,
    check_fraction,
    check_target_column,
    split_rows,
    split_shared_rows,
    take_rows,
    tidy_labels,
)
from skmtl.data.stored_table import StoredTable


@dataclass(frozen=True)
class Task:
    """One task: its name, its inputs and its targets.

    Parameters
    ----------
    name : str
        Name of the task.
    X : ndarray or DataFrame of shape (n_t, p)
        Inputs of the rows that are labelled for this task.
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


class TaskSet:
    """An immutable, ordered set of named tasks over the same input columns.

    Build one with :meth:`from_long` (every row belongs to one task) or :meth:`from_wide` (one
    target column a task, NaN where a row has no label for the task). Both keep one table of inputs
    and, per task, the positions of its labelled rows.

    Parameters
    ----------
    table : ndarray or DataFrame of shape (n, p)
        Inputs that all tasks draw their rows from.
    rows : mapping of str to ndarray of shape (n_t,)
        Positions in ``table`` of every task's labelled rows.
    targets : mapping of str to ndarray of shape (n_t,)
        Targets of those rows.
    kind : {"regression", "classification"}
        Kind of all tasks.

    Attributes
    ----------
    names : list of str
        Task names in order of first appearance.
    kind : {"regression", "classification"}
        Kind of all tasks in the set.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of str or None
        Column names, when X was a DataFrame whose column names are all strings.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import TaskSet
    >>> X = np.arange(8.0).reshape(4, 2)
    >>> tasks = TaskSet.from_long(X, y=[1.0, 2.0, 3.0, 4.0], task=[7.0, 7.0, 9.0, 9.0])
    >>> tasks.names, len(tasks)
    (['7', '9'], 2)
    >>> tasks["9"].y
    array([3., 4.])
    >>> tasks.pairs().tolist()
    [['7', '9'], ['9', '7']]
    """

    def __init__(
        self,
        table: Any,
        rows: Mapping[str, NDArray[np.intp]],
        targets: Mapping[str, NDArray[Any]],
        kind: Kind,
    ):
        _check_kind(kind)
        table = table.frame() if isinstance(table, StoredTable) else table
        self._table = table
        self._rows = MappingProxyType(
            {name: _frozen(np.asarray(index, dtype=np.intp)) for name, index in rows.items()}
        )
        self._targets = MappingProxyType({name: _frozen(targets[name]) for name in rows})
        self.kind: Kind = kind
        self.n_features_in_: int = table.shape[1]
        self.feature_names_in_ = _feature_names(table)
        self._sealed = True

    def __setattr__(self, name: str, value: Any) -> None:
        if getattr(self, "_sealed", False):
            raise AttributeError(f"TaskSet is immutable; cannot set {name!r}.")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"TaskSet is immutable; cannot delete {name!r}.")

    def __reduce__(self) -> tuple[Any, ...]:
        # What skops stores. It calls the constructor again, and knows no DataFrame.
        table = StoredTable(self._table) if hasattr(self._table, "iloc") else self._table
        return TaskSet, (table, dict(self._rows), dict(self._targets), self.kind)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return TaskSet, (self._table, dict(self._rows), dict(self._targets), self.kind)

    # ------------------------------------------------------------------ construction
    @classmethod
    def from_long(cls, X: Any, y: ArrayLike, task: ArrayLike, kind: Kind = "regression") -> TaskSet:
        """Build from rows that each belong to one task.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
            Inputs, without the task column.
        y : array-like of shape (n,)
            Targets. Missing values raise: drop those rows first.
        task : array-like of shape (n,)
            Task id of every row: strings, integers or any hashables; integral floats lose their
            ".0".
        kind : {"regression", "classification"}, default="regression"
            Kind of all tasks.

        Returns
        -------
        TaskSet
            One task for every distinct id.

        Raises
        ------
        ValueError
            If lengths differ, a target is missing or not finite, or two ids share one name.
        """
        table = _check_table(X)
        names, codes = encode_task_ids(task)
        _check_kind(kind)
        labels = check_target_column(y, kind, "y")
        for what, length in (("y", len(labels)), ("task", len(codes))):
            if length != table.shape[0]:
                raise ValueError(f"X has {table.shape[0]} rows, but {what} has {length}.")
        missing = pd.isna(labels)
        if missing.any():
            raise ValueError(
                f"Task {names[codes[missing.argmax()]]!r} has a missing target in y "
                f"({missing.sum()} in all). Drop those rows first."
            )
        order = np.argsort(codes, kind="stable")
        parts = np.split(order, np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])
        rows = dict(zip(names, parts, strict=True))
        return cls(table, rows, {name: labels[index] for name, index in rows.items()}, kind)

    @classmethod
    def from_wide(cls, X: Any, Y: Any, kind: Kind = "regression") -> TaskSet:
        """Build from one target column a task; NaN means that the row has no label for the task.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
            Inputs, shared by all tasks.
        Y : array-like or DataFrame of shape (n, T) or (n,)
            Targets. Column names of a DataFrame become task names, else the positions "0", "1", ...
        kind : {"regression", "classification"}, default="regression"
            Kind of all tasks.

        Returns
        -------
        TaskSet
            One task for every column of Y.

        Raises
        ------
        ValueError
            If lengths differ or a column of Y has no label at all.
        """
        table = _check_table(X)
        _check_kind(kind)
        names, columns = wide_columns(Y)
        if len(columns[0]) != table.shape[0]:
            raise ValueError(f"X has {table.shape[0]} rows, but Y has {len(columns[0])}.")
        rows, targets = {}, {}
        for name, column in zip(names, columns, strict=True):
            labels = check_target_column(column, kind, f"Y[{name!r}]")
            rows[name] = np.flatnonzero(~pd.isna(labels))
            if len(rows[name]) == 0:
                raise ValueError(f"Task {name!r} has no labelled row in Y.")
            targets[name] = (
                tidy_labels(labels[rows[name]]) if kind == "classification" else labels[rows[name]]
            )
        return cls(table, rows, targets, kind)

    # ------------------------------------------------------------------ reading
    @property
    def names(self) -> list[str]:
        """Task names in order of first appearance."""
        return list(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Task]:
        return (self[name] for name in self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __getitem__(self, name: str) -> Task:
        index = self.rows(name)
        return Task(name, take_rows(self._table, index), self._targets[name])

    def __repr__(self) -> str:
        sizes = self.sizes
        spread = f"{sizes.min()}..{sizes.max()}" if len(sizes) else "0"
        return (
            f"TaskSet({len(self)} {self.kind} tasks, {self.n_features_in_} features, {spread} "
            "rows a task)"
        )

    def __sklearn_clone__(self) -> TaskSet:
        return self

    @property
    def X(self) -> Any:
        """The table of inputs that all tasks draw their rows from, of shape (n, p)."""
        return self._table.copy(deep=False) if hasattr(self._table, "iloc") else self._table

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Number of labelled rows of every task, of shape (T,)."""
        return np.array([len(self._rows[name]) for name in self.names], dtype=np.intp)

    @property
    def shares_rows(self) -> bool:
        """Whether any row of :attr:`X` is labelled for two tasks."""
        return int(self.sizes.sum()) > len(
            np.unique(np.concatenate([np.empty(0, dtype=np.intp), *self._rows.values()]))
        )

    def rows(self, name: str) -> NDArray[np.intp]:
        """Positions in :attr:`X` of the rows that are labelled for a task."""
        try:
            return self._rows[name]
        except (KeyError, TypeError):
            raise KeyError(
                f"No task {name!r} in this TaskSet; it has {_shortened(self.names)}."
            ) from None

    def targets(self, name: str) -> NDArray[Any]:
        """Targets of a task's labelled rows, in the order of :meth:`rows`."""
        self.rows(name)
        return self._targets[name]

    def pairs(self) -> NDArray[np.object_]:
        """Return all ordered pairs of names, of shape (T * (T - 1), 2): column 0 = target, column 1
        = source.
        """
        pairs = list(itertools.permutations(self.names, 2))
        return np.array(pairs, dtype=object).reshape(len(pairs), 2)

    def subset(self, names: Iterable[str]) -> TaskSet:
        """Return the TaskSet of the named tasks, in the order given."""
        names = list(names)
        if not names:
            raise ValueError("subset needs at least one task name.")
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"subset got task {twice[0]!r} twice.")
        return TaskSet(
            self._table, {name: self.rows(name) for name in names}, self._targets, self.kind
        )

    def to_long(self) -> tuple[Any, NDArray[Any], NDArray[np.object_]]:
        """Return inputs, targets and task names with one row for every label, task after task."""
        index = np.concatenate([self._rows[name] for name in self.names])
        y = np.concatenate([self._targets[name] for name in self.names])
        task = np.repeat(np.array(self.names, dtype=object), self.sizes)
        return take_rows(self._table, index), y, task

    def to_wide(self) -> tuple[Any, pd.DataFrame]:
        """Return the table of inputs and a frame of targets, (n, T), with NaN where a row has no
        label.
        """
        n = self._table.shape[0]
        columns = {}
        for name in self.names:
            labels = self._targets[name]
            column: NDArray[Any] = np.full(
                n, np.nan, dtype=float if labels.dtype.kind in "fiub" else object
            )
            column[self._rows[name]] = labels
            columns[name] = column
        return self.X, pd.DataFrame(columns, index=getattr(self._table, "index", None))

    # ------------------------------------------------------------------ splitting
    def train_test_split(
        self, test_size: float = 0.3, random_state: Any = None
    ) -> tuple[TaskSet, TaskSet]:
        """Split the rows of every task into a training and a test part.

        Where no row belongs to two tasks, every task is split by itself (ceil(test_size * n_t) test
        rows), stratified by class for classification. Where tasks share rows, a row is either
        training or test for all of its tasks, and rows with rare labels are dealt out first so that
        every task keeps its share.

        Parameters
        ----------
        test_size : float, default=0.3
            Fraction of rows, strictly between 0 and 1.
        random_state : int, RandomState or None, default=None
            Seed of the split.

        Returns
        -------
        train, test : TaskSet
            Both with all tasks, in the same order.

        Raises
        ------
        ValueError
            If test_size is out of range or a task has fewer than 2 rows.
        """
        check_fraction(test_size, "test_size")
        return self._split(test_size, check_random_state(random_state))

    def hold_out(self, test_size: float, seed: int) -> tuple[TaskSet, TaskSet]:
        """Split as :meth:`train_test_split` does, but alike for any order of the tasks and any
        names.

        Parameters
        ----------
        test_size : float
            Fraction of rows, strictly between 0 and 1.
        seed : int
            Seed of the split.

        Returns
        -------
        train, held : TaskSet
            Both with all tasks, in the same order.
        """
        rows = (
            np.unique(np.concatenate(list(self._rows.values())))
            if self.shares_rows
            else np.arange(self.sizes.max())
        )
        return self._split(test_size, RowOrder(rows, seed))

    def _split(
        self, test_size: float, rng: np.random.RandomState | RowOrder
    ) -> tuple[TaskSet, TaskSet]:
        small = [name for name in self.names if len(self._rows[name]) < 2]
        if small:
            raise ValueError(
                f"Task {small[0]!r} has 1 row; train_test_split needs at least 2 rows a task."
            )
        stratify = self.kind == "classification"
        if self.shares_rows:
            held = split_shared_rows(
                self._rows, self._targets, self._table.shape[0], test_size, rng, stratify=stratify
            )
        else:
            held = {
                name: split_rows(self._targets[name], test_size, rng, stratify=stratify)
                for name in self.names
            }
        return self._masked({name: ~mask for name, mask in held.items()}), self._masked(held)

    def _masked(self, masks: Mapping[str, NDArray[np.bool_]]) -> TaskSet:
        rows = {name: self._rows[name][mask] for name, mask in masks.items()}
        return TaskSet(
            self._table,
            rows,
            {name: self._targets[name][mask] for name, mask in masks.items()},
            self.kind,
        )


# ---------------------------------------------------------------------- helpers
def _check_kind(kind: Any) -> None:
    if kind not in ("regression", "classification"):
        raise ValueError(f"kind must be 'regression' or 'classification'. Got {kind!r}.")


def _check_table(X: Any) -> Any:
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        table = X.copy(deep=True)
        if table.columns.duplicated().any():
            raise ValueError(
                f"X has two columns named {table.columns[table.columns.duplicated()][0]!r}."
            )
    else:
        table = np.array(X)
        if table.ndim != 2:
            raise ValueError(
                f"X must have shape (n, p). Got an array with {table.ndim} dimensions."
            )
        table = _frozen(table)
    if table.shape[0] == 0 or table.shape[1] == 0:
        raise ValueError(
            f"X must have at least one row and one column. Got shape {tuple(table.shape)}."
        )
    return table


def _feature_names(table: Any) -> NDArray[np.object_] | None:
    columns = getattr(table, "columns", None)
    if columns is None or not all(isinstance(name, str) for name in columns):
        return None
    return np.asarray(columns, dtype=object)


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    frozen: NDArray[Any] = values.view()
    frozen.flags.writeable = False
    return frozen


def _shortened(names: list[str], at_most: int = 6) -> str:
    shown = ", ".join(repr(name) for name in names[:at_most])
    return shown + (f", ... ({len(names)} in all)" if len(names) > at_most else "")
