"""Exact search for the best set of groups, for few tasks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skmtl.grouping.search.serving import TOLERANCE, best_groups, serving_values

MAX_TASKS = 15


def exhaustive_groups(
    affinity: NDArray[np.float64], n_groups: int | None, max_group_size: int
) -> NDArray[np.bool_]:
    r"""Find at most `n_groups` groups with the largest total gain; ties go to fewer groups.

    With :math:`v(S)` of :func:`~skmtl.grouping.search.serving.serving_values`, the best total for
    tasks U and k groups is

    .. math::

        F_k(U) = \max\Big(F_{k-1}(U),\
        \max_{S \subseteq U,\, S \ni \min U} v(S) + F_{k-1}(U \setminus S)\Big).

    This recursion over all subsets takes :math:`O(3^T)` steps and is exact for overlapping groups.

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Pairwise gains with a diagonal of 0, scaled to a largest absolute value of 1.
    n_groups : int or None
        Largest number of groups; None for no limit.
    max_group_size : int
        Largest size of a group.

    Returns
    -------
    ndarray of shape (m, T)
        Membership.

    Raises
    ------
    ValueError
        If there are more than 15 tasks.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[0.0, 0.3, -0.1], [0.2, 0.0, -0.1], [-0.1, -0.1, 0.0]])
    >>> exhaustive_groups(A, None, 3).astype(int)
    array([[1, 1, 0],
           [0, 0, 1]])
    """
    n_tasks = len(affinity)
    if n_tasks > MAX_TASKS:
        raise ValueError(
            f"method='exhaustive' looks at all subsets of at most {MAX_TASKS} tasks, but A has "
            f"{n_tasks}. Use method='beam'."
        )
    sets = np.arange(1 << n_tasks)
    served = (sets[:, None] >> np.arange(n_tasks)) & 1 == 1
    value = serving_values(affinity, served, max_group_size)
    best = _best_totals(value, n_tasks, n_tasks if n_groups is None else n_groups)
    full = len(sets) - 1
    budget = int((best[:, full] >= best[-1, full] - TOLERANCE).argmax())
    parts = []
    while full:
        part = _parts_with_lowest(full)
        chosen = int(part[(value[part] + best[budget - 1, full ^ part]).argmax()])
        parts.append(chosen)
        full ^= chosen
        budget -= 1
    return best_groups(affinity, served[parts], max_group_size)


def _best_totals(value: NDArray[np.float64], n_tasks: int, budget: int) -> NDArray[np.float64]:
    """Return F[k, U] for the sets U of the recursion: all tasks, or sets without the first one."""
    full = (1 << n_tasks) - 1
    best = np.full((budget + 1, 1 << n_tasks), -np.inf)
    best[:, 0] = 0.0
    for tasks in [*range(2, full, 2), full]:
        part = _parts_with_lowest(tasks)
        best[1:, tasks] = (value[part] + best[:-1, tasks ^ part]).max(axis=1)
    return best


def _parts_with_lowest(tasks: int) -> NDArray[np.intp]:
    """Return all subsets of a bit set that contain its lowest bit."""
    parts = np.array([tasks & -tasks], dtype=np.intp)
    rest = tasks & (tasks - 1)
    while rest:
        parts = np.concatenate([parts, parts | (rest & -rest)])
        rest &= rest - 1
    return parts
