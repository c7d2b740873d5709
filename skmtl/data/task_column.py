"""A column of X given by name or index, such as the task column."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from skmtl.data.frames import as_pandas, rows_as_given
from skmtl.data.messages import shown_names, shown_value


def take_column(X: Any, column: Any, what: str) -> tuple[Any, Any]:
    """Separate one column from a table.

    Parameters
    ----------
    X : array-like, DataFrame or other frame with ``to_pandas``, of shape (n, p)
        The table.
    column : str or int
        Name of the column, or its index where no column has that name.
    what : str
        Name of the argument in messages.

    Returns
    -------
    taken : ndarray or Series of shape (n,)
        The column.
    rest : ndarray or DataFrame of shape (n, p - 1)
        X without it.

    Raises
    ------
    ValueError
        If there is no such column, or more than one.

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
    """Return the position of a column of X given by name, or by index if no name matches."""
    X = as_pandas(X)
    if isinstance(X, pd.DataFrame):
        found = np.flatnonzero([name == column for name in X.columns])
        if len(found) > 1:
            raise ValueError(
                f"{what}={shown_value(column)} stands for {len(found)} columns of X; names must "
                "be distinct."
            )
        if len(found):
            return int(found[0])
        if not isinstance(column, Integral):
            raise ValueError(
                f"{what}={shown_value(column)} is not a column of X, which has the columns "
                f"{shown_names(X.columns, 8)}."
            )
        width = X.shape[1]
    else:
        if isinstance(column, str):
            raise ValueError(
                f"{what}={shown_value(column)} names a column, but X is not a DataFrame. Give the "
                "index of the column instead."
            )
        shape = rows_as_given(X).shape
        if len(shape) != 2:
            raise ValueError(
                f"Expected 2D array, got {len(shape)}D array instead: X must have shape (n, p)."
            )
        width = shape[1]
    if not -width <= column < width:
        raise ValueError(f"{what}={shown_value(column)} is out of range: X has {width} columns.")
    return int(column) % width


def without_columns(X: Any, names: Sequence[Any]) -> Any:
    """Return X without the named columns; names that X does not have are ignored."""
    X = as_pandas(X)
    for name in names:
        if isinstance(X, pd.DataFrame) and name in X.columns:
            X = take_column(X, name, "sensitive_features")[1]
    return X
