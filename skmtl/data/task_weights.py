"""Weights of named tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.data.frames import as_pandas
from skmtl.data.messages import shown_value
from skmtl.data.wide_targets import column_task_name

# Totals below this lose digits.
_SMALLEST_TOTAL = 1e-290


def read_task_weights(given: Any, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the weights of named tasks.

    Parameters
    ----------
    given : array-like of shape (T,), Series or dict
        Weights in the order of ``names``; a dict, or a Series with names in its index, gives them
        by name, and tasks that it omits have weight 1.
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
    values = as_pandas(given)
    if isinstance(values, pd.Series) and not isinstance(values.index, pd.RangeIndex):
        values = values.to_dict()
    if isinstance(values, dict):
        named = {column_task_name(key, "task_weights"): value for key, value in values.items()}
        unknown = set(named) - set(names)
        if unknown:
            raise ValueError(
                f"task_weights names the task {shown_value(min(unknown))}, which is not in y."
            )
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
            f"task_weights must hold {len(names)} finite weights >= 0, one per task and not all "
            f"zero. Got {shown_value(given)}."
        )
    with np.errstate(over="ignore"):
        total = weights.sum()
    # Only ratios count: sums stay finite, and shares of tiny weights keep their digits.
    return weights if _SMALLEST_TOTAL < total < np.inf else weights / weights.max()
