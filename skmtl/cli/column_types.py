"""Type of the values of a column of objects or text."""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd

from skmtl.cli.errors import InputError

# Patterns of text that is neither a name nor a class, and advice.
_NOTATIONS = {
    r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?": (
        "dates; convert them to numbers (say, days since a fixed date)"
    ),
    r"[+-]?\d+(,\d+)+(\.\d+)?": "numbers with commas; write them as 1234.5",
    r"[+-]?\d+([.,]\d+)?\s*%": "percentages; write them as numbers",
}


def with_own_type(values: pd.Series, column: str) -> pd.Series:
    """Convert a column of objects or text to the type of its values.

    Parameters
    ----------
    values : Series of shape (n,)
        Column as read.
    column : str
        Name of the column in messages.

    Returns
    -------
    Series of shape (n,)
        Booleans and numbers in the dtype of their values; other columns unchanged.

    Raises
    ------
    InputError
        If values are neither numbers nor text, or text that stands for numbers or dates.
    """
    known = values.dropna()
    if not (values.dtype == object or pd.api.types.is_string_dtype(values)) or known.empty:
        return values
    if known.map(lambda value: isinstance(value, (bool, np.bool_))).all():
        return values.astype("boolean")
    if known.map(lambda value: isinstance(value, (Real, Decimal))).all():
        return values.astype(float)
    usual = known.map(lambda value: isinstance(value, (str, bytes, bool, np.bool_, Real, Decimal)))
    if not usual.all():
        odd = known[~usual].iloc[0]
        what = (
            "dates or times; convert them to numbers"
            if isinstance(odd, (date, time, timedelta))
            else f"values of type {type(odd).__name__}; one number or text per row is needed"
        )
        raise InputError(f"column {column!r} contains {what}")
    texts = known.astype(str).str.strip()
    for pattern, what in _NOTATIONS.items():
        if texts.str.fullmatch(pattern).all():
            raise InputError(f"column {column!r} contains text such as {known.iloc[0]!r}: {what}")
    return values
