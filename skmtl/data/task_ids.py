"""Task names from task ids."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from skmtl.data.frames import as_pandas, native
from skmtl.data.label_types import LARGEST_WHOLE_FLOAT
from skmtl.data.messages import shown_names, shown_value
from skmtl.data.missing_text import warn_of_missing_text


def encode_task_ids(ids: ArrayLike, what: str = "task") -> tuple[list[str], NDArray[np.intp]]:
    """Turn task ids into names, in order of first appearance, and codes.

    Parameters
    ----------
    ids : array-like of shape (n,)
        Strings, integers, integral floats or any hashables.
    what : str, default="task"
        Name of the argument in messages.

    Returns
    -------
    names : list of str
        ``str(id)``, integral floats without the ".0".
    codes : ndarray of shape (n,)
        Position in ``names`` of every row's task.

    Raises
    ------
    ValueError
        If an id is missing, a number is not integral, complex, or too large for float64 to
        represent exactly, or two ids have the same name.

    Warns
    -----
    UserWarning
        If a task has a name such as "nan", which may be a missing value converted to text.

    Examples
    --------
    >>> from skmtl.data import encode_task_ids
    >>> encode_task_ids([7.0, 9.0, 7.0])
    (['7', '9'], array([0, 1, 0]))
    """
    names, codes = _names_and_codes(ids, what)
    warn_of_missing_text(names, what)
    return names, codes


def _names_and_codes(ids: Any, what: str) -> tuple[list[str], NDArray[np.intp]]:
    ids = as_pandas(ids)
    values = ids if isinstance(ids, pd.Series) else pd.Series(_as_column(ids, what))
    if values.isna().any():
        raise ValueError(f"{what} has {int(values.isna().sum())} missing task ids.")
    try:
        if isinstance(values.dtype, np.dtype) and not values.dtype.isnative:
            values = pd.Series(native(values.to_numpy()))
        codes, uniques = pd.factorize(values)
    except TypeError:
        raise ValueError(
            f"{what} holds task ids that are not hashable, such as lists; ids must be names, "
            "numbers or tuples of them."
        ) from None
    names = [task_name(value, what) for value in uniques]
    if len(set(names)) != len(names):
        seen: set[str] = set()
        double = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
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
        Name of the column in messages.

    Returns
    -------
    str
        The name.

    Raises
    ------
    ValueError
        If a number is not integral, complex, or too large for float64 to represent exactly.

    Examples
    --------
    >>> from skmtl.data import task_name
    >>> task_name(7.0), task_name("school_7")
    ('7', 'school_7')
    """
    if isinstance(value, (complex, np.complexfloating)) and not isinstance(value, (float, int)):
        raise ValueError(f"Complex data not supported: {what} holds {shown_value(value)}.")
    if isinstance(value, (float, np.floating, Decimal, Fraction)):
        return str(_whole(value, what))
    if isinstance(value, (np.datetime64, datetime)):
        return str(pd.Timestamp(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, tuple):
        return str(tuple(part.item() if isinstance(part, np.generic) else part for part in value))
    return str(value)


def _whole(value: Any, what: str) -> int:
    """Return a numeric id as an int."""
    finite = not isinstance(value, (float, np.floating)) or np.isfinite(value)
    whole = int(value) if finite else 0
    if whole != value:
        raise ValueError(
            f"{what} holds the number {shown_value(value)}, which is not integral: task ids must "
            "be names or whole numbers (was the column scaled?)."
        )
    if isinstance(value, (float, np.floating)) and abs(value) >= LARGEST_WHOLE_FLOAT:
        raise ValueError(
            f"{what} holds the number {shown_value(value)}, a float too large to be exact. "
            "Pass such ids as integers or strings."
        )
    return whole


def _as_column(ids: Any, what: str) -> NDArray[Any]:
    # numpy would turn a list of mixed ids into strings (1 and "1" into one id, 7.0 into "7.0") and
    # tuples into a second axis.
    plain = isinstance(ids, (list, tuple)) and not any(
        isinstance(value, (list, np.ndarray)) for value in ids
    )
    if isinstance(ids, (pd.Index, pd.api.extensions.ExtensionArray)):
        return np.asarray(ids, dtype=object)
    values = np.fromiter(ids, dtype=object, count=len(ids)) if plain else np.asarray(ids)
    if values.ndim != 1:
        raise ValueError(
            f"{what} must have shape (n,). Got an array with {values.ndim} dimensions."
        )
    return native(values)


def known_task_codes(ids: ArrayLike, names: Sequence[str], owner: str) -> NDArray[np.intp]:
    """Return the position of every row's task among the tasks of the fit.

    Parameters
    ----------
    ids : array-like of shape (n,)
        Task column.
    names : sequence of str
        Tasks of the fit.
    owner : str
        Name of the estimator in messages.

    Returns
    -------
    ndarray of shape (n,)
        Positions in ``names``.

    Raises
    ------
    ValueError
        If a task was not in fit.

    Examples
    --------
    >>> from skmtl.data import known_task_codes
    >>> known_task_codes([7.0, 9.0, 7.0], ["9", "7"], "model")
    array([1, 0, 1])
    """
    found, codes = _names_and_codes(ids, "task_column")
    known = {name: t for t, name in enumerate(names)}
    unknown = [name for name in found if name not in known]
    if unknown:
        raise ValueError(
            f"Task {unknown[0]!r} was not in fit; this {owner} knows {len(known)} tasks: "
            f"{shown_names(names)}."
        )
    return np.array([known[name] for name in found], dtype=np.intp)[codes]
