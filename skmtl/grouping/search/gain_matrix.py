"""Checks of a matrix of gains and of the task names of a DataFrame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.data import TaskSet, as_pandas, shown_value

# Larger gains are rejected, because sums of their products overflow.
_LARGEST_GAIN = 1e100


def as_matrix(A: Any) -> tuple[Any, list[Any] | None]:
    """Return a matrix for the checks of scikit-learn, and its task names or None.

    Masked gains become NaN.
    """
    if isinstance(A, TaskSet) or (np.ndim(A) == 0 and not hasattr(A, "__array__")):
        raise TypeError(_wanted(type(A).__name__))
    if isinstance(A, np.ma.MaskedArray):
        A = np.where(np.ma.getmaskarray(A), np.nan, A.data.astype(np.float64))
    A = as_pandas(A)
    if isinstance(A, pd.DataFrame):
        names = _task_names(A)
        kinds = {isinstance(name, str) for name in A.columns}
        return (A if len(kinds) == 1 else A.to_numpy()), names
    if _holds_names(A):
        raise ValueError(
            _wanted(f"{type(A).__name__} of text, such as {shown_value(np.ravel(A)[0])}")
            + " For the gains of a list of pairs use affinity_matrix(pairs, values, names)."
        )
    return A, None


def check_size(gains: NDArray[np.float64], names: list[Any]) -> None:
    """Raise if finite gains are too large to be summed."""
    if np.abs(gains).max(initial=0.0) > _LARGEST_GAIN:
        row, column = np.unravel_index(np.abs(gains).argmax(), gains.shape)
        raise ValueError(
            f"A contains {gains[row, column]:.3g} as the gain of task {names[row]!r} when trained "
            f"with task {names[column]!r}, which is too large. Scale the gains."
        )


def axis_labels(index: pd.Index) -> list[Any] | None:
    """Return the labels of an axis; None for a default RangeIndex."""
    if isinstance(index, pd.RangeIndex):
        return None
    if index.hasnans:
        raise ValueError("A has a missing label; name every task, or pass an array.")
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise ValueError(f"A has two tasks named {twice!r}; task names must be distinct.")
    return index.tolist()


def _task_names(A: pd.DataFrame) -> list[Any] | None:
    rows, columns = axis_labels(A.index), axis_labels(A.columns)
    if rows is None or columns is None or len(rows) != len(columns) or rows == columns:
        return rows if columns is None else columns
    if set(rows) == set(columns):
        raise ValueError(
            "The rows and the columns of A must name the tasks in the same order. Use "
            "A.loc[A.columns]."
        )
    other = next(name for name in rows if name not in set(columns))
    raise ValueError(
        f"The rows and the columns of A must name the same tasks. No column is named {other!r}."
    )


def _holds_names(A: Any) -> bool:
    """Return whether a list or array contains text that is not a number."""
    values = np.asarray(A) if isinstance(A, (list, tuple, np.ndarray)) else np.empty(0)
    if values.dtype.kind not in "UO" or not values.size:
        return False
    first = values.flat[0]
    if not isinstance(first, str):
        return False
    try:
        float(first)
    except ValueError:
        return True
    return False


def _wanted(got: str) -> str:
    return (
        "TaskGrouper takes a (T, T) matrix of gains or the PairwiseGains that "
        f"collect_pairwise_gains returns. Got {got}."
    )
