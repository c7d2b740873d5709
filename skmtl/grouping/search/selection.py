"""Published rules that select a few groups from a table of candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

RULES = ("tag", "standley", "mtgnet")
N_STARTS = 5
# Value of a task that is in no chosen group, for gains scaled to a largest absolute value of 1.
_ABSENT = -99.0


@dataclass(frozen=True)
class Selection:
    """Chosen rows of a table of candidate groups.

    Attributes
    ----------
    groups : ndarray of shape (m,)
        Chosen rows that serve a task, in ascending order.
    labels : ndarray of shape (T,)
        Position in ``groups`` of the group that serves each task; -1 if the task is in no chosen
        group ("mtgnet" only).
    gains : ndarray of shape (T,)
        Gain of each task in the group that serves it; NaN if there is none.

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
    r"""Select the groups to train from a table of candidate groups and their gains.

    Each task is served by the selected group with its largest gain. The gains may be predicted or
    measured.

    Parameters
    ----------
    table : array-like of shape (n, T)
        Gain of each task (column) in each candidate group (row), larger is better; NaN where the
        task is not in the group.
    budget : float
        Maximum total cost of the selected groups. A group costs 1. With "standley", a group of one
        task costs 0.5 (its network has half the size), and the budget is a multiple of 0.5.
    method : {"tag", "standley", "mtgnet"}, default="tag"
        - "tag": among all sets of at most `budget` groups that cover all tasks, the one with the
          largest total gain [1]_. Groups of one task are left out unless `singletons` is set.
        - "standley": among all sets of groups that cover all tasks and cost at most `budget`, the
          one with the largest total gain [2]_. Like "tag", it is solved exactly, as an integer
          program.
        - "mtgnet": the best of five greedy searches [3]_. Each starts from one of the rows with the
          largest sums, where a task that is not in the group counts -99, so that large groups come
          first. It then adds the row that increases the sum of the best gains most, until no row
          increases it.
    singletons : bool, default=False
        For "tag": whether groups of one task may be selected. A task that is in no other group
        keeps its group of one in any case.

    Returns
    -------
    Selection
        Selected rows, and the one that serves each task.

    Raises
    ------
    ValueError
        If the table is not two-dimensional, contains an infinite gain or a row without a task, if a
        parameter is out of range, or if no set of groups within the budget covers all tasks ("tag",
        "standley").

    Notes
    -----
    "mtgnet" divides gains by the largest absolute value in the table, so that the result does not
    depend on their scale.

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
    """Assign each task to the selected row with its largest gain; drop rows without a task."""
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
    """Return the rows within the budget that cover all tasks with the largest total gain.

    The integer program has one variable per row and one per task in a row: a task is served once,
    and only by a selected row. Its linear relaxation is that of the p-median problem, which is
    usually tight, so little branching is needed.
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
            f"No set of groups that costs at most {budget:g} covers all {n_tasks} tasks. Raise the "
            "budget, or add larger groups to the table."
        )
    return np.flatnonzero(solution.x[chosen] > 0.5)


def _best_chain(gains: NDArray[np.float64], budget: int) -> NDArray[np.intp]:
    """Return the rows of the best greedy search; `gains` is very low where a task is absent."""
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
            "table must have shape (n, T), one row per group and one column per task. Got shape "
            f"{gains.shape}."
        )
    if np.isinf(gains).any():
        raise ValueError(
            f"table contains an infinite gain in row {int(np.isinf(gains).any(axis=1).argmax())}. "
            "Use NaN where a task is not in the group."
        )
    empty = np.isnan(gains).all(axis=1)
    if empty.any():
        raise ValueError(
            f"Row {int(empty.argmax())} of table contains no task: all its gains are NaN."
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
            f"No group of table contains task {int(uncovered.argmax())} (its column is NaN)."
        )
    return gains
