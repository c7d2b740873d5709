"""Linear surrogate: linear model of measured gains given the membership of a group."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skmtl._sklearn_compat import Interval
from skmtl.affinity.affinity_estimator import (
    AffinityEstimator,
    affinity_table,
    group_table,
    membership,
    network_and_seed,
)
from skmtl.affinity.random_groups import random_groups
from skmtl.affinity.shown_names import listed
from skmtl.affinity.tagging import relative_decrease
from skmtl.data import TaskSet
from skmtl.estimators import MultiTaskNetwork, measure_groups
from skmtl.support import Stage

# Default number of random groups per task; largest group.
_GROUPS_A_TASK = 8
_LARGEST_GROUP = 5


class LinearSurrogate(AffinityEstimator):
    r"""Linear surrogate: ridge regression of measured group gains on the membership of the group.

    Random groups are trained. For each target i, over the groups G that contain it,

    .. math:: \mathrm{gain}_{G \to i} \approx c_i + \sum_{j \in G, j \ne i} A_{ij}

    with a penalty on A but not on c [1]_. The affinity of a pair is the contribution of the source
    to the target's gain in a group.

    Parameters
    ----------
    estimator : MultiTaskRegressor, MultiTaskClassifier or None, default=None
        Network of each group; None = default settings for the kind of the tasks.
    n_groups : int or None, default=None
        Number of random groups; None = eight per task.
    group_size : int or None, default=None
        Number of tasks per group; None = five, at most half of the tasks and at least two.
    alpha : float, default=1.0
        Penalty on the coefficients; larger values shrink them more.
    test_size : float, default=0.3
        Fraction of each task's rows on which losses are computed.
    n_repeats : int, default=1
        Number of measurements with new splits and seeds, which are averaged.
    n_jobs : int or None, default=None
        Maximum number of processes; None = the number of threads that torch may use.
    random_state : int, RandomState or None, default=None
        Seed of groups, splits and networks.
    verbose : int, default=0
        1 prints one line per repeat.

    Attributes
    ----------
    affinity_ : DataFrame of shape (T, T)
        Coefficients A, row = target, column = source; larger = helps more; diagonal 0, and 0 for
        two tasks that were never in the same group.
    intercept_ : ndarray of shape (T,)
        Intercepts c.
    groups_ : ndarray of bool of shape (n_groups, T)
        Membership of the random groups.
    group_gains_ : DataFrame of shape (n_groups, T)
        Measured gains, relative to single-task losses; NaN where a task is not in the group.
    task_names_ : list of str
        Task names.

    Raises
    ------
    TypeError
        From ``fit``, if ``tasks`` is not a TaskSet.
    ValueError
        From ``fit``, if there are fewer than two tasks or the kind of the estimator differs from
        that of the tasks.

    Warns
    -----
    UserWarning
        If gains of a task are undefined because its single-task loss is zero.

    Notes
    -----
    The published method has one target and regresses its loss on the indicators of all sources,
    without an intercept in the paper and with one in the code. Here, gains replace losses, which
    changes the sign. If all groups have two tasks, intercept and coefficients of a target are not
    identified without a penalty.

    References
    ----------
    .. [1] Li, Nguyen and Zhang, "Identification of negative transfers in multitask learning using
       surrogate models", TMLR 2023.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.affinity import LinearSurrogate
    >>> from skmtl.datasets import make_grouped_tasks
    >>> tasks = make_grouped_tasks(n_tasks=4, n_groups=2, random_state=0).task_set
    >>> surrogate = LinearSurrogate(MultiTaskRegressor(max_iter=5), n_groups=6, random_state=0).fit(
    ...     tasks
    ... )
    >>> surrogate.affinity_.shape, surrogate.group_gains_.shape
    ((4, 4), (6, 4))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AffinityEstimator._parameter_constraints,
        "n_groups": [Interval(Integral, 1, None, closed="left"), None],
        "group_size": [Interval(Integral, 2, None, closed="left"), None],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "test_size": [Interval(Real, 0, 1, closed="neither")],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_groups: int | None = None,
        group_size: int | None = None,
        alpha: float = 1.0,
        test_size: float = 0.3,
        n_repeats: int = 1,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.estimator = estimator
        self.n_groups = n_groups
        self.group_size = group_size
        self.alpha = alpha
        self.test_size = test_size
        self.n_repeats = n_repeats
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, tasks: TaskSet) -> LinearSurrogate:
        """Train random groups and fit the coefficients.

        Parameters
        ----------
        tasks : TaskSet
            Tasks with their training rows.

        Returns
        -------
        LinearSurrogate
            The fitted estimator.
        """
        estimator, seed = network_and_seed(self, tasks)
        self.task_names_ = tasks.names
        n_tasks = len(tasks)
        size = (
            max(2, min(_LARGEST_GROUP, n_tasks // 2))
            if self.group_size is None
            else min(int(self.group_size), n_tasks)
        )
        count = _GROUPS_A_TASK * n_tasks if self.n_groups is None else int(self.n_groups)
        self.groups_ = random_groups(tasks.names, size, count, seed)
        alone, together = self._measure(estimator, tasks, seed)
        gains = relative_decrease(alone, together)
        self.group_gains_ = group_table(gains, self.groups_, tasks.names)
        coefficients, self.intercept_ = membership_ridge(self.groups_, gains, float(self.alpha))
        unknown = [
            name
            for name, loss in zip(tasks.names, alone, strict=True)
            if not (loss > 0 and np.isfinite(loss))
        ]
        if unknown:
            coefficients[[tasks.names.index(name) for name in unknown]] = np.nan
            warnings.warn(
                "The affinity is NaN where the single-task test loss is zero or not finite: "
                f"target {listed(unknown)}.",
                UserWarning,
                stacklevel=2,
            )
        self.affinity_ = affinity_table(coefficients, tasks.names)
        return self

    def _measure(
        self, estimator: MultiTaskNetwork, tasks: TaskSet, seed: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean single-task test losses, (T,), and those in each group, (n_groups, T)."""
        names, rng, n_repeats = tasks.names, check_random_state(seed), int(self.n_repeats)
        groups = [[name] for name in names] + [
            [names[t] for t in np.flatnonzero(group)] for group in self.groups_
        ]
        losses = np.zeros((len(groups), len(names)))
        for repeat in range(n_repeats):
            split = int(rng.randint(np.iinfo(np.int32).max))
            train, test = tasks.hold_out(float(self.test_size), split)
            stage = Stage(
                f"Random groups, repeat {repeat + 1} of {n_repeats}", len(groups), self.verbose
            )
            outcomes = measure_groups(
                estimator,
                train,
                test,
                groups,
                seed=split,
                n_workers=self.n_jobs,
                progress=stage.advance,
            )
            for row, (group, outcome) in enumerate(zip(groups, outcomes, strict=True)):
                losses[row, [names.index(name) for name in group]] += (
                    np.array(outcome.losses) / n_repeats
                )
        return losses[: len(names)].diagonal().copy(), np.where(
            self.groups_, losses[len(names) :], np.nan
        )

    def predict_groups(self, groups: Sequence[Sequence[str]]) -> pd.DataFrame:
        """Predict the gain of each task in each group.

        Parameters
        ----------
        groups : sequence of sequence of str
            Task names of each group.

        Returns
        -------
        DataFrame of shape (n_groups, T)
            Intercept of the target plus the coefficients of the other tasks; 0 in a group of one,
            NaN where a task is not in the group.
        """
        check_is_fitted(self, "affinity_")
        members = membership(groups, self.task_names_)
        gains: NDArray[np.float64] = self.intercept_ + members @ self.affinity_.to_numpy().T
        gains = np.where(members.sum(1, keepdims=True) > 1, gains, 0.0)
        return group_table(gains, members, self.task_names_)


def membership_ridge(
    members: NDArray[np.bool_], gains: NDArray[np.float64], alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Regress the gains of each task on the other tasks of its groups.

    Parameters
    ----------
    members : ndarray of shape (n, T)
        Membership of the groups.
    gains : ndarray of shape (n, T)
        Gains; NaN where there is none.
    alpha : float
        Penalty on the coefficients.

    Returns
    -------
    coefficients : ndarray of shape (T, T)
        Row = target, column = source; 0 on the diagonal.
    intercepts : ndarray of shape (T,)
        Intercepts, which are not penalized; 0 for a task without a gain.
    """
    known = np.isfinite(gains).astype(np.float64)
    count = np.maximum(known.sum(0), 1.0)
    X, y = members.astype(np.float64), np.where(known > 0, gains, 0.0)
    means, mean_gain = known.T @ X / count[:, None], y.sum(0) / count
    # Sums of squares and products over each target's own groups, centered: (T, T, T) and (T, T).
    squares = (
        np.matmul(known.T[:, None, :] * X.T, X)
        - count[:, None, None] * means[:, :, None] * means[:, None, :]
    )
    products = y.T @ X - (count * mean_gain)[:, None] * means
    system = squares + alpha * np.eye(X.shape[1])
    coefficients: NDArray[np.float64] = np.linalg.solve(system, products[:, :, None])[:, :, 0]
    np.fill_diagonal(
        coefficients, 0.0
    )  # the target is in all of its groups: nothing is learned about it
    return coefficients, mean_gain - (means * coefficients).sum(1)
