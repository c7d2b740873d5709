"""Which columns of X are categorical."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal

import numpy as np
import pandas as pd

from skmtl.data.messages import shown_names


def resolve_categorical(
    categorical_features: Any, columns: Sequence[Any] | int, task_position: int | None = None
) -> list[int] | Literal["from_dtype"] | None:
    """Return the positions of the categorical columns in X without its task column.

    Parameters
    ----------
    categorical_features : "from_dtype", None or array-like
        Categorical columns of the user's X: column names, integer positions (negative ones count
        from the end) or a boolean mask. An integer is always a position, never a name.
    columns : sequence or int
        Names of all columns of the user's X, including the task column; the number of columns
        where they have no names.
    task_position : int, optional
        Position of the task column in the user's X.

    Returns
    -------
    list of int, "from_dtype" or None
        Sorted positions among the columns that remain without the task column; "from_dtype" and
        None as they are.

    Raises
    ------
    ValueError
        If a name is unknown or not unique, a position is out of range, a mask has the wrong length,
        or the task column is listed as categorical.

    Examples
    --------
    >>> from skmtl.data import resolve_categorical
    >>> resolve_categorical(["city", "sex"], ["school", "city", "age", "sex"], task_position=0)
    [0, 2]
    """
    if categorical_features is None:
        return None
    if isinstance(categorical_features, str):
        if categorical_features == "from_dtype":
            return "from_dtype"
        raise ValueError(
            "categorical_features must be 'from_dtype', None or a list of columns. Got "
            f"{categorical_features!r} instead."
        )
    names = None if isinstance(columns, int) else list(columns)
    width = columns if isinstance(columns, int) else len(columns)
    positions = _positions(categorical_features, names, width)
    if task_position is None:
        return positions
    task = task_position % width
    if task in positions:
        what = task if names is None else repr(names[task])
        raise ValueError(
            f"categorical_features holds the task column ({what}), which is not an input. Leave it "
            "out of categorical_features."
        )
    return [position - (position > task) for position in positions]


def _positions(categorical_features: Any, names: list[Any] | None, width: int) -> list[int]:
    given = np.asarray(categorical_features, dtype=object)
    if given.ndim != 1:
        raise ValueError(
            "categorical_features must be 'from_dtype', None or a list of columns. Got "
            f"{categorical_features!r} instead."
        )
    if len(given) and all(isinstance(entry, (bool, np.bool_)) for entry in given):
        if len(given) != width:
            raise ValueError(
                f"categorical_features is a mask of {len(given)} values, but X has {width} columns."
            )
        return [int(position) for position in np.flatnonzero(given.astype(bool))]
    return sorted({_position(entry, names, width) for entry in given})


def _position(entry: Any, names: list[Any] | None, width: int) -> int:
    if isinstance(entry, Integral) and not isinstance(entry, bool):
        position = int(entry)
        if not -width <= position < width:
            raise ValueError(
                f"categorical_features holds the position {position}, but X has {width} columns."
            )
        return position % width
    if names is None:
        raise ValueError(
            f"categorical_features holds {entry!r}, but X has no column names. Give positions "
            "instead."
        )
    if names.count(entry) != 1:
        reason = (
            "stands for more than one column of X"
            if entry in names
            else f"is not a column of X, which has the columns {shown_names(names, 8)}"
        )
        raise ValueError(f"categorical_features holds {entry!r}, which {reason}.")
    return names.index(entry)


def is_categorical(dtype: Any) -> bool:
    """Whether a column has a categorical dtype: that of pandas, or a dictionary of pyarrow."""
    return isinstance(dtype, pd.CategoricalDtype) or (
        isinstance(dtype, pd.ArrowDtype) and str(dtype).startswith("dictionary")
    )
