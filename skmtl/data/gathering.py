"""What a user gives as y and sample_weight, and the tasks that it makes with X."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_array

from skmtl._sklearn_compat import check_sample_weight
from skmtl.data.inputs import as_pandas
from skmtl.data.names import encode_task_ids, task_name, wide_columns
from skmtl.data.rows import Kind, tidy_labels
from skmtl.data.taskset import TaskSet

# Raises where the known labels of a named task cannot be what the estimator predicts.
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
        Where training goes on: whether y had two dimensions, and the names of the tasks. A frame
        then tells its tasks by name, an array by position; tasks may be absent.
    """
    names, columns = wide_columns(y)
    if known is not None:
        two_dimensional, known_names = known
        fewer = isinstance(y, pd.DataFrame) and len(names) < len(known_names)
        if two_dimensional != (np.ndim(y) == 2) or not (fewer or len(names) == len(known_names)):
            raise ValueError(
                f"y must have the shape that it had in the first fit: {len(known_names)} tasks. "
                f"Got shape {np.shape(y)}."
            )
        if not isinstance(y, pd.DataFrame):
            names = known_names
        labelled = {
            name: column
            for name, column in zip(names, columns, strict=True)
            if not pd.isna(column).all()
        }
        if not labelled:
            raise ValueError("y has no label at all: every value is missing.")
        y = pd.DataFrame(labelled)
        names, columns = list(labelled), list(labelled.values())
    for name, column in zip(names, columns, strict=True):
        check(name, column[~pd.isna(column)])
    return TaskSet.from_wide(inputs, y, kind=kind)


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
        Called with the name and the labels of every task; raises where they cannot be predicted.

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
    labels = np.asarray(y)
    if pd.isna(labels).any():
        name = task_name(np.asarray(ids, dtype=object)[pd.isna(labels).argmax()])
        raise ValueError(
            f"Task {name!r} has a missing target in y; in long form every row needs one. Drop such "
            "rows first."
        )
    if check is not None:
        for t, name in enumerate(names):
            check(name, labels[codes == t])
    return TaskSet.from_long(
        inputs, tidy_labels(labels) if kind == "classification" else labels, ids, kind=kind
    )


def as_target(y: Any) -> Any:
    """Return targets as an array of shape (n,) or (n, T); frames and series stay what they are.

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
            strings = isinstance(y, (list, tuple)) and np.asarray(y).dtype.kind in "US"
            # numpy would turn NaN and numbers among strings into strings
            y = check_array(
                np.array(y, dtype=object) if strings else y,
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


def checked_weight(sample_weight: Any, n_rows: int) -> NDArray[np.float64]:
    """Return weights of the rows as scikit-learn demands them.

    Parameters
    ----------
    sample_weight : array-like of shape (n,), float or None
        Weights; None = all one.
    n_rows : int
        Number of rows.

    Returns
    -------
    ndarray of shape (n,)
        Finite weights of at least 0.

    Raises
    ------
    ValueError
        If the length differs, or a weight is negative, missing or infinite.

    Examples
    --------
    >>> from skmtl.data import checked_weight
    >>> checked_weight([1, 2], 2)
    array([1., 2.])
    """
    try:
        weight: NDArray[np.float64] = check_sample_weight(
            sample_weight, np.empty((n_rows, 0)), dtype=np.float64, ensure_non_negative=True
        )
    except ValueError as error:
        if "weight" in str(error):
            raise
        raise ValueError(f"sample_weight must hold {n_rows} finite numbers >= 0: {error}") from None
    return weight


def weighted_rows(tasks: TaskSet, weight: NDArray[np.float64]) -> TaskSet:
    """Return the tasks without their rows of weight zero.

    Parameters
    ----------
    tasks : TaskSet
        The tasks.
    weight : ndarray of shape (n,)
        Weights of the rows of their table.

    Returns
    -------
    TaskSet
        Every task with its rows of positive weight.

    Raises
    ------
    ValueError
        If a task has none.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.data import weighted_rows
    >>> from skmtl.data import TaskSet
    >>> weighted_rows(
    ...     TaskSet.from_wide(np.eye(3), [[1.0], [2.0], [3.0]]), np.array([1.0, 0.0, 1.0])
    ... )["0"].y
    array([1., 3.])
    """
    kept = {name: weight[tasks.rows(name)] > 0 for name in tasks.names}
    for name, mask in kept.items():
        if not mask.any():
            raise ValueError(
                f"sample_weight is zero for every labelled row of task {name!r}: no sample is left "
                "to learn it from."
            )
    rows = {name: tasks.rows(name)[mask] for name, mask in kept.items()}
    return TaskSet(
        tasks.X, rows, {name: tasks.targets(name)[mask] for name, mask in kept.items()}, tasks.kind
    )
