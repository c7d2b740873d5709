"""Comparisons of methods over several metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from skmtl.data import as_pandas
from skmtl.metrics.by_name import in_order_of_index


def delta_m(
    scores: ArrayLike, baseline: ArrayLike, higher_is_better: ArrayLike
) -> float | NDArray[np.float64]:
    r"""Mean relative change of the metrics from a baseline, in percent; negative is better.

    .. math:: \Delta m\% = \frac{100}{K} \sum_{k=1}^K (-1)^{\delta_k}
        \frac{M_{m,k} - M_{b,k}}{|M_{b,k}|}

    with :math:`\delta_k = 1` if a higher value of metric k is better, and 0 otherwise.

    Parameters
    ----------
    scores : array-like of shape (K,) or (methods, K)
        Scores of a method, one per metric, or of several methods (one row per method).
    baseline : array-like of shape (K,)
        Scores of the baseline, usually single-task networks.
    higher_is_better : bool or array-like of bool of shape (K,)
        Whether higher values are better, for all metrics or per metric.

    Returns
    -------
    float or ndarray of shape (methods,)
        In percent; 0 for the baseline itself.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or a baseline is zero.

    Notes
    -----
    Equation 4 of [1]_ divides by the baseline itself. Dividing by its absolute value gives the same
    result for positive metrics, and keeps "negative is better" true for metrics that can be
    negative, such as the coefficient of determination.

    References
    ----------
    .. [1] Wang et al., "From gradient volume to Shapley fairness", ICLR 2026, equation 4.

    Examples
    --------
    Both metrics improve by 10 %, one by rising and one by falling:

    >>> from skmtl.metrics import delta_m
    >>> delta_m([0.55, 9.0], [0.5, 10.0], higher_is_better=[True, False])
    -10.0
    """
    scores = in_order_of_index(scores, baseline, "scores", "baseline")
    higher_is_better = in_order_of_index(higher_is_better, baseline, "higher_is_better", "baseline")
    table, _ = _numbers(scores, "scores")
    base, names = _numbers(baseline, "baseline")
    if base.ndim != 1 or table.ndim not in (1, 2) or table.shape[-1] != len(base):
        raise ValueError(
            f"baseline must have shape (K,), scores (K,) or (methods, K). Got shapes {base.shape} "
            f"and {table.shape}."
        )
    if (base == 0).any():
        raise ValueError(
            f"baseline is zero for metric {names[int(np.argmax(base == 0))]!r}, so the relative "
            "change is undefined. Leave this metric out."
        )
    sign = np.where(_directions(higher_is_better, len(base)), -1.0, 1.0)
    with np.errstate(over="ignore"):
        change = 100 * (sign * (table - base) / np.abs(base)).mean(axis=-1)
    return float(change) if table.ndim == 1 else change


def mean_rank(table: ArrayLike, higher_is_better: ArrayLike) -> NDArray[np.float64]:
    r"""Mean rank of every method over the metrics; 1 means best in every metric.

    .. math:: \mathrm{MR}_m = \frac{1}{K} \sum_{k=1}^K \operatorname{rank}_k(m)

    Methods that tie in a metric share the mean of their ranks.

    Parameters
    ----------
    table : array-like or DataFrame of shape (methods, K)
        Scores, one row per method and one column per metric.
    higher_is_better : bool or array-like of bool of shape (K,)
        Whether higher values are better, for all metrics or per metric.

    Returns
    -------
    ndarray of shape (methods,)
        Between 1 and the number of methods.

    Raises
    ------
    ValueError
        If shapes differ or a value is not finite.

    Examples
    --------
    The second and third method tie in the first metric and share rank 2.5:

    >>> from skmtl.metrics import mean_rank
    >>> mean_rank([[0.9, 3.0], [0.8, 2.0], [0.8, 4.0]], higher_is_better=[True, False]).tolist()
    [1.5, 1.75, 2.75]
    """
    values, _ = _numbers(table, "table")
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(
            "table must have shape (methods, K) with at least one method and one metric. Got "
            f"shape {values.shape}."
        )
    sign = np.where(_directions(higher_is_better, values.shape[1]), -1.0, 1.0)
    ranks: NDArray[np.float64] = rankdata(sign * values, method="average", axis=0).mean(axis=1)
    return ranks


# ---------------------------------------------------------------------- helpers
def _numbers(values: Any, what: str) -> tuple[NDArray[np.float64], list[Any]]:
    """Return finite values, and the names of their metrics: positions unless pandas names them."""
    values = as_pandas(values)
    array = np.asarray(values, dtype=float)
    metrics: list[Any] = list(range(array.shape[-1] if array.ndim else 0))
    methods: list[Any] = list(range(array.shape[0] if array.ndim == 2 else 0))
    if isinstance(values, pd.DataFrame):
        metrics, methods = values.columns.tolist(), values.index.tolist()
    elif isinstance(values, pd.Series):
        metrics = values.index.tolist()
    wrong = ~np.isfinite(array)
    if wrong.any():
        place = np.argwhere(wrong)[0]
        where = f"metric {metrics[place[-1]]!r}" if array.ndim else "its only value"
        where += f" of method {methods[place[0]]!r}" if array.ndim == 2 else ""
        raise ValueError(
            f"{what} is {array[tuple(place)]} for {where}; all values must be finite. Fill in the "
            "value, or leave the method or the metric out."
        )
    return array, metrics


def _directions(higher_is_better: Any, n_metrics: int) -> NDArray[np.bool_]:
    given = np.asarray(higher_is_better)
    if given.dtype.kind == "b" or (given.dtype.kind in "iuf" and np.isin(given, (0, 1)).all()):
        if given.shape == (n_metrics,):
            return given.astype(bool)
        if given.ndim == 0:
            return np.full(n_metrics, bool(given))
    raise ValueError(
        f"higher_is_better must be a bool or have shape ({n_metrics},), one bool per metric. Got "
        f"{higher_is_better!r}."
    )
