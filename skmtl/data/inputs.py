"""Validation of X as in scikit-learn, and extraction of its task column."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skmtl.data.frames import as_pandas, is_complex, rows_as_given
from skmtl.data.messages import shown_value
from skmtl.data.task_column import take_column


def check_inputs(
    estimator: Any, X: Any, *, reset: bool, task_column: Any = None
) -> tuple[Any, Any]:
    """Validate X as scikit-learn does, and separate its task column.

    Missing values are accepted. The columns of a frame are checked later by the encoder, which
    knows which of them are categorical.

    Parameters
    ----------
    estimator : estimator
        Holds ``n_features_in_`` and ``feature_names_in_``, which count the task column. They are
        set if ``reset``, else X must match them.
    X : array-like, DataFrame or other frame with ``to_pandas``, of shape (n, p)
        The table.
    reset : bool
        True sets these attributes (in ``fit``); False compares X with them.
    task_column : str or int, optional
        Name or index of the column of task ids, which may be any hashable values.

    Returns
    -------
    ids : ndarray or Series of shape (n,), or None
        The task column.
    inputs : DataFrame or ndarray of float64
        The other columns; a frame stays a frame.

    Raises
    ------
    ValueError
        If X has the wrong shape or type, has other columns than in fit, is an array that contains
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
    X = _missing_as_nan(as_pandas(X))
    if isinstance(X, pd.DataFrame):
        if X.columns.duplicated().any():
            double = shown_value(X.columns[X.columns.duplicated()][0])
            raise ValueError(f"X has two columns named {double}.")
        _check_frame(estimator, X, fewest)
        validate_data(estimator, X, skip_check_array=True, reset=reset)
        if task_column is None:
            return None, X
        ids, inputs = take_column(X, task_column, "task_column")
        _check_frame(estimator, inputs, fewest)
        return ids, inputs
    if getattr(getattr(X, "dtype", None), "kind", None) in ("m", "M"):
        raise ValueError(
            "X holds dates (datetime64 or timedelta64), which are not numbers. Convert them first, "
            "for example to the month or to days since a date."
        )
    numbers: dict[str, Any] = {
        "dtype": np.float64,
        "ensure_all_finite": "allow-nan",
        "ensure_min_samples": fewest,
    }
    if task_column is None:
        with _no_leaks():
            return None, validate_data(estimator, X, reset=reset, **numbers)
    X = check_array(
        rows_as_given(X), dtype=None, ensure_all_finite=False, input_name="X", estimator=estimator
    )
    validate_data(estimator, X, skip_check_array=True, reset=reset)
    ids, inputs = take_column(X, task_column, "task_column")
    with _no_leaks():
        return ids, check_array(inputs, input_name="X", estimator=estimator, **numbers)


def _missing_as_nan(X: Any) -> Any:
    """Return an array of objects with NaN for None, pd.NA and NaT; other tables as they are."""
    if isinstance(X, (list, tuple)):
        try:
            objects = np.asarray(X)
        except ValueError:  # ragged: scikit-learn raises
            return X
    else:
        objects = X
    if not isinstance(objects, np.ndarray) or objects.dtype.kind != "O" or objects.ndim != 2:
        return X
    if is_complex(objects):
        raise ValueError("Complex data not supported: X holds complex numbers.")
    missing = pd.isna(objects)
    return np.where(missing, np.nan, objects) if missing.any() else X


@contextmanager
def _no_leaks() -> Iterator[None]:
    """Name overflows of objects, and let the check of large numbers sum them without a warning."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except OverflowError:
        raise ValueError("X holds a number beyond the range of float64.") from None


def _check_frame(estimator: Any, X: pd.DataFrame, fewest: int) -> None:
    """Raise the error that ``check_array`` raises for an array of this shape."""
    name = type(estimator).__name__
    for count, minimum, what in ((X.shape[0], fewest, "sample"), (X.shape[1], 1, "feature")):
        if count < minimum:
            raise ValueError(
                f"Found array with {count} {what}(s) (shape={X.shape}) while a minimum of "
                f"{minimum} is required by {name}."
            )
