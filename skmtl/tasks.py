"""Named tasks with their data: the one container that every part of skmtl accepts."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

Kind = Literal["regression", "classification"]


@dataclass(frozen=True)
class Task:
    """One task: its name, its inputs and its targets.

    Attributes
    ----------
    name : str
        Name of the task.
    X : ndarray or DataFrame of shape (n_t, p)
        Inputs of the rows that are labelled for this task.
    y : ndarray of shape (n_t,)
        Targets: float64 for regression, labels in their own type for classification.
    """

    name: str
    X: Any
    y: NDArray[Any]

    def __len__(self) -> int:
        return len(self.y)


class TaskSet:
    """An immutable, ordered set of named tasks over the same input columns.

    Build one with :meth:`from_long` (every row belongs to one task) or :meth:`from_wide` (one target column a task, NaN
    where a row has no label for the task). Both keep one table of inputs and, per task, the positions of its labelled rows.

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

    def __init__(self, table: Any, rows: Mapping[str, NDArray[np.intp]], targets: Mapping[str, NDArray[Any]], kind: Kind):
        _check_kind(kind)
        self._table = table
        self._rows = MappingProxyType({name: _frozen(np.asarray(index, dtype=np.intp)) for name, index in rows.items()})
        self._targets = MappingProxyType({name: _frozen(targets[name]) for name in rows})
        self.kind: Kind = kind
        self.names: list[str] = list(self._rows)
        self.n_features_in_: int = table.shape[1]
        self.feature_names_in_ = _feature_names(table)
        self._sealed = True

    def __setattr__(self, name: str, value: Any) -> None:
        if getattr(self, "_sealed", False):
            raise AttributeError(f"TaskSet is immutable; cannot set {name!r}.")
        super().__setattr__(name, value)

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
            Task id of every row: strings, integers or any hashables; integral floats lose their ".0".
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
        labels = _check_target_column(y, kind, "y")
        for what, length in (("y", len(labels)), ("task", len(codes))):
            if length != table.shape[0]:
                raise ValueError(f"X has {table.shape[0]} rows, but {what} has {length}.")
        missing = pd.isna(labels)
        if missing.any():
            raise ValueError(f"Task {names[codes[missing.argmax()]]!r} has a missing target in y ({missing.sum()} in all). Drop those rows first.")
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
        names, columns = wide_columns(Y)
        if len(columns[0]) != table.shape[0]:
            raise ValueError(f"X has {table.shape[0]} rows, but Y has {len(columns[0])}.")
        rows, targets = {}, {}
        for name, column in zip(names, columns, strict=True):
            labels = _check_target_column(column, kind, f"Y[{name!r}]")
            rows[name] = np.flatnonzero(~pd.isna(labels))
            if len(rows[name]) == 0:
                raise ValueError(f"Task {name!r} has no labelled row in Y.")
            targets[name] = tidy_labels(labels[rows[name]]) if kind == "classification" else labels[rows[name]]
        return cls(table, rows, targets, kind)

    # ------------------------------------------------------------------ reading
    def __len__(self) -> int:
        return len(self.names)

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
        return f"TaskSet({len(self)} {self.kind} tasks, {self.n_features_in_} features, {spread} rows a task)"

    def __sklearn_clone__(self) -> TaskSet:
        return self

    @property
    def X(self) -> Any:
        """The table of inputs that all tasks draw their rows from, of shape (n, p)."""
        return self._table

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Number of labelled rows of every task, of shape (T,)."""
        return np.array([len(self._rows[name]) for name in self.names], dtype=np.intp)

    def rows(self, name: str) -> NDArray[np.intp]:
        """Positions in :attr:`X` of the rows that are labelled for a task."""
        try:
            return self._rows[name]
        except (KeyError, TypeError):
            raise KeyError(f"No task {name!r} in this TaskSet; it has {_shortened(self.names)}.") from None

    def pairs(self) -> NDArray[np.object_]:
        """Return all ordered pairs of names, of shape (T * (T - 1), 2): column 0 = target, column 1 = source."""
        pairs = list(itertools.permutations(self.names, 2))
        return np.array(pairs, dtype=object).reshape(len(pairs), 2)

    def subset(self, names: list[str]) -> TaskSet:
        """Return the TaskSet of the named tasks, in the order given."""
        return TaskSet(self._table, {name: self.rows(name) for name in names}, self._targets, self.kind)

    def to_long(self) -> tuple[Any, NDArray[Any], NDArray[np.object_]]:
        """Return inputs, targets and task names with one row for every label, task after task."""
        index = np.concatenate([self._rows[name] for name in self.names])
        y = np.concatenate([self._targets[name] for name in self.names])
        task = np.repeat(np.array(self.names, dtype=object), self.sizes)
        return take_rows(self._table, index), y, task

    def to_wide(self) -> tuple[Any, pd.DataFrame]:
        """Return the table of inputs and a frame of targets, (n, T), with NaN where a row has no label."""
        n = self._table.shape[0]
        columns = {}
        for name in self.names:
            labels = self._targets[name]
            column: NDArray[Any] = np.full(n, np.nan, dtype=float if labels.dtype.kind in "fiub" else object)
            column[self._rows[name]] = labels
            columns[name] = column
        return self._table, pd.DataFrame(columns, index=getattr(self._table, "index", None))

    # ------------------------------------------------------------------ splitting
    def train_test_split(self, test_size: float = 0.3, random_state: Any = None) -> tuple[TaskSet, TaskSet]:
        """Split the rows of every task into a training and a test part.

        Where no row belongs to two tasks, every task is split by itself (ceil(test_size * n_t) test rows), stratified by
        class for classification. Where tasks share rows, a row is either training or test for all of its tasks, and rows
        with rare labels are dealt out first so that every task keeps its share.

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
        small = [name for name in self.names if len(self._rows[name]) < 2]
        if small:
            raise ValueError(f"Task {small[0]!r} has 1 row; train_test_split needs at least 2 rows a task.")
        rng = check_random_state(random_state)
        stratify = self.kind == "classification"
        if sum(self.sizes) == len(np.unique(np.concatenate(list(self._rows.values())))):
            held = {name: split_rows(self._targets[name], test_size, rng, stratify=stratify) for name in self.names}
        else:
            held = self._split_shared_rows(test_size, rng, stratify)
        return self._masked({name: ~mask for name, mask in held.items()}), self._masked(held)

    def _masked(self, masks: Mapping[str, NDArray[np.bool_]]) -> TaskSet:
        rows = {name: self._rows[name][mask] for name, mask in masks.items()}
        return TaskSet(self._table, rows, {name: self._targets[name][mask] for name, mask in masks.items()}, self.kind)

    def _split_shared_rows(self, test_size: float, rng: np.random.RandomState, stratify: bool) -> dict[str, NDArray[np.bool_]]:
        """Deal whole rows out, cells (task, class) in order of rarity, each row to the side that its cell lacks most."""
        cells: list[NDArray[np.intp]] = []
        for name in self.names:
            labels = self._targets[name]
            groups = [labels == value for value in np.unique(labels)] if stratify else [np.ones(len(labels), dtype=bool)]
            cells += [self._rows[name][group] for group in groups]
        side = np.full(self._table.shape[0], -1)
        for cell in sorted(cells, key=len):
            n_test = max(int(np.ceil(test_size * len(cell))), 0) if len(cell) > 1 else 0
            free = rng.permutation(cell[side[cell] < 0])
            wanted = int(np.clip(n_test - (side[cell] == 1).sum(), 0, len(free)))
            side[free[:wanted]] = 1
            side[free[wanted:]] = 0
        held = {name: side[self._rows[name]] == 1 for name in self.names}
        for name, mask in held.items():
            if mask.all() or not mask.any():
                raise ValueError(f"Task {name!r} ({len(mask)} rows shared with other tasks) cannot be split into training and test rows.")
        return held


