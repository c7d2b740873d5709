"""What the values of a column are, where its dtype does not say it."""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd

from skmtl.cli.errors import InputError

# Text that is neither names nor classes, and what to say of it.
_NOTATIONS = {
    r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?": (
        "dates; turn them into numbers (say, days since a fixed date)"
    ),
    r"[+-]?\d+(,\d+)+(\.\d+)?": "numbers with commas; write them as 1234.5",
    r"[+-]?\d+([.,]\d+)?\s*%": "percentages; write them as numbers",
}


def with_own_type(values: pd.Series, column: str) -> pd.Series:
    """Return a column of objects or text in the type that its values have.

    Parameters
    ----------
    values : Series of shape (n,)
        Column as read.
    column : str
        How messages call it.

    Returns
    -------
    Series of shape (n,)
        Booleans and numbers with a dtype of their own; everything else as it came.

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
            "dates or times; turn them into numbers"
            if isinstance(odd, (date, time, timedelta))
            else f"values of type {type(odd).__name__}; one number or text per row is needed"
        )
        raise InputError(f"column {column!r} holds {what}")
    texts = known.astype(str).str.strip()
    for pattern, what in _NOTATIONS.items():
        if texts.str.fullmatch(pattern).all():
            raise InputError(f"column {column!r} holds text such as {known.iloc[0]!r}: {what}")
    return values
