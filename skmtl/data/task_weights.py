"""Weights of named tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.data.messages import shown_value
from skmtl.data.task_ids import task_name


def read_task_weights(given: Any, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the weights of named tasks.

    Parameters
    ----------
    given : array-like of shape (T,) or dict
        Weights in the order of ``names``, or by name; tasks that a dict omits have weight 1.
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
            f"task_weights must hold {len(names)} finite weights >= 0, one per task and not all "
            f"zero. Got {shown_value(given)}."
        )
    return weights
