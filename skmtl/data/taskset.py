"""The container for tasks that every part of skmtl accepts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from skmtl.data.frames import one_column, take_rows
from skmtl.data.label_types import check_label_types, plain_labels, tidy_labels
from skmtl.data.messages import shown_names, shown_value
from skmtl.data.missing_text import without_missing_text
from skmtl.data.row_splits import RowOrder, check_fraction, split_rows, split_shared_rows
from skmtl.data.stored_table import StoredTable
from skmtl.data.task import Task
from skmtl.data.task_ids import encode_task_ids
from skmtl.data.task_table import Kind, as_table, check_kind, feature_names, frozen, numeric_targets
from skmtl.data.wide_targets import wide_columns


class TaskSet:
    """An immutable, ordered set of named tasks over the same input columns.

    Build one with :meth:`from_long` (every row belongs to one task) or :meth:`from_wide` (one
    target column per task, NaN where a row has no label for the task). Both keep one table of
    inputs and, for every task, the positions of its labeled rows.

    Parameters
    ----------
    table : ndarray or DataFrame of shape (n, p)
        Inputs that all tasks draw their rows from.
    rows : mapping of str to ndarray of shape (n_t,)
        Positions in ``table`` of every task's labeled rows.
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
        check_kind(kind)
        table = table.frame() if isinstance(table, StoredTable) else table
        self._table = table
        self._rows = MappingProxyType(
            {name: frozen(np.asarray(index, dtype=np.intp)) for name, index in rows.items()}
        )
        self._targets = MappingProxyType({name: frozen(targets[name]) for name in rows})
        self.kind: Kind = kind
        self.n_features_in_: int = table.shape[1]
        self.feature_names_in_ = feature_names(table)
        self._sealed = True

    def __setattr__(self, name: str, value: Any) -> None:
        if getattr(self, "_sealed", False):
            raise AttributeError(f"TaskSet is immutable; cannot set {name!r}.")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"TaskSet is immutable; cannot delete {name!r}.")

    def __reduce__(self) -> tuple[Any, ...]:
        # For skops, which calls the constructor again and cannot store a DataFrame.
        table = StoredTable(self._table) if hasattr(self._table, "iloc") else self._table
        return TaskSet, (table, dict(self._rows), dict(self._targets), self.kind)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return TaskSet, (self._table, dict(self._rows), dict(self._targets), self.kind)

    # ------------------------------------------------------------------ construction
    @classmethod
    def from_long(cls, X: Any, y: ArrayLike, task: ArrayLike, kind: Kind = "regression") -> TaskSet:
        """Build a TaskSet from long form, where every row belongs to one task.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
            Inputs, without the task column.
        y : array-like of shape (n,)
            Targets. Missing values are an error: drop those rows first.
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
        check_kind(kind)
        table = as_table(X)
        names, codes = encode_task_ids(task)
        labels = without_missing_text(one_column(y, "y"), "y")
        return tasks_of_codes(table, labels, names, codes, kind)

    @classmethod
    def from_wide(cls, X: Any, Y: Any, kind: Kind = "regression") -> TaskSet:
        """Build a TaskSet from wide form: one target column per task, NaN for a missing label.

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
            If lengths differ or a column of Y has no label.
        """
        check_kind(kind)
        table = as_table(X)
        return tasks_of_columns(table, *wide_columns(Y), kind)

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
            "rows per task)"
        )

    def __sklearn_clone__(self) -> TaskSet:
        return self

    @property
    def X(self) -> Any:
        """The table of inputs that all tasks draw their rows from, of shape (n, p)."""
        return self._table.copy(deep=False) if hasattr(self._table, "iloc") else self._table

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Number of labeled rows of every task, of shape (T,)."""
        return np.array([len(self._rows[name]) for name in self.names], dtype=np.intp)

    @property
    def shares_rows(self) -> bool:
        """Whether any row of :attr:`X` is labeled for two tasks."""
        return int(self.sizes.sum()) > len(
            np.unique(np.concatenate([np.empty(0, dtype=np.intp), *self._rows.values()]))
        )

    def rows(self, name: str) -> NDArray[np.intp]:
        """Positions in :attr:`X` of the rows that are labeled for a task."""
        try:
            return self._rows[name]
        except (KeyError, TypeError):
            raise KeyError(
                f"No task {shown_value(name)} in this TaskSet; it has {shown_names(self.names)}."
            ) from None

    def targets(self, name: str) -> NDArray[Any]:
        """Targets of a task's labeled rows, in the order of :meth:`rows`."""
        self.rows(name)
        return self._targets[name]

    def pairs(self) -> NDArray[np.object_]:
        """Return all ordered pairs of names, (T * (T - 1), 2): target first, then source."""
        pairs = list(itertools.permutations(self.names, 2))
        return np.array(pairs, dtype=object).reshape(len(pairs), 2)

    def subset(self, names: Iterable[str]) -> TaskSet:
        """Return a TaskSet of the named tasks, in the given order."""
        names = list(names)
        if not names:
            raise ValueError("subset needs at least one task name.")
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"subset got task {twice[0]!r} twice.")
        return TaskSet(
            self._table, {name: self.rows(name) for name in names}, self._targets, self.kind
        )

    def to_long(self) -> tuple[Any, NDArray[Any], NDArray[np.object_]]:
        """Return inputs, targets and task names with one row per label, sorted by task."""
        index = np.concatenate([self._rows[name] for name in self.names])
        y = np.concatenate([self._targets[name] for name in self.names])
        task = np.repeat(np.array(self.names, dtype=object), self.sizes)
        return take_rows(self._table, index), y, task

    def to_wide(self) -> tuple[Any, pd.DataFrame]:
        """Return the inputs and a frame of targets, (n, T), with NaN for missing labels."""
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

        If no row belongs to two tasks, every task is split separately, into ceil(test_size * n_t)
        test rows and the rest, stratified by class for classification. If tasks share rows, a row
        is in the same part for all of its tasks, and rows with rare labels are assigned first so
        that every task keeps its share.

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
        """Split like :meth:`train_test_split`, independently of the tasks' order and names.

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
                f"Task {small[0]!r} has 1 row; train_test_split needs at least 2 rows per task."
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


# ---------------------------------------------------------------------- from targets to tasks
def tasks_of_codes(
    table: Any, labels: NDArray[Any], names: list[str], codes: NDArray[np.intp], kind: Kind
) -> TaskSet:
    """Return the tasks of targets of shape (n,), given the position of every row's task."""
    for what, length in (("y", len(labels)), ("task", len(codes))):
        if length != table.shape[0]:
            raise ValueError(f"X has {table.shape[0]} rows, but {what} has {length}.")
    missing = pd.isna(labels)
    if missing.any():
        raise ValueError(
            f"Task {names[codes[missing.argmax()]]!r} has a missing target in y "
            f"({missing.sum()} in all). Drop those rows first."
        )
    if kind == "classification":
        check_label_types(labels, "y")
        labels = plain_labels(labels)
    else:
        labels = numeric_targets(labels, "y")
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])
    rows = dict(zip(names, parts, strict=True))
    return TaskSet(table, rows, {name: labels[index] for name, index in rows.items()}, kind)


def tasks_of_columns(
    table: Any, names: list[str], columns: list[NDArray[Any]], kind: Kind
) -> TaskSet:
    """Return the tasks of wide targets, given as one column per task."""
    if len(columns[0]) != table.shape[0]:
        raise ValueError(f"X has {table.shape[0]} rows, but Y has {len(columns[0])}.")
    rows, targets = {}, {}
    for name, column in zip(names, columns, strict=True):
        labels = column if kind == "classification" else numeric_targets(column, f"Y[{name!r}]")
        rows[name] = np.flatnonzero(~pd.isna(labels))
        if len(rows[name]) == 0:
            raise ValueError(f"Task {name!r} has no labeled row in Y.")
        targets[name] = labels[rows[name]]
        if kind == "classification":
            check_label_types(targets[name], f"Task {name!r}")
            targets[name] = tidy_labels(targets[name], f"Task {name!r}")
    return TaskSet(table, rows, targets, kind)
