"""Splitting the rows of tasks into a training and a test part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class RowOrder:
    """Random order of rows that is the same for all tasks, used in place of a random state.

    Every row position has its own priority. The rows drawn for one task therefore depend neither
    on the number of other tasks nor on their order.

    Parameters
    ----------
    rows : ndarray of int
        Positions that have a priority, in increasing order. Rows that no task uses have none and
        do not affect the order of the others.
    seed : int
        Seed of the priorities.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.data.row_splits import RowOrder
    >>> order = RowOrder(np.arange(5), seed=0)
    >>> order.permutation(5).tolist()
    [4, 0, 1, 2, 3]
    >>> order.permutation(np.array([0, 2, 4])).tolist()
    [4, 0, 2]
    """

    def __init__(self, rows: NDArray[np.intp], seed: int):
        self.priorities = np.zeros(int(rows.max()) + 1)
        self.priorities[rows] = np.random.default_rng(seed).random(len(rows))

    def permutation(self, rows: Any) -> NDArray[np.intp]:
        """Return positions (or the first ``rows`` ones) in order of decreasing priority."""
        positions = np.arange(rows) if np.ndim(rows) == 0 else np.asarray(rows)
        return positions[np.argsort(-self.priorities[positions], kind="stable")]

    def rank(self, rows: NDArray[np.intp]) -> float:
        """Return a number that identifies a set of rows, whatever their order."""
        return float(np.sort(self.priorities[rows]).sum())


def split_rows(
    y: NDArray[Any], test_size: float, rng: np.random.RandomState | RowOrder, *, stratify: bool
) -> NDArray[np.bool_]:
    """Mask of held-out rows: ceil(test_size * n) of them, with at least one row in each part.

    With ``stratify`` every class is represented in proportion (largest remainders). A class keeps
    at least one training row as long as other classes have rows to spare.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Targets of one task, at least two.
    test_size : float
        Fraction of rows, strictly between 0 and 1.
    rng : RandomState or RowOrder
        Source of randomness.
    stratify : bool
        Whether ``y`` holds classes whose shares are kept.

    Returns
    -------
    ndarray of shape (n,)
        True for the rows held out.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.data import split_rows
    >>> held = split_rows(
    ...     np.array([0, 0, 0, 0, 1, 1]), 0.5, np.random.RandomState(0), stratify=True
    ... )
    >>> int(held[:4].sum()), int(held[4:].sum())
    (2, 1)
    """
    n = len(y)
    n_test = int(np.clip(np.ceil(test_size * n), 1, n - 1))
    mask = np.zeros(n, dtype=bool)
    if not stratify:
        mask[rng.permutation(n)[:n_test]] = True
        return mask
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    share = counts * n_test / n
    quota = np.minimum(np.floor(share).astype(int), np.maximum(counts - 1, 0))
    for room in (counts - 1, counts):
        for c in np.argsort(quota - share, kind="stable"):
            if quota.sum() < n_test and quota[c] < room[c]:
                quota[c] += 1
        while quota.sum() < n_test and (quota < room).any():
            quota[np.argmax(np.where(quota < room, share - quota, -np.inf))] += 1
    for c, take in enumerate(quota):
        mask[rng.permutation(np.flatnonzero(codes == c))[:take]] = True
    return mask


def check_fraction(value: Any, what: str) -> None:
    """Raise unless a value is a number strictly between 0 and 1.

    Parameters
    ----------
    value : object
        Value of the parameter.
    what : str
        Name of the parameter in messages.

    Raises
    ------
    TypeError
        If it is not a number.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> from skmtl.data import check_fraction
    >>> check_fraction(1.5, "test_size")
    Traceback (most recent call last):
        ...
    ValueError: test_size must be a float strictly between 0 and 1. Got 1.5.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(
            f"{what} must be a float strictly between 0 and 1. Got {value!r} of type "
            f"{type(value).__name__}."
        )
    if not 0 < value < 1:
        raise ValueError(f"{what} must be a float strictly between 0 and 1. Got {value!r}.")


def split_shared_rows(
    rows: Mapping[str, NDArray[np.intp]],
    targets: Mapping[str, NDArray[Any]],
    n: int,
    test_size: float,
    rng: np.random.RandomState | RowOrder,
    *,
    stratify: bool,
) -> dict[str, NDArray[np.bool_]]:
    """Split rows that tasks share; the rarest (task, class) combinations are assigned first."""
    cells: list[NDArray[np.intp]] = []
    for name in rows:
        labels = targets[name]
        groups = (
            [labels == value for value in np.unique(labels)]
            if stratify
            else [np.ones(len(labels), dtype=bool)]
        )
        cells += [rows[name][group] for group in groups]
    side = np.full(n, -1)
    for cell in sorted(
        cells, key=lambda cell: (len(cell), rng.rank(cell) if isinstance(rng, RowOrder) else 0.0)
    ):
        n_test = int(np.ceil(test_size * len(cell))) if len(cell) > 1 else 0
        free = rng.permutation(cell[side[cell] < 0])
        wanted = int(np.clip(n_test - (side[cell] == 1).sum(), 0, len(free)))
        side[free[:wanted]] = 1
        side[free[wanted:]] = 0
    held = {name: side[rows[name]] == 1 for name in rows}
    for name, mask in held.items():
        if mask.all() or not mask.any():
            raise ValueError(
                f"Task {name!r} ({len(mask)} rows shared with other tasks) cannot be split into "
                "training and test rows."
            )
    return held
