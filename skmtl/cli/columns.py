"""Conversion of table columns to task ids, targets and inputs, with checks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.cli.column_types import with_own_type
from skmtl.cli.errors import InputError
from skmtl.data import Kind, encode_task_ids, tidy_labels

# Maximum number of tasks: the search scores all their pairs.
MOST_TASKS = 2_000
# A text column is no category if it has more levels than this and more than one per two rows.
_MANY_LEVELS = 50


def task_ids(task: pd.Series, column: str) -> tuple[list[str], NDArray[np.intp]]:
    """Return the names of the tasks, and the task of every row."""
    try:
        names, codes = encode_task_ids(_ids_as_written(task), f"task column {column!r}")
    except (ValueError, TypeError) as error:
        raise InputError(str(error)) from None
    if len(names) < 2:
        raise InputError(
            f"column {column!r} contains only one task, {names[0]!r}; at least two are needed"
        )
    if len(names) > MOST_TASKS:
        raise InputError(
            f"column {column!r} contains {len(names):,} tasks in {len(codes):,} rows; at most "
            f"{MOST_TASKS:,} can be grouped. Is it the task column?"
        )
    return names, codes


def _ids_as_written(task: pd.Series) -> pd.Series:
    """Return strings unchanged, and numbers with decimals as floats.

    Later, 7.0 becomes the id "7", and a fraction such as 0.53 is rejected.
    """
    texts = pd.api.types.infer_dtype(task, skipna=True) == "string"
    decimals = texts and task.str.fullmatch(r"\s*[+-]?\d*\.\d+([eE][+-]?\d+)?\s*").all()
    return task.astype(float) if decimals else task


def inferred_kind(target: pd.Series) -> Kind:
    """Infer the kind: text, booleans and two whole numbers are classes, other numbers are not."""
    if not pd.api.types.is_numeric_dtype(target) or pd.api.types.is_bool_dtype(target):
        return "classification"
    values = target.unique().astype(float)
    return (
        "classification"
        if len(values) <= 2 and np.all(values == np.floor(values)) and np.isfinite(values).all()
        else "regression"
    )


def quantities(target: pd.Series, column: str) -> NDArray[np.float64]:
    """Return a target as finite numbers."""
    numbers = pd.to_numeric(target, errors="coerce")
    if numbers.isna().any() or pd.api.types.is_datetime64_any_dtype(target):
        example = (
            target.astype(object)[numbers.isna()].iloc[0]
            if numbers.isna().any()
            else target.iloc[0]
        )
        raise InputError(
            f"target {column!r} is not numeric (it contains {example!r}); regression needs "
            "numbers. Use --kind classification for classes"
        )
    values = numbers.to_numpy(dtype=np.float64)
    if np.isinf(values).any():
        raise InputError(f"target {column!r} contains infinite values")
    return values


def classes(target: pd.Series, column: str) -> NDArray[np.generic]:
    """Return a target as labels: whole numbers or text."""
    if pd.api.types.is_bool_dtype(target):
        return target.to_numpy(dtype=np.int64)
    if target.dtype.kind in "mM":
        raise InputError(f"target {column!r} contains dates, which cannot be classes")
    if pd.api.types.is_numeric_dtype(target):
        whole = pd.api.types.is_integer_dtype(target)
        values = np.array(target.tolist()) if whole else target.to_numpy(dtype=np.float64)
        if not whole and not np.all(np.isfinite(values) & (values == np.floor(values))):
            raise InputError(
                f"target {column!r} contains numbers that are not integers; they cannot be "
                "classes. Use --kind regression"
            )
        return tidy_labels(values, f"target {column!r}")
    _check_text(target, f"target {column!r}")
    return target.astype(str).to_numpy(dtype=str)


def checked_inputs(inputs: pd.DataFrame) -> pd.DataFrame:
    """Return inputs as estimators take them: float64, or categories for text; missing values stay.

    Parameters
    ----------
    inputs : DataFrame of shape (n, p)
        Columns as read.

    Returns
    -------
    DataFrame of shape (n, p)
        Columns of dtype float64 or category.
    """
    if inputs.shape[1] == 0:
        raise InputError("there is no input column besides the task and the target")
    return pd.DataFrame({str(name): _input(inputs[name], str(name)) for name in inputs})


def _input(values: pd.Series, column: str) -> pd.Series:
    values = with_own_type(values, column)
    if values.dtype.kind in "mM":
        raise InputError(
            f"input column {column!r} contains dates; convert them to numbers (for example, days "
            "since a fixed date) or drop the column"
        )
    if values.isna().all():
        raise InputError(f"input column {column!r} is empty; drop it")
    if pd.api.types.is_numeric_dtype(values):
        numbers = pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), values.index)
        if np.isinf(numbers).any():
            raise InputError(f"input column {column!r} contains infinite values")
        return numbers
    _check_text(values, f"input column {column!r}")
    return values if isinstance(values.dtype, pd.CategoricalDtype) else _categories(values)


def _categories(values: pd.Series) -> pd.Series:
    return (
        values.astype(object)
        .where(values.notna(), None)
        .map(str, na_action="ignore")
        .astype("category")
    )


def _check_text(values: pd.Series, owner: str) -> None:
    """Raise for text among numbers, numbers as text, and text that differs in most rows."""
    known = values.dropna().astype(object)
    numbers = pd.to_numeric(known, errors="coerce").notna()
    if numbers.mean() >= 0.5 and not isinstance(values.dtype, pd.CategoricalDtype):
        what = (
            f"numbers as text, such as {str(known.iloc[0])!r}; store them as numbers"
            if numbers.all()
            else f"text such as {str(known[~numbers].iloc[0])!r} among numbers; clean the column "
            "first"
        )
        raise InputError(f"{owner} contains {what}")
    n_levels = known.nunique()
    if n_levels > _MANY_LEVELS and 2 * n_levels > len(known):
        raise InputError(
            f"{owner} contains {n_levels:,} different texts in {len(known):,} rows, such as "
            f"{known.iloc[0]!r}; drop the column"
        )
