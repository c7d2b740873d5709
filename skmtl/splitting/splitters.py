"""Cross-validation splits for many tasks, whose labels may be missing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state, indexable

from skmtl.data import (
    as_pandas,
    distinct,
    encode_task_ids,
    is_categorical,
    n_rows_of,
    shown_names,
    shown_value,
    take_column,
    wide_columns,
)
from skmtl.splitting.dealing import deal_in_turn, deal_label_sets


class MultiTaskKFold(BaseCrossValidator):
    """K folds that treat all tasks alike, for targets with missing labels.

    Every row is in one test part. Wide targets, (n, T), are stratified by the classes of all tasks
    or, for continuous targets, by which tasks have a label. Rows are assigned by iterative
    stratification [1]_: those with the rarest label first, each to the fold that lacks this label
    most. Rows are then swapped where a task would be absent from a fold. In long form, and for
    1-D y, the rows of every task and class are assigned to the folds in turn, so that the numbers
    of rows of a task, and of a class of a task, differ by at most one between folds.

    Every task with at least ``n_splits`` labels is in every test part, and every task with at least
    two labels is in every training part, unless shared rows make this impossible.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    task_column : str, int or None, default=None
        Column of X, by name or position, that holds each row's task (long form); None = y has one
        column per task. With None, a 1-D y is one task, and its rows are not stratified by task.
    shuffle : bool, default=True
        Whether to shuffle rows within tasks and classes before they are assigned; if False, the
        order of the data is used.
    random_state : int, RandomState or None, default=None
        Seed of the shuffling; an int gives the same folds in every call.

    Raises
    ------
    ValueError
        In ``split``, if ``n_splits`` is below 2 or above the number of rows, if X lacks the task
        column, or if ``random_state`` is given with ``shuffle=False``.

    Warns
    -----
    UserWarning
        In ``split``, if a task has a single label, or all its labels are in one test part: the
        training part of one fold has none, and an estimator cannot learn the task there.

    Notes
    -----
    A numeric column of y is treated as classes if its values are whole numbers and, on average, at
    least two rows have the same value.

    References
    ----------
    .. [1] Sechidis, Tsoumakas, Vlahavas, "On the stratification of multi-label data", ECML PKDD
       2011.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.model_selection import MultiTaskKFold
    >>> Y = np.array([[0, np.nan], [1, np.nan], [0, 1.0], [1, 0.0], [np.nan, 1.0], [np.nan, 0.0]])
    >>> for train, test in MultiTaskKFold(2, random_state=0).split(np.zeros((6, 1)), Y):
    ...     print(np.sort(Y[test, 0]), np.sort(Y[test, 1]))
    [ 0.  1. nan] [ 0.  1. nan]
    [ 0.  1. nan] [ 0.  1. nan]
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        task_column: str | int | None = None,
        shuffle: bool = True,
        random_state: Any = None,
    ):
        self.n_splits = n_splits
        self.task_column = task_column
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        int
            ``n_splits``.
        """
        return self.n_splits

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Generate the positions of training and test rows of every fold.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.
        y : array-like of shape (n,) or (n, T), optional
            Targets, NaN where a label is missing.
        groups : object
            Ignored.

        Returns
        -------
        iterator of (ndarray, ndarray)
            Positions of training and test rows.
        """
        if groups is not None:
            warnings.warn(
                f"The groups parameter is ignored by {type(self).__name__}",
                UserWarning,
                stacklevel=2,
            )
        folds = self._folds(*indexable(as_pandas(X), as_pandas(y)))
        return (
            (np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))
            for fold in range(self.n_splits)
        )

    def _folds(self, X: Any, y: Any) -> NDArray[np.intp]:
        """Return the fold of every row."""
        n = n_rows_of(X)
        self._check(n)
        order = (
            check_random_state(self.random_state).permutation(n) if self.shuffle else np.arange(n)
        )
        names, columns = _targets(y, n)
        codes = [_class_codes(column) for column in columns]
        if self.task_column is None and len(columns) > 1:
            return self._wide_folds(names, codes, order)
        if len(columns) > 1:
            raise ValueError(
                f"With task_column, y must have shape (n,). Got {len(columns)} columns. Set "
                "task_column=None if y has one column per task."
            )
        tasks = np.zeros(n, dtype=np.intp)
        if self.task_column is None:
            _warn_of_forgotten_column(X)
        else:
            ids = take_column(X, self.task_column, "task_column")[0]
            names, tasks = encode_task_ids(ids, "task_column")
            if len(names) == 1:
                warnings.warn(
                    f"The task column {self.task_column!r} holds the single task "
                    f"{shown_value(names[0])}: all rows count as one task.",
                    UserWarning,
                    stacklevel=4,
                )
        _warn_of_single_labels(
            names, np.bincount(tasks[codes[0] >= 0], minlength=len(names)).tolist()
        )
        return deal_in_turn(tasks, codes[0], order, self.n_splits)

    def _wide_folds(
        self, names: list[str], codes: list[NDArray[np.intp]], order: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        counts = [int((own >= 0).sum()) for own in codes]
        _warn_of_single_labels(names, counts)
        folds = deal_label_sets(codes, order, self.n_splits)
        _warn_of_untrained(names, counts, [len(np.unique(folds[own >= 0])) for own in codes])
        return folds

    def _check(self, n: int) -> None:
        if (
            isinstance(self.n_splits, bool)
            or not isinstance(self.n_splits, Integral)
            or self.n_splits < 2
        ):
            raise ValueError(f"n_splits must be an int of at least 2. Got {self.n_splits!r}.")
        if not isinstance(self.shuffle, (bool, np.bool_)):
            raise TypeError(f"shuffle must be True or False. Got {self.shuffle!r}.")
        if not self.shuffle and self.random_state is not None:
            raise ValueError(
                "random_state has no effect when shuffle is False. Leave it at its default (None), "
                "or set shuffle=True."
            )
        if self.n_splits > n:
            raise ValueError(
                f"Cannot have number of splits n_splits={self.n_splits} greater than the number of "
                f"samples: n_samples={n}."
            )


def _targets(y: Any, n: int) -> tuple[list[str], list[NDArray[Any]]]:
    """Return names and columns of the targets; one column of zeros without y."""
    if y is None:
        return ["0"], [np.zeros(n)]
    if np.ndim(y) not in (1, 2) or 0 in np.shape(y):
        raise ValueError(f"y must have shape (n,) or (n, T). Got shape {np.shape(y)}.")
    return wide_columns(y, "y")


def _class_codes(column: NDArray[Any]) -> NDArray[np.intp]:
    """Return class codes of labels, -1 if missing; all 0 for a continuous target."""
    codes, values = distinct(column, "y")
    if all(
        isinstance(value, Real) and not isinstance(value, (bool, np.bool_, np.timedelta64))
        for value in values
    ):
        whole = all(float(value).is_integer() for value in values)
        if not whole or len(values) > max(2, (codes >= 0).sum() / 2):
            codes = np.where(codes < 0, -1, 0)
    return np.asarray(codes, dtype=np.intp)


def _warn_of_forgotten_column(X: Any) -> None:
    """Warn where rows count as one task, but a column of X looks like a column of task ids."""
    if not isinstance(X, pd.DataFrame):
        return
    for name, column in X.items():
        if (is_categorical(column.dtype) or column.dtype.kind == "O") and (
            1 < column.nunique() <= len(column) / 2
        ):
            warnings.warn(
                "task_column=None and y has one column: all rows count as one task. If column "
                f"{shown_value(name)} of X holds the tasks, set task_column={shown_value(name)}.",
                UserWarning,
                stacklevel=5,
            )
            return


def _warn_of_single_labels(names: list[str], counts: list[int]) -> None:
    single = [name for name, count in zip(names, counts, strict=True) if count == 1]
    if single:
        message = (
            f"A single row has a label for task {shown_names(single)}: the training part of the "
            "fold that tests it has none. Drop the task, or collect more labels."
        )
        warnings.warn(message, UserWarning, stacklevel=5)


def _warn_of_untrained(names: list[str], counts: list[int], n_tested: list[int]) -> None:
    """Warn about tasks with several labels that are all in one test part."""
    lost = [
        name
        for name, count, n_folds in zip(names, counts, n_tested, strict=True)
        if count > 1 and n_folds == 1
    ]
    if lost:
        message = (
            f"All labels of task {shown_names(lost)} are in one test part, since tasks share "
            "rows: the training part of this fold has none. Use fewer folds, or drop the task."
        )
        warnings.warn(message, UserWarning, stacklevel=5)
