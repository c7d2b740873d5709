"""Error rates, and errors and rate gaps relative to those of single-task networks."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score

from skmtl.data import as_pandas, column_task_name, shown_names
from skmtl.metrics.accuracy import check_classes
from skmtl.metrics.by_name import in_order_of_index
from skmtl.metrics.labeled_tasks import (
    LabeledTask,
    Score,
    labeled_tasks,
    predicted_columns,
    score_tasks,
)


def error_rate(y_true: Any, y_pred: Any, *, task: Any = None) -> Score:
    r"""Error rate (share of wrong labels) per task.

    .. math:: \frac{1}{n_t} \sum_{i : y_{it} \text{ known}} \mathbb{1}[\hat y_{it} \ne y_{it}]

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,) or (n, T)
        True labels, NaN where unknown, and predicted labels.
    task : array-like of shape (n,), optional
        Task of every row in long form, where ``y_true`` is (n,).

    Returns
    -------
    float or ndarray of shape (T,)
        Between 0 and 1: one number for labels of shape (n,) without ``task``, otherwise one per
        task. NaN for a task without labels.

    Raises
    ------
    ValueError
        If shapes differ, labels are not classes, or no task has a label.

    Examples
    --------
    One of three labels of the first task is predicted wrong, and none of the two of the second:

    >>> import numpy as np
    >>> from skmtl.metrics import error_rate
    >>> y_true = np.array([[0, 1.0], [1, np.nan], [1, 0.0]])
    >>> y_pred = np.array([[0, 1], [1, 1], [0, 0]])
    >>> error_rate(y_true, y_pred).round(2).tolist()
    [0.33, 0.0]
    """
    tasks = labeled_tasks(y_true, predicted_columns(y_true, y_pred, task), task, None)
    return as_given(y_true, task, score_tasks(tasks, _share_wrong, None))


def average_relative_error(
    errors: ArrayLike, baseline_errors: ArrayLike
) -> float | NDArray[np.float64]:
    r"""Average relative error (ARE): mean over tasks of the error divided by a baseline's error.

    Smaller is better; 1 means as good as the baseline.

    .. math:: \mathrm{ARE} = \frac{1}{T} \sum_{t=1}^T \frac{\mathrm{Err}_t}{\mathrm{Err}^S_t}

    Parameters
    ----------
    errors : array-like of shape (T,) or (runs, T)
        Error rate of a model on every task, or of several models (one row per run).
    baseline_errors : array-like of shape (T,)
        Error rates of single-task networks of the same architecture, trained without a fairness
        term.

    Returns
    -------
    float or ndarray of shape (runs,)
        Mean over the tasks whose ratio is defined; NaN if there is none.

    Warns
    -----
    UndefinedMetricWarning
        If tasks are left out because their baseline is zero or NaN, or because an error is NaN;
        the warning names them.

    Raises
    ------
    ValueError
        If shapes differ or a value is negative or infinite.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021, equation (5).

    Examples
    --------
    The first task is as good as its baseline, and the second halves the error:

    >>> from skmtl.metrics import average_relative_error
    >>> average_relative_error([0.40, 0.02], [0.40, 0.04])
    0.75
    """
    return _mean_ratio(errors, baseline_errors, "errors", "baseline_errors")


def average_relative_fairness_gap(
    gaps: ArrayLike, baseline_gaps: ArrayLike
) -> float | NDArray[np.float64]:
    r"""Average relative fairness gap (ARFG): mean over tasks of the rate gap over a baseline's.

    Smaller is better; 1 means as unfair as the baseline.

    .. math:: \mathrm{ARFG} = \frac{1}{T} \sum_{t=1}^T \frac{\mathrm{Gap}_t}{\mathrm{Gap}^S_t}

    Parameters
    ----------
    gaps : array-like of shape (T,) or (runs, T)
        Rate gap of a model on every task, see :func:`group_rate_gap`, or of several models (one
        row per run).
    baseline_gaps : array-like of shape (T,)
        Rate gaps of single-task networks of the same architecture, trained without a fairness
        term.

    Returns
    -------
    float or ndarray of shape (runs,)
        Mean over the tasks whose ratio is defined; NaN if there is none.

    Warns
    -----
    UndefinedMetricWarning
        If tasks are left out because their baseline is zero or NaN, or because a gap is NaN; the
        warning names them.

    Raises
    ------
    ValueError
        If shapes differ or a value is negative or infinite.

    Notes
    -----
    A baseline gap near 0 gives a large, unstable ratio that dominates the mean. Compare baseline
    gaps with :func:`chance_gap` first, and average them over several seeds.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021, equation (5).

    Examples
    --------
    The model keeps a quarter of each baseline gap:

    >>> from skmtl.metrics import average_relative_fairness_gap
    >>> round(average_relative_fairness_gap([0.03, 0.02], [0.12, 0.08]), 2)
    0.25
    """
    return _mean_ratio(gaps, baseline_gaps, "gaps", "baseline_gaps")


# ---------------------------------------------------------------------- helpers
def as_given(y_true: Any, task: Any, values: Any) -> Any:
    """Return a number if there is one task and its labels have shape (n,), else all values."""
    return float(values[0]) if task is None and np.ndim(y_true) == 1 else values


def _share_wrong(task: LabeledTask) -> float:
    check_classes(task)
    return float(1 - accuracy_score(task.y, task.prediction, normalize=False) / len(task.y))


def _mean_ratio(
    values: Any, baseline: Any, what: str, of_baseline: str
) -> float | NDArray[np.float64]:
    values = in_order_of_index(values, baseline, what, of_baseline)
    baseline = as_pandas(baseline)
    table, base = np.asarray(values, dtype=float), np.asarray(baseline, dtype=float)
    if base.ndim != 1 or len(base) == 0 or table.ndim not in (1, 2) or table.shape[-1] != len(base):
        raise ValueError(
            f"{of_baseline} must have shape (T,), {what} (T,) or (runs, T). Got shapes "
            f"{base.shape} and {table.shape}."
        )
    for numbers, name in ((table, what), (base, of_baseline)):
        if (numbers < 0).any() or np.isinf(numbers).any():
            raise ValueError(f"{name} must be finite numbers >= 0, or NaN for a task without one.")
    names = _task_names(values, baseline, len(base))
    undefined = {"is zero": base == 0, "is NaN": np.isnan(base)}
    usable = ~(undefined["is zero"] | undefined["is NaN"])
    reasons = [
        f"{of_baseline} {state} for {_listed(names, mask)}"
        for state, mask in undefined.items()
        if mask.any()
    ]
    unknown = np.isnan(table).reshape(-1, len(base)).any(axis=0) & usable
    if unknown.any():
        reasons.append(f"{what} is NaN for {_listed(names, unknown)}")
    if reasons:
        warnings.warn(
            f"{'; '.join(reasons)}: the ratio is undefined and left out of the mean.",
            UndefinedMetricWarning,
            stacklevel=3,
        )
    ratios = np.full(table.shape, np.nan)
    with np.errstate(over="ignore"):
        np.divide(table, base, out=ratios, where=usable & ~np.isnan(table))
    defined = ~np.isnan(ratios)
    counts = defined.sum(axis=-1)
    sums = np.where(defined, ratios, 0.0).sum(axis=-1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return float(means) if table.ndim == 1 else means


def _task_names(values: Any, baseline: Any, n_tasks: int) -> list[str]:
    for given in (baseline, values):
        if isinstance(given, pd.Series):
            return [column_task_name(name) for name in given.index]
        if isinstance(given, pd.DataFrame):
            return [column_task_name(name) for name in given.columns]
    return [str(t) for t in range(n_tasks)]


def _listed(names: list[str], mask: NDArray[np.bool_]) -> str:
    chosen = [name for name, own in zip(names, mask, strict=True) if own]
    return f"task{'s' * (len(chosen) > 1)} {shown_names(chosen)}"
