"""Validation of the table, targets and kind of a TaskSet."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.data.frames import as_pandas, holds_dates, is_complex, native

Kind = Literal["regression", "classification"]


def check_kind(kind: Any) -> None:
    """Raise if the kind of tasks is unknown."""
    if kind not in ("regression", "classification"):
        raise ValueError(f"kind must be 'regression' or 'classification'. Got {kind!r}.")


def as_table(X: Any) -> Any:
    """Return a validated private copy of a table: an array of shape (n, p) or a frame."""
    X = as_pandas(X)
    if isinstance(X, pd.DataFrame):
        table = X.copy(deep=True)
        if table.columns.duplicated().any():
            raise ValueError(
                f"X has two columns named {table.columns[table.columns.duplicated()][0]!r}."
            )
        for name, dtype in zip(table.columns, table.dtypes, strict=True):
            if getattr(dtype, "kind", None) == "c":
                raise ValueError(f"Complex data not supported: X has complex numbers in {name!r}.")
    else:
        table = native(np.array(X))
        if table.ndim != 2:
            raise ValueError(
                f"X must have shape (n, p). Got an array with {table.ndim} dimensions."
            )
        if is_complex(table):
            raise ValueError("Complex data not supported: X holds complex numbers.")
        table = frozen(table)
    if table.shape[0] == 0 or table.shape[1] == 0:
        raise ValueError(
            f"X must have at least one row and one column. Got shape {tuple(table.shape)}."
        )
    return table


def feature_names(table: Any) -> NDArray[np.object_] | None:
    """Return the names of the columns of a frame, if all are strings."""
    columns = getattr(table, "columns", None)
    if columns is None or not all(isinstance(name, str) for name in columns):
        return None
    return np.asarray(columns, dtype=object)


def frozen(values: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view."""
    view: NDArray[Any] = values.view()
    view.flags.writeable = False
    return view


def numeric_targets(values: NDArray[Any], what: str) -> NDArray[Any]:
    """Return regression targets as float64 with NaN where missing.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Targets.
    what : str
        Name of the targets in messages.

    Raises
    ------
    ValueError
        If they hold dates, complex numbers, strings that are not numbers, or infinity.
    """
    if holds_dates(values):
        raise ValueError(f"{what} holds dates; kind='regression' needs numeric targets.")
    if is_complex(values):
        raise ValueError(f"Complex data not supported: {what} holds complex numbers.")
    if values.dtype.kind == "O":
        values = np.where(pd.isna(values), np.nan, values)
    try:
        numbers: NDArray[Any] = pd.to_numeric(pd.Series(values)).to_numpy(
            dtype=float, na_value=np.nan
        )
    except (ValueError, TypeError):
        raise ValueError(
            f"{what} holds values that are not numbers; kind='regression' needs numeric targets."
        ) from None
    except OverflowError:
        raise ValueError(f"{what} holds a number beyond the range of float64.") from None
    if np.isinf(numbers).any():
        raise ValueError(f"{what} contains infinity; targets must be finite or NaN.")
    return numbers
