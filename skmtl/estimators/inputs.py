"""What a user gives as X, held against what scikit-learn demands, and its task column."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data


def check_inputs(estimator: Any, X: Any, *, reset: bool, task_column: Any = None) -> tuple[Any, Any]:
    """Check a user's X as scikit-learn demands and take the task column out of it.

    Missing values pass. What the columns of a frame hold is left to the encoder, which knows the categorical ones.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` and ``feature_names_in_``, of all columns with that of the task, or is compared with them.
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
        If X has the wrong shape or kind, has other columns than in fit, is an array that holds strings or infinity, or lacks the task column.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> from skmtl.estimators.inputs import check_inputs
    >>> ids, inputs = check_inputs(BaseEstimator(), [[1.0, "north"], [float("nan"), "south"]], reset=True, task_column=1)
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
        raise ValueError("X holds dates (datetime64 or timedelta64); a network needs numbers. Turn them into parts of dates, such as the month.")
    numbers: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": "allow-nan", "ensure_min_samples": fewest}
    if task_column is None:
        return None, validate_data(estimator, X, reset=reset, **numbers)
    X = check_array(_rows_as_given(X), dtype=None, ensure_all_finite=False, input_name="X", estimator=estimator)
    validate_data(estimator, X, skip_check_array=True, reset=reset)
    ids, inputs = take_column(X, task_column, "task_column")
    return ids, check_array(inputs, input_name="X", estimator=estimator, **numbers)


def take_column(X: Any, column: Any, what: str) -> tuple[Any, Any]:
    """Return a column of X and X without it; ``what`` is how messages call the argument that named it."""
    X = as_pandas(X)
    position = column_position(X, column, what)
    if isinstance(X, pd.DataFrame):
        return X.iloc[:, position], X.iloc[:, [k for k in range(X.shape[1]) if k != position]]
    values = _rows_as_given(X)
    return values[:, position], np.delete(values, position, axis=1)


def column_position(X: Any, column: Any, what: str) -> int:
    """Return the position of a column of X that a user named, or gave by its index where no column has that name."""
    X = as_pandas(X)
    if isinstance(X, pd.DataFrame):
        found = np.flatnonzero([name == column for name in X.columns])
        if len(found) > 1:
            raise ValueError(f"{what}={column!r} stands for {len(found)} columns of X; names must be distinct.")
        if len(found):
            return int(found[0])
        if not isinstance(column, Integral):
            raise ValueError(f"{what}={column!r} is not a column of X, which has {list(X.columns)[:8]}.")
        width = X.shape[1]
    else:
        if isinstance(column, str):
            raise ValueError(f"{what}={column!r} names a column, but X is not a DataFrame. Give the column's index instead.")
        shape = _rows_as_given(X).shape
        if len(shape) != 2:
            raise ValueError(f"Expected 2D array, got {len(shape)}D array instead: X must have shape (n, p).")
        width = shape[1]
    if not -width <= column < width:
        raise ValueError(f"{what}={column!r} is out of range: X has {width} columns.")
    return int(column) % width


def as_pandas(X: Any) -> Any:
    """Frames of other libraries as pandas frames; anything else as it is."""
    return X.to_pandas() if hasattr(X, "to_pandas") and not isinstance(X, (pd.DataFrame, pd.Series)) else X


def _rows_as_given(X: Any) -> Any:
    """Rows as an array in which numbers beside strings stay numbers; what is sparse stays so."""
    if hasattr(X, "tocsr"):
        return X
    values = np.asarray(X)
    return np.array(X, dtype=object) if values.dtype.kind in "US" and not isinstance(X, np.ndarray) else values


def _check_frame(estimator: Any, X: pd.DataFrame, fewest: int) -> None:
    """Raise what ``check_array`` raises for an array of this shape, in its words."""
    name = type(estimator).__name__
    for count, minimum, what in ((X.shape[0], fewest, "sample"), (X.shape[1], 1, "feature")):
        if count < minimum:
            raise ValueError(f"Found array with {count} {what}(s) (shape={X.shape}) while a minimum of {minimum} is required by {name}.")
