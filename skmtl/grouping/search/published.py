"""Published selection rules, applied to the predicted gains of groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skmtl.grouping.search.beam import grow_groups
from skmtl.grouping.search.score import group_gains
from skmtl.grouping.search.selection import select_groups

MAX_TASKS = 10


def published_groups(
    affinity: NDArray[np.float64],
    method: str,
    budget: float | None,
    max_group_size: int,
    beam_width: int,
    max_candidates: int,
    singletons: bool,
) -> NDArray[np.bool_]:
    """Select groups from a table of predicted gains by the rule of TAG, Standley et al. or MTG-Net.

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Pairwise gains with a diagonal of 0.
    method : {"tag", "standley", "mtgnet"}
        Rule, see :func:`select_groups`.
    budget : float or None
        Maximum total cost of the groups; None for no limit.
    max_group_size : int
        Largest size of a group.
    beam_width, max_candidates : int
        Limits of the beams that grow the candidates of "mtgnet".
    singletons : bool
        Whether "tag" may choose groups of one task.

    Returns
    -------
    ndarray of shape (m, T)
        Membership.

    Raises
    ------
    ValueError
        If there are more than 10 tasks ("tag", "standley"), or a task is in none of the groups.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[0.0, 0.3, -0.1], [0.2, 0.0, -0.1], [-0.1, -0.1, 0.0]])
    >>> published_groups(A, "standley", 1.5, 3, 10, 100, False).astype(int)
    array([[1, 1, 0],
           [0, 0, 1]])
    """
    n_tasks = len(affinity)
    if method == "mtgnet":
        groups = grow_groups(affinity, beam_width, max_candidates, max_group_size)
        if max_group_size >= n_tasks and not groups.all(axis=1).any():
            groups = np.vstack([groups, np.ones((1, n_tasks), dtype=bool)])
    elif n_tasks > MAX_TASKS:
        raise ValueError(
            f"method={method!r} looks at all groups of at most {MAX_TASKS} tasks, but A has "
            f"{n_tasks}. Use method='beam' or 'mtgnet'."
        )
    else:
        groups = ((np.arange(1, 1 << n_tasks)[:, None] >> np.arange(n_tasks)) & 1).astype(bool)
        groups = groups[groups.sum(axis=1) <= max_group_size]
    gains = group_gains(affinity, groups)
    limit = float(n_tasks) if budget is None else float(budget)
    selection = select_groups(
        np.where(groups, gains, np.nan), limit, method=method, singletons=singletons
    )
    if (selection.labels < 0).any():
        raise ValueError(
            "The greedy chains of method='mtgnet' leave task "
            f"{int((selection.labels < 0).argmax())} without a group. Raise n_groups, or use "
            "method='beam'."
        )
    return groups[selection.groups]
