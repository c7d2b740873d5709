"""Coefficient of determination and mean squared error per task."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import mean_squared_error, r2_score

from skmtl.metrics.labeled_tasks import (
    Average,
    LabeledTask,
    Score,
    labeled_tasks,
    predicted_columns,
    score_tasks,
)

# Squares of larger numbers, or sums of such squares, exceed the range of float64.
_SQUARES_OVERFLOW = 1e150


def multitask_r2(
    Y_true: Any,
    Y_pred: Any,
    *,
    task: Any = None,
    sample_weight: Any = None,
    average: Average = "macro",
) -> Score:
    r"""Coefficient of determination (R2) per task, or its mean over tasks.

    .. math:: \frac{1}{T} \sum_t \Bigl(1 -
        \frac{\sum_i (y_{it} - \hat y_{it})^2}{\sum_i (y_{it} - \bar y_t)^2}\Bigr)

    Parameters
    ----------
    Y_true, Y_pred : array-like of shape (n, T) or (n,)
        True targets, NaN where unknown, and predictions.
    task : array-like of shape (n,), optional
        Task of every row in long form, where ``Y_true`` is (n,).
    sample_weight : array-like of shape (n,), optional
        Weights of the rows; rows of weight zero count as unlabeled.
    average : {"macro"} or None, default="macro"
        Mean over tasks, or one value per task.

    Returns
    -------
    float or ndarray of shape (T,)
        At most 1; 0 for a prediction of the mean. NaN for a task with fewer than two labels, which
        the mean leaves out.

    Raises
    ------
    ValueError
        If shapes differ, or no task has two labels.

    Examples
    --------
    The first task is predicted exactly, and the second by the mean of its two labels:

    >>> import numpy as np
    >>> from skmtl.metrics import multitask_r2
    >>> Y = np.array([[0.0, 1.0], [1.0, np.nan], [2.0, 3.0]])
    >>> multitask_r2(Y, np.array([[0.0, 2.0], [1.0, 0.0], [2.0, 2.0]]), average=None).tolist()
    [1.0, 0.0]
    """
    tasks = labeled_tasks(Y_true, predicted_columns(Y_true, Y_pred, task), task, sample_weight)
    return score_tasks(tasks, _r2, average, at_least=2)


def multitask_mse(
    Y_true: Any,
    Y_pred: Any,
    *,
    task: Any = None,
    sample_weight: Any = None,
    average: Average = "macro",
) -> Score:
    r"""Mean squared error (MSE) per task, or its mean over tasks.

    .. math:: \frac{1}{T} \sum_t \frac{1}{n_t} \sum_i (y_{it} - \hat y_{it})^2

    Parameters
    ----------
    Y_true, Y_pred : array-like of shape (n, T) or (n,)
        True targets, NaN where unknown, and predictions.
    task : array-like of shape (n,), optional
        Task of every row in long form, where ``Y_true`` is (n,).
    sample_weight : array-like of shape (n,), optional
        Weights of the rows; rows of weight zero count as unlabeled.
    average : {"macro"} or None, default="macro"
        Mean over tasks, or one value per task.

    Returns
    -------
    float or ndarray of shape (T,)
        In squared units of the target, at least 0. NaN for a task without labels, which the mean
        leaves out.

    Raises
    ------
    ValueError
        If shapes differ, or no task has a label.

    Examples
    --------
    In long form every task counts equally in the mean, whatever its number of rows:

    >>> from skmtl.metrics import multitask_mse
    >>> y_true, y_pred, task = [1.0, 2.0, 5.0], [1.0, 4.0, 4.0], ["a", "a", "b"]
    >>> multitask_mse(y_true, y_pred, task=task, average=None).tolist()
    [2.0, 1.0]
    >>> float(multitask_mse(y_true, y_pred, task=task))
    1.5
    """
    tasks = labeled_tasks(Y_true, predicted_columns(Y_true, Y_pred, task), task, sample_weight)
    return score_tasks(tasks, _mse, average)


# ---------------------------------------------------------------------- one task
def _mse(task: LabeledTask) -> float:
    with np.errstate(over="ignore"):  # an error beyond the range of float64 is infinite
        return float(mean_squared_error(task.y, task.prediction, sample_weight=task.sample_weight))


def _r2(task: LabeledTask) -> float:
    y, prediction = task.y, task.prediction
    largest = float(max(np.abs(y).max(), np.abs(prediction).max()))
    if largest > _SQUARES_OVERFLOW:  # R2 does not depend on the units
        y, prediction = y / largest, prediction / largest
    return float(r2_score(y, prediction, sample_weight=task.sample_weight))
