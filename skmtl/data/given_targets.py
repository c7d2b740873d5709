"""Targets passed to an estimator's fit, combined with X into tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_array

from skmtl.data.frames import array_of, as_pandas, one_column
from skmtl.data.label_types import check_label_types, tidy_labels
from skmtl.data.missing_text import without_missing_text
from skmtl.data.task_ids import encode_task_ids
from skmtl.data.task_table import Kind, as_table
from skmtl.data.taskset import TaskSet, tasks_of_codes, tasks_of_columns
from skmtl.data.wide_targets import wide_columns

# Raises if the estimator cannot predict labels such as the known ones of a named task.
Check = Callable[[str, NDArray[Any]], None]


def wide_tasks(
    inputs: Any, y: Any, kind: Kind, check: Check, known: tuple[bool, list[str]] | None
) -> TaskSet:
    """Return the tasks of a wide target.

    Parameters
    ----------
    inputs : DataFrame or ndarray of shape (n, p)
        Checked inputs.
    y : DataFrame, Series or ndarray of shape (n, T) or (n,)
        Targets.
    kind : {"regression", "classification"}
        Kind of the tasks.
    check : callable
        Called with the name and the known labels of every task.
    known : (bool, list of str) or None
        For continued training: whether y had two dimensions in the first fit, and the names of the
        tasks. A frame is then matched by column name, an array by position; tasks may be absent.
    """
    names, columns = wide_columns(y, "y")
    if known is not None:
        names, columns = _known_columns(y, names, columns, *known)
    for name, column in zip(names, columns, strict=True):
        labels = column[~pd.isna(column)]
        if kind == "classification":
            check_label_types(labels, f"Task {name!r}")
        check(name, labels)
    return tasks_of_columns(as_table(inputs), names, columns, kind)


def _known_columns(
    y: Any,
    names: list[str],
    columns: list[NDArray[Any]],
    two_dimensional: bool,
    known: list[str],
) -> tuple[list[str], list[NDArray[Any]]]:
    """Return the tasks with at least one label, named as in the first fit."""
    frame = isinstance(y, pd.DataFrame)
    fewer = frame and len(names) < len(known)
    if two_dimensional != (np.ndim(y) == 2) or not (fewer or len(names) == len(known)):
        raise ValueError(
            f"y must have the shape that it had in the first fit: {len(known)} tasks. "
            f"Got shape {np.shape(y)}."
        )
    if not frame:
        names = known
    found = [
        (name, column)
        for name, column in zip(names, columns, strict=True)
        if not pd.isna(column).all()
    ]
    if not found:
        raise ValueError("y has no label at all: every value is missing.")
    return [name for name, _ in found], [column for _, column in found]


def long_tasks(inputs: Any, y: Any, ids: Any, kind: Kind, check: Check | None = None) -> TaskSet:
    """Return the tasks of a target in long form.

    Parameters
    ----------
    inputs : DataFrame or ndarray of shape (n, p)
        Checked inputs.
    y : Series or ndarray of shape (n,)
        Targets, none missing.
    ids : array-like of shape (n,)
        The task column.
    kind : {"regression", "classification"}
        Kind of the tasks.
    check : callable or None
        Called with the name and the labels of every task; raises if they cannot be learned.

    Returns
    -------
    TaskSet
        The tasks.

    Raises
    ------
    ValueError
        If y has another shape, or a target is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.data import long_tasks
    >>> long_tasks(np.eye(4), np.arange(4.0), ["a", "b", "a", "b"], "regression").names
    ['a', 'b']
    """
    if np.ndim(y) != 1:
        raise ValueError(
            f"With task_column, y must have shape (n,). Got an array with {np.ndim(y)} dimensions."
        )
    names, codes = encode_task_ids(ids, "task_column")
    labels = without_missing_text(one_column(y, "y"), "y")
    missing = pd.isna(labels)
    if missing.any():
        raise ValueError(
            f"Task {names[codes[missing.argmax()]]!r} has a missing target in y; in long form "
            "every row needs one. Drop such rows first."
        )
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))[:-1]
    for name, own in zip(
        names, np.split(labels[np.argsort(codes, kind="stable")], ends), strict=True
    ):
        if kind == "classification":
            check_label_types(own, f"Task {name!r}")
        if check is not None:
            check(name, own)
    if kind == "classification":
        labels = tidy_labels(labels)
    return tasks_of_codes(as_table(inputs), labels, names, codes, kind)


def as_target(y: Any) -> Any:
    """Return targets as an array of shape (n,) or (n, T); frames and series are kept.

    Parameters
    ----------
    y : array-like, frame or series of shape (n,) or (n, T)
        Targets, NaN where a label is missing.

    Returns
    -------
    ndarray, DataFrame or Series
        The targets.

    Raises
    ------
    ValueError
        If y is sparse, complex, empty, ragged, or has another number of dimensions.

    Examples
    --------
    >>> from skmtl.data import as_target
    >>> as_target([[1.0, float("nan")], [2.0, 0.5]])
    array([[1. , nan],
           [2. , 0.5]])
    """
    y = as_pandas(y)
    if not isinstance(y, (pd.DataFrame, pd.Series)):
        try:
            y = check_array(
                array_of(y) if isinstance(y, (list, tuple)) else y,
                ensure_2d=False,
                allow_nd=True,
                dtype=None,
                ensure_all_finite=False,
                input_name="y",
            )
        except (ValueError, TypeError) as error:
            if isinstance(error, TypeError) and np.ndim(y) != 0:
                raise
            if (
                "sparse" in str(error).lower()
                or "complex" in str(error).lower()
                or "0 sample" in str(error)
            ):
                raise
            raise ValueError(
                "y must be an array of shape (n,) or (n, T), with NaN where a label is missing. "
                f"{error}"
            ) from None
        if np.asarray(y).dtype == object and any(
            isinstance(value, (list, tuple, np.ndarray)) for value in np.ravel(y)
        ):
            raise ValueError(
                "y holds lists; it must be an array of shape (n,) or (n, T), with NaN where a "
                "label is missing."
            )
    if np.ndim(y) not in (1, 2) or (np.ndim(y) == 2 and np.shape(y)[1] == 0):
        raise ValueError(
            f"y must have shape (n,) or (n, T) with at least one task. Got shape {np.shape(y)}."
        )
    return y
