"""Higher-order affinity: the gain in a group from the gains in pairs."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from skmtl._sklearn_compat import Interval
from skmtl.affinity.affinity_estimator import (
    AffinityEstimator,
    affinity_table,
    network_and_seed,
)
from skmtl.affinity.gains import PairwiseGains
from skmtl.affinity.measure import collect_pairwise_gains
from skmtl.data import TaskSet
from skmtl.support import warn_of_seedless_memory


class HigherOrderAffinity(AffinityEstimator):
    r"""Higher-order affinity (HOA): all pairs are measured, and groups follow from pairs.

    .. math:: A_{ij} = \mathrm{gain}_{j \to i}, \qquad \widehat{\mathrm{gain}}_{G \to i} =
        \frac{1}{|G| - 1} \sum_{j \in G, j \ne i} A_{ij}

    Parameters
    ----------
    estimator : MultiTaskRegressor, MultiTaskClassifier or None, default=None
        Network of one or two tasks; None = one of the tasks' kind with default settings.
    test_size : float, default=0.3
        Share of every task's rows that losses are taken on.
    n_repeats : int, default=1
        Measurements with fresh splits and seeds that are averaged.
    n_jobs : int or None, default=None
        As in :func:`skmtl.affinity.collect_pairwise_gains`.
    memory : path, joblib.Memory or None, default=None
        Where finished repeats are kept.
    random_state : int, RandomState or None, default=None
        Seed of splits and networks.
    verbose : int, default=0
        1 prints a line a repeat.

    Attributes
    ----------
    affinity_ : DataFrame of shape (T, T)
        Measured gains: row = target, column = source; diagonal 0.
    gains_ : PairwiseGains
        The measurements, with their reliability.
    task_names_ : list of str
        Names of the tasks.

    Raises
    ------
    TypeError
        From ``fit``, if ``tasks`` is not a TaskSet or ``gains`` no PairwiseGains.
    ValueError
        From ``fit``, if there are fewer than two tasks, the estimator is of another kind than the
        tasks, or ``gains`` lacks a pair.

    See Also
    --------
    collect_pairwise_gains : Measures the gains.

    Notes
    -----
    Trains T (T - 1) / 2 + T networks for every repeat. Published with the losses of pairs; gains
    differ from them by sign and scale of the target.

    References
    ----------
    .. [1] Standley et al., "Which tasks should be learned together in multi-task learning?", ICML
       2020.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.affinity import HigherOrderAffinity
    >>> from skmtl.datasets import make_grouped_tasks
    >>> tasks = make_grouped_tasks(n_tasks=4, n_groups=2, random_state=0).task_set
    >>> affinity = HigherOrderAffinity(MultiTaskRegressor(max_iter=5), random_state=0).fit(tasks)
    >>> affinity.predict_groups([["task_0", "task_2"]]).notna().sum(axis=1).tolist()
    [2]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AffinityEstimator._parameter_constraints,
        "test_size": [Interval(Real, 0, 1, closed="neither")],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "memory": "no_validation",
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        test_size: float = 0.3,
        n_repeats: int = 1,
        n_jobs: int | None = None,
        memory: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.estimator = estimator
        self.test_size = test_size
        self.n_repeats = n_repeats
        self.n_jobs = n_jobs
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, tasks: TaskSet, gains: PairwiseGains | None = None) -> HigherOrderAffinity:
        """Measure all pairs.

        Parameters
        ----------
        tasks : TaskSet
            Rows of the tasks.
        gains : PairwiseGains, optional
            Gains of all pairs of these tasks that have been measured already; nothing is trained
            then.

        Returns
        -------
        HigherOrderAffinity
            The fitted estimate.
        """
        warn_of_seedless_memory(self.memory, self.random_state)
        estimator, seed = network_and_seed(self, tasks)
        self.task_names_ = tasks.names
        if gains is None:
            settings = {
                "test_size": float(self.test_size),
                "n_repeats": int(self.n_repeats),
                "n_jobs": self.n_jobs,
                "memory": self.memory,
            }
            gains = collect_pairwise_gains(
                tasks, estimator, random_state=seed, verbose=int(self.verbose), **settings
            )
        check_gains(gains, tasks)
        known = gains.matrix.reindex(index=tasks.names, columns=tasks.names)
        measured = {tuple(pair) for pair in gains.pairs}
        missing = [pair for pair in tasks.pairs() if tuple(pair) not in measured]
        if missing:
            raise ValueError(
                "HigherOrderAffinity needs the gains of all pairs; that of target "
                f"{missing[0][0]!r} with source {missing[0][1]!r} is missing "
                f"({len(missing)} such pairs). Predict it first with predict_affinity, or use "
                "EnsembleAffinity."
            )
        self.gains_ = gains
        self.affinity_ = affinity_table(known.to_numpy(dtype=np.float64), tasks.names)
        return self


def check_gains(gains: Any, tasks: TaskSet) -> None:
    """Raise unless gains were measured on tasks of these names."""
    if not isinstance(gains, PairwiseGains):
        raise TypeError(
            "gains must be the PairwiseGains that collect_pairwise_gains returns. Got "
            f"{type(gains).__name__}."
        )
    unknown = [name for name in gains.pairs.ravel() if name not in tasks]
    if unknown:
        raise ValueError(f"gains holds the task {unknown[0]!r}, which is not in tasks.")
