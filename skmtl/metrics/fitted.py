"""Last step of a fitted estimator and the task of every row, through pipelines and searches."""

from __future__ import annotations

from typing import Any

from skmtl.data import take_column


def last_step(estimator: Any) -> Any:
    """Return the estimator that predicts, unwrapped from searches, pipelines and target transforms.

    This is the best estimator of a search, the last step of a pipeline, or the regressor of a
    TransformedTargetRegressor.
    """
    return _unwrapped(estimator, None)[0]


def task_ids(estimator: Any, X: Any) -> Any:
    """Return the task of every row of X in long form; None in wide form.

    The task column is read from the inputs that reach the last step.
    """
    column = getattr(last_step(estimator), "task_column", None)
    if column is None:
        return None
    inputs = _unwrapped(estimator, X)[1]
    return take_column(inputs, column, "task_column")[0]


def _unwrapped(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the innermost estimator, and X as that estimator receives it (None stays None)."""
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
