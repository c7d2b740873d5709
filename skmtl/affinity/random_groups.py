"""Random groups of tasks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def random_groups(
    names: list[str], size: int, n_groups: int, seed: int, *, cover_pairs: bool = False
) -> NDArray[np.bool_]:
    """Draw random groups of ``size`` tasks, such that each task is in about as many groups.

    Random permutations of the tasks are cut into groups; the last group of a permutation is filled
    from its start. The result does not depend on the order of the names.

    Parameters
    ----------
    names : list of str
        Names of the tasks.
    size : int
        Number of tasks per group.
    n_groups : int
        Number of groups.
    seed : int
        Seed.
    cover_pairs : bool, default=False
        Add groups until each pair of tasks is in at least one group.

    Returns
    -------
    ndarray of shape (n, T)
        Membership.
    """
    rng, n_tasks = np.random.default_rng(seed), len(names)
    size = min(size, n_tasks)
    a_round = -(-n_tasks // size)
    cuts = np.arange(a_round * size).reshape(a_round, size) % n_tasks
    drawn = [rng.permutation(n_tasks)[cuts] for _ in range(-(-n_groups // a_round))]
    groups = np.concatenate(drawn)[:n_groups]
    members = np.zeros((len(groups), n_tasks), dtype=bool)
    np.put_along_axis(members, groups, True, axis=1)
    if cover_pairs:
        members = np.concatenate([members, _groups_of_strangers(members, size, rng)])
    return members[:, np.argsort(np.argsort(names))]


def _groups_of_strangers(
    members: NDArray[np.bool_], size: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return groups that contain all pairs of tasks that are in no group yet."""
    n_tasks = members.shape[1]
    met = ((members.T.astype(int) @ members) > 0) | np.eye(n_tasks, dtype=bool)
    more = []
    while not met.all():
        first = int(np.argmin(met.all(1)))
        strangers = np.flatnonzero(~met[first])[: size - 1]
        others = rng.permutation(np.setdiff1d(np.arange(n_tasks), [first, *strangers]))
        group = np.zeros(n_tasks, dtype=bool)
        group[[first, *strangers, *others[: size - 1 - len(strangers)]]] = True
        met |= np.outer(group, group)
        more.append(group)
    return np.array(more, dtype=bool).reshape(-1, n_tasks)
