"""Log loss per task."""

from __future__ import annotations

from typing import Any

import numpy as np

from skmtl.base import SMALLEST_PROBABILITY
from skmtl.metrics.labeled_tasks import Average, LabeledTask, Score, labeled_tasks, score_tasks
from skmtl.metrics.response_shapes import (
    classes_of_columns,
    column_of_labels,
    outputs_of_tasks,
    union_of_classes,
)

# The probabilities of a row may miss the sum 1 by the rounding error of single precision.
_SUM_TOLERANCE = 1e-3


def multitask_log_loss(
    Y_true: Any,
    Y_pred: Any,
    *,
    task: Any = None,
    sample_weight: Any = None,
    average: Average = "macro",
    labels: Any = None,
) -> Score:
    r"""Log loss (cross-entropy) per task, or its mean over tasks.

    .. math:: -\frac{1}{T} \sum_t \frac{1}{n_t} \sum_i \log \hat p_{it}(y_{it})

    Probabilities are clipped at the machine precision, as in scikit-learn. The probability of a
    label that is not among ``labels`` is 0.

    Parameters
    ----------
    Y_true : array-like of shape (n, T) or (n,)
        True labels, NaN where unknown.
    Y_pred : list of T arrays of shape (n, k_t), array of shape (n, T), or array of shape (n, k)
        Predicted probabilities, in one of three forms: what ``predict_proba`` of a multi-output
        classifier returns (columns in the order of the sorted classes); the probability of the
        second class of T binary tasks; or, in long form, one column per class of the sorted union
        over tasks.
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
        In nats, at least 0. NaN for a task without labels, which the mean leaves out.

    Raises
    ------
    ValueError
        If shapes differ, no task has a label, values are not probabilities, or the classes of the
        columns are not known.

    Examples
    --------
    A guess costs log 2, and a confident wrong prediction more:

    >>> import numpy as np
    >>> from skmtl.metrics import multitask_log_loss
    >>> Y_true = np.array([[0, 0], [1, 1]])
    >>> Y_pred = np.array([[0.5, 0.1], [0.5, 0.1]])  # of the second class of two tasks
    >>> multitask_log_loss(Y_true, Y_pred, average=None).round(3).tolist()
    [0.693, 1.204]
    """
    union = union_of_classes(Y_true)

    def loss(one: LabeledTask) -> float:
        p = one.prediction
        if (
            (p < 0).any()
            or (p > 1).any()
            or (p.ndim == 2 and (abs(p.sum(axis=1) - 1) > _SUM_TOLERANCE).any())
        ):
            raise ValueError(
                "Y_pred must contain probabilities: between 0 and 1, with the sum 1 over the "
                "classes of each row."
            )
        columns = column_of_labels(one.y, classes_of_columns(one, union))
        p = np.column_stack([1 - p, p]) if p.ndim == 1 else p
        chosen = np.where(columns < 0, 0.0, p[np.arange(len(p)), columns])
        return float(
            np.average(
                -np.log(np.clip(chosen, SMALLEST_PROBABILITY, 1.0)), weights=one.sample_weight
            )
        )

    return score_tasks(
        labeled_tasks(Y_true, outputs_of_tasks(Y_true, Y_pred), task, sample_weight, labels),
        loss,
        average,
    )
