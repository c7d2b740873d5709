"""Accuracy per task."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score

from skmtl.data import check_label_types, shown_value, tidy_labels
from skmtl.metrics.labeled_tasks import (
    Average,
    LabeledTask,
    Score,
    labeled_tasks,
    predicted_columns,
    score_tasks,
)


def multitask_accuracy(
    Y_true: Any,
    Y_pred: Any,
    *,
    task: Any = None,
    sample_weight: Any = None,
    average: Average = "macro",
) -> Score:
    r"""Accuracy (share of correct labels) per task, or its mean over tasks.

    .. math:: \frac{1}{T} \sum_t \frac{1}{n_t} \sum_{i : y_{it} \text{ known}}
        \mathbb{1}[\hat y_{it} = y_{it}]

    Parameters
    ----------
    Y_true, Y_pred : array-like of shape (n, T) or (n,)
        True labels, NaN where unknown, and predicted labels.
    task : array-like of shape (n,), optional
        Task of every row in long form, where ``Y_true`` is (n,).
    sample_weight : array-like of shape (n,), optional
        Weights of the rows; rows of weight zero count as unlabeled.
    average : {"macro"} or None, default="macro"
        Mean over tasks, or one value per task.

    Returns
    -------
    float or ndarray of shape (T,)
        Between 0 and 1. NaN for a task without labels, which the mean leaves out.

    Raises
    ------
    ValueError
        If shapes differ, labels are not classes, or no task has a label.

    Examples
    --------
    The second task has one label, and its prediction is wrong:

    >>> import numpy as np
    >>> from skmtl.metrics import multitask_accuracy
    >>> Y_true, Y_pred = np.array([[0, 1.0], [1, np.nan]]), np.array([[0, 0], [1, 1]])
    >>> multitask_accuracy(Y_true, Y_pred, average=None).tolist()
    [1.0, 0.0]
    >>> float(multitask_accuracy(Y_true, Y_pred))
    0.5
    """
    tasks = labeled_tasks(Y_true, predicted_columns(Y_true, Y_pred, task), task, sample_weight)
    return score_tasks(tasks, share_correct, average)


def share_correct(task: LabeledTask) -> float:
    """Return the (weighted) share of correct labels; raise where labels cannot be classes."""
    check_classes(task)
    return float(accuracy_score(task.y, task.prediction, sample_weight=task.sample_weight))


def check_classes(task: LabeledTask) -> None:
    """Raise ValueError where labels or predictions of a task cannot be classes."""
    for values, what in ((task.y, "Y_true"), (task.prediction, "Y_pred")):
        check_label_types(values, what)
        known = tidy_labels(values, what)
        if known.dtype.kind == "f":
            first = known[(known != np.floor(known)).argmax()]
            raise ValueError(
                f"{what} is continuous: it contains {shown_value(first)}, which is not a class. "
                "Turn numbers into classes first."
            )
