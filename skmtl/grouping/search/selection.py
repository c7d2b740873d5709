"""Published ways to choose a few groups from a table of candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

RULES = ("tag", "standley", "mtgnet")
N_STARTS = 5
# What a task counts that no chosen group holds, with gains scaled to a largest absolute value of 1.
_ABSENT = -99.0


@dataclass(frozen=True)
class Selection:
    """Chosen rows of a table of candidate groups.

    Attributes
    ----------
    groups : ndarray of shape (m,)
        Chosen rows that serve a task, in ascending order.
    labels : ndarray of shape (T,)
        Position in ``groups`` of the group that serves each task; -1 where no chosen group holds it
        ("mtgnet" only).
    gains : ndarray of shape (T,)
        Gain of every task in the group that serves it; NaN where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.grouping import Selection
    >>> Selection(np.array([2]), np.array([0, 0]), np.array([0.1, 0.2])).labels.tolist()
    [0, 0]
    """

    groups: NDArray[np.intp]
    labels: NDArray[np.intp]
    gains: NDArray[np.float64]


def select_groups(
    table: ArrayLike, budget: float, *, method: str = "tag", singletons: bool = False
) -> Selection:
    r"""Choose the groups to train from a table of candidate groups and their gains.

    A task is served by the chosen group with its largest gain. The gains may be predicted or
    measured.

    Parameters
    ----------
    table : array-like of shape (n, T)
        Gain of every task (column) in every candidate group (row), larger is better; NaN where the
        task is not in the group.
    budget : float
        What the chosen groups may cost in all. A group costs 1; with "standley", a group of one
        task costs 0.5 (its network has half the size), and the budget goes in half steps.
    method : {"tag", "standley", "mtgnet"}, default="tag"
        - "tag": of all sets of at most `budget` groups that hold every task, the one with the
          largest total gain. Groups of one task are left out unless `singletons` is set [1]_.
        - "standley": of all sets of groups that hold every task and cost at most `budget`, the one
          with the largest total gain [2]_. Exact, as "tag" is: both are solved as an integer
          program.
        - "mtgnet": five greedy chains. Each starts from one of the rows with the largest sum, in
          which a task that is not in the group counts -99 (so the largest groups come first), and
          adds the row that raises the sum of the best gains most, as long as one does. The best
          chain wins [3]_.
    singletons : bool, default=False
        For "tag": whether groups of one task may be chosen. A task that is in no other group keeps
        its own in any case.

    Returns
    -------
    Selection
        Rows, and what serves each task.

    Raises
    ------
    ValueError
        If the table is not two-dimensional, holds an infinite gain or a row without a task, a
        parameter is out of its range, or no set of groups within the budget holds every task
        ("tag", "standley").

    Notes
    -----
    "mtgnet" counts gains in units of the largest absolute value in the table, so that the unit does
    not matter.

    References
    ----------
    .. [1] Fifty et al., "Efficiently identifying task groupings for multi-task learning", NeurIPS
       2021.
    .. [2] Standley et al., "Which tasks should be learned together in multi-task learning?", ICML
       2020.
    .. [3] Song et al., "Efficient and effective multi-task grouping via meta learning on task
       combinations", NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.grouping import select_groups
    >>> nan = np.nan
    >>> table = [
    ...     [0.0, nan, nan],
    ...     [nan, 0.0, nan],
    ...     [nan, nan, 0.0],
    ...     [0.3, 0.1, nan],
    ...     [0.1, nan, -0.2],
    ...     [0.1, 0.2, -0.1],
    ... ]
    >>> select_groups(table, 2).gains
    array([ 0.3,  0.2, -0.1])
    >>> select_groups(table, 1.5, method="standley").gains
    array([0.3, 0.1, 0. ])
    """
    gains = _checked(table, budget, method)
    if method == "mtgnet":
        chosen = _best_chain(
            np.where(np.isnan(gains), _ABSENT, gains / (np.nanmax(np.abs(gains)) or 1.0)),
            int(budget),
        )
    else:
        size = np.isfinite(gains).sum(axis=1)
        cost = np.where(size == 1, 0.5, 1.0) if method == "standley" else np.ones(len(gains))
        allowed = np.ones(len(gains), dtype=bool)
        if method == "tag" and not singletons:
            shared = np.isfinite(gains[size > 1]).any(axis=0)
            allowed = (size > 1) | (np.isfinite(gains) & ~shared).any(axis=1)
        rows = np.flatnonzero(allowed)
        chosen = rows[_best_cover(gains[rows], cost[rows], float(budget))]
    return _served(gains, chosen)


def _served(gains: NDArray[np.float64], chosen: NDArray[np.intp]) -> Selection:
    """Serve every task by the chosen row with its largest gain; rows that serve nobody are left
    out.
    """
    rows = np.sort(chosen)
    own = np.where(np.isnan(gains[rows]), -np.inf, gains[rows])
    best = own.argmax(axis=0)
    held = np.isfinite(own.max(axis=0))
    used, position = np.unique(best[held], return_inverse=True)
    labels = np.full(gains.shape[1], -1, dtype=np.intp)
    labels[held] = position
    return Selection(rows[used], labels, np.where(held, own.max(axis=0), np.nan))


def _best_cover(
    gains: NDArray[np.float64], cost: NDArray[np.float64], budget: float
) -> NDArray[np.intp]:
    """Rows within the budget that hold every task and have the largest total of best gains.

    The integer program has a variable for every row and one for every task in a row: a task is
    served once, and only by a chosen row. Its relaxation is tight (it is that of the p-median
    problem), so there is little to branch on.
    """
    n_rows, n_tasks = gains.shape
    row, task = np.nonzero(np.isfinite(gains))
    n_served = len(row)
    served, chosen = np.arange(n_served), n_served + np.arange(n_rows)
    shape = n_served + n_rows
    once = coo_array((np.ones(n_served), (task, served)), shape=(n_tasks, shape))
    only_chosen = coo_array(
        (
            np.repeat([1.0, -1.0], n_served),
            (np.tile(served, 2), np.concatenate([served, chosen[row]])),
        ),
        shape=(n_served, shape),
    )
    total_cost = coo_array((cost, (np.zeros(n_rows, dtype=np.intp), chosen)), shape=(1, shape))
    scale = np.abs(gains[row, task]).max(initial=0.0) or 1.0
    solution = milp(
        np.concatenate([-gains[row, task] / scale, np.zeros(n_rows)]),
        constraints=[
            LinearConstraint(once.tocsr(), 1, 1),
            LinearConstraint(only_chosen.tocsr(), -np.inf, 0),
            LinearConstraint(total_cost.tocsr(), -np.inf, budget + 1e-9),
        ],
        integrality=np.repeat([0, 1], [n_served, n_rows]),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0.0},
    )
    if solution.x is None:
        raise ValueError(
            f"No set of groups that costs at most {budget:g} holds all {n_tasks} tasks. Raise the "
            "budget, or add larger groups to the table."
        )
    return np.flatnonzero(solution.x[chosen] > 0.5)


def _best_chain(gains: NDArray[np.float64], budget: int) -> NDArray[np.intp]:
    """Rows of the best of the greedy chains; `gains` holds a large loss where a task is not in a
    row.
    """
    starts = np.argsort(-gains.sum(axis=1), kind="stable")[:N_STARTS]
    chains = [_chain(gains, int(start), budget) for start in starts]
    return max(chains, key=lambda rows: float(gains[rows].max(axis=0).sum()))


def _chain(gains: NDArray[np.float64], start: int, budget: int) -> NDArray[np.intp]:
    rows, best = [start], gains[start]
    for _ in range(budget - 1):
        raised = np.maximum(gains - best, 0.0).sum(axis=1)
        row = int(raised.argmax())
        if not raised[row] > 0:
            break
        rows.append(row)
        best = np.maximum(best, gains[row])
    return np.array(rows, dtype=np.intp)


def _checked(table: Any, budget: Any, method: Any) -> NDArray[np.float64]:
    gains = np.array(table, dtype=np.float64)
    if gains.ndim != 2 or gains.size == 0:
        raise ValueError(
            "table must have shape (n, T), one row a group and one column a task. Got shape "
            f"{gains.shape}."
        )
    if np.isinf(gains).any():
        raise ValueError(
            f"table holds an infinite gain in row {int(np.isinf(gains).any(axis=1).argmax())}. Use "
            "NaN where a task is not in the group."
        )
    empty = np.isnan(gains).all(axis=1)
    if empty.any():
        raise ValueError(
            f"Row {int(empty.argmax())} of table holds no task: all its gains are NaN."
        )
    if method not in RULES:
        raise ValueError(f"method must be one of {', '.join(map(repr, RULES))}. Got {method!r}.")
    step = 0.5 if method == "standley" else 1
    if (
        isinstance(budget, bool)
        or not isinstance(budget, (int, float, np.integer, np.floating))
        or not (budget >= step and float(budget / step).is_integer())
    ):
        raise ValueError(
            f"budget must be a positive multiple of {step} with method={method!r}. Got {budget!r}."
        )
    uncovered = np.isnan(gains).all(axis=0)
    if method != "mtgnet" and uncovered.any():
        raise ValueError(
            f"No group of table holds task {int(uncovered.argmax())} (its column is NaN)."
        )
    return gains