# ---------------------------------------------------------------------- names
def encode_task_ids(ids: ArrayLike, what: str = "task") -> tuple[list[str], NDArray[np.intp]]:
    """Turn task ids into names, in order of first appearance, and codes.

    Parameters
    ----------
    ids : array-like of shape (n,)
        Strings, integers, integral floats or any hashables.
    what : str, default="task"
        How messages call the argument.

    Returns
    -------
    names : list of str
        ``str(id)``, integral floats without the ".0".
    codes : ndarray of shape (n,)
        Position in ``names`` of every row's task.

    Raises
    ------
    ValueError
        If an id is missing, a number is not integral, or two ids have one name.
    """
    values = ids if isinstance(ids, pd.Series) else pd.Series(_as_object_column(ids, what))
    if values.isna().any():
        raise ValueError(f"{what} has {int(values.isna().sum())} missing task ids.")
    codes, uniques = pd.factorize(values)
    names = [task_name(value, what) for value in uniques]
    if len(set(names)) != len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"Two different ids in {what} have the name {double!r}; task names must be distinct.")
    return names, np.asarray(codes, dtype=np.intp)


def task_name(value: Hashable, what: str = "task") -> str:
    """Name of a task id: ``str(id)``, integral floats without the ".0"."""
    if isinstance(value, (float, np.floating)):
        if not float(value).is_integer():
            raise ValueError(f"{what} holds the number {value!r}, which is not integral: task ids must be names or whole numbers (was the column scaled?).")
        value = int(value)
    return str(value)


