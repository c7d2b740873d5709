"""Labels and predictions of every task on its labelled rows, whatever layout they come in."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import UndefinedMetricWarning

Average = Literal["macro"] | None
Score = float | NDArray[np.float64]


@dataclass(frozen=True)
class LabelledTask:
    """The labelled rows of one task; rows of weight zero are left out."""

    name: str
    y: NDArray[Any]
    prediction: NDArray[Any]
    sample_weight: NDArray[np.float64] | None
    classes: Sequence[Any] | None = None


def score_tasks(
    tasks: list[LabelledTask],
    metric: Callable[[LabelledTask], float],
    average: Average,
    *,
    at_least: int = 1,
    undefined: Callable[[LabelledTask], str | None] | None = None,
) -> Score:
    """Score of every task, NaN for those with too few labels or that ``undefined`` gives a reason
    for, or the mean of the scores.
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
            else f"No task has at least {at_least} labelled rows in Y_true."
        )
    for reason in reasons:
        warnings.warn(reason, UndefinedMetricWarning, stacklevel=3)
    return values if average is None else float(np.nanmean(values))


def labelled_tasks(
    Y_true: Any, predictions: list[NDArray[Any]], task: Any, sample_weight: Any, labels: Any = None
) -> list[LabelledTask]:
    """Take labels and predictions apart: one task a column of a wide ``Y_true``, one a distinct id
    of ``task`` in long form.
    """
    names, columns = named_columns(Y_true)
    n = len(columns[0])
    masks = [np.ones(n, dtype=bool)] * len(columns)
    if task is not None:
        if len(columns) != 1:
            raise ValueError(f"With task, Y_true must have shape (n,). Got {len(columns)} columns.")
        if len(predictions) != 1:
            raise ValueError(
                f"With task, Y_pred must hold one prediction a row. Got {len(predictions)} columns."
            )
        names, codes = task_codes(task, n)
        masks = [codes == t for t in range(len(names))]
        columns, predictions = columns * len(names), predictions * len(names)
    if len(predictions) != len(columns) or any(len(p) != n for p in predictions):
        lengths = sorted({len(p) for p in predictions})
        raise ValueError(
            f"Y_true has {len(columns)} tasks and {n} rows; Y_pred has {len(predictions)} tasks "
            f"and {' or '.join(map(str, lengths))} rows."
        )
    weights = checked_weights(sample_weight, n)
    classes = classes_of_tasks(labels, len(columns), shared=task is not None)
    tasks = []
    for name, column, prediction, mask, own in zip(
        names, columns, predictions, masks, classes, strict=True
    ):
        rows = np.flatnonzero(mask & ~pd.isna(column) & (True if weights is None else weights > 0))
        y, known = _plain(column[rows]), _plain(prediction[rows])
        if known.dtype.kind == "f" and not np.isfinite(known).all():
            raise ValueError(
                f"Y_pred is NaN or infinite for {int((~np.isfinite(known)).sum())} labelled values "
                f"of task {name!r}; predictions must be finite."
            )
        if y.dtype.kind == "f" and known.ndim == 1 and known.dtype.kind in "iu":
            known = known.astype(float)
        tasks.append(LabelledTask(name, y, known, None if weights is None else weights[rows], own))
    return tasks


# ---------------------------------------------------------------------- parts
def named_columns(Y: Any) -> tuple[list[str], list[NDArray[Any]]]:
    """Names and columns of a wide or 1-D target; a frame's columns give the names."""
    if np.ndim(Y) > 2:
        raise ValueError(
            "Labels and predictions of tasks must have shape (n,) or (n, T). Got an array with "
            f"{np.ndim(Y)} dimensions."
        )
    frame = pd.DataFrame(Y)
    if frame.shape[1] == 0:
        raise ValueError("Y_true has no column: at least one task is needed.")
    return [id_name(name) for name in frame.columns], [
        frame.iloc[:, t].to_numpy() for t in range(frame.shape[1])
    ]


def columns_of(Y: Any) -> list[NDArray[Any]]:
    """Columns of a wide or 1-D array."""
    return named_columns(Y)[1]


def task_codes(task: Any, n: int) -> tuple[list[str], NDArray[np.intp]]:
    """Names of tasks in order of first appearance, and the position in them of every row's task;
    ids may be any hashables.
    """
    if hasattr(task, "to_numpy"):
        ids = task.to_numpy(dtype=object)
    elif isinstance(task, np.ndarray):
        ids = task.astype(object)
    else:  # numpy would take a list of tuples for two axes
        ids = np.fromiter(task, dtype=object)
    if ids.ndim != 1:
        raise ValueError(f"task must have shape (n,). Got an array with {ids.ndim} dimensions.")
    if len(ids) != n:
        raise ValueError(f"task has {len(ids)} rows, Y_true has {n}.")
    codes, found = pd.factorize(ids)
    if (codes < 0).any():
        raise ValueError(f"task has {(codes < 0).sum()} missing task ids.")
    return [id_name(value) for value in found], codes


def id_name(value: Any) -> str:
    """Name of a task id: ``str(id)``, integral floats without the ".0"."""
    return (
        str(int(value))
        if isinstance(value, (float, np.floating)) and float(value).is_integer()
        else str(value)
    )


def checked_weights(sample_weight: Any, n: int) -> NDArray[np.float64] | None:
    """Weights of the rows as numbers that are finite and not negative."""
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, dtype=float)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},). Got shape {weights.shape}.")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("sample_weight must hold finite numbers >= 0.")
    return weights


def classes_of_tasks(labels: Any, n_tasks: int, *, shared: bool) -> list[Sequence[Any] | None]:
    """Classes of every task from ``labels``: one list for all in long form, a list of lists for
    wide targets.
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
            "classes a task for 2-D Y_true."
        )
    return [list(labels)] * n_tasks


def _named(metric: Callable[[LabelledTask], float], task: LabelledTask) -> float:
    try:
        return metric(task)
    except (ValueError, TypeError) as error:
        raise type(error)(f"Task {task.name!r}: {error}") from error


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Objects as what numpy makes of them."""
    return np.array(values.tolist()) if values.dtype.kind == "O" else values
