"""Encoding of the inputs of a TaskSet as one numeric matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.data import TaskSet

NUMERIC_OBJECTS = ("integer", "floating", "mixed-integer-float", "decimal", "empty")


def encode_inputs(
    tasks: TaskSet, *, standardize: bool = True
) -> tuple[NDArray[np.float64], list[NDArray[np.intp]]]:
    """Encode the inputs of all tasks as one matrix of numbers.

    Columns of dtype bool, category, string or object become one 0/1 column per level that occurs; a
    missing value is a separate level. An object column that contains only numbers is numeric.
    Missing numbers are replaced by the mean over all tasks, or 0 if all are missing. Means and
    standard deviations are taken over the rows of all tasks: a row that is labeled for two tasks
    counts twice, so that the wide and the long form of the same data give the same features.

    Parameters
    ----------
    tasks : TaskSet
        The tasks; n rows of its table belong to at least one of them.
    standardize : bool, default=True
        Scale every column to mean 0 and (population) standard deviation 1; constant columns become
        0.

    Returns
    -------
    X : ndarray of shape (n, q)
        Encoded rows, q >= p columns.
    members : list of T ndarrays of shape (n_t,)
        Rows of ``X`` that belong to every task.

    Raises
    ------
    ValueError
        If a number is infinite, or a column is neither numeric nor categorical (a date, for
        instance). The message names the column and a task.
    """
    table, stacked = tasks.X, np.concatenate([tasks.rows(name) for name in tasks.names])
    used, position = np.unique(stacked, return_inverse=True)
    members = np.split(position.ravel().astype(np.intp), np.cumsum(tasks.sizes)[:-1])
    frame = table.iloc[used] if hasattr(table, "iloc") else pd.DataFrame(table[used])
    weights = np.bincount(position.ravel(), minlength=len(used)).astype(float)
    blocks = [
        encode_column(frame.iloc[:, c], weights, tasks, members) for c in range(frame.shape[1])
    ]
    X = np.concatenate(blocks, axis=1)
    return (zscore(X, weights) if standardize else X), members


def encode_column(
    column: pd.Series, weights: NDArray[np.float64], tasks: TaskSet, members: list[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """Encode one column as a matrix of one (numbers) or several (levels) columns."""
    if is_number(column):
        return impute(to_float(column, tasks, members), weights)[:, None]
    if column.dtype.kind in "mMc":
        raise ValueError(
            f"Column {column.name!r} of X has dtype {column.dtype}; TaskRelationFeaturizer takes "
            "numeric, boolean, categorical and string columns."
        )
    codes, levels = pd.factorize(column)
    codes = np.where(codes < 0, len(levels), codes)
    hot: NDArray[np.float64] = np.eye(len(levels) + 1)[codes]
    return hot if (codes == len(levels)).any() else hot[:, :-1]


def is_number(column: pd.Series) -> bool:
    """Whether all entries of a column are numbers, regardless of its dtype."""
    if column.dtype == object:
        return pd.api.types.infer_dtype(column, skipna=True) in NUMERIC_OBJECTS
    return (
        pd.api.types.is_numeric_dtype(column.dtype)
        and not pd.api.types.is_bool_dtype(column.dtype)
        and column.dtype.kind != "c"
    )


def to_float(
    column: pd.Series, tasks: TaskSet, members: list[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """Return the numbers of a column as float64, NaN where missing; raise for infinity."""
    values: NDArray[np.float64] = np.array(
        pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    )
    infinite = np.isinf(values)
    if infinite.any():
        name = next(
            name for name, index in zip(tasks.names, members, strict=True) if infinite[index].any()
        )
        raise ValueError(
            f"Input X of task {name!r} contains infinity in column {column.name!r}; inputs must be "
            "finite or missing."
        )
    return values


def impute(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace missing values by the weighted mean of the others."""
    missing = np.isnan(values)
    if missing.any():
        values[missing] = (
            0.0 if missing.all() else np.average(values[~missing], weights=weights[~missing])
        )
    return values


def zscore(X: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standardize each column; what is the mean, or constant, up to rounding becomes 0.

    A row that is missing throughout then has no direction, whatever the order of the sums.
    """
    rounding = 10 * np.finfo(float).eps
    largest = np.abs(X).max(axis=0)
    X = X / np.where(largest > 0, largest, 1.0)  # so that no square overflows or vanishes
    centered = X - np.average(X, axis=0, weights=weights)
    deviation = np.sqrt(np.average(centered**2, axis=0, weights=weights))
    constant = (np.ptp(X, axis=0) == 0) | (deviation <= rounding)
    centered[:, constant] = 0.0
    centered[np.abs(centered) <= rounding] = 0.0
    scaled: NDArray[np.float64] = centered / np.where(constant, 1.0, deviation)
    return scaled