def wide_columns(Y: Any) -> tuple[list[str], list[NDArray[Any]]]:
    """Names and columns of a wide target, (n, T) or (n,)."""
    if isinstance(Y, pd.Series):
        Y = Y.to_frame(Y.name if Y.name is not None else 0)
    if isinstance(Y, pd.DataFrame):
        names, columns = [task_name(name, "Y.columns") for name in Y.columns], [Y.iloc[:, t].to_numpy() for t in range(Y.shape[1])]
    else:
        values = np.asarray(Y)
        if values.ndim not in (1, 2):
            raise ValueError(f"Y must have shape (n, T) or (n,). Got an array with {values.ndim} dimensions.")
        values = values.reshape(len(values), -1)
        names, columns = [str(t) for t in range(values.shape[1])], list(values.T)
    if not names:
        raise ValueError("Y has no columns: at least one task is needed.")
    if len(set(names)) != len(names):
        raise ValueError(f"Y has two columns named {next(n for n in names if names.count(n) > 1)!r}; task names must be distinct.")
    return names, columns


# ---------------------------------------------------------------------- rows
def take_rows(table: Any, index: NDArray[Any]) -> Any:
    """Rows of an array or DataFrame by position."""
    return table.iloc[index] if hasattr(table, "iloc") else table[index]


def split_rows(y: NDArray[Any], test_size: float, rng: np.random.RandomState, *, stratify: bool) -> NDArray[np.bool_]:
    """Mask of held-out rows: ceil(test_size * n) of them, at least one row on either side.

    With ``stratify`` every class gets its share (largest remainders), and a class never loses its last training row as
    long as other classes can give.
    """
    n = len(y)
    n_test = int(np.clip(np.ceil(test_size * n), 1, n - 1))
    mask = np.zeros(n, dtype=bool)
    if not stratify:
        mask[rng.permutation(n)[:n_test]] = True
        return mask
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    share = counts * n_test / n
    quota = np.minimum(np.floor(share).astype(int), np.maximum(counts - 1, 0))
    for room in (counts - 1, counts):
        for c in np.argsort(quota - share, kind="stable"):
            if quota.sum() < n_test and quota[c] < room[c]:
                quota[c] += 1
        while quota.sum() < n_test and (quota < room).any():
            quota[np.argmax(np.where(quota < room, share - quota, -np.inf))] += 1
    for c, take in enumerate(quota):
        mask[rng.permutation(np.flatnonzero(codes == c))[:take]] = True
    return mask


def tidy_labels(labels: NDArray[Any]) -> NDArray[Any]:
    """Give labels that NaN had turned into floats or objects their own type back."""
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == np.floor(labels)).all():
        return labels.astype(np.int64)
    if labels.dtype.kind == "O":
        return np.array(labels.tolist())
    return labels


def check_fraction(value: Any, what: str) -> None:
    """Raise unless ``value`` is a number strictly between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{what} must be a float strictly between 0 and 1. Got {value!r} of type {type(value).__name__}.")
    if not 0 < value < 1:
        raise ValueError(f"{what} must be a float strictly between 0 and 1. Got {value!r}.")


# ---------------------------------------------------------------------- helpers
def _check_kind(kind: Any) -> None:
    if kind not in ("regression", "classification"):
        raise ValueError(f"kind must be 'regression' or 'classification'. Got {kind!r}.")


def _check_table(X: Any) -> Any:
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        table = X.copy(deep=False)
        if table.columns.duplicated().any():
            raise ValueError(f"X has two columns named {table.columns[table.columns.duplicated()][0]!r}.")
    else:
        table = np.array(X)
        if table.ndim != 2:
            raise ValueError(f"X must have shape (n, p). Got an array with {table.ndim} dimensions.")
        table = _frozen(table)
    if table.shape[0] == 0 or table.shape[1] == 0:
        raise ValueError(f"X must have at least one row and one column. Got shape {tuple(table.shape)}.")
    return table


def _check_target_column(y: Any, kind: Kind, what: str) -> NDArray[Any]:
    _check_kind(kind)
    values = np.asarray(y)
    if values.ndim != 1:
        raise ValueError(f"{what} must have shape (n,). Got an array with {values.ndim} dimensions.")
    if kind == "classification":
        return values
    try:
        numbers: NDArray[Any] = pd.to_numeric(pd.Series(values)).to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError):
        raise ValueError(f"{what} holds values that are not numbers; kind='regression' needs numeric targets.") from None
    if np.isinf(numbers).any():
        raise ValueError(f"{what} contains infinity; targets must be finite or NaN.")
    return numbers


def _feature_names(table: Any) -> NDArray[np.object_] | None:
    columns = getattr(table, "columns", None)
    if columns is None or not all(isinstance(name, str) for name in columns):
        return None
    return np.asarray(columns, dtype=object)


def _as_object_column(ids: Any, what: str) -> NDArray[Any]:
    values = np.asarray(ids)
    if values.ndim != 1:
        raise ValueError(f"{what} must have shape (n,). Got an array with {values.ndim} dimensions.")
    return values


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    frozen: NDArray[Any] = values.view()
    frozen.flags.writeable = False
    return frozen


def _shortened(names: list[str], at_most: int = 6) -> str:
    shown = ", ".join(repr(name) for name in names[:at_most])
    return shown + (f", ... ({len(names)} in all)" if len(names) > at_most else "")
