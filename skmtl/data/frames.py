"""Tables of any library as numpy arrays or pandas frames, with NaN where a value is masked."""

from __future__ import annotations

from datetime import date, time, timedelta
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def as_pandas(X: Any) -> Any:
    """Convert frames of other libraries to pandas, and masked entries to missing values.

    Anything else is returned unchanged. Columns of a frame are converted to native byte order,
    which pandas needs to take rows. Masked numbers become NaN. Masked arrays of integers, booleans
    or strings become arrays of objects, so that the known values keep their type.
    """
    if isinstance(X, np.ma.MaskedArray):
        return _without_mask(X)
    if not isinstance(X, (pd.DataFrame, pd.Series)):
        return X.to_pandas() if hasattr(X, "to_pandas") else X
    dtypes = list(X.dtypes) if isinstance(X, pd.DataFrame) else [X.dtype]
    foreign = {
        k: dtype.newbyteorder("=")
        for k, dtype in enumerate(dtypes)
        if isinstance(dtype, np.dtype) and not dtype.isnative
    }
    if not foreign:
        return X
    if isinstance(X, pd.Series):
        return X.astype(foreign[0])
    return X.set_axis(range(X.shape[1]), axis=1).astype(foreign).set_axis(X.columns, axis=1)


def _without_mask(values: np.ma.MaskedArray) -> NDArray[Any]:
    """Return an array with NaN where a masked array is masked."""
    mask = np.ma.getmaskarray(values)
    keeps_type = values.dtype.kind in "fc" or not mask.any()
    data = np.array(values.data, dtype=None if keeps_type else object)
    data[mask] = np.nan
    return data


def rows_as_given(X: Any) -> Any:
    """Convert a table or target to a type that can be indexed by row.

    Parameters
    ----------
    X : array-like, frame or sparse matrix of shape (n, ...)
        A table or target.

    Returns
    -------
    ndarray, DataFrame, Series or sparse matrix
        Frames of other libraries become pandas frames. Lists become arrays in which numbers stay
        numbers even beside strings. Anything else is returned unchanged.

    Examples
    --------
    >>> from skmtl.data import rows_as_given
    >>> rows_as_given([[1.0, "north"]])
    array([[1.0, 'north']], dtype=object)
    """
    X = as_pandas(X)
    if isinstance(X, (pd.DataFrame, pd.Series)) or hasattr(X, "tocsr"):
        return X
    return native(array_of(X))


def array_of(values: Any) -> NDArray[Any]:
    """Convert to an array without changing the type of the entries of lists.

    numpy would turn numbers beside strings into strings, and large integers beside NaN into floats
    that cannot represent them exactly.
    """
    array = np.asarray(values)
    if isinstance(values, np.ndarray):
        return array
    if array.dtype.kind in "US":
        return np.array(values, dtype=object)
    if array.dtype.kind == "f" and (np.abs(array) >= 2.0**53).any():
        objects = np.array(values, dtype=object)
        return objects if any(isinstance(value, Integral) for value in objects.flat) else array
    return array


def native(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array in native byte order, which pandas needs."""
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def column_values(column: pd.Series) -> NDArray[Any]:
    """Return a column of a frame as an array, with integers kept exact."""
    values = column.to_numpy()
    if (
        values.dtype.kind == "f"
        and not isinstance(column.dtype, np.dtype)
        and (np.abs(values) >= 2.0**53).any()
    ):
        values = column.astype(object).to_numpy()  # whole numbers that floats cannot tell apart
    return native(values)


def one_column(values: Any, what: str) -> NDArray[Any]:
    """Return a user's list, array or series as a one-dimensional array.

    Raises
    ------
    ValueError
        If it is not one-dimensional, or holds complex numbers.
    """
    values = as_pandas(values)
    if isinstance(values, pd.Series):
        column = column_values(values)
    elif isinstance(values, (pd.Index, pd.api.extensions.ExtensionArray)):
        column = column_values(pd.Series(values))
    else:
        column = native(array_of(values))
    if column.ndim != 1:
        raise ValueError(
            f"{what} must have shape (n,). Got an array with {column.ndim} dimensions."
        )
    if is_complex(column):
        raise ValueError(f"Complex data not supported: {what} holds complex numbers.")
    return column


def is_complex(values: NDArray[Any]) -> bool:
    """Whether an array holds complex numbers."""
    if values.dtype.kind != "O":
        return values.dtype.kind == "c"
    return any(isinstance(value, (complex, np.complexfloating)) for value in values.flat)


def holds_dates(values: NDArray[Any]) -> bool:
    """Whether an array holds dates, times, periods or differences of times."""
    if values.dtype.kind != "O":
        return values.dtype.kind in "mM"
    kinds = (date, time, timedelta, np.datetime64, np.timedelta64, pd.Period)
    return any(isinstance(value, kinds) for value in values[~pd.isna(values)].flat)


def distinct(values: Any, what: str) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the position of every value among the different ones, -1 where missing, and these.

    Raises
    ------
    ValueError
        If values such as lists or dicts cannot be compared.
    """
    try:
        positions, found = pd.factorize(values)
    except TypeError:
        raise ValueError(
            f"{what} holds values that are not hashable, such as lists; they must be names or "
            "numbers."
        ) from None
    return positions, np.asarray(found)


def take_rows(table: Any, index: NDArray[Any]) -> Any:
    """Rows of an array or DataFrame by position.

    Parameters
    ----------
    table : ndarray or DataFrame of shape (n, p)
        Rows to take from.
    index : ndarray of shape (k,)
        Positions, or a mask of shape (n,).

    Returns
    -------
    ndarray or DataFrame of shape (k, p)
        The rows, in the order of ``index``.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.data import take_rows
    >>> take_rows(np.arange(6).reshape(3, 2), np.array([2, 0]))
    array([[4, 5],
           [0, 1]])
    """
    return table.iloc[index] if hasattr(table, "iloc") else table[index]


def n_rows_of(X: Any) -> int:
    """Return the number of rows of a table, list or sparse matrix."""
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)
