"""Many networks that differ in the weights of tasks and penalties: error against unfairness."""

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

# Runs that are trained, and kept, at once; seeds of the baseline.
_AT_ONCE, _BASELINE_SEEDS = 100, 5
# Trains runs (a network, their settings, names of tasks, rows) and returns errors and gaps.
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

    Each run draws a weight of the fairness penalty for each task, the weights of the tasks in the
    loss, and the seed of the network. It is trained on the rows that are not validation rows. Runs
    that no other run beats in error and in fairness are the frontier between the two. Choose a run
    by its figures on the validation rows: the best of a thousand runs on test rows owes much to
    luck.

    Parameters
    ----------
    estimator : MultiTaskClassifier or Pipeline that ends in one
        Settings of all runs, wide form. Its ``fairness`` is the term whose weights are drawn, also
        one of the user's own with a parameter ``weight`` that takes a list with one number per
        task; None = no term, only task weights are drawn.
    X : array-like of shape (n, p)
        Inputs. Frames of other libraries are read as pandas frames.
    Y : array-like of shape (n,) or (n, T)
        Labels, two classes per task, NaN where unknown. The larger class is the positive one.
    sensitive_features : array-like of shape (n,) or (n, q), str or list of str
        Groups, as in ``fit`` of the estimator. Rows with a missing value take no part in the term
        and in gaps; they count in errors.
    X_test : array-like of shape (m, p)
        Inputs of the rows to evaluate the runs on.
    Y_test : array-like of shape (m,) or (m, T)
        Their labels. If both are frames, columns match those of Y by name.
    sensitive_features_test : array-like of shape (m,) or (m, q), str or list of str
        Their groups.
    n_runs : int, default=1000
        Number of runs.
    weight : (low, high), array-like of shape (T, 2) or None, default=(0, 5)
        Range of the weights of the penalties, drawn uniformly and independently. None = those of
        the term.
    task_weight : (low, high) or None, default=(0, 1)
        Range of the task weights: they are drawn uniformly among those that sum to 1 and lie in the
        range. None = those of the estimator.
    head_ratio : (low, high), array-like of shape (T, 2) or None, default=None
        Range of the ``head_ratio`` of :class:`skmtl.fairness.MTAF`. None = that of the term.
    validation_fraction : float, default=0.2
        Fraction of validation rows, drawn by combinations of labels and groups.
    threshold : "quantile", "validation" or float, default="quantile"
        Probability from which a row is predicted positive. "quantile": such that the share of
        positive predictions on the evaluated rows is that of positive labels in training; a rare
        class, which is never predicted at 0.5 and then has a meaningless gap of 0, is evaluated as
        well. "validation": where the error on the validation rows is least.
    rate : {"fpr", "tpr", "equalized_odds"}, default=None
        Rate whose gap is measured. None = that of the fairness term's criterion, "fpr" where tasks
        have several or there is no term.
    baseline : mapping of str to float, default=None
        Entries ``error_<task>`` and ``gap_<task>`` that errors and gaps are divided by, and the
        same with the prefix ``val_`` for validation rows (else those of the test rows). None =
        single-task networks of the same settings without a fairness term, mean of 5 seeds.
    n_jobs : int or None, default=None
        Most processes for training. None = as many as torch may use threads.
    memory : path, joblib.Memory or None, default=None
        Where finished parts, of 100 runs, are kept: a repeated call continues where the last one
        ended. A penalty of the user's own must then be importable, no lambda.
    random_state : int, RandomState or None, default=None
        Source of the draws and of the validation rows.
    verbose : int, default=0
        1 prints a line at the end, and shows a progress bar in a terminal if rich is installed.

    Returns
    -------
    DataFrame with n_runs rows
        ``weight_<task>`` (and ``head_ratio_<task>``), ``task_weight_<task>`` and ``seed`` of every
        run. On test rows ``error_<task>``, ``gap_<task>``, their means relative to the baseline
        ``are`` and ``arfg``, and ``pareto``: no other run is at least as good in both and better in
        one. The same on validation rows with the prefix ``val_``. ``attrs["baseline"]`` holds the
        baseline.

    Raises
    ------
    TypeError
        If the estimator is not a MultiTaskClassifier or a Pipeline that ends in one.
    ValueError
        If it is in long form, labels are not binary, shapes differ, a range is impossible, the
        fairness term lacks a parameter that is drawn, or every fit fails.

    Warns
    -----
    FitFailedWarning
        Says how many fits failed and the reason of the first; their rows are NaN.
    UndefinedMetricWarning
        Names tasks whose baseline is zero: their ratio is left out of the mean.

    Notes
    -----
    With two tasks and the default ranges this is the search of [1]_, section 6.3, which draws
    20,000 runs. There the test rows are the validation rows, too. Errors and gaps at one threshold
    are rates of decisions: chance alone makes a gap larger than 0, see
    :func:`skmtl.metrics.chance_gap`.

    Weights of :class:`skmtl.fairness.MTAF` and :class:`skmtl.fairness.PerTaskFairness` differ
    within one batch of networks. Terms of the user's own do the same if they return multipliers in
    :meth:`skmtl.base.FairnessTerm.for_tasks`; otherwise each run trains alone.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021.

    Examples
    --------
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
        raise ValueError("Every fit of the sweep failed; the warnings above say why.")
    return with_ratios(table, tasks.names, checked_baseline(baseline, tasks.names))


def _network(estimator: Any) -> MultiTaskClassifier:
    """Return a clone of the network that an estimator is or ends in."""
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
    """Raise where results cannot be kept, because the network cannot be told from others."""
    if memory.location is None:
        return
    try:
        joblib.hash(network)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            "memory needs an estimator that can be pickled, with functions that can be imported; a "
            f"lambda or a function within another one cannot. Got fairness={network.fairness!r}. "
            "Define the penalty in a module, or set memory=None."
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
    """Return what trains and measures runs, or reads their results from the memory."""
    return partial(
        memory.cache(measure_runs, ignore=["n_jobs"]), evaluation=evaluation, n_jobs=n_jobs
    )


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
