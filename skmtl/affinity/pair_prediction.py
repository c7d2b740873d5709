"""Prediction of the gains of all pairs from a measured sample of pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline

from skmtl.affinity.featurizer import TaskRelationFeaturizer
from skmtl.affinity.featurizer.catalogue import EXTENDED
from skmtl.affinity.gain_regressor import PairwiseGainRegressor
from skmtl.affinity.gains import PairwiseGains
from skmtl.affinity.matrix import affinity_matrix
from skmtl.data import TaskSet

# Nearest neighbors take half of the time of all features and do not improve predictions.
_FEATURES = [name for name in EXTENDED if name != "cross_link_ratio"]
# Weight of the mean noise of all targets, in measurements, when the noise of a target is estimated.
_PRIOR_MEASUREMENTS = 6


def gain_predictor(
    tasks: TaskSet, *, single_losses: Any = None, random_state: Any = None
) -> Pipeline:
    r"""Return a pipeline that predicts gains from pairs of task names.

    Task-relation features are followed by a linear model with partially pooled task effects:

    .. math:: g_{s \to t} = b + u_t + v_s + \varphi_{ts}^\top \beta + \gamma \log L_t + e

    The effects of targets and sources, the coefficients of the features and that of the single-task
    loss are random effects. Each kind has a separate variance, estimated from the measured gains by
    restricted maximum likelihood.

    Parameters
    ----------
    tasks : TaskSet
        Training rows of the tasks.
    single_losses : Series or dict of str to float, default=None
        Single-task test loss by task name; None = not used.
    random_state : int, RandomState or None, default=None
        Seed of the subsamples of large tasks.

    Returns
    -------
    Pipeline
        Unfitted pipeline; its X has shape (m, 2): task names, target then source.

    Notes
    -----
    The published predictor is a quadratic of the features without task effects [1]_:
    ``make_pipeline(TaskRelationFeaturizer(tasks), PairwiseGainRegressor())``.

    References
    ----------
    .. [1] "Identification of task affinity for multi-task learning based on divergence of task
       data", ICLR 2026 submission, eq. (14).

    Examples
    --------
    >>> from skmtl.affinity import gain_predictor
    >>> from skmtl.datasets import make_grouped_tasks
    >>> [name for name, _ in gain_predictor(make_grouped_tasks(random_state=0).task_set).steps]
    ['taskrelationfeaturizer', 'pairwisegainregressor']
    """
    featurizer = TaskRelationFeaturizer(
        tasks,
        features=_FEATURES,
        task_indicators=True,
        single_losses=single_losses,
        random_state=random_state,
    )
    effects = range(
        -2 * len(tasks) - (single_losses is not None), 0
    )  # single-task loss, targets, sources
    return make_pipeline(
        featurizer, PairwiseGainRegressor(degree=1, alpha="reml", linear_features=list(effects))
    )


def predict_affinity(
    tasks: TaskSet, gains: PairwiseGains, *, random_state: Any = None
) -> pd.DataFrame:
    r"""Predict the gains of all task pairs from measured gains of some pairs.

    The predictor is :func:`gain_predictor` with the measured single-task losses. It is fitted
    twice; the second time, each pair is weighted by the inverse residual variance of its target.
    For measured pairs, the measured and the predicted gain are averaged by the reliability
    :math:`\rho` of the measurement,

    .. math:: A_{ts} = \rho\, g_{s \to t} + (1 - \rho)\, \hat g_{s \to t},

    so that noisy measurements have little weight. Without repeats, :math:`\rho` is unknown and set
    to 1/2.

    Parameters
    ----------
    tasks : TaskSet
        Training rows of the tasks.
    gains : PairwiseGains
        Measured gains of some pairs of these tasks.
    random_state : int, RandomState or None, default=None
        Seed of the features' subsample of large tasks.

    Returns
    -------
    DataFrame of shape (T, T)
        Gains, row = target, column = source; diagonal 0, no NaN.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.affinity import collect_pairwise_gains, predict_affinity
    >>> from skmtl.datasets import make_grouped_tasks
    >>> tasks = make_grouped_tasks(n_tasks=5, n_groups=2, random_state=0).task_set
    >>> gains = collect_pairwise_gains(
    ...     tasks, MultiTaskRegressor(max_iter=20), pairs=0.5, random_state=0
    ... )
    >>> predict_affinity(tasks, gains, random_state=0).shape
    (5, 5)
    """
    known = np.isfinite(gains.values)
    pairs = tasks.pairs()
    if not known.any():
        return affinity_matrix(pairs, np.zeros(len(pairs)), tasks.names)
    featurizer, regressor = unfitted_steps(tasks, gains, random_state)
    features = featurizer.fit(pairs).transform(pairs)
    row = {(target, source): k for k, (target, source) in enumerate(pairs)}
    measured = features[[row[target, source] for target, source in gains.pairs[known]]]
    regressor = fit_weighted(
        regressor, measured, gains.values[known], gains.groups[known], gains.pairs[known, 0]
    )
    affinity: pd.DataFrame = affinity_matrix(pairs, regressor.predict(features), tasks.names)
    reliability = 0.5 if np.isnan(gains.reliability) else float(np.clip(gains.reliability, 0, 1))
    for (target, source), value in zip(gains.pairs[known], gains.values[known], strict=True):
        affinity.loc[target, source] = (
            reliability * value + (1 - reliability) * affinity.loc[target, source]
        )
    return affinity


def out_of_fold_predictions(
    tasks: TaskSet, gains: PairwiseGains, *, n_splits: int = 10, random_state: Any = None
) -> pd.DataFrame:
    """Predict each measured gain by cross-validation; both directions of a pair share a fold.

    Parameters
    ----------
    tasks : TaskSet
        Training rows of the tasks.
    gains : PairwiseGains
        Measured gains of some pairs of these tasks.
    n_splits : int, default=10
        Maximum number of folds.
    random_state : int, RandomState or None, default=None
        Seed of the features' subsample of large tasks.

    Returns
    -------
    DataFrame
        Columns target, source, measured, predicted; predicted is NaN if fewer than two pairs were
        measured.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.affinity import collect_pairwise_gains, out_of_fold_predictions
    >>> from skmtl.datasets import make_grouped_tasks
    >>> tasks = make_grouped_tasks(n_tasks=5, n_groups=2, random_state=0).task_set
    >>> gains = collect_pairwise_gains(tasks, MultiTaskRegressor(max_iter=20), random_state=0)
    >>> out_of_fold_predictions(tasks, gains).columns.tolist()
    ['target', 'source', 'measured', 'predicted']
    """
    known = np.isfinite(gains.values)
    pairs, values, groups = gains.pairs[known], gains.values[known], gains.groups[known]
    predicted = np.full(len(values), np.nan)
    n_groups = len(np.unique(groups))
    if n_groups >= 2:
        featurizer, regressor = unfitted_steps(tasks, gains, random_state)
        features = featurizer.fit(pairs).transform(pairs)
        for train, test in GroupKFold(min(n_splits, n_groups)).split(features, groups=groups):
            predicted[test] = fit_weighted(
                regressor, features[train], values[train], groups[train], pairs[train, 0]
            ).predict(features[test])
    return pd.DataFrame(
        {"target": pairs[:, 0], "source": pairs[:, 1], "measured": values, "predicted": predicted}
    )


def unfitted_steps(
    tasks: TaskSet, gains: PairwiseGains, random_state: Any
) -> tuple[TaskRelationFeaturizer, PairwiseGainRegressor]:
    """Return featurizer and regressor, with the single-task losses of the measured gains."""
    single = gains.table.groupby("target", sort=False)["stl_loss"].first()
    predictor = gain_predictor(tasks, single_losses=single, random_state=random_state)
    featurizer, regressor = (step for _, step in predictor.steps)
    return featurizer, regressor


def fit_weighted(
    regressor: PairwiseGainRegressor,
    features: NDArray[np.float64],
    values: NDArray[np.float64],
    groups: NDArray[np.intp],
    targets: NDArray[np.object_],
) -> PairwiseGainRegressor:
    """Fit twice, the second time with weights from the residual variance of each target.

    The variance of a target is shrunk toward that of all targets.
    """
    squares = (
        np.clip(values, *regressor.fit(features, values, groups=groups).clip_range_)
        - regressor.predict(features)
    ) ** 2
    target = pd.factorize(targets)[0]
    prior = _PRIOR_MEASUREMENTS * squares.mean()
    variance = (np.bincount(target, squares) + prior) / (np.bincount(target) + _PRIOR_MEASUREMENTS)
    if prior == 0:
        return regressor
    return regressor.fit(features, values, sample_weight=1 / variance[target], groups=groups)
