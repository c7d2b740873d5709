"""ETAP: gradient similarity, a spline fitted to measured gains, and a residual correction."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits
from torch import Tensor

from skmtl._sklearn_compat import Interval
from skmtl.affinity.affinity_estimator import (
    AffinityEstimator,
    affinity_table,
    group_table,
    mean_over_others,
    membership,
    network_and_seed,
)
from skmtl.affinity.gains import PairwiseGains
from skmtl.affinity.higher_order import check_gains
from skmtl.affinity.joint import JointNetworks
from skmtl.affinity.measure import collect_pairwise_gains
from skmtl.affinity.storable_splines import StorableSplines
from skmtl.affinity.tagging import average_known
from skmtl.data import TaskSet
from skmtl.estimators import MultiTaskNetwork
from skmtl.support import warn_of_seedless_memory

_ALPHAS = np.logspace(-6, 2, 17)
# Minimum number of distinct scores for a spline; with fewer, the mean is fitted.
_FEWEST = 4


class EnsembleAffinity(AffinityEstimator):
    r"""Ensemble task affinity predictor (ETAP): gradient similarity, spline and ridge regression.

    The affinity score of a pair is the first-order effect of an update for the source on the
    target's loss, relative to that loss, averaged over the training of a joint network. The score
    of a group is the mean over the other tasks [1]_:

    .. math::

        s_{ij} = \operatorname{mean}_\tau
        \frac{\langle \nabla_{\theta_s} L_i, \nabla_{\theta_s} L_j \rangle}{L_i}, \qquad
        s_{G \to i} = \frac{1}{|G| - 1} \sum_{j \in G, j \ne i} s_{ij}

    A cubic B-spline maps scores to gains; it is fitted to measured gains of some pairs. A ridge
    regression of the residuals of all targets, (T,), on the membership of the group, (T,), corrects
    the prediction.

    Parameters
    ----------
    estimator : MultiTaskRegressor, MultiTaskClassifier or None, default=None
        Joint network and network of pairs; None = default settings for the kind of the tasks.
    pair_fraction : float, default=0.25
        Fraction of the pairs that are measured if ``fit`` receives no gains.
    every : int, default=1
        Epochs between two comparisons of gradients.
    max_samples : int or None, default=256
        Maximum number of training rows per task in a comparison, drawn anew each time; None = all.
    n_knots : int, default=5
        Number of knots of the spline, at quantiles of the scores of the measured pairs.
    n_repeats : int, default=1
        Number of joint networks, and of measurements per pair, that are averaged.
    n_jobs : int or None, default=None
        As in :func:`skmtl.affinity.collect_pairwise_gains`.
    memory : path, joblib.Memory or None, default=None
        Cache of finished measurements; None = no cache.
    random_state : int, RandomState or None, default=None
        Seed of networks, rows and measured pairs.

    Attributes
    ----------
    affinity_ : DataFrame of shape (T, T)
        Predicted pair gains, row = target, column = source; larger = helps more; diagonal 0.
    scores_ : DataFrame of shape (T, T)
        Affinity scores, before spline and residual correction.
    spline_ : Pipeline
        Regression of the gain on the score of a group.
    residual_ : RidgeCV or Ridge
        Regression of the residuals of all targets, (n, T), on the membership of groups, (n, T);
        Ridge if a single pair was measured.
    gains_ : PairwiseGains
        Gains of the measured pairs.
    task_names_ : list of str
        Task names.

    Raises
    ------
    TypeError
        From ``fit``, if ``tasks`` is not a TaskSet or ``gains`` is not a PairwiseGains.
    ValueError
        From ``fit``, if there are fewer than two tasks, if the kind of the estimator differs from
        that of the tasks or it has no hidden layer, or if ``gains`` contains an unknown task or no
        finite gain.

    Warns
    -----
    UserWarning
        If the loss of a task is zero, so that no effect can be measured: its row is NaN.

    See Also
    --------
    TaggingAffinity : The exact effect of an update instead of its first order.

    Notes
    -----
    The published code uses updates with or without momentum at each step. Here, gradients are
    compared every ``every`` epochs if the parameters are the best so far (those that early stopping
    would keep). As in that code, the target of the residual regression is 0 for tasks outside the
    group, and all targets share one penalty, chosen by leave-one-out cross-validation.

    References
    ----------
    .. [1] Ayman, Mukhopadhyay and Laszka, "Ensemble prediction of task affinity for efficient
       multi-task learning", ICLR 2026.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.affinity import EnsembleAffinity
    >>> from skmtl.datasets import make_grouped_tasks
    >>> tasks = make_grouped_tasks(n_tasks=5, n_groups=2, random_state=0).task_set
    >>> affinity = EnsembleAffinity(
    ...     MultiTaskRegressor(max_iter=10), pair_fraction=0.5, random_state=0
    ... ).fit(tasks)
    >>> affinity.affinity_.shape, len(affinity.gains_.pairs)
    ((5, 5), 10)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AffinityEstimator._parameter_constraints,
        "pair_fraction": [Interval(Real, 0, 1, closed="right")],
        "every": [Interval(Integral, 1, None, closed="left")],
        "max_samples": [Interval(Integral, 1, None, closed="left"), None],
        "n_knots": [Interval(Integral, 2, None, closed="left")],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "memory": "no_validation",
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        pair_fraction: float = 0.25,
        every: int = 1,
        max_samples: int | None = 256,
        n_knots: int = 5,
        n_repeats: int = 1,
        n_jobs: int | None = None,
        memory: Any = None,
        random_state: Any = None,
    ):
        self.estimator = estimator
        self.pair_fraction = pair_fraction
        self.every = every
        self.max_samples = max_samples
        self.n_knots = n_knots
        self.n_repeats = n_repeats
        self.n_jobs = n_jobs
        self.memory = memory
        self.random_state = random_state

    def fit(
        self, tasks: TaskSet, gains: PairwiseGains | None = None, scores: pd.DataFrame | None = None
    ) -> EnsembleAffinity:
        """Train the joint network, measure some pairs, and fit spline and residual correction.

        Parameters
        ----------
        tasks : TaskSet
            Tasks with their training rows.
        gains : PairwiseGains, optional
            Measured gains of some pairs of these tasks; None = measure ``pair_fraction`` of them.
        scores : DataFrame of shape (T, T), optional
            ``scores_`` of an earlier fit to these tasks, to reuse with other gains; None = train
            the joint network.

        Returns
        -------
        EnsembleAffinity
            The fitted estimator.
        """
        warn_of_seedless_memory(self.memory, self.random_state)
        estimator, seed = network_and_seed(self, tasks)
        self.task_names_ = tasks.names
        if gains is not None:
            check_gains(gains, tasks)
        self.scores_ = (
            self._scores(estimator, tasks, seed)
            if scores is None
            else scores.loc[tasks.names, tasks.names]
        )
        if gains is None:
            settings = {
                "pairs": float(self.pair_fraction),
                "n_repeats": int(self.n_repeats),
                "n_jobs": self.n_jobs,
                "memory": self.memory,
            }
            gains = collect_pairwise_gains(tasks, estimator, random_state=seed, **settings)
        self.gains_ = gains
        self._fit_gains(gains)
        pairs = np.eye(len(tasks), dtype=bool)
        both = (pairs[:, None] | pairs[None, :]).reshape(-1, len(tasks))
        predicted = self._group_gains(both).reshape(len(tasks), len(tasks), -1)
        own = predicted[np.arange(len(tasks)), :, np.arange(len(tasks))]
        self.affinity_ = affinity_table(own, tasks.names)
        return self

    def predict_groups(self, groups: Sequence[Sequence[str]]) -> pd.DataFrame:
        """Predict the gain of each task in each group.

        Parameters
        ----------
        groups : sequence of sequence of str
            Task names of each group.

        Returns
        -------
        DataFrame of shape (n_groups, T)
            Spline of the mean score plus the residual correction; 0 in a group of one, NaN where a
            task is not in the group.
        """
        check_is_fitted(self, "affinity_")
        members = membership(groups, self.task_names_)
        return group_table(self._group_gains(members), members, self.task_names_)

    def _scores(self, estimator: MultiTaskNetwork, tasks: TaskSet, seed: int) -> pd.DataFrame:
        """Train joint networks and average the similarity of their gradients."""
        joint = JointNetworks(estimator, tasks, int(self.n_repeats), seed)
        tables: list[NDArray[np.float64]] = []

        def compare(k: int, parameters: list[Tensor]) -> None:
            losses, gradients = joint.task_gradients(
                parameters, joint.training_sample(k, self.max_samples, draw=len(tables))
            )
            tables.append(update_scores(losses.numpy(), gradients.numpy()))

        joint.train(compare, int(self.every))
        return pd.DataFrame(
            average_known(tables, tasks.names),
            index=pd.Index(tasks.names),
            columns=pd.Index(tasks.names),
        )

    def _fit_gains(self, gains: PairwiseGains) -> None:
        """Fit spline and residual to measured pairs."""
        position = {name: k for k, name in enumerate(self.task_names_)}
        target, source = (
            np.array([position[name] for name in column], dtype=np.intp) for column in gains.pairs.T
        )
        score = self.scores_.to_numpy()[target, source]
        known = np.isfinite(gains.values) & np.isfinite(score)
        if not known.any():
            raise ValueError(
                "gains contains no pair with a finite gain and score; EnsembleAffinity needs at "
                "least one measured pair."
            )
        target, source, score, value = (
            target[known],
            source[known],
            score[known],
            gains.values[known],
        )
        _, first, group = np.unique(gains.groups[known], return_index=True, return_inverse=True)
        members = np.zeros((len(first), len(position)))
        members[group, target] = members[group, source] = 1.0
        residuals = np.zeros_like(members)
        with threadpool_limits(limits=1, user_api="blas"):
            self.spline_ = spline(score, value, int(self.n_knots))
            residuals[group, target] = value - self.spline_.predict(score[:, None])
            self.residual_ = (RidgeCV(alphas=_ALPHAS) if len(members) > 1 else Ridge()).fit(
                members, residuals
            )

    def _group_gains(self, members: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the spline of the mean score plus the residual correction; 0 in a group of one."""
        score = mean_over_others(self.scores_.to_numpy(), members)
        known = np.isfinite(score)
        bent = np.full(score.shape, np.nan)
        bent[known] = self.spline_.predict(score[known][:, None])
        gains: NDArray[np.float64] = bent + self.residual_.predict(members.astype(np.float64))
        return np.where(members.sum(1, keepdims=True) > 1, gains, 0.0)


def update_scores(
    losses: NDArray[np.float64], gradients: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return inner products of gradients (T, P) over the loss of the row's task; NaN if it is 0."""
    products = gradients @ gradients.T
    known = (losses > 0) & np.isfinite(losses)
    scores: NDArray[np.float64] = np.divide(
        products, losses[:, None], out=np.full(products.shape, np.nan), where=known[:, None]
    )
    return scores


def spline(score: NDArray[np.float64], value: NDArray[np.float64], n_knots: int) -> Pipeline:
    """Fit a cubic B-spline with linear extrapolation; with few distinct scores, fit the mean."""
    if len(np.unique(score)) < max(_FEWEST, n_knots):
        return make_pipeline(DummyRegressor()).fit(score[:, None], value)
    bend = StorableSplines(n_knots, knots="quantile", extrapolation="linear")
    return make_pipeline(bend, RidgeCV(alphas=_ALPHAS)).fit(score[:, None], value)
