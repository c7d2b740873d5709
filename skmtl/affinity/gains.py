"""Measured gains of training two tasks together."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.affinity.matrix import affinity_matrix

# Maximum number of splits of the repeats into halves over which the reliability is averaged.
_MAX_HALVINGS = 64


@dataclass(frozen=True)
class PairwiseGains:
    r"""Measured gains of ordered task pairs, with their standard errors and reliability.

    .. math::

        \mathrm{gain}_{s \to t} =
        \frac{L_t(\text{single-task}) - L_t(\text{with } s)}{L_t(\text{single-task})}

    on test rows. The losses are means over repeats with new splits; the gain is computed from these
    means.

    Parameters
    ----------
    names : list of str
        Names of all tasks.
    pairs : ndarray of shape (m, 2)
        Target, then source.
    single_losses : ndarray of shape (m, R)
        Single-task test loss of the target, per repeat.
    pair_losses : ndarray of shape (m, R)
        Test loss of the target when trained with the source, per repeat.

    Attributes
    ----------
    table : DataFrame
        Columns target, source, gain, gain_se, stl_loss, mtl_loss, n_repeats. ``gain_se`` is the
        standard error over repeats (NaN for one repeat). It reflects the variation between splits
        of these data, not between data sets.
    values : ndarray of shape (m,)
        Gains.
    groups : ndarray of shape (m,)
        Index of the unordered pair, shared by both directions: ``groups`` of a GroupKFold.
    matrix : DataFrame of shape (T, T)
        Gains, row = target, column = source; NaN where not measured, diagonal 0.
    repeat_values : ndarray of shape (m, R)
        Gains of each repeat.
    reliability : float
        Expected correlation between two independent measurements with as many repeats: the mean
        split-half correlation of the repeats with the Spearman-Brown correction. NaN for one repeat
        or fewer than three pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.affinity import PairwiseGains
    >>> gains = PairwiseGains(
    ...     ["a", "b"],
    ...     np.array([["a", "b"], ["b", "a"]], dtype=object),
    ...     np.array([[1.0], [2.0]]),
    ...     np.array([[0.9], [2.2]]),
    ... )
    >>> gains.values.round(2).tolist(), gains.groups.tolist()
    ([0.1, -0.1], [0, 0])
    """

    names: list[str]
    pairs: NDArray[np.object_]
    single_losses: NDArray[np.float64]
    pair_losses: NDArray[np.float64]

    def __repr__(self) -> str:
        return (
            f"PairwiseGains({len(self.pairs)} ordered pairs of {len(self.names)} tasks, "
            f"{self.single_losses.shape[1]} repeats)"
        )

    @property
    def values(self) -> NDArray[np.float64]:
        """Gains, of shape (m,)."""
        return _gain(self.single_losses, self.pair_losses)

    @property
    def repeat_values(self) -> NDArray[np.float64]:
        """Gains of each repeat, of shape (m, R)."""
        repeats = range(self.single_losses.shape[1])
        return np.column_stack(
            [_gain(self.single_losses[:, [r]], self.pair_losses[:, [r]]) for r in repeats]
        )

    @property
    def groups(self) -> NDArray[np.intp]:
        """Index of the unordered pair, of shape (m,); both directions share one."""
        codes = pd.factorize(
            pd.Index([tuple(sorted(pair)) for pair in self.pairs], tupleize_cols=False)
        )[0]
        return np.asarray(codes, dtype=np.intp)

    @property
    def matrix(self) -> pd.DataFrame:
        """Gains as a DataFrame (T, T), row = target, column = source; NaN where not measured."""
        matrix: pd.DataFrame = affinity_matrix(self.pairs, self.values, self.names)
        return matrix

    @property
    def table(self) -> pd.DataFrame:
        """One row per pair: target, source, gain, gain_se, stl_loss, mtl_loss, n_repeats."""
        return pd.DataFrame(
            {
                "target": self.pairs[:, 0],
                "source": self.pairs[:, 1],
                "gain": self.values,
                "gain_se": self._standard_errors(),
                "stl_loss": self.single_losses.mean(1),
                "mtl_loss": self.pair_losses.mean(1),
                "n_repeats": self.single_losses.shape[1],
            }
        )

    @property
    def reliability(self) -> float:
        """Split-half correlation over repeats, Spearman-Brown corrected; NaN for one repeat."""
        n_repeats = self.single_losses.shape[1]
        if n_repeats < 2 or len(self.pairs) < 3:
            return float("nan")
        halves = list(
            itertools.islice(
                itertools.combinations(range(n_repeats), n_repeats // 2), 4 * _MAX_HALVINGS
            )
        )
        step = max(1, len(halves) // _MAX_HALVINGS)
        correlations = [self._half_correlation(np.array(half)) for half in halves[::step]]
        r = float(np.mean(correlations))
        longer = n_repeats / (n_repeats // 2)
        return max(-1.0, longer * r / (1 + (longer - 1) * r)) if r > -1 / (longer - 1) else -1.0

    def _half_correlation(self, half: NDArray[np.intp]) -> float:
        rest = np.setdiff1d(np.arange(self.single_losses.shape[1]), half)[: len(half)]
        first, second = (
            _gain(self.single_losses[:, part], self.pair_losses[:, part]) for part in (half, rest)
        )
        known = np.isfinite(first) & np.isfinite(second)
        if known.sum() < 3 or np.ptp(first[known]) == 0 or np.ptp(second[known]) == 0:
            return 0.0
        return float(np.corrcoef(first[known], second[known])[0, 1])

    def _standard_errors(self) -> NDArray[np.float64]:
        """Return the standard error of a ratio of means, by linearization."""
        n_repeats = self.single_losses.shape[1]
        if n_repeats == 1:
            return np.full(len(self.pairs), np.nan)
        with np.errstate(
            invalid="ignore", divide="ignore"
        ):  # losses of zero or infinity have no standard error
            residuals = (self.single_losses - self.pair_losses) - self.values[
                :, None
            ] * self.single_losses
            errors: NDArray[np.float64] = (
                residuals.std(1, ddof=1) / np.sqrt(n_repeats) / np.abs(self.single_losses.mean(1))
            )
        return np.where(np.isfinite(errors), errors, np.nan)


def _gain(single: NDArray[np.float64], pair: NDArray[np.float64]) -> NDArray[np.float64]:
    alone, together = single.mean(1), pair.mean(1)
    with np.errstate(invalid="ignore"):
        gain: NDArray[np.float64] = np.divide(
            alone - together,
            alone,
            out=np.full(len(alone), np.nan),
            where=(alone > 0) & np.isfinite(alone),
        )
    return np.where((alone == 0) & (together == 0), 0.0, gain)
