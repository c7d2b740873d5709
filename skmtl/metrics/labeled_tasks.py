"""Labels and predictions of every task on its labeled rows, from wide or long form."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import UndefinedMetricWarning

from skmtl.data import (
    as_pandas,
    checked_weight,
    encode_task_ids,
    in_task_order,
    plain_labels,
    target_names,
    wide_columns,
)

Average = Literal["macro"] | None
Score = float | NDArray[np.float64]


@dataclass(frozen=True)
class LabeledTask:
    """The labeled rows of one task; rows of weight zero are left out."""

    name: str
    y: NDArray[Any]
    prediction: NDArray[Any]
    sample_weight: NDArray[np.float64] | None
    classes: Sequence[Any] | None = None


def score_tasks(
    tasks: list[LabeledTask],
    metric: Callable[[LabeledTask], float],
    average: Average,
    *,
    at_least: int = 1,
    undefined: Callable[[LabeledTask], str | None] | None = None,
) -> Score:
    """Return the score of every task, or the mean of the scores.

    The score is NaN for a task with fewer than ``at_least`` labels, and for a task for which
    ``undefined`` returns a reason, which becomes a warning.
    """
    if average not in ("macro", None):
        raise ValueError(f"average must be 'macro' or None. Got {average!r}.")
    values, reasons = np.full(len(tasks), np.nan), []
    for t, task in enumerate(tasks):
        if len(task.y) < at_least:
            continue
        reason = None if undefined is None else undefined(task)
        if reason is None:
            values[t] = _named(metric, task)
        else:
            reasons.append(reason)
    if np.isnan(values).all():
        raise ValueError(
            f"No task can be scored. {reasons[0]}"
            if reasons
            else f"No task has at least {at_least} labeled rows in Y_true."
        )
    for reason in reasons:
        warnings.warn(reason, UndefinedMetricWarning, stacklevel=3)
    return values if average is None else float(np.nanmean(values))


def labeled_tasks(
    Y_true: Any, predictions: list[NDArray[Any]], task: Any, sample_weight: Any, labels: Any = None
) -> list[LabeledTask]:
    """Split labels and predictions into tasks.

    In wide form a task is a column of ``Y_true``; in long form it is a distinct value of ``task``.
    """
    names, columns = wide_columns(Y_true, "Y_true")
    n = len(columns[0])
    masks = [np.ones(n, dtype=bool)] * len(columns)
    if task is not None:
        if len(columns) != 1:
            raise ValueError(f"With task, Y_true must have shape (n,). Got {len(columns)} columns.")
        if len(predictions) != 1:
            raise ValueError(
                "With task, Y_pred must have one prediction per row. Got "
                f"{len(predictions)} columns."
            )
        names, codes = encode_task_ids(task, "task")
        if len(codes) != n:
            raise ValueError(f"task has {len(codes)} rows, Y_true has {n}.")
        masks = [codes == t for t in range(len(names))]
        columns, predictions = columns * len(names), predictions * len(names)
    if len(predictions) != len(columns) or any(len(p) != n for p in predictions):
        lengths = sorted({len(p) for p in predictions})
        raise ValueError(
            f"Y_true has {len(columns)} tasks and {n} rows; Y_pred has {len(predictions)} tasks "
            f"and {' or '.join(map(str, lengths))} rows."
        )
    weights = None if sample_weight is None else checked_weight(sample_weight, n)
    classes = classes_of_tasks(labels, len(columns), shared=task is not None)
    tasks = []
    for name, column, prediction, mask, own in zip(
        names, columns, predictions, masks, classes, strict=True
    ):
        rows = np.flatnonzero(mask & ~pd.isna(column) & (True if weights is None else weights > 0))
        y = plain_labels(column[rows], f"Task {name!r}")
        known = plain_labels(prediction[rows], f"Task {name!r}")
        if known.dtype.kind == "f" and not np.isfinite(known).all():
            raise ValueError(
                f"Y_pred is NaN or infinite for {int((~np.isfinite(known)).sum())} labeled values "
                f"of task {name!r}; predictions must be finite."
            )
        if known.dtype.kind == "O" and pd.isna(known).any():
            raise ValueError(
                f"Y_pred is missing for {int(pd.isna(known).sum())} labeled values of task "
                f"{name!r}; every labeled row needs a prediction."
            )
        if y.dtype.kind == "f" and known.ndim == 1 and known.dtype.kind in "iu":
            known = known.astype(float)
        tasks.append(LabeledTask(name, y, known, None if weights is None else weights[rows], own))
    return tasks


# ---------------------------------------------------------------------- parts
def predicted_columns(Y_true: Any, Y_pred: Any, task: Any = None) -> list[NDArray[Any]]:
    """Return the predictions of every task of ``Y_true``, by name where both are frames."""
    return wide_columns(in_order_of(Y_true, Y_pred, task), "Y_pred")[1]


def in_order_of(Y_true: Any, Y_pred: Any, task: Any = None) -> Any:
    """Return predictions with their columns in the order of those of a frame ``Y_true``."""
    truth = as_pandas(Y_true)
    if task is not None or not isinstance(truth, pd.DataFrame):
        return Y_pred
    return in_task_order(Y_pred, target_names(truth), "Y_pred", "the columns of Y_true")


def classes_of_tasks(labels: Any, n_tasks: int, *, shared: bool) -> list[Sequence[Any] | None]:
    """Return the classes of every task, given ``labels`` as a list, or as one list per task.

    In long form all tasks share one list.
    """
    if labels is None:
        return [None] * n_tasks
    nested = isinstance(labels, (list, tuple)) and len(labels) > 0 and np.ndim(labels[0]) == 1
    if nested and not shared:
        if len(labels) != n_tasks:
            raise ValueError(
                f"labels has the classes of {len(labels)} tasks, Y_true has {n_tasks} tasks."
            )
        return [list(own) for own in labels]
    if nested or np.ndim(labels) != 1 or not (shared or n_tasks == 1):
        raise ValueError(
            "labels must be one list of classes for 1-D Y_true, and a list with one list of "
            "classes per task for 2-D Y_true."
        )
    return [list(labels)] * n_tasks


def _named(metric: Callable[[LabeledTask], float], task: LabeledTask) -> float:
    try:
        return metric(task)
    except (ValueError, TypeError) as error:
        raise type(error)(f"Task {task.name!r}: {error}") from error
