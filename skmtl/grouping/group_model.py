"""Gains in groups: how far they depart from the average of pairs, learnt from groups that were
measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skmtl.grouping.search import SizedValue

Array = NDArray[np.float64]

# Prior standard deviations of the coefficients, in units of the spread of the measured gains
# (columns: intercept, size, rows of the target, their product) and of slopes (average of pairs, its
# product with size).
_PRIOR_OFFSET, _PRIOR_SLOPE = 1.0, 0.5
# Variances of the effects of targets and of single pairs that are tried, in units of the variance
# that nothing explains.
_TARGET_RATIOS = (0.0, 1.0, 10.0, 100.0)
_PAIR_RATIOS = (0.0, 1.0, 4.0, 16.0)


@dataclass(frozen=True)
class MeasuredGains:
    """Relative gains of tasks in groups of several, one entry an observation.

    Attributes
    ----------
    members : ndarray of shape (m, T)
        Group of every observation.
    target : ndarray of shape (m,)
        Task whose gain it is.
    gain : ndarray of shape (m,)
        Relative drop of the task's loss against training it alone.
    variance : ndarray of shape (m,)
        Squared standard error of the gain, but for what all groups of a task share.
    common : ndarray of shape (T,)
        Squared standard error that all gains of a task share: that of its loss alone above all.
    """

    members: NDArray[np.bool_]
    target: NDArray[np.intp]
    gain: Array
    variance: Array
    common: Array


class GroupGainModel:
    r"""Predict the gain of a task in a group from pair gains and from groups that were measured.

    .. math:: g_{G \to i} = \theta_0 + \theta_1 l + (\theta_2 + \theta_3 l) z_i + u_i + (\theta_4 +
        \theta_5 l)
        \frac{1}{|G| - 1} \sum_{j \in G, j \ne i} (A_{ij} + e_{ij}), \qquad l = \log_2 (|G| / 2)

    with :math:`z_i` the standardised logarithm of the task's number of rows. The plain average of
    pairs is
    :math:`\theta_4 = 1`, all else 0; that is the centre of the prior of :math:`\theta`. The effects
    :math:`u_i` of targets and
    :math:`e_{ij}` of pairs are normal with mean 0; their variances are those with the largest
    likelihood on a small grid.

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Predicted gains A of pairs, row = target, with a diagonal of 0.
    sizes : ndarray of shape (T,)
        Rows of every task.

    Attributes
    ----------
    coef_ : ndarray of shape (6,)
        The coefficients.
    target_effects_ : ndarray of shape (T,)
        u.
    pair_effects_ : ndarray of shape (T, T)
        e.
    spread_ : float
        Standard deviation of what neither the model nor the noise of the measurements explains.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.full((4, 4), 0.1) - 0.1 * np.eye(4)
    >>> everybody = np.ones((4, 4), dtype=bool)
    >>> measured = MeasuredGains(
    ...     everybody, np.arange(4), np.full(4, 0.3), np.full(4, 1e-4), np.zeros(4)
    ... )
    >>> GroupGainModel(A, np.full(4, 50)).fit(measured).predict(everybody).round(1)
    array([[0.3, 0.3, 0.3, 0.3],
           [0.3, 0.3, 0.3, 0.3],
           [0.3, 0.3, 0.3, 0.3],
           [0.3, 0.3, 0.3, 0.3]])
    """

    def __init__(self, affinity: Array, sizes: NDArray[np.intp]):
        self.affinity = affinity
        log = np.log(sizes)
        self.rows = (log - log.mean()) / (log.std() or 1.0)
        self.coef_: Array = np.array([0.0, 0, 0, 0, 1, 0])
        self.target_effects_: Array = np.zeros(len(affinity))
        self.pair_effects_: Array = np.zeros_like(affinity)
        self.spread_ = 0.0

    def fit(self, measured: MeasuredGains) -> GroupGainModel:
        """Learn coefficients and effects.

        Parameters
        ----------
        measured : MeasuredGains
            At least one observation.

        Returns
        -------
        GroupGainModel
            The fitted model.
        """
        X = self._columns(measured.members, measured.target)
        self._fit_coefficients(X, measured)
        residual = measured.gain - X @ self.coef_
        slope = self._slope(measured.members.sum(axis=1))
        others = (
            measured.members
            / np.maximum(measured.members.sum(axis=1) - 1, 1)[:, None]
            * slope[:, None]
        )
        others[np.arange(len(residual)), measured.target] = 0.0
        self._fit_effects(residual, others, measured)
        return self

    def predict(self, members: NDArray[np.bool_]) -> Array:
        """Predict the gain of every task in every group.

        Parameters
        ----------
        members : ndarray of shape (n, T)
            Groups.

        Returns
        -------
        ndarray of shape (n, T)
            Gains; what stands where a task is not in the group means nothing. 0 in a group of one.
        """
        size = members.sum(axis=1)[:, None]
        log, weights = _log(size), members.astype(np.float64)
        c = self.coef_
        average = weights @ (self.affinity + self.pair_effects_).T / np.maximum(size - 1, 1)
        gains = (
            c[0]
            + c[1] * log
            + (c[2] + c[3] * log) * self.rows
            + self.target_effects_
            + self._slope(size) * average
        )
        return np.where(size > 1, gains, 0.0)

    def value(self, weights: Array) -> SizedValue:
        """Return what groups are worth in total, each task's gain times its weight (T,)."""
        sizes = np.arange(len(weights) + 1)
        pairs = weights[:, None] * (self.affinity + self.pair_effects_)
        base = weights * (self.coef_[0] + self.coef_[2] * self.rows + self.target_effects_)
        return SizedValue(
            pairs, self._slope(sizes), base, weights * (self.coef_[1] + self.coef_[3] * self.rows)
        )

    def _slope(self, size: NDArray[np.intp]) -> Array:
        slope: Array = np.maximum(self.coef_[4] + self.coef_[5] * _log(size), 0.0)
        return slope

    def _columns(self, members: NDArray[np.bool_], target: NDArray[np.intp]) -> Array:
        log, rows = _log(members.sum(axis=1)), self.rows[target]
        average = (members * self.affinity[target]).sum(axis=1) / np.maximum(
            members.sum(axis=1) - 1, 1
        )
        return np.column_stack(
            [np.ones(len(target)), log, rows, rows * log, average, average * log]
        )

    def _fit_coefficients(self, X: Array, measured: MeasuredGains) -> None:
        """Ridge towards the plain average of pairs; observations count by noise and by what no
        coefficient explains.
        """
        centre = np.array([0.0, 0, 0, 0, 1, 0])
        offset = measured.gain - X @ centre
        spread = float(np.sqrt(np.mean(measured.gain**2))) or 1.0
        precision = 1 / np.r_[np.full(4, _PRIOR_OFFSET * spread), np.full(2, _PRIOR_SLOPE)] ** 2
        unexplained = float(np.mean(offset**2))
        noise = measured.variance + measured.common[measured.target]
        for _ in range(5):
            weight = 1 / (noise + unexplained + 1e-12)
            change = np.linalg.solve(
                (X.T * weight) @ X + np.diag(precision), X.T @ (weight * offset)
            )
            unexplained = max(
                float(np.mean((offset - X @ change) ** 2 - noise)),
                0.1 * float(np.mean(measured.variance)),
                1e-12,
            )
        self.coef_ = centre + change
        self.spread_ = float(np.sqrt(unexplained))

    def _fit_effects(self, residual: Array, others: Array, measured: MeasuredGains) -> None:
        """Best guess of the effects of targets and pairs, target by target, under the variances
        with the largest likelihood.
        """
        rows = [
            (task, at)
            for task in range(len(self.affinity))
            if len(at := np.flatnonzero(measured.target == task))
        ]
        best = (-np.inf, 0.0, 0.0)
        for of_target in _TARGET_RATIOS:
            for of_pairs in _PAIR_RATIOS:
                likelihood = 0.0
                for task, at in rows:
                    K = self._covariance(task, at, others, measured, of_target, of_pairs)
                    likelihood -= 0.5 * float(
                        np.linalg.slogdet(K)[1] + residual[at] @ np.linalg.solve(K, residual[at])
                    )
                best = max(best, (likelihood, of_target, of_pairs))
        _, of_target, of_pairs = best
        for task, at in rows:
            pull = self.spread_**2 * np.linalg.solve(
                self._covariance(task, at, others, measured, of_target, of_pairs), residual[at]
            )
            self.target_effects_[task] = of_target * pull.sum()
            self.pair_effects_[task] = of_pairs * (pull @ others[at])
        np.fill_diagonal(self.pair_effects_, 0.0)

    def _covariance(
        self,
        task: int,
        at: NDArray[np.intp],
        others: Array,
        measured: MeasuredGains,
        of_target: float,
        of_pairs: float,
    ) -> Array:
        shared = (
            self.spread_**2 * (of_target + of_pairs * (others[at] @ others[at].T))
            + measured.common[task]
        )
        K: Array = shared + np.diag(self.spread_**2 + measured.variance[at])
        return K


def _log(size: NDArray[np.intp]) -> Array:
    log: Array = np.log2(np.maximum(size, 2) / 2)
    return log
