"""Scores and their baseline, matched by name where both have names."""

from __future__ import annotations

from typing import Any

import pandas as pd

from skmtl.data import as_pandas, shown_names


def in_order_of_index(values: Any, baseline: Any, what: str, of_baseline: str) -> Any:
    """Return a Series or DataFrame reordered by name to match the index of the baseline.

    If one of them has no names (an array, or a default index), the values are returned unchanged.

    Parameters
    ----------
    values : array-like, Series of shape (K,) or DataFrame of shape (m, K)
        Values to reorder.
    baseline : array-like or Series of shape (K,)
        Its index gives the order.
    what, of_baseline : str
        Their names in the error message.

    Raises
    ------
    ValueError
        If both have names, and the names differ.
    """
    values, baseline = as_pandas(values), as_pandas(baseline)
    if not isinstance(baseline, pd.Series) or not isinstance(values, (pd.Series, pd.DataFrame)):
        return values
    frame = isinstance(values, pd.DataFrame)
    names, wanted = (values.columns if frame else values.index), baseline.index
    if not names.is_unique or not wanted.is_unique or names.equals(wanted):
        return values
    if set(names) == set(wanted):
        return values[wanted.tolist()]
    if isinstance(names, pd.RangeIndex) or isinstance(wanted, pd.RangeIndex):
        return values
    raise ValueError(
        f"{what} and {of_baseline} must have the same names. Got {shown_names(names)} and "
        f"{shown_names(wanted)}."
    )
