"""Model of gains in groups, learned from measured groups and from pair gains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skmtl.grouping.search import SizedValue

Array = NDArray[np.float64]

# Prior standard deviations: of the offsets (intercept, size, rows of the target, size times rows),
# in units of the spread of the measured gains, and of the slopes (pair average, pair average times
# size).
_PRIOR_OFFSET, _PRIOR_SLOPE = 1.0, 0.5
# Candidate variances of the effects of targets and of pairs, in units of the residual variance.
_TARGET_RATIOS = (0.0, 1.0, 10.0, 100.0)
_PAIR_RATIOS = (0.0, 1.0, 4.0, 16.0)


@dataclass(frozen=True)
class MeasuredGains:
    """Relative gains of tasks in groups of at least two tasks, one entry per observation.

    Attributes
    ----------
    members : ndarray of shape (m, T)
        Membership of the group of each observation.
    target : ndarray of shape (m,)
        Index of the task whose gain was measured.
    gain : ndarray of shape (m,)
        Relative reduction of the task's loss from its single-task loss.
    variance : ndarray of shape (m,)
        Squared standard error of the gain, without the part that all groups of a task share.
    common : ndarray of shape (T,)
        Squared standard error that all gains of a task share, mainly that of its single-task loss.
    """

    members: NDArray[np.bool_]
    target: NDArray[np.intp]
    gain: Array
    variance: Array
    common: Array


class GroupGainModel:
    r"""Mixed model of the gain of a task in a group, given pair gains and measured groups.

    .. math::

        g_{G \to i} = \theta_0 + \theta_1 l + (\theta_2 + \theta_3 l) z_i + u_i
        + (\theta_4 + \theta_5 l) \frac{1}{|G| - 1} \sum_{j \in G, j \ne i} (A_{ij} + e_{ij}),
        \qquad l = \log_2 (|G| / 2)

    where :math:`z_i` is the standardized logarithm of the task's number of rows. The prior mean of
    :math:`\theta` is the average of the pair gains: :math:`\theta_4 = 1` and all others 0. The
    effects :math:`u_i` of targets and :math:`e_{ij}` of pairs are normal with mean 0; their
    variances maximize the likelihood on a small grid.

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Predicted pair gains A, row = target, with a diagonal of 0.
    sizes : ndarray of shape (T,)
        Number of rows per task.

    Attributes
    ----------
    coef_ : ndarray of shape (6,)
        Coefficients :math:`\theta`.
    target_effects_ : ndarray of shape (T,)
        Effects u of the targets.
    pair_effects_ : ndarray of shape (T, T)
        Effects e of the pairs.
    spread_ : float
        Standard deviation of the gains that neither the model nor measurement noise explains.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.full((4, 4), 0.1) - 0.1 * np.eye(4)
    >>> all_tasks = np.ones((4, 4), dtype=bool)
    >>> measured = MeasuredGains(
    ...     all_tasks, np.arange(4), np.full(4, 0.3), np.full(4, 1e-4), np.zeros(4)
    ... )
    >>> GroupGainModel(A, np.full(4, 50)).fit(measured).predict(all_tasks).round(1)
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
        """Estimate coefficients and effects.

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
        """Predict the gain of each task in each group.

        Parameters
        ----------
        members : ndarray of shape (n, T)
            Membership of the groups.

        Returns
        -------
        ndarray of shape (n, T)
            Gains: 0 in a group of one task, and undefined where a task is not in the group.
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
        """Return the value of groups: the sum of their tasks' gains times their weights (T,)."""
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
        """Ridge regression toward the average of pair gains.

        Observations are weighted by the inverse of their noise and residual variance.
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
        """Predict the effects of targets and pairs, with the variances of largest likelihood."""
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
