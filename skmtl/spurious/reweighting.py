"""Sample weights that make a task's label independent of the labels of its spurious tasks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skmtl.spurious.pair_names import shown_pairs

Array = NDArray[np.float64]

# Largest number of rounds over the tables of a task, and the tolerance of the changes of cells.
_ROUNDS, _AGREED = 100, 1e-6
# Largest weight of a row, relative to the mean.
LARGEST_WEIGHT = 10.0


def independence_weights(
    codes: Array, spurious: NDArray[np.bool_], weight: Array, strength: float, names: Sequence[str]
) -> Array:
    """Return weights of all labels, (n, T), that make tasks independent of their spurious tasks.

    For the spurious tasks j of a task i in turn, the weights of the rows are multiplied by a factor
    per cell (label of i, label of j), until every such table is the product of its margins, which
    do not change (iterative proportional fitting). For a single spurious task the factor is P(y_i)
    P(y_j) / P(y_i, y_j). Finally, the factors are raised to the power ``strength`` and clipped at
    10 times their mean.

    Parameters
    ----------
    codes : ndarray of shape (n, T)
        Class codes, NaN for missing labels. The tables of task j do not change rows without a label
        for j.
    spurious : ndarray of bool of shape (T, T)
        [i, j]: task j is spurious for task i.
    weight : ndarray of shape (n,)
        Initial weights of the rows.
    strength : float
        Exponent of the factors.
    names : sequence of str
        Names of the tasks, for messages.
    """
    weights = np.repeat(weight[:, None], codes.shape[1], axis=1)
    empty: list[tuple[str, str]] = []
    for i in np.flatnonzero(spurious.any(1)).tolist():
        tables = [_Table(codes, i, j, weight) for j in np.flatnonzero(spurious[i]).tolist()]
        empty += [(names[i], names[table.other]) for table in tables if table.has_empty_cell]
        factor = np.ones(len(codes))
        for _ in range(_ROUNDS):
            if max(table.adjust(factor, weight) for table in tables) < _AGREED:
                break
        factor **= strength
        known = ~np.isnan(codes[:, i]) & (weight > 0)
        mean = np.average(factor[known], weights=weight[known])
        weights[:, i] *= np.minimum(factor / mean, LARGEST_WEIGHT)
    if empty:
        warnings.warn(
            "Some combinations of labels have no rows, so no weights make these tasks independent: "
            f"{shown_pairs(empty)}. The other combinations are reweighted; method='adversarial' "
            "does not need all combinations.",
            UserWarning,
            stacklevel=4,
        )
    return weights


class _Table:
    """Contingency table of the labels of two tasks, and its target."""

    def __init__(self, codes: Array, task: int, other: int, weight: Array):
        self.other = other
        self.rows = np.flatnonzero(~np.isnan(codes[:, [task, other]]).any(1) & (weight > 0))
        own, others = (codes[self.rows, t].astype(np.intp) for t in (task, other))
        self.shape = (int(own.max(initial=0)) + 1, int(others.max(initial=0)) + 1)
        self.cells = own * self.shape[1] + others
        counts = self._sums(weight[self.rows]).reshape(self.shape)
        expected = np.outer(counts.sum(1), counts.sum(0)) / max(counts.sum(), 1e-300)
        self.target = expected.ravel()
        self.has_empty_cell = bool(((counts == 0) & (expected > 0)).any())

    def _sums(self, weight: Array) -> Array:
        n_cells = self.shape[0] * self.shape[1]
        sums: Array = np.bincount(self.cells, weights=weight, minlength=n_cells).astype(np.float64)
        return sums

    def adjust(self, factor: Array, weight: Array) -> float:
        """Scale the factors in place so that the table is its target; return the largest change."""
        present = self._sums(factor[self.rows] * weight[self.rows])
        change = np.divide(self.target, present, out=np.ones_like(present), where=present > 0)
        factor[self.rows] *= change[self.cells]
        return float(np.abs(change - 1).max(initial=0.0))
