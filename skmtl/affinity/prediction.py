"""From a measured sample of pairs to the gains of all pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import sklearn
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline

from skmtl.affinity.featurizer import TaskRelationFeaturizer
from skmtl.affinity.gain_regressor import PairwiseGainRegressor
from skmtl.affinity.gains import PairwiseGains
from skmtl.affinity.matrix import affinity_matrix
from skmtl.tasks import TaskSet


def gain_predictor(tasks: TaskSet, *, random_state: Any = None) -> Pipeline:
    """Return the predictor of gains from names of pairs: task-relation features with task indicators, then quadratic ridge.

    Parameters
    ----------
    tasks : TaskSet
        Training rows of the tasks.
    random_state : int, RandomState or None, default=None
        Seed of the features' subsample of large tasks.

    Returns
    -------
    Pipeline
        Unfitted; its X are pairs of names, target then source.

    Examples
    --------
    >>> from skmtl.affinity import gain_predictor
    >>> from skmtl.datasets import make_grouped_tasks
    >>> [name for name, _ in gain_predictor(make_grouped_tasks(random_state=0).task_set).steps]
    ['taskrelationfeaturizer', 'pairwisegainregressor']
    """
    return make_pipeline(TaskRelationFeaturizer(tasks, task_indicators=True, random_state=random_state), PairwiseGainRegressor())


def predict_affinity(tasks: TaskSet, gains: PairwiseGains, *, random_state: Any = None) -> pd.DataFrame:
    r"""Predict the gains of all pairs from those that were measured.

    A measured pair gets the mean of what was measured and what is predicted for it, weighted by the reliability :math:`\rho` of
    the measurement,

    .. math:: A_{ts} = \rho\, g_{s \to t} + (1 - \rho)\, \hat g_{s \to t},

    so that noisy measurements count little. Without repeats :math:`\rho` is unknown and taken as 1/2.

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
        Row = target, column = source, diagonal 0, no NaN.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.affinity import collect_pairwise_gains, predict_affinity
    >>> from skmtl.datasets import make_grouped_tasks
    >>> tasks = make_grouped_tasks(n_tasks=5, n_groups=2, random_state=0).task_set
    >>> gains = collect_pairwise_gains(tasks, MultiTaskRegressor(max_iter=20), pairs=0.5, random_state=0)
    >>> predict_affinity(tasks, gains, random_state=0).shape
    (5, 5)
    """
    known = np.isfinite(gains.values)
    pairs = tasks.pairs()
    if not known.any():
        return affinity_matrix(pairs, np.zeros(len(pairs)), tasks.names)
    featurizer, regressor = (step for _, step in gain_predictor(tasks, random_state=random_state).steps)
    features = featurizer.fit(gains.pairs[known]).transform(gains.pairs[known])
    regressor.fit(features, gains.values[known], groups=gains.groups[known])
    affinity: pd.DataFrame = affinity_matrix(pairs, regressor.predict(featurizer.transform(pairs)), tasks.names)
    reliability = 0.5 if np.isnan(gains.reliability) else float(np.clip(gains.reliability, 0, 1))
    for (target, source), value in zip(gains.pairs[known], gains.values[known], strict=True):
        affinity.loc[target, source] = reliability * value + (1 - reliability) * affinity.loc[target, source]
    return affinity


def out_of_fold_predictions(tasks: TaskSet, gains: PairwiseGains, *, n_splits: int = 10, random_state: Any = None) -> pd.DataFrame:
    """Predict every measured pair from the others, both directions of a pair left out together.

    Parameters
    ----------
    tasks : TaskSet
        Training rows of the tasks.
    gains : PairwiseGains
        Measured gains of some pairs of these tasks.
    n_splits : int, default=10
        Largest number of folds.
    random_state : int, RandomState or None, default=None
        Seed of the features' subsample of large tasks.

    Returns
    -------
    DataFrame
        Columns target, source, measured, predicted; predicted is NaN where fewer than two pairs were measured.

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
        featurizer, regressor = (step for _, step in gain_predictor(tasks, random_state=random_state).steps)
        features = featurizer.fit(pairs).transform(pairs)
        folds = GroupKFold(min(n_splits, n_groups))
        with sklearn.config_context(enable_metadata_routing=False):
            predicted = cross_val_predict(regressor, features, values, groups=groups, cv=folds, params={})
    return pd.DataFrame({"target": pairs[:, 0], "source": pairs[:, 1], "measured": values, "predicted": predicted})
