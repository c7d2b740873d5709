"""Selection of the pairs to measure: all, a random fraction, or named pairs."""

from __future__ import annotations

from collections import Counter
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.random import sample_without_replacement

from skmtl.data import TaskSet, task_name

# Up to this number of pairs, a sample is the start of a permutation of all pairs; above, no list of
# all pairs is created.
_MOST_PERMUTED = 2**20


def resolve_pairs(tasks: TaskSet, pairs: Any, rng: np.random.RandomState) -> NDArray[np.object_]:
    """Return the ordered pairs, (m, 2), given "all", a fraction, or an array of names."""
    if isinstance(pairs, str) and pairs == "all":
        return tasks.pairs()
    if isinstance(pairs, str) or np.ndim(pairs) == 0:
        if isinstance(pairs, bool) or not isinstance(pairs, Real) or not 0 < float(pairs) <= 1:
            raise ValueError(
                "pairs must be 'all', a fraction in (0, 1] or an array of names of shape (m, 2). "
                f"Got {pairs!r}."
            )
        return sampled_pairs(tasks.names, float(pairs), rng)
    return _named_pairs(tasks, pairs)


def sampled_pairs(
    names: list[str], fraction: float, rng: np.random.RandomState
) -> NDArray[np.object_]:
    """Draw a fraction of the unordered pairs, at least one, and return both directions of each."""
    n_tasks = len(names)
    n_pairs = n_tasks * (n_tasks - 1) // 2
    n_drawn = max(1, round(fraction * n_pairs))
    drawn = (
        rng.permutation(n_pairs)[:n_drawn]
        if n_pairs <= _MOST_PERMUTED
        else sample_without_replacement(n_pairs, n_drawn, random_state=rng)
    )
    i, j = unordered_pairs(np.sort(drawn), n_tasks)
    name = np.array(names, dtype=object)
    both = np.stack([np.stack([name[i], name[j]], 1), np.stack([name[j], name[i]], 1)], 1)
    return both.reshape(-1, 2)


def unordered_pairs(
    numbers: NDArray[np.integer], n_tasks: int
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return the positions i < j of pairs, given their index in the order (0, 1), (0, 2), ..."""
    i = np.arange(n_tasks, dtype=np.int64)
    first = i * (2 * n_tasks - i - 1) // 2
    row = np.searchsorted(first[:-1], numbers, side="right") - 1
    return row, numbers - first[row] + row + 1


def _named_pairs(tasks: TaskSet, pairs: Any) -> NDArray[np.object_]:
    given = np.asarray(pairs, dtype=object)
    if given.ndim != 2 or given.shape[1] != 2 or len(given) == 0:
        raise ValueError(
            f"pairs must have shape (m, 2): target, then source. Got shape {given.shape}."
        )
    named = [(task_name(target, "pairs"), task_name(source, "pairs")) for target, source in given]
    for target, source in named:
        for name in (target, source):
            if name not in tasks:
                raise ValueError(f"pairs contains task {name!r}, which is not in tasks.")
        if target == source:
            raise ValueError(f"pairs holds task {target!r} with itself.")
    pair, count = Counter(named).most_common(1)[0]
    if count > 1:
        raise ValueError(f"pairs holds {pair} twice.")
    return np.array(named, dtype=object)
