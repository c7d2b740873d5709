"""Beam search for candidate groups, and choice of a set of them by local search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skmtl.grouping.search.exchange import Serving, merge
from skmtl.grouping.search.score import group_gains
from skmtl.grouping.search.serving import TOLERANCE, best_groups, serving_values


def beam_groups(
    affinity: NDArray[np.float64],
    n_groups: int | None,
    max_group_size: int,
    beam_width: int,
    max_candidates: int,
    rng: np.random.RandomState,
) -> NDArray[np.bool_]:
    """Find at most `n_groups` groups with a large total gain; ties go to fewer groups.

    Candidates come from :func:`grow_groups`. Without a limit on the number of groups, each task
    gets its best gain, from as few candidates as a greedy cover needs. With a limit, there are two
    starts: candidates that greedily add most to the total, and single tasks merged down to
    `n_groups` groups. Both are improved by moving and swapping tasks. The better one is then
    perturbed by random moves and improved again, 1000 / T times (at least 4, at most 50).

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Pairwise gains with a diagonal of 0, scaled to a largest absolute value of 1.
    n_groups : int or None
        Largest number of groups; None for no limit.
    max_group_size : int
        Largest size of a group.
    beam_width : int
        Groups kept per seed and size.
    max_candidates : int
        Largest number of candidate groups kept in all.
    rng : RandomState
        Generator of the random moves.

    Returns
    -------
    ndarray of shape (m, T)
        Membership.

    References
    ----------
    .. [1] Song et al., "Efficient and effective multi-task grouping via meta learning on task
       combinations", NeurIPS 2022.
    """
    n_tasks = len(affinity)
    candidates = grow_groups(affinity, beam_width, max_candidates, max_group_size)
    if n_groups is None or n_groups >= n_tasks:
        labels = _fewest_sets(affinity, candidates, max_group_size)
    else:
        starts = (
            _greedy_labels(group_gains(affinity, candidates), n_groups),
            merge(affinity, np.arange(n_tasks), n_groups, max_group_size),
        )
        servings = [
            Serving(affinity, start, n_groups, max_group_size).insert_unserved().climb()
            for start in starts
        ]
        best = _shaken(max(servings, key=lambda serving: serving.total), rng)
        labels = merge(affinity, best.labels, 1, max_group_size, allowed_loss=TOLERANCE)
    served = np.unique(labels)[:, None] == labels
    return best_groups(affinity, served, max_group_size)


def grow_groups(
    affinity: NDArray[np.float64], beam_width: int, max_candidates: int, max_group_size: int
) -> NDArray[np.bool_]:
    r"""Return all single tasks and the groups that a beam search from each of them keeps.

    Each seed task has its own beam. Groups grow by one task at a time. At each size, a beam keeps
    the `beam_width` groups with the largest total predicted gain
    :math:`\sum_{i \in G} \hat g_{G \to i} = \sum_{i, j \in G} A_{ij} / (|G| - 1)`. One matrix
    product scores all groups.

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Pairwise gains with a diagonal of 0.
    beam_width : int
        Groups kept per seed and size.
    max_candidates : int
        Maximum number of groups besides the single tasks. Growth stops there; of the last size,
        the groups with the largest gains are kept.
    max_group_size : int
        Size at which groups stop growing.

    Returns
    -------
    ndarray of shape (n, T)
        Membership of distinct groups, small ones first.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[0.0, 0.3, -0.1], [0.2, 0.0, -0.1], [-0.1, -0.1, 0.0]])
    >>> grow_groups(A, beam_width=1, max_candidates=1, max_group_size=3).astype(int)
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 0, 1],
           [1, 1, 0]])
    """
    n_tasks = len(affinity)
    both_ways = affinity + affinity.T
    # A set is identified by the sum of random 64-bit numbers of its tasks, which does not depend on
    # their order. Collisions are negligible.
    task_key, seed_key = np.random.default_rng(0).integers(
        0, 2**64, size=(2, n_tasks), dtype=np.uint64
    )
    groups, seed, total, key = (
        np.eye(n_tasks, dtype=bool),
        np.arange(n_tasks),
        np.zeros(n_tasks),
        task_key,
    )
    kept = [groups]
    room = max_candidates
    for size in range(2, min(max_group_size, n_tasks) + 1):
        grown = np.where(groups, -np.inf, total[:, None] + groups.astype(np.float64) @ both_ways)
        n_best = min(beam_width, n_tasks - size + 1)
        task = np.argpartition(-grown, n_best - 1, axis=1)[:, :n_best].ravel()
        row = np.repeat(np.arange(len(groups)), n_best)
        total, key, seed = grown[row, task], key[row] + task_key[task], seed[row]
        distinct = np.unique(key + seed_key[seed], return_index=True)[1]
        best_first = distinct[np.lexsort((-total[distinct], seed[distinct]))]
        _, start, count = np.unique(seed[best_first], return_index=True, return_counts=True)
        rank = np.arange(len(best_first)) - np.repeat(start, count)
        chosen = best_first[rank < beam_width]
        groups = groups[row[chosen]]
        groups[np.arange(len(chosen)), task[chosen]] = True
        seed, total, key = seed[chosen], total[chosen], key[chosen]
        new = np.unique(key, return_index=True)[1]
        new = new[np.argsort(-total[new], kind="stable")][:room]
        kept.append(groups[new])
        room -= len(new)
        if room <= 0:
            break
    return np.concatenate(kept)


def _fewest_sets(
    affinity: NDArray[np.float64], candidates: NDArray[np.bool_], max_group_size: int
) -> NDArray[np.intp]:
    """Return labels that give each task its best gain, with few sets (the better of two starts)."""
    n_tasks = len(affinity)
    best = serving_values(affinity, np.eye(n_tasks, dtype=bool), max_group_size)
    ideal = group_gains(affinity, candidates) >= best - TOLERANCE
    ideal = ideal[ideal.any(axis=1)]
    cover = np.full(n_tasks, -1, dtype=np.intp)
    while True:
        gain = ideal[:, cover < 0].sum(axis=1)
        row = int(gain.argmax()) if gain.size else 0
        if gain[row] == 0:
            break
        cover[ideal[row] & (cover < 0)] = row
    single = np.flatnonzero(cover < 0)
    cover[single] = len(ideal) + single
    merged = [
        merge(affinity, labels, 1, max_group_size, allowed_loss=TOLERANCE)
        for labels in (cover, np.arange(n_tasks))
    ]
    return min(merged, key=lambda labels: len(np.unique(labels)))


def _greedy_labels(gains: NDArray[np.float64], n_groups: int) -> NDArray[np.intp]:
    """Greedily choose the candidates that add most to the total gain; -1 for tasks without a gain.

    The gain that a candidate adds never increases as others are chosen (submodularity), so it is
    recomputed only for candidates whose last value is large enough.
    """
    best = np.zeros(gains.shape[1])
    labels = np.full(gains.shape[1], -1, dtype=np.intp)
    bound = np.maximum(gains, 0.0).sum(axis=1)
    for number in range(n_groups):
        contenders = np.argpartition(-bound, min(64, len(bound) - 1))[:64]
        bound[contenders] = np.maximum(gains[contenders] - best, 0.0).sum(axis=1)
        contenders = np.flatnonzero(bound >= bound[contenders].max())
        bound[contenders] = np.maximum(gains[contenders] - best, 0.0).sum(axis=1)
        chosen = int(bound.argmax())
        if bound[chosen] <= TOLERANCE:
            break
        better = gains[chosen] > best
        labels[better], best[better] = number, gains[chosen][better]
    return labels


def _shaken(serving: Serving, rng: np.random.RandomState) -> Serving:
    """Improve a local optimum by iterated random perturbation and local search.

    A perturbation removes some tasks, every second time all of them. Half of them go to random
    sets, then the others go to the sets that gain most from them.
    """
    n_tasks, n_sets = len(serving.labels), len(serving.value)
    for turn in range(int(np.clip(1000 // n_tasks, 4, 50))):
        labels = serving.labels.copy()
        loose = rng.permutation(n_tasks)[: max(2, n_tasks // 5) if turn % 2 else n_tasks]
        labels[loose] = -1
        sizes = np.bincount(labels[labels >= 0], minlength=n_sets)
        for task in loose[: len(loose) // 2]:
            free = np.flatnonzero(sizes < serving.max_group_size)
            labels[task] = rng.choice(free)
            sizes[labels[task]] += 1
        other = (
            Serving(serving.affinity, labels, n_sets, serving.max_group_size)
            .insert_unserved()
            .climb()
        )
        if other.total > serving.total + TOLERANCE:
            serving = other
    return serving
