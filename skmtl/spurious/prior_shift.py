"""Change of the correlation of two tasks if the classes of one are resampled, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Indicators:
    """Labels as indicators of classes.

    Attributes
    ----------
    own : ndarray of shape (m, S)
        Whether each row has each class of each task.
    known : ndarray of shape (m, T)
        Whether each row has a label for each task.
    task : ndarray of int of shape (S,)
        Task of every indicator, ascending.
    resampled : ndarray of int of shape (R,)
        Indicators of the classes that are resampled: the second class of a binary task, and all
        classes of other tasks.
    """

    own: Array
    known: Array
    task: NDArray[np.intp]
    resampled: NDArray[np.intp]

    @classmethod
    def of(cls, codes: Array, n_classes: Sequence[int]) -> Indicators:
        """Return the indicators of class codes, (m, T), NaN for missing labels."""
        sizes = [max(n, 2) for n in n_classes]
        task = np.repeat(np.arange(len(sizes)), sizes)
        label = np.concatenate([np.arange(size) for size in sizes])
        resampled = np.flatnonzero((np.asarray(sizes)[task] > 2) | (label == 1))
        return cls(
            (codes[:, task] == label).astype(np.float64),
            (~np.isnan(codes)).astype(np.float64),
            task,
            resampled,
        )


def correlation_and_shift(
    indicators: Indicators, weight: Array, priors: Array
) -> tuple[Array, Array]:
    r"""Return correlations of labels, (T, T), and their largest change under resampling, (T, T).

    For a class of task i, with :math:`p = P(Y_i = c)`, the probabilities
    :math:`\beta_{1d} = P(Y_j = d \mid Y_i = c)` and
    :math:`\beta_{0d} = P(Y_j = d \mid Y_i \neq c)` do not depend on p, and the multiple correlation
    of the indicator of c with the label of j is

    .. math:: \rho_c(p)^2 = p (1 - p) \sum_d
        \frac{(\beta_{1d} - \beta_{0d})^2}{\beta_{0d} + (\beta_{1d} - \beta_{0d}) p}.

    The shift is the largest change over classes and priors. Moments are taken over the rows that
    have labels for both tasks; the result is NaN if a task has a single class in them.

    Parameters
    ----------
    indicators : Indicators
        Labels.
    weight : ndarray of shape (m,)
        Weights of the rows.
    priors : ndarray of shape (g,)
        Values of P(Y_i = c) after resampling.

    Returns
    -------
    correlation, shift : ndarray of shape (T, T)
        The correlation is the largest over classes; it has a sign if both tasks are binary.
    """
    task, chosen = indicators.task, indicators.resampled
    of_task = (task[:, None] == np.arange(indicators.known.shape[1])).astype(np.float64)
    # Weight of the rows of each class that have a label for each task.
    counts = (indicators.own * weight[:, None]).T @ indicators.known
    total = (indicators.known * weight[:, None]).T @ indicators.known
    both = indicators.own[:, chosen].T @ (indicators.own * weight[:, None])
    own, every = counts[chosen], total[task[chosen]]
    p = _ratio(own, every)
    high = _ratio(both, own[:, task])
    low = _ratio(counts.T[task[chosen]] - both, (every - own)[:, task])
    difference = high - low

    def correlation(p: Array) -> Array:
        q = low + difference * p[:, task]
        result: Array = np.sqrt(p * (1 - p) * (_ratio(difference**2, q) @ of_task))
        return result

    below_one = (_ratio(counts.T[task[chosen]], every[:, task]) < 1).astype(np.float64)
    varies = below_one @ of_task == of_task.sum(0)
    present = np.where((p > 0) & (p < 1) & varies, correlation(p), np.nan)
    shift = np.zeros_like(present)
    for prior in priors:
        shift = np.maximum(shift, np.abs(correlation(np.full_like(p, prior)) - present))
    strongest, largest = _largest(present, task[chosen]), _largest(shift, task[chosen])
    binary = of_task.sum(0) == 2
    tasks = np.arange(len(binary))
    second_class = np.searchsorted(task, tasks) + 1
    sign = np.sign(difference[np.searchsorted(task[chosen], tasks)][:, second_class])
    return np.where(np.outer(binary, binary), sign * strongest, strongest), largest


def _ratio(part: Array, whole: Array) -> Array:
    result: Array = np.divide(
        part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole > 0
    )
    return result


def _largest(values: Array, task: NDArray[np.intp]) -> Array:
    """Return the largest value over the classes of each task, (T, T); NaN if all are NaN."""
    starts = np.flatnonzero(np.r_[True, np.diff(task) > 0])
    result: Array = np.fmax.reduceat(values, starts, axis=0)
    return result
