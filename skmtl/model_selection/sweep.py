"""Fairness sweeps: error and unfairness over random weights of tasks and penalties."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import joblib
import numpy as np
import pandas as pd
from joblib import Memory
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state

from skmtl.estimators import MultiTaskClassifier
from skmtl.model_selection.sweep_evaluation import measure_runs
from skmtl.model_selection.sweep_results import checked_baseline, with_ratios
from skmtl.model_selection.sweep_rows import (
    SweepParts,
    SweepRows,
    read_test_rows,
    read_training_rows,
)
from skmtl.model_selection.sweep_runs import LARGEST_SEED, draw_runs
from skmtl.model_selection.sweep_settings import Evaluation, SweepSettings
from skmtl.support import Stage, progress_bar, read_memory, warn_of_seedless_memory

# Number of runs that train in one part, which is kept in the memory; seeds of the baseline.
_AT_ONCE, _BASELINE_SEEDS = 100, 5
# Trains runs (a network, their settings, task names, rows) and returns errors and gaps.
Measure = Callable[[MultiTaskClassifier, pd.DataFrame, Sequence[str], SweepParts], pd.DataFrame]


def fairness_sweep(
    estimator: Any,
    X: Any,
    Y: Any,
    *,
    sensitive_features: Any,
    X_test: Any,
    Y_test: Any,
    sensitive_features_test: Any,
    n_runs: int = 1000,
    weight: Any = (0, 5),
    task_weight: Any = (0, 1),
    head_ratio: Any = None,
    validation_fraction: float = 0.2,
    threshold: float | str = "quantile",
    rate: str | None = None,
    baseline: Mapping[str, float] | None = None,
    n_jobs: int | None = None,
    memory: str | os.PathLike[str] | Memory | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> pd.DataFrame:
    r"""Train many networks with random weights of tasks and penalties, and evaluate all of them.

    Each run draws the weights of the fairness penalty per task, the task weights of the loss, and
    the seed of the network. It trains on the rows that are not validation rows. The runs that no
    other run dominates in error and fairness are the Pareto front of the two. Choose a run by its
    results on the validation rows: the best of a thousand runs on the test rows is best partly by
    chance.

    Parameters
    ----------
    estimator : MultiTaskClassifier or Pipeline that ends in one
        Settings of all runs, in wide form. Its ``fairness`` is the term whose weights are drawn. A
        user-defined term needs a parameter ``weight`` that takes a list with one number per task.
        None = no term; only task weights are drawn.
    X : array-like of shape (n, p)
        Inputs. Data frames of other libraries are converted to pandas.
    Y : array-like of shape (n,) or (n, T)
        Labels with two classes per task; NaN for missing labels. The larger class is positive.
    sensitive_features : array-like of shape (n,) or (n, q), str or list of str
        Sensitive groups, as in ``fit`` of the estimator. Rows with a missing value do not count in
        the fairness term and in rate gaps, but count in errors.
    X_test : array-like of shape (m, p)
        Inputs of the test rows.
    Y_test : array-like of shape (m,) or (m, T)
        Labels of the test rows. If both are DataFrames, columns are matched to Y by name.
    sensitive_features_test : array-like of shape (m,) or (m, q), str or list of str
        Sensitive groups of the test rows.
    n_runs : int, default=1000
        Number of runs.
    weight : (low, high), array-like of shape (T, 2) or None, default=(0, 5)
        Range of the weights of the penalties, which are drawn uniformly and independently. None =
        weights of the term.
    task_weight : (low, high) or None, default=(0, 1)
        Range of the task weights, which are drawn uniformly among those in the range that sum to 1.
        None = task weights of the estimator.
    head_ratio : (low, high), array-like of shape (T, 2) or None, default=None
        Range of the ``head_ratio`` of :class:`skmtl.fairness.MTAF`. None = that of the term.
    validation_fraction : float, default=0.2
        Share of validation rows, stratified by combinations of labels and groups.
    threshold : "quantile", "validation" or float, default="quantile"
        Probability from which a row is predicted positive. "quantile" predicts the same share of
        positives on the evaluated rows as there are positive labels in training. It also evaluates
        rare classes, which are never predicted at 0.5 and would have a meaningless gap of 0.
        "validation" minimizes the error on the validation rows.
    rate : {"fpr", "tpr", "equalized_odds"}, default=None
        Rate whose gap is measured. None = the criterion of the fairness term, or "fpr" if tasks
        have different criteria or there is no term.
    baseline : mapping of str to float, default=None
        Entries ``error_<task>`` and ``gap_<task>`` by which errors and rate gaps are divided, and
        the same with the prefix ``val_`` for validation rows (by default those of the test rows).
        None = mean over 5 seeds of single-task networks with the same settings and no fairness
        term.
    n_jobs : int or None, default=None
        Largest number of processes for training. None = number of torch threads.
    memory : path, joblib.Memory or None, default=None
        Where to keep finished parts of 100 runs, so that a repeated call continues where the last
        one ended. A user-defined penalty must then be importable (no lambda).
    random_state : int, RandomState or None, default=None
        Seed of the draws and of the validation rows.
    verbose : int, default=0
        1 prints a line at the end, and shows a progress bar in a terminal if rich is installed.

    Returns
    -------
    DataFrame with n_runs rows
        Columns ``weight_<task>`` (and ``head_ratio_<task>``), ``task_weight_<task>`` and ``seed``:
        the settings of every run. Columns ``error_<task>`` and ``gap_<task>``: error and rate gap
        on test rows; ``are`` and ``arfg``: their means relative to the baseline; ``pareto``:
        whether no other run dominates it in these two. The same columns with the prefix ``val_``
        for validation rows. ``attrs["baseline"]`` has the baseline.

    Raises
    ------
    TypeError
        If the estimator is not a MultiTaskClassifier or a Pipeline that ends in one.
    ValueError
        If the estimator is in long form, labels are not binary, shapes differ, a range is
        impossible, the fairness term lacks a parameter that is drawn, or every fit fails.

    Warns
    -----
    FitFailedWarning
        If fits failed; the warning names their number and the reason of the first. Their rows are
        NaN.
    UndefinedMetricWarning
        If the baseline of a task is zero, and its ratio is left out of the mean.

    See Also
    --------
    skmtl.metrics.reported_point : Rule by which [1]_ selects a run.

    Notes
    -----
    With two tasks and the default ranges, this is the search of [1]_, section 6.3, which draws
    20,000 runs and uses the test rows as validation rows. Rate gaps of decisions are larger than 0
    by chance alone, see :func:`skmtl.metrics.chance_gap`.

    Networks with different weights of :class:`skmtl.fairness.MTAF` or
    :class:`skmtl.fairness.PerTaskFairness` train in one batch. So do those with a user-defined term
    that returns multipliers in :meth:`skmtl.base.FairnessTerm.for_tasks`; otherwise each run trains
    alone.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021.

    Examples
    --------
    Choose the fairest run whose validation error is at most 10 % above the baseline. On test rows,
    its rate gap is smaller than that of the baseline:

    >>> import numpy as np
    >>> from skmtl import MultiTaskClassifier
    >>> from skmtl.fairness import MTAF
    >>> from skmtl.model_selection import fairness_sweep
    >>> rng = np.random.default_rng(0)
    >>> group = rng.integers(0, 2, 600)
    >>> X = rng.normal(size=(600, 3)) + group[:, None]
    >>> Y = (X[:, :2] + rng.normal(size=(600, 2)) > 0.5).astype(int)
    >>> network = MultiTaskClassifier(
    ...     (8,), fairness=MTAF("gap"), n_members=1, max_iter=10, early_stopping=False
    ... )
    >>> runs = fairness_sweep(
    ...     network,
    ...     X[:400],
    ...     Y[:400],
    ...     sensitive_features=group[:400],
    ...     X_test=X[400:],
    ...     Y_test=Y[400:],
    ...     sensitive_features_test=group[400:],
    ...     n_runs=20,
    ...     random_state=0,
    ... )
    >>> runs.shape, sorted(runs.attrs["baseline"])[:2]
    ((20, 19), ['error_0', 'error_1'])
    >>> chosen = runs[runs["val_are"] <= 1.1].sort_values("val_arfg").iloc[0]
    >>> bool(chosen["arfg"] < 1)
    True
    """
    settings = SweepSettings(
        n_runs, weight, task_weight, head_ratio, validation_fraction, threshold, rate
    )
    network = _network(estimator)
    settings.check()
    drop = not isinstance(estimator, Pipeline) and not network.sensitive_as_input
    rows, tasks = read_training_rows(X, Y, sensitive_features, drop=drop)
    test = read_test_rows(X_test, Y_test, sensitive_features_test, tasks, drop=drop)
    warn_of_seedless_memory(memory, random_state)
    rng = check_random_state(random_state)
    split_seed, baseline_seed = rng.randint(LARGEST_SEED, size=2).tolist()
    runs = draw_runs(settings, network, tasks.names, rng)
    memory = read_memory(memory)
    _check_can_be_kept(memory, network)
    parts = SweepParts(*rows.split(validation_fraction, split_seed), test)
    if isinstance(estimator, Pipeline):
        parts = _after_steps(estimator, parts)
    measure = _measured_with(memory, settings.evaluation(network), n_jobs)
    measured = []
    with progress_bar() if verbose else nullcontext():
        stage = Stage("Runs of the sweep", len(runs), int(verbose))
        for start in range(0, len(runs), _AT_ONCE):
            some = runs.iloc[start : start + _AT_ONCE]
            measured.append(measure(network, some, tasks.names, parts))
            stage.advance(len(some))
        if baseline is None:
            baseline = _single_task_baseline(measure, network, tasks.names, parts, baseline_seed)
    table = pd.concat([runs, pd.concat(measured, ignore_index=True)], axis=1)
    if table[f"error_{tasks.names[0]}"].isna().all():
        raise ValueError("Every fit of the sweep failed. See the warnings above for the reasons.")
    return with_ratios(table, tasks.names, checked_baseline(baseline, tasks.names))


def _network(estimator: Any) -> MultiTaskClassifier:
    """Return a clone of the estimator, or of the last step of a pipeline."""
    network = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    if not isinstance(network, MultiTaskClassifier):
        raise TypeError(
            "fairness_sweep needs a MultiTaskClassifier or a Pipeline that ends in one. Got "
            f"{estimator!r}."
        )
    if network.task_column is not None:
        raise ValueError(
            "fairness_sweep needs labels in wide form, one column per task. Got "
            f"task_column={network.task_column!r}."
        )
    cloned: MultiTaskClassifier = clone(network)
    return cloned


def _check_can_be_kept(memory: Memory, network: MultiTaskClassifier) -> None:
    """Raise ValueError if the network cannot be hashed, so that results cannot be kept."""
    if memory.location is None:
        return
    try:
        joblib.hash(network)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            "memory needs an estimator that can be pickled; lambdas and nested functions cannot. "
            f"Got fairness={network.fairness!r}. Define the penalty in a module, or set "
            "memory=None."
        ) from error


def _after_steps(pipeline: Pipeline, parts: SweepParts) -> SweepParts:
    """Fit the steps before the network on the training rows and apply them to all rows."""
    steps = clone(pipeline[:-1])

    def inputs(rows: SweepRows) -> Any:
        if rows is parts.train:
            return steps.fit_transform(rows.X, rows.Y)
        return steps.transform(rows.X)

    return parts.with_inputs(inputs)


def _measured_with(memory: Memory, evaluation: Evaluation, n_jobs: int | None) -> Measure:
    """Return a function that trains and measures runs, or reads their results from the memory."""
    cached = memory.cache(measure_runs, ignore=["n_jobs"])
    return partial(cached, evaluation=evaluation, n_jobs=n_jobs)


def _single_task_baseline(
    measure: Measure,
    network: MultiTaskClassifier,
    names: Sequence[str],
    parts: SweepParts,
    seed: int,
) -> dict[str, float]:
    """Return the mean errors and gaps of single-task networks without a fairness term."""
    plain = clone(network).set_params(fairness=None, task_weights=None)
    seeds = np.random.RandomState(seed).randint(LARGEST_SEED, size=_BASELINE_SEEDS)
    found: dict[str, float] = {}
    for t, name in enumerate(names):
        own = measure(plain, pd.DataFrame({"seed": seeds}), [name], parts.of_task(t))
        found |= {str(column): float(value) for column, value in own.mean().items()}
    return found
