"""The base of penalties that compare pairs of groups, for many networks and tasks at once."""

from __future__ import annotations

from sklearn.base import BaseEstimator
from torch import Tensor

from skmtl.fairness.grouped_rows import GroupedRows


class PairPenalty(BaseEstimator):
    """A penalty that is the largest, or the mean, of a difference between pairs of groups.

    Subclasses have a parameter ``pairs``, "max" or "mean".

    Attributes
    ----------
    scaled_by_rows : bool
        Whether the released form of MTA-F multiplies the penalty on all rows of a task by their
        share of the mini-batch; it always does so for exclusive rows.
    """

    scaled_by_rows: bool = True
    pairs: str

    def check(self) -> None:
        """Raise ValueError where a parameter is out of range."""
        raise NotImplementedError

    def differences(self, scores: Tensor, rows: GroupedRows) -> Tensor:
        """Return the differences of pairs of groups, (E, T, S, P), in probabilities (E, T, B)."""
        raise NotImplementedError

    def of_sets(self, scores: Tensor, rows: GroupedRows) -> Tensor:
        """Return the penalty of every set of rows, (E, T, S); 0 with fewer than two groups."""
        return rows.reduce(self.differences(scores, rows), self.pairs)
