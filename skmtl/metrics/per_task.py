"""Scores of several tasks at once; a label that is NaN takes no part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score

Average = Literal["macro"] | None
Score = float | NDArray[np.float64]


def multitask_accuracy(Y_true: Any, Y_pred: Any, *, task: Any = None, sample_weight: Any = None, average: Average = "macro") -> Score:
    r"""Share of correct labels, per task or as their mean.

    .. math:: \frac{1}{T} \sum_t \frac{1}{n_t} \sum_{i : y_{it} \text{ known}} \mathbb{1}[\hat y_{it} = y_{it}]

    Parameters
    ----------
    Y_true, Y_pred : array-like of shape (n, T) or (n,)
        True labels, NaN where unknown, and predicted labels.
    task : array-like of shape (n,), optional
        Task of every row in long form, where ``Y_true`` is (n,).
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.
    average : {"macro"} or None, default="macro"
        Mean over tasks, or one value a task.

    Returns
    -------
    float or ndarray of shape (T,)
        Between 0 and 1; NaN for a task without a label, which the mean leaves out.

    Raises
    ------
    ValueError
        If shapes differ or no task has a label.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.metrics import multitask_accuracy
    >>> float(multitask_accuracy(np.array([[0, 1.0], [1, np.nan]]), np.array([[0, 0], [1, 1]])))
    0.5
    """
    return _per_task(accuracy_score, Y_true, _columns(Y_pred), task, sample_weight, average)


def multitask_r2(Y_true: Any, Y_pred: Any, *, task: Any = None, sample_weight: Any = None, average: Average = "macro") -> Score:
    r"""Coefficient of determination, per task or as their mean.

    .. math:: \frac{1}{T} \sum_t \Bigl(1 - \frac{\sum_i (y_{it} - \hat y_{it})^2}{\sum_i (y_{it} - \bar y_t)^2}\Bigr)

    Parameters
    ----------
    Y_true, Y_pred : array-like of shape (n, T) or (n,)
        True targets, NaN where unknown, and predictions.
    task : array-like of shape (n,), optional
        Task of every row in long form, where ``Y_true`` is (n,).
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.
    average : {"macro"} or None, default="macro"
        Mean over tasks, or one value a task.

    Returns
    -------
    float or ndarray of shape (T,)
        At most 1; NaN for a task with fewer than two labels, which the mean leaves out.

    Raises
    ------
    ValueError
        If shapes differ or no task has two labels.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.metrics import multitask_r2
    >>> Y = np.array([[0.0, 1.0], [1.0, np.nan], [2.0, 3.0]])
    >>> multitask_r2(Y, np.array([[0.0, 2.0], [1.0, 0.0], [2.0, 2.0]]), average=None).tolist()
    [1.0, 0.0]
    """
    return _per_task(r2_score, Y_true, _columns(Y_pred), task, sample_weight, average, at_least=2)


def multitask_mse(Y_true: Any, Y_pred: Any, *, task: Any = None, sample_weight: Any = None, average: Average = "macro") -> Score:
    r"""Mean squared error, per task or as their mean.

    .. math:: \frac{1}{T} \sum_t \frac{1}{n_t} \sum_i (y_{it} - \hat y_{it})^2

    Parameters
    ----------
    Y_true, Y_pred : array-like of shape (n, T) or (n,)
        True targets, NaN where unknown, and predictions.
    task : array-like of shape (n,), optional
        Task of every row in long form, where ``Y_true`` is (n,).
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.
    average : {"macro"} or None, default="macro"
        Mean over tasks, or one value a task.

    Returns
    -------
    float or ndarray of shape (T,)
        In squared units of the target; NaN for a task without a label, which the mean leaves out.

    Raises
    ------
    ValueError
        If shapes differ or no task has a label.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.metrics import multitask_mse
    >>> float(multitask_mse([1.0, 2.0, 5.0], [1.0, 4.0, 4.0], task=["a", "a", "b"]))
    1.5
    """
    return _per_task(mean_squared_error, Y_true, _columns(Y_pred), task, sample_weight, average)


def multitask_log_loss(Y_true: Any, Y_pred: Any, *, task: Any = None, sample_weight: Any = None, average: Average = "macro") -> Score:
    r"""Log loss of predicted probabilities, per task or as their mean.

    .. math:: -\frac{1}{T} \sum_t \frac{1}{n_t} \sum_i \log \hat p_{it}(y_{it})

    Parameters
    ----------
    Y_true : array-like of shape (n, T) or (n,)
        True labels, NaN where unknown.
    Y_pred : list of T arrays of shape (n, k_t), array of shape (n, T), or array of shape (n, k)
        Probabilities: as ``predict_proba`` of a multi-output classifier gives them (columns in the order of the sorted
        classes), those of the second class of T binary tasks, or, in long form, one column for every class of the sorted union.
    task : array-like of shape (n,), optional
        Task of every row in long form, where ``Y_true`` is (n,).
    sample_weight : array-like of shape (n,), optional
        Weights of the rows.
    average : {"macro"} or None, default="macro"
        Mean over tasks, or one value a task.

    Returns
    -------
    float or ndarray of shape (T,)
        In nats; NaN for a task without a label, which the mean leaves out.

    Raises
    ------
    ValueError
        If shapes differ or no task has a label.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.metrics import multitask_log_loss
    >>> round(float(multitask_log_loss([0, 1], np.array([[0.5, 0.5], [0.5, 0.5]]))), 3)
    0.693
    """
    union = _union(Y_true)
    if isinstance(Y_pred, (list, tuple)) and len(Y_pred) > 0 and np.ndim(Y_pred[0]) == 2:
        columns = [np.asarray(probabilities, dtype=float) for probabilities in Y_pred]
    else:
        array = np.asarray(Y_pred, dtype=float)
        columns = list(array.T) if np.ndim(Y_true) == 2 else [array]

    def loss(y: NDArray[Any], p: NDArray[np.float64], sample_weight: Any = None) -> float:
        p = np.column_stack([1 - p, p]) if p.ndim == 1 else p
        own = _classes_of(p.shape[1], union, np.unique(y))
        if len(own) == 1:
            return float(np.average(-np.log(np.clip(p[:, 0], np.finfo(float).eps, 1)), weights=sample_weight))
        return float(log_loss(y, p, labels=own, sample_weight=sample_weight))

    return _per_task(loss, Y_true, columns, task, sample_weight, average)


# ---------------------------------------------------------------------- helpers
def _per_task(
    metric: Callable[..., float], Y_true: Any, predictions: list[NDArray[Any]], task: Any, sample_weight: Any, average: Average, at_least: int = 1
) -> Score:
    if average not in ("macro", None):
        raise ValueError(f"average must be 'macro' or None. Got {average!r}.")
    cells = list(_cells(Y_true, predictions, task))
    weights = None if sample_weight is None else np.asarray(sample_weight, dtype=float)
    if weights is not None and weights.shape != (len(predictions[0]),):
        raise ValueError(f"sample_weight must have shape ({len(predictions[0])},). Got shape {weights.shape}.")
    values = np.full(len(cells), np.nan)
    for t, (rows, y, prediction) in enumerate(cells):
        if len(rows) >= at_least:
            values[t] = metric(y, prediction, sample_weight=None if weights is None else weights[rows])
    if np.isnan(values).all():
        raise ValueError(f"No task has at least {at_least} labelled rows in Y_true.")
    return values if average is None else float(np.nanmean(values))


def _cells(Y_true: Any, predictions: list[NDArray[Any]], task: ArrayLike | None) -> Any:
    """Yield (labelled rows, labels, predictions) of every task."""
    columns = _columns(Y_true)
    if task is not None:
        if len(columns) != 1:
            raise ValueError(f"With task, Y_true must have shape (n,). Got {len(columns)} columns.")
        codes, _ = pd.factorize(np.asarray(task, dtype=object))
        if len(codes) != len(columns[0]):
            raise ValueError(f"task has {len(codes)} rows, Y_true has {len(columns[0])}.")
        if (codes < 0).any():
            raise ValueError(f"task has {(codes < 0).sum()} missing task ids.")
        columns = [np.where(codes == t, columns[0].astype(object), np.nan) for t in range(codes.max() + 1)]
        predictions = list(predictions) * len(columns)
    if len(predictions) != len(columns) or any(len(p) != len(columns[0]) for p in predictions):
        raise ValueError(f"Y_true has {len(columns)} tasks and {len(columns[0])} rows; Y_pred has {len(predictions)} tasks and {len(predictions[0])} rows.")
    for y, prediction in zip(columns, predictions, strict=True):
        rows = np.flatnonzero(~pd.isna(y))
        labels = y[rows]
        labels = np.array(labels.tolist()) if labels.dtype == object else labels
        known = prediction[rows]
        known = np.array(known.tolist()) if known.dtype == object else known
        if labels.dtype.kind == "f" and known.ndim == 1 and known.dtype.kind in "iu":
            known = known.astype(float)
        yield rows, labels, known


def _columns(Y: Any) -> list[NDArray[Any]]:
    frame = pd.DataFrame(Y)
    return [frame.iloc[:, t].to_numpy() for t in range(frame.shape[1])]


def _union(Y_true: Any) -> NDArray[Any]:
    columns = _columns(Y_true)
    known = np.concatenate([column[~pd.isna(column)].astype(object) for column in columns])
    return np.unique(np.array(known.tolist()))


def _classes_of(n_columns: int, union: NDArray[Any], own: NDArray[Any]) -> NDArray[Any]:
    """Classes that the columns of a task's probabilities stand for: those of all tasks, or those among its own labels."""
    if n_columns == len(union):
        return union
    if n_columns == len(own):
        return own
    if n_columns == 2 and np.isin(union, (0, 1)).all():
        return np.array([0, 1])
    raise ValueError(f"Y_pred has {n_columns} probabilities for a task whose labels in Y_true are {own.tolist()}: which stands for which class is not known.")
