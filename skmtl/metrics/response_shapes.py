"""Probabilities and scores in the shapes that estimators return, and the classes of columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.data import as_pandas, wide_columns
from skmtl.metrics.labeled_tasks import LabeledTask, in_order_of


def outputs_of_tasks(Y_true: Any, Y_pred: Any) -> list[NDArray[np.float64]]:
    """Return one array per task, (n, k_t) or (n,).

    ``Y_pred`` is a list of such arrays, an (n, T) array with one value per task, or, for one column
    of labels, the array itself.
    """
    Y_true, Y_pred = as_pandas(Y_true), as_pandas(Y_pred)
    if isinstance(Y_pred, pd.DataFrame) and np.shape(Y_true) == np.shape(Y_pred):
        Y_pred = in_order_of(Y_true, Y_pred)
    nested = isinstance(Y_pred, (list, tuple)) and len(Y_pred) > 0 and np.ndim(Y_pred[0]) == 2
    if nested or np.ndim(Y_pred) == 3:
        return [np.asarray(own, dtype=float) for own in Y_pred]
    values = np.asarray(Y_pred, dtype=float)
    if values.ndim not in (1, 2):
        raise ValueError(
            "Y_pred must be an array of shape (n,), (n, T) or (n, k), or a list of arrays of "
            f"shape (n, k_t). Got {values.ndim} dimensions."
        )
    if np.ndim(Y_true) == 2 and np.shape(Y_true)[1] > 1:
        return list(values.T) if values.ndim == 2 else [values]
    single_column = values.ndim == 2 and values.shape[1] == 1 and np.ndim(Y_true) == 2
    return [values[:, 0] if single_column else values]


def union_of_classes(Y_true: Any) -> list[Any] | None:
    """Return the sorted classes of all tasks; None if they cannot be sorted."""
    found = {
        value
        for column in wide_columns(Y_true, "Y_true")[1]
        for value in column[~pd.isna(column)].tolist()
    }
    try:
        return sorted(found)
    except TypeError:
        return None


def classes_of_columns(task: LabeledTask, union: list[Any] | None) -> Sequence[Any]:
    """Return the classes of the probability columns of a task.

    These are the classes that the user named, or else those of all tasks, or else those among the
    labels of this task, whichever are as many as there are columns.
    """
    n_columns = 2 if task.prediction.ndim == 1 else task.prediction.shape[1]
    own: list[Any] = np.unique(task.y).tolist()
    if task.classes is not None:
        if len(task.classes) != n_columns:
            raise ValueError(
                f"Y_pred has {n_columns} columns of probabilities, but labels has "
                f"{len(task.classes)} classes."
            )
        return task.classes
    if union is not None and n_columns == len(union):
        return union
    if n_columns == len(own):
        return own
    if n_columns == 2 and union is not None and set(union) <= {0, 1}:
        return [0, 1]
    raise ValueError(
        f"Y_pred has {n_columns} columns of probabilities for a task whose labels in Y_true are "
        f"{own}, so the class of each column is unknown. Pass labels=estimator.classes_."
    )


def column_of_labels(y: NDArray[Any], classes: Sequence[Any]) -> NDArray[np.intp]:
    """Return the position of every label among the classes, -1 if it is none of them."""
    position = {value: k for k, value in enumerate(np.asarray(classes).tolist())}
    return np.array([position.get(value, -1) for value in y.tolist()], dtype=np.intp)
