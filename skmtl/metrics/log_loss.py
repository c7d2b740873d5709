"""Log loss of probabilities."""

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

# Probabilities of a row may miss the sum 1 by what single precision loses.
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
    r"""Log loss of predicted probabilities, per task or as their mean.

    .. math:: -\frac{1}{T} \sum_t \frac{1}{n_t} \sum_i \log \hat p_{it}(y_{it})

    A probability below the machine's precision counts as that precision, as in scikit-learn; so
    does a label that is not among ``labels``.

    Parameters
    ----------
    Y_true : array-like of shape (n, T) or (n,)
        True labels, NaN where unknown.
    Y_pred : list of T arrays of shape (n, k_t), array of shape (n, T), or array of shape (n, k)
        Probabilities: as ``predict_proba`` of a multi-output classifier gives them (columns in the
        order of the sorted classes), those of the second class of T binary tasks, or, in long form,
        one column for every class of the sorted union.
    task : array-like of shape (n,), optional
        Task of every row in long form, where ``Y_true`` is (n,).
    sample_weight : array-like of shape (n,), optional
        Weights of the rows; rows of weight zero count as unlabeled.
    average : {"macro"} or None, default="macro"
        Mean over tasks, or one value per task.
    labels : list of T array-like, or array-like of shape (k,), optional
        Classes that the columns of ``Y_pred`` stand for, as in ``estimator.classes_``. By default
        they are read from ``Y_true``, which raises where a task's labels there do not tell.

    Returns
    -------
    float or ndarray of shape (T,)
        In nats; NaN for a task without a label, which the mean leaves out.

    Raises
    ------
    ValueError
        If shapes differ, no task has a label, or values are not probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.metrics import multitask_log_loss
    >>> round(float(multitask_log_loss([0, 1], np.array([[0.5, 0.5], [0.5, 0.5]]))), 3)
    0.693
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
                "Y_pred must hold probabilities: between 0 and 1, and with the sum 1 over the "
                "classes of a row."
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
