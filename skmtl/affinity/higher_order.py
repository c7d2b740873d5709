"""Higher-order affinity: the gain in a group as the mean of measured pair gains."""

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
    r"""Higher-order affinity (HOA): measured pair gains, averaged for groups [1]_.

    .. math:: A_{ij} = \mathrm{gain}_{j \to i}, \qquad \widehat{\mathrm{gain}}_{G \to i} =
        \frac{1}{|G| - 1} \sum_{j \in G, j \ne i} A_{ij}

    Parameters
    ----------
    estimator : MultiTaskRegressor, MultiTaskClassifier or None, default=None
        Network of one or two tasks; None = default settings for the kind of the tasks.
    test_size : float, default=0.3
        Fraction of each task's rows on which losses are computed.
    n_repeats : int, default=1
        Number of measurements with new splits and seeds, which are averaged.
    n_jobs : int or None, default=None
        As in :func:`skmtl.affinity.collect_pairwise_gains`.
    memory : path, joblib.Memory or None, default=None
        Cache of finished repeats; None = no cache.
    random_state : int, RandomState or None, default=None
        Seed of splits and networks.
    verbose : int, default=0
        1 prints one line per repeat.

    Attributes
    ----------
    affinity_ : DataFrame of shape (T, T)
        Measured gains, row = target, column = source; diagonal 0.
    gains_ : PairwiseGains
        Measured gains with their reliability.
    task_names_ : list of str
        Task names.

    Raises
    ------
    TypeError
        From ``fit``, if ``tasks`` is not a TaskSet or ``gains`` is not a PairwiseGains.
    ValueError
        From ``fit``, if there are fewer than two tasks, if the kind of the estimator differs from
        that of the tasks, or if ``gains`` lacks a pair.

    See Also
    --------
    collect_pairwise_gains : Measure the gains of task pairs.

    Notes
    -----
    Each repeat trains T (T - 1) / 2 + T networks. The paper uses losses of pairs; gains differ from
    them in sign and in the scale per target.

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
            Tasks with their training rows.
        gains : PairwiseGains, optional
            Measured gains of all pairs of these tasks; if given, no network is trained.

        Returns
        -------
        HigherOrderAffinity
            The fitted estimator.
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
        raise ValueError(f"gains contains task {unknown[0]!r}, which is not in tasks.")
