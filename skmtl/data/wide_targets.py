"""Wide targets: one column per task, matched by name where columns have names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.data.frames import array_of, as_pandas, column_values, is_complex, native
from skmtl.data.messages import shown_names
from skmtl.data.missing_text import without_missing_text
from skmtl.data.task_ids import task_name


def wide_columns(Y: Any, what: str = "Y") -> tuple[list[str], list[NDArray[Any]]]:
    """Return the names and columns of a wide target.

    Parameters
    ----------
    Y : array-like, frame or series of shape (n, T) or (n,)
        Targets, one column per task.
    what : str, default="Y"
        Name of the argument in messages.

    Returns
    -------
    names : list of str
        Column names of a frame, else the positions "0", "1", ...
    columns : list of ndarray of shape (n,)
        The columns; masked values and strings such as 'nan' become missing values.

    Raises
    ------
    ValueError
        If there is no column, two columns have the same name, or numbers are complex.

    Examples
    --------
    >>> from skmtl.data import wide_columns
    >>> wide_columns([[1.0, 0.0], [3.0, 1.0]])
    (['0', '1'], [array([1., 3.]), array([0., 1.])])
    """
    Y = as_pandas(Y)
    if isinstance(Y, pd.Series):
        Y = Y.to_frame(_series_name(Y))
    if isinstance(Y, pd.DataFrame):
        names = [column_task_name(name, f"{what}.columns") for name in Y.columns]
        columns = [column_values(Y.iloc[:, t]) for t in range(Y.shape[1])]
    else:
        values = native(array_of(Y))
        if values.ndim not in (1, 2):
            raise ValueError(
                f"{what} must have shape (n, T) or (n,). Got an array with {values.ndim} "
                "dimensions."
            )
        values = values.reshape(len(values), -1) if values.size else np.atleast_2d(values.T).T
        names, columns = [str(t) for t in range(values.shape[1])], list(values.T)
    if not names:
        raise ValueError(f"{what} has no columns: at least one task is needed.")
    if len(set(names)) != len(names):
        raise ValueError(
            f"{what} has two columns named {next(n for n in names if names.count(n) > 1)!r}; task "
            "names must be distinct."
        )
    return names, [
        _checked(column, name, what) for name, column in zip(names, columns, strict=True)
    ]


def _checked(column: NDArray[Any], name: str, what: str) -> NDArray[Any]:
    if is_complex(column):
        raise ValueError(f"Complex data not supported: {what} has complex numbers in {name!r}.")
    return without_missing_text(column, f"Task {name!r}")


def column_task_name(name: Any, what: str = "Y.columns") -> str:
    """Return the task name of a column, as for an id, except that names such as 0.5 are allowed."""
    fractional = isinstance(name, (float, np.floating)) and not float(name).is_integer()
    return str(name) if fractional else task_name(name, what)


def target_names(Y: Any) -> list[str]:
    """Return the task names of a wide target without checking its values."""
    Y = as_pandas(Y)
    if isinstance(Y, pd.DataFrame):
        return [column_task_name(name) for name in Y.columns]
    if isinstance(Y, pd.Series):
        return [column_task_name(_series_name(Y))]
    return [str(t) for t in range(np.shape(Y)[1] if np.ndim(Y) == 2 else 1)]


def task_order(Y: Any, names: Sequence[str], what: str, known: str) -> list[int] | None:
    """Match the columns of a target with tasks, by name where both have names.

    Parameters
    ----------
    Y : array-like, frame or series
        The target.
    names : sequence of str
        The tasks to find, in order.
    what : str
        Name of the target in messages.
    known : str
        Source of ``names`` in messages: "the tasks of fit", "the columns of Y_pred".

    Returns
    -------
    list of int or None
        Position in Y of every task. None means matching by position: Y is not a frame, or the
        columns or tasks are only numbered "0", "1", ...

    Raises
    ------
    ValueError
        If both have names, but different ones.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl.data.wide_targets import task_order
    >>> task_order(pd.DataFrame({"b": [1.0], "a": [2.0]}), ["a", "b"], "y", "the tasks of fit")
    [1, 0]
    """
    Y = as_pandas(Y)
    if not isinstance(Y, pd.DataFrame):
        return None
    found = [column_task_name(name, f"{what}.columns") for name in Y.columns]
    if set(found) == set(names) and len(found) == len(names):
        return [found.index(name) for name in names]
    if _numbered(found) or _numbered(names):
        return None
    missing = [name for name in names if name not in found]
    unknown = [name for name in found if name not in names]
    raise ValueError(
        f"The columns of {what} must have the names of {known}."
        + f" Missing: {shown_names(missing, 3)}." * bool(missing)
        + f" Unknown: {shown_names(unknown, 3)}." * bool(unknown)
        + " A name occurs twice." * (len(set(found)) < len(found))
    )


def in_task_order(Y: Any, names: Sequence[str], what: str, known: str) -> Any:
    """Return a target with its columns in the order of the tasks; see :func:`task_order`."""
    order = task_order(Y, names, what, known)
    return Y if order is None else as_pandas(Y).iloc[:, order]


def _series_name(Y: pd.Series) -> Any:
    """Return the name of a series; 0 where it has none, which polars writes as an empty text."""
    return 0 if Y.name is None or (isinstance(Y.name, str) and not Y.name) else Y.name


def _numbered(names: Sequence[str]) -> bool:
    return list(names) == [str(t) for t in range(len(names))]
