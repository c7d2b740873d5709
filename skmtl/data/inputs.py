"""What a user gives as X, held against what scikit-learn demands, and its task column."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data


def check_inputs(
    estimator: Any, X: Any, *, reset: bool, task_column: Any = None
) -> tuple[Any, Any]:
    """Check a user's X as scikit-learn demands and take the task column out of it.

    Missing values pass. What the columns of a frame hold is left to the encoder, which knows the
    categorical ones.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` and ``feature_names_in_``, of all columns with that of the task, or
        is compared with them.
    X : array-like, DataFrame or other frame with ``to_pandas``, of shape (n, p)
        The table.
    reset : bool
        Whether to set these attributes (in ``fit``) or to compare.
    task_column : str or int, optional
        Name or index of the column of task ids, which may hold anything hashable.

    Returns
    -------
    ids : ndarray or Series of shape (n,), or None
        The task column.
    inputs : DataFrame or ndarray of float64
        The other columns; a frame stays a frame.

    Raises
    ------
    ValueError
        If X has the wrong shape or kind, has other columns than in fit, is an array that holds
        strings or infinity, or lacks the task column.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> from skmtl.data import check_inputs
    >>> ids, inputs = check_inputs(
    ...     BaseEstimator(), [[1.0, "north"], [float("nan"), "south"]], reset=True, task_column=1
    ... )
    >>> ids
    array(['north', 'south'], dtype=object)
    >>> inputs
    array([[ 1.],
           [nan]])
    """
    fewest = 2 if reset and task_column is None else 1  # in long form a task may stand in one row
    X = as_pandas(X)
    if isinstance(X, pd.DataFrame):
        _check_frame(estimator, X, fewest)
        validate_data(estimator, X, skip_check_array=True, reset=reset)
        if task_column is None:
            return None, X
        ids, inputs = take_column(X, task_column, "task_column")
        _check_frame(estimator, inputs, fewest)
        return ids, inputs
    if getattr(getattr(X, "dtype", None), "kind", None) in ("m", "M"):
        raise ValueError(
            "X holds dates (datetime64 or timedelta64), which are no numbers. Turn them into parts "
            "of dates, such as the month."
        )
    numbers: dict[str, Any] = {
        "dtype": np.float64,
        "ensure_all_finite": "allow-nan",
        "ensure_min_samples": fewest,
    }
    if task_column is None:
        return None, validate_data(estimator, X, reset=reset, **numbers)
    X = check_array(
        rows_as_given(X), dtype=None, ensure_all_finite=False, input_name="X", estimator=estimator
    )
    validate_data(estimator, X, skip_check_array=True, reset=reset)
    ids, inputs = take_column(X, task_column, "task_column")
    return ids, check_array(inputs, input_name="X", estimator=estimator, **numbers)


def take_column(X: Any, column: Any, what: str) -> tuple[Any, Any]:
    """Take a column out of a table.

    Parameters
    ----------
    X : array-like, DataFrame or other frame with ``to_pandas``, of shape (n, p)
        The table.
    column : str or int
        Name of the column, or its index where no column has that name.
    what : str
        How messages call the argument that named it.

    Returns
    -------
    taken : ndarray or Series of shape (n,)
        The column.
    rest : ndarray or DataFrame of shape (n, p - 1)
        X without it.

    Raises
    ------
    ValueError
        If there is no such column, or several.

    Examples
    --------
    >>> from skmtl.data import take_column
    >>> take_column([[1.0, "north"], [2.0, "south"]], -1, "task_column")[0]
    array(['north', 'south'], dtype=object)
    """
    X = rows_as_given(X)
    position = column_position(X, column, what)
    if isinstance(X, pd.DataFrame):
        return X.iloc[:, position], X.iloc[:, [k for k in range(X.shape[1]) if k != position]]
    return X[:, position], np.delete(X, position, axis=1)


def column_position(X: Any, column: Any, what: str) -> int:
    """Return the position of a column of X that a user named, or gave by its index where no column
    has that name.
    """
    X = as_pandas(X)
    if isinstance(X, pd.DataFrame):
        found = np.flatnonzero([name == column for name in X.columns])
        if len(found) > 1:
            raise ValueError(
                f"{what}={column!r} stands for {len(found)} columns of X; names must be distinct."
            )
        if len(found):
            return int(found[0])
        if not isinstance(column, Integral):
            raise ValueError(
                f"{what}={column!r} is not a column of X, which has {list(X.columns)[:8]}."
            )
        width = X.shape[1]
    else:
        if isinstance(column, str):
            raise ValueError(
                f"{what}={column!r} names a column, but X is not a DataFrame. Give the column's "
                "index instead."
            )
        shape = rows_as_given(X).shape
        if len(shape) != 2:
            raise ValueError(
                f"Expected 2D array, got {len(shape)}D array instead: X must have shape (n, p)."
            )
        width = shape[1]
    if not -width <= column < width:
        raise ValueError(f"{what}={column!r} is out of range: X has {width} columns.")
    return int(column) % width


def as_pandas(X: Any) -> Any:
    """Frames of other libraries as pandas frames; anything else as it is."""
    return (
        X.to_pandas()
        if hasattr(X, "to_pandas") and not isinstance(X, (pd.DataFrame, pd.Series))
        else X
    )


def rows_as_given(X: Any) -> Any:
    """Turn what a user gives into something whose rows can be taken.

    Parameters
    ----------
    X : array-like, frame or sparse matrix of shape (n, ...)
        A table or target.

    Returns
    -------
    ndarray, DataFrame, Series or sparse matrix
        Frames of other libraries as pandas frames, lists as arrays in which numbers beside strings
        stay numbers, anything else as it is.

    Examples
    --------
    >>> from skmtl.data import rows_as_given
    >>> rows_as_given([[1.0, "north"]])
    array([[1.0, 'north']], dtype=object)
    """
    X = as_pandas(X)
    if isinstance(X, (pd.DataFrame, pd.Series)) or hasattr(X, "tocsr"):
        return X
    values = np.asarray(X)
    return (
        np.array(X, dtype=object)
        if values.dtype.kind in "US" and not isinstance(X, np.ndarray)
        else values
    )


def _check_frame(estimator: Any, X: pd.DataFrame, fewest: int) -> None:
    """Raise what ``check_array`` raises for an array of this shape, in its words."""
    name = type(estimator).__name__
    for count, minimum, what in ((X.shape[0], fewest, "sample"), (X.shape[1], 1, "feature")):
        if count < minimum:
            raise ValueError(
                f"Found array with {count} {what}(s) (shape={X.shape}) while a minimum of "
                f"{minimum} is required by {name}."
            )
