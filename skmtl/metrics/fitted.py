"""What a scorer must know about a fitted estimator, through pipelines and searches: its last step,
and the task of every row.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray


def last_step(estimator: Any) -> Any:
    """Return the estimator that predicts: the best one of a search, the last step of a pipeline,
    the regressor of transformed targets.
    """
    return _unwrapped(estimator, None)[0]


def task_ids(estimator: Any, X: Any) -> NDArray[np.object_] | None:
    """Task of every row of X in long form, taken from the inputs that reach the last step; None in
    wide form.
    """
    column = getattr(last_step(estimator), "task_column", None)
    if column is None:
        return None
    inputs = _unwrapped(estimator, X)[1]
    if hasattr(inputs, "columns"):
        if column in inputs.columns:
            return np.asarray(inputs[column], dtype=object)
        if not isinstance(column, Integral):
            raise ValueError(
                f"The scorer cannot find task_column={column!r} among the columns of X, which are "
                f"{list(inputs.columns)[:8]}."
            )
        return np.asarray(inputs.iloc[:, _position(column, inputs.shape[1])], dtype=object)
    values = np.asarray(inputs)
    if isinstance(column, str) or values.ndim != 2:
        raise ValueError(
            f"The scorer cannot find task_column={column!r}: X is an array of shape "
            f"{values.shape}, whose columns have no names. "
            "Use a DataFrame, or give the column's position."
        )
    return values[:, _position(column, values.shape[1])].astype(object)


def _unwrapped(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the innermost estimator, and X as it gets it (None stays None)."""
    for inner in ("best_estimator_", "regressor_"):
        if hasattr(estimator, inner):
            return _unwrapped(getattr(estimator, inner), X)
    steps = getattr(estimator, "steps", None)
    if isinstance(steps, list) and steps and isinstance(steps[-1], tuple):
        before = [step for _, step in steps[:-1] if step is not None and not isinstance(step, str)]
        if X is not None and before:
            X = estimator[:-1].transform(X)
        return _unwrapped(steps[-1][1], X)
    return estimator, X


def _position(column: Any, n_columns: int) -> int:
    if not -n_columns <= column < n_columns:
        raise ValueError(
            f"The scorer cannot find task_column={column!r}: X has {n_columns} columns."
        )
    return int(column)
