"""Area under the ROC curve per task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from skmtl.metrics.labeled_tasks import Average, LabeledTask, Score, labeled_tasks, score_tasks
from skmtl.metrics.response_shapes import (
    classes_of_columns,
    column_of_labels,
    outputs_of_tasks,
    union_of_classes,
)


def multitask_roc_auc(
    Y_true: Any,
    Y_pred: Any,
    *,
    task: Any = None,
    sample_weight: Any = None,
    average: Average = "macro",
    labels: Any = None,
) -> Score:
    r"""Area under the ROC curve (ROC AUC) per task, or its mean over tasks.

    For a binary task this is the share of pairs of a positive and a negative row that the scores
    rank correctly, where ties count half,

    .. math:: \mathrm{AUC}_t = P(s_{it} > s_{jt} \mid y_{it} = 1, y_{jt} = 0)
        + \tfrac{1}{2} P(s_{it} = s_{jt} \mid y_{it} = 1, y_{jt} = 0).

    The larger of the two classes is the positive one. For a task with more classes, it is the mean
    over the classes among its labels, each class against the rest. A class that is not among
    ``labels`` has the score 0 for every row.

    Parameters
    ----------
    Y_true : array-like of shape (n, T) or (n,)
        True labels, NaN where unknown.
    Y_pred : list of T arrays (n, k_t), or array of shape (n, T), (n, k) or (n,)
        Predictions, in one of three forms: what ``predict_proba`` of a multi-output classifier
        returns (columns in the order of the sorted classes); scores, or probabilities of the
        second class, of T binary tasks; or, in long form and for one task, scores, or probabilities
        with one column per class of the sorted union over tasks.
    task : array-like of shape (n,), optional
        Task of every row in long form, where ``Y_true`` is (n,).
    sample_weight : array-like of shape (n,), optional
        Weights of the rows; rows of weight zero count as unlabeled.
    average : {"macro"} or None, default="macro"
        Mean over tasks, or one value per task.
    labels : list of T array-like, or array-like of shape (k,), optional
        Classes that the columns of ``Y_pred`` stand for, as in ``estimator.classes_``. By default
        they are the classes in ``Y_true``; if their number is not that of the columns, an error is
        raised.

    Returns
    -------
    float or ndarray of shape (T,)
        Between 0 and 1; 0.5 for random scores. NaN for a task with fewer than two classes among its
        labels, which the mean leaves out.

    Warns
    -----
    UndefinedMetricWarning
        If the labels of a task are all of one class; the warning names the task.

    Raises
    ------
    ValueError
        If shapes differ, no task has labels of two classes, or the classes of the columns are not
        known.

    Examples
    --------
    The scores rank three of four pairs of the first task correctly, and all pairs of the second:

    >>> import numpy as np
    >>> from skmtl.metrics import multitask_roc_auc
    >>> Y = np.array([[0, 1.0], [0, 0.0], [1, np.nan], [1, 1.0]])
    >>> scores = np.array([[0.1, 0.9], [0.6, 0.2], [0.4, 0.5], [0.8, 0.3]])
    >>> multitask_roc_auc(Y, scores, average=None).tolist()
    [0.75, 1.0]
    """
    union = union_of_classes(Y_true)

    def area(one: LabeledTask) -> float:
        present, scores = np.unique(one.y), one.prediction
        if scores.ndim == 1:
            if len(present) > 2:
                raise ValueError(
                    f"Y_pred has one score per row, but the labels have {len(present)} classes. "
                    "Pass one column per class."
                )
            return _one_against_rest(one, present[1], scores)
        columns = column_of_labels(present, classes_of_columns(one, union))
        others = np.delete(scores, columns[columns >= 0], axis=1)
        if len(present) == 2 and (columns >= 0).all() and not others.any():
            return _one_against_rest(one, present[1], scores[:, columns[1]])
        # Classes without a column have the position -1, which is this column of zeros.
        scores = np.column_stack([scores, np.zeros(len(scores))])
        areas = [
            _one_against_rest(one, value, scores[:, column])
            for value, column in zip(present, columns, strict=True)
        ]
        return float(np.mean(areas))

    tasks = labeled_tasks(Y_true, outputs_of_tasks(Y_true, Y_pred), task, sample_weight, labels)
    return score_tasks(tasks, area, average, undefined=_of_one_class)


def _of_one_class(one: LabeledTask) -> str | None:
    present = np.unique(one.y).tolist()
    if len(present) != 1:
        return None
    return (
        f"The ROC AUC of task {one.name!r} is undefined: its labels in Y_true are all "
        f"{present[0]!r}."
    )


def _one_against_rest(one: LabeledTask, value: Any, scores: NDArray[np.float64]) -> float:
    return float(roc_auc_score(one.y == value, scores, sample_weight=one.sample_weight))
