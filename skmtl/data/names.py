"""From task ids and columns to task names."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def encode_task_ids(ids: ArrayLike, what: str = "task") -> tuple[list[str], NDArray[np.intp]]:
    """Turn task ids into names, in order of first appearance, and codes.

    Parameters
    ----------
    ids : array-like of shape (n,)
        Strings, integers, integral floats or any hashables.
    what : str, default="task"
        How messages call the argument.

    Returns
    -------
    names : list of str
        ``str(id)``, integral floats without the ".0".
    codes : ndarray of shape (n,)
        Position in ``names`` of every row's task.

    Raises
    ------
    ValueError
        If an id is missing, a number is not integral, or two ids have one name.

    Examples
    --------
    >>> from skmtl.data import encode_task_ids
    >>> encode_task_ids([7.0, 9.0, 7.0])
    (['7', '9'], array([0, 1, 0]))
    """
    values = ids if isinstance(ids, pd.Series) else pd.Series(_as_column(ids, what))
    if values.isna().any():
        raise ValueError(f"{what} has {int(values.isna().sum())} missing task ids.")
    try:
        codes, uniques = pd.factorize(values)
    except TypeError:
        raise ValueError(
            f"{what} holds task ids that are not hashable, such as lists; ids must be names, "
            "numbers or tuples of them."
        ) from None
    names = [task_name(value, what) for value in uniques]
    if len(set(names)) != len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"Two different ids in {what} have the name {double!r}; task names must be distinct."
        )
    return names, np.asarray(codes, dtype=np.intp)


def task_name(value: Hashable, what: str = "task") -> str:
    """Name of a task id: ``str(id)``, integral floats without the ".0".

    Parameters
    ----------
    value : hashable
        The id.
    what : str, default="task"
        How messages call the column that holds it.

    Returns
    -------
    str
        The name.

    Raises
    ------
    ValueError
        If a number is not integral.

    Examples
    --------
    >>> from skmtl.data import task_name
    >>> task_name(7.0), task_name("school_7")
    ('7', 'school_7')
    """
    if isinstance(value, (float, np.floating)):
        if not float(value).is_integer():
            raise ValueError(
                f"{what} holds the number {value!r}, which is not integral: task ids must be names "
                "or whole numbers (was the column scaled?)."
            )
        value = int(value)
    return str(value)


def wide_columns(Y: Any) -> tuple[list[str], list[NDArray[Any]]]:
    """Names and columns of a wide target.

    Parameters
    ----------
    Y : array-like or DataFrame of shape (n, T) or (n,)
        Targets, one column a task.

    Returns
    -------
    names : list of str
        Column names of a DataFrame, else the positions "0", "1", ...
    columns : list of ndarray of shape (n,)
        The columns.

    Raises
    ------
    ValueError
        If there is no column, or two columns have one name.

    Examples
    --------
    >>> from skmtl.data import wide_columns
    >>> wide_columns([[1.0, 0.0], [3.0, 1.0]])
    (['0', '1'], [array([1., 3.]), array([0., 1.])])
    """
    if isinstance(Y, pd.Series):
        Y = Y.to_frame(Y.name if Y.name is not None else 0)
    if isinstance(Y, pd.DataFrame):
        names, columns = (
            [_column_name(name) for name in Y.columns],
            [Y.iloc[:, t].to_numpy() for t in range(Y.shape[1])],
        )
    else:
        values = np.asarray(Y)
        if values.ndim not in (1, 2):
            raise ValueError(
                f"Y must have shape (n, T) or (n,). Got an array with {values.ndim} dimensions."
            )
        values = values.reshape(len(values), -1)
        names, columns = [str(t) for t in range(values.shape[1])], list(values.T)
    if not names:
        raise ValueError("Y has no columns: at least one task is needed.")
    if len(set(names)) != len(names):
        raise ValueError(
            f"Y has two columns named {next(n for n in names if names.count(n) > 1)!r}; task names "
            "must be distinct."
        )
    return names, columns


def _column_name(name: Any) -> str:
    """Name of a column: that of a task id, but columns may have names such as 0.5."""
    fractional = isinstance(name, (float, np.floating)) and not float(name).is_integer()
    return str(name) if fractional else task_name(name, "Y.columns")


def _as_column(ids: Any, what: str) -> NDArray[Any]:
    # numpy would turn a list of mixed ids into strings (1 and "1" into one id, 7.0 into "7.0") and
    # tuples into a second axis.
    plain = isinstance(ids, (list, tuple)) and not any(
        isinstance(value, (list, np.ndarray)) for value in ids
    )
    values = np.fromiter(ids, dtype=object, count=len(ids)) if plain else np.asarray(ids)
    if values.ndim != 1:
        raise ValueError(
            f"{what} must have shape (n,). Got an array with {values.ndim} dimensions."
        )
    return values


def known_task_codes(ids: ArrayLike, names: Sequence[str], owner: str) -> NDArray[np.intp]:
    """Return the position of every row's task among known tasks.

    Parameters
    ----------
    ids : array-like of shape (n,)
        Task column.
    names : sequence of str
        Tasks of the fit.
    owner : str
        How the message calls the estimator that knows them.

    Returns
    -------
    ndarray of shape (n,)
        Positions in ``names``.

    Raises
    ------
    ValueError
        If a task is not known.

    Examples
    --------
    >>> from skmtl.data import known_task_codes
    >>> known_task_codes([7.0, 9.0, 7.0], ["9", "7"], "model")
    array([1, 0, 1])
    """
    found, codes = encode_task_ids(ids, "task_column")
    known = {name: t for t, name in enumerate(names)}
    unknown = [name for name in found if name not in known]
    if unknown:
        shown = ", ".join(repr(name) for name in names[:5])
        raise ValueError(
            f"Task {unknown[0]!r} was not in fit; this {owner} knows {len(known)} tasks: "
            f"{shown}{', ...' * (len(known) > 5)}."
        )
    return np.array([known[name] for name in found], dtype=np.intp)[codes]


def read_task_weights(given: Any, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the weights of named tasks.

    Parameters
    ----------
    given : array-like of shape (T,) or dict
        Weights in the order of the names, or by name; a dict leaves others at 1.
    names : sequence of str
        Tasks in order.

    Returns
    -------
    ndarray of shape (T,)
        Finite weights of at least 0, not all zero.

    Raises
    ------
    ValueError
        If a weight is missing, negative or not finite, all are zero, or a name is unknown.

    Examples
    --------
    >>> from skmtl.data import read_task_weights
    >>> read_task_weights({"b": 2.0}, ["a", "b"])
    array([1., 2.])
    """
    values = given
    if isinstance(given, dict):
        named = {task_name(key): value for key, value in given.items()}
        unknown = set(named) - set(names)
        if unknown:
            raise ValueError(f"task_weights names the task {min(unknown)!r}, which is not in y.")
        values = [named.get(name, 1.0) for name in names]
    try:
        weights = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        weights = np.full(len(names), np.nan)
    if (
        weights.shape != (len(names),)
        or not np.isfinite(weights).all()
        or (weights < 0).any()
        or not weights.any()
    ):
        raise ValueError(
            f"task_weights must hold {len(names)} finite weights >= 0, one a task and not all "
            f"zero. Got {given!r}."
        )
    return weights
