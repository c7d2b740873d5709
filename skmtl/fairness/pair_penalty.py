"""Base class of penalties that compare pairs of groups, for many networks and tasks at once."""

from __future__ import annotations

from sklearn.base import BaseEstimator
from torch import Tensor

from skmtl.fairness.grouped_rows import GroupedRows


class PairPenalty(BaseEstimator):
    """Penalty that is the largest, or the mean, difference over pairs of sensitive groups.

    Subclasses have a parameter ``pairs``, "max" or "mean".

    Attributes
    ----------
    scaled_by_rows : bool
        Whether the "released" form of MTA-F multiplies the penalty on all rows of a task by their
        share of the mini-batch. The penalty on exclusive rows is always multiplied.
    """

    scaled_by_rows: bool = True
    pairs: str

    def check(self) -> None:
        """Raise ValueError if a parameter is out of range."""
        raise NotImplementedError

    def differences(self, scores: Tensor, rows: GroupedRows) -> Tensor:
        """Return the difference of every pair of groups, (E, T, S, P), of scores (E, T, B)."""
        raise NotImplementedError

    def of_sets(self, scores: Tensor, rows: GroupedRows) -> Tensor:
        """Return the penalty of every set of rows, (E, T, S); 0 for fewer than two groups."""
        return rows.reduce(self.differences(scores, rows), self.pairs)
