"""Largest total gain of a set of tasks from one group that serves them all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Totals this close count as equal. Affinities are scaled to a largest absolute value of 1 before.
TOLERANCE = 1e-9


def serving_values(
    affinity: NDArray[np.float64], served: NDArray[np.bool_], max_group_size: int
) -> NDArray[np.float64]:
    r"""Return the largest total gain of a set of tasks S in any group that contains S.

    .. math::

        v(S) = \max_{G \supseteq S} \sum_{i \in S} \hat g_{G \to i}
        = \max_m \frac{\sum_{i, j \in S} A_{ij} + \sum_{l \le m} c_{(l)}}{|S| + m - 1}, \qquad
        c_j = \sum_{i \in S} A_{ij}

    where :math:`c_{(1)} \ge c_{(2)} \ge \dots` are the sorted sums of the tasks outside S: for a
    given group size, the best additional tasks are those with the largest sums. The best set of
    groups therefore follows from the *partition* of the tasks with the largest sum of v, and no
    search over overlapping groups is needed.

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Pairwise gains with a diagonal of 0.
    served : ndarray of shape (n, T)
        Sets of tasks, one per row.
    max_group_size : int
        Largest size of a group.

    Returns
    -------
    ndarray of shape (n,)
        v of each row; 0 for the empty set, -inf for a set larger than `max_group_size`.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[0.0, 0.1, 0.9], [0.1, 0.0, 0.7], [-1.0, -1.0, 0.0]])
    >>> serving_values(A, np.array([[True, True, False], [True, True, True]]), 3).round(2)
    array([ 0.9, -0.1])
    """
    if len(served) == 0:
        return np.zeros(0)
    sums = _helper_sums(affinity, served)
    best: NDArray[np.float64] = _values_by_size(
        affinity, served, -np.sort(-sums, axis=1), max_group_size
    ).max(axis=1)
    return best


def best_groups(
    affinity: NDArray[np.float64], served: NDArray[np.bool_], max_group_size: int
) -> NDArray[np.bool_]:
    """Return the smallest group that attains :func:`serving_values`, per row of `served`."""
    sums = _helper_sums(affinity, served)
    order = np.argsort(-sums, axis=1, kind="stable")
    values = _values_by_size(
        affinity, served, np.take_along_axis(sums, order, axis=1), max_group_size
    )
    n_helpers = (values >= values.max(axis=1, keepdims=True) - TOLERANCE).argmax(axis=1)
    groups: NDArray[np.bool_] = served.copy()
    for row, count in enumerate(n_helpers):
        groups[row, order[row, :count]] = True
    return groups


def _helper_sums(affinity: NDArray[np.float64], served: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the sum that each task outside a set adds to the gains of the set; -inf inside."""
    return np.where(served, -np.inf, served.astype(np.float64) @ affinity)


def _values_by_size(
    affinity: NDArray[np.float64],
    served: NDArray[np.bool_],
    best_helpers: NDArray[np.float64],
    max_group_size: int,
) -> NDArray[np.float64]:
    """Return the total gain of the served tasks with the best 0, 1, ..., T additional tasks.

    The value is -inf where there are not that many tasks.
    """
    size = served.sum(axis=1)
    weights = served.astype(np.float64)
    inside = np.einsum("nt,nt->n", weights @ affinity, weights)
    values = np.concatenate([inside[:, None], best_helpers], axis=1).cumsum(axis=1)
    group_size = size[:, None] + np.arange(len(affinity) + 1)
    values /= np.maximum(group_size - 1, 1)
    values[group_size > max_group_size] = -np.inf
    values[size == 0, 1:] = -np.inf
    return values
