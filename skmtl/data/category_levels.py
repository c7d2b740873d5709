"""Levels of categorical columns, and the code of every entry."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.data.categorical_columns import is_categorical
from skmtl.data.frames import native
from skmtl.data.messages import shown_names

Level = Hashable


def learn_levels(column: Any, name: Any) -> list[Level]:
    """Return the levels present in a column, sorted where possible, else in order of appearance."""
    _, found = _factorize(column, name)
    levels = list(dict.fromkeys(found))
    with suppress(TypeError):
        levels = sorted(levels)  # type: ignore[type-var]
    return [_storable(level) for level in levels]


def codes_of(column: Any, levels: list[Level], name: Any) -> NDArray[np.int64]:
    """Return the code of every entry: 1 + position of its level, 0 if missing or unknown."""
    positions, values = _factorize(column, name)
    found = [_storable(level) for level in values]
    known = {level: code for code, level in enumerate(levels, start=1)}
    if levels and found and not any(level in known for level in found) and _suspect(found, levels):
        warnings.warn(
            f"No value of the categorical column {name!r} of X is one of its levels in fit: got "
            f"{shown_names(found, 3)} ({_types(found)}), known are {shown_names(levels, 3)} "
            f"({_types(levels)}). All its rows count as unknown.",
            UserWarning,
            stacklevel=2,
        )
    # The 0 at the end is for missing entries, whose position is -1.
    return np.array([*(known.get(level, 0) for level in found), 0], dtype=np.int64)[positions]


def _factorize(column: Any, name: Any) -> tuple[NDArray[np.intp], list[Level]]:
    """Return the position of every entry among the distinct values (-1 if missing), and these."""
    if isinstance(getattr(column, "dtype", None), pd.ArrowDtype) and is_categorical(column.dtype):
        column = column.astype(object)  # pandas cannot list the distinct values of a dictionary
    if isinstance(column, np.ndarray):
        column = native(column)
    try:
        positions, found = pd.factorize(column)
    except TypeError as error:
        raise ValueError(
            f"Column {name!r} of X is categorical, but holds values that cannot be levels: {error}."
        ) from error
    return positions, found.tolist()


def _suspect(found: list[Level], levels: list[Level]) -> bool:
    """Whether unknown levels look like an error: there are several, or their type is new.

    A single new level of a known type is ordinary, such as a row from a new city.
    """
    return len(found) > 1 or not {type(level) for level in found} & {
        type(level) for level in levels
    }


def _storable(level: Level) -> Level:
    """Return a level as fitted models keep it: dates, periods and intervals as text."""
    if isinstance(level, datetime):
        level = pd.Timestamp(level)
    if isinstance(level, (date, time, timedelta, pd.Interval, pd.Period)):
        return f"{type(level).__name__}({level})"
    if isinstance(level, Decimal):
        return float(level) if Decimal(float(level)) == level else f"Decimal({level})"
    return level


def _types(levels: list[Level]) -> str:
    return " and ".join(sorted({type(level).__name__ for level in levels}))
