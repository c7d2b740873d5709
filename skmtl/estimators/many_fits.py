"""Fits of many estimators in common batches."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from skmtl.estimators.classifier import MultiTaskClassifier
from skmtl.estimators.epochs import announce
from skmtl.estimators.fairness_terms import check_fairness, compare_the_same
from skmtl.estimators.fit_job import FitJob, identity
from skmtl.estimators.fit_settings import Seeds, Settings, read_settings
from skmtl.estimators.fitted_networks import FittedNetworks
from skmtl.estimators.job_building import ensemble_job
from skmtl.estimators.network import remember
from skmtl.estimators.problem import Problem
from skmtl.estimators.problem_building import fit_problem
from skmtl.estimators.regressor import MultiTaskRegressor
from skmtl.estimators.train_jobs import train
from skmtl.estimators.training_rows import read_training_rows
from skmtl.support import registered_callbacks

# X, y, and the other arguments of fit.
Given = tuple[Any, Any, Mapping[str, Any]]


@dataclass(frozen=True)
class FitOutcome:
    """Outcome of one of many fits.

    Attributes
    ----------
    error : Exception or None
        Exception that the fit raised; None = the estimator is fitted.
    seconds : float
        Time of the fit: preparation, plus the share of the training time by epochs.

    Examples
    --------
    >>> from skmtl.estimators.many_fits import FitOutcome
    >>> FitOutcome(seconds=0.5).error is None
    True
    """

    error: Exception | None = None
    seconds: float = 0.0


def trains_in_fleets(estimator: Any) -> bool:
    """Return whether :func:`fit_together` can fit an estimator.

    Parameters
    ----------
    estimator : object
        Anything.

    Returns
    -------
    bool
        True for a MultiTaskRegressor or MultiTaskClassifier without callbacks, unless a subclass
        overrides ``fit``.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.estimators import trains_in_fleets
    >>> trains_in_fleets(MultiTaskRegressor()), trains_in_fleets(Ridge())
    (True, False)
    """
    if getattr(type(estimator), "fit", None) not in (
        MultiTaskRegressor.fit,
        MultiTaskClassifier.fit,
    ):
        return False
    return not (estimator.callbacks or registered_callbacks(estimator))


def fit_together(
    estimators: Sequence[MultiTaskRegressor | MultiTaskClassifier],
    data: Sequence[tuple[Any, Any, Mapping[str, Any]]],
    *,
    labels: Sequence[str] | None = None,
    n_workers: int | None = None,
) -> list[FitOutcome]:
    """Fit every estimator on its data, in as few batches of networks as possible.

    Results are those of ``fit``, up to rounding. Estimators train in the same batch if the shape of
    their networks, the settings of training, the aggregator and the fairness terms are equal.
    Seeds, ``alpha``, task weights, weights of fairness terms and rows may differ. A fit that fails
    does not affect the others.

    Parameters
    ----------
    estimators : sequence of MultiTaskRegressor or MultiTaskClassifier
        Distinct estimators to fit in place, for all of which :func:`trains_in_fleets` is True.
    data : sequence of (X, y, dict)
        Training data of every estimator, and other arguments of ``fit``: "sample_weight",
        "sensitive_features". Estimators with the same objects, and the same settings for reading
        them, share one encoded table.
    labels : sequence of str, optional
        Names of the estimators in warnings.
    n_workers : int, optional
        Largest number of processes, by default torch's number of threads.

    Returns
    -------
    list of FitOutcome
        In the order of ``estimators``.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.estimators import fit_together
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> models = [
    ...     MultiTaskRegressor(max_iter=5, alpha=alpha, random_state=0)
    ...     for alpha in (0.0, 1.0, -1.0)
    ... ]
    >>> outcomes = fit_together(models, [(X, X[:, :2], {})] * 3)
    >>> [type(outcome.error).__name__ for outcome in outcomes]
    ['NoneType', 'NoneType', 'InvalidParameterError']
    >>> models[1].predict(X).shape
    (60, 2)
    """
    problems: dict[Hashable, Problem] = {}
    prepared: dict[int, _Prepared] = {}
    outcomes: dict[int, FitOutcome] = {}
    for k, (estimator, given) in enumerate(zip(estimators, data, strict=True)):
        start = time.perf_counter()
        try:
            fit = _prepared(estimator, given, problems, "network" if labels is None else labels[k])
        except Exception as error:  # as in scikit-learn's searches, an error affects only its fit
            outcomes[k] = FitOutcome(error, time.perf_counter() - start)
            continue
        prepared[k] = replace(fit, seconds=time.perf_counter() - start)
    trained = train([fit.job for fit in prepared.values()], n_workers=n_workers)
    for (k, fit), outcome in zip(prepared.items(), trained, strict=True):
        outcomes[k] = FitOutcome(outcome.error, fit.seconds + outcome.seconds)
        if outcome.error is None:
            model = FittedNetworks.of(
                fit.settings, fit.problem.intake, fit.job, fit.seeds, outcome.networks
            )
            remember(estimators[k], model)
            announce(fit.settings, model)
    return [outcomes[k] for k in range(len(outcomes))]


def _arguments_of_fit(estimator: MultiTaskRegressor | MultiTaskClassifier) -> set[str]:
    """Return the names of what ``fit`` takes beside X and y."""
    shared = {"sample_weight"}
    return shared | {"sensitive_features"} if isinstance(estimator, MultiTaskClassifier) else shared


@dataclass(frozen=True, eq=False)
class _Prepared:
    """Training job of one estimator, and how it was built."""

    settings: Settings
    problem: Problem
    seeds: Seeds
    job: FitJob
    seconds: float = 0.0


def _prepared(
    estimator: MultiTaskRegressor | MultiTaskClassifier,
    given: Given,
    problems: dict[Hashable, Problem],
    label: str,
) -> _Prepared:
    """Validate settings and data, and build the training job.

    ``problems`` caches encoded rows for estimators that read the same data in the same way.
    """
    X, y, params = given
    settings = read_settings(estimator)
    unknown = set(params) - _arguments_of_fit(estimator)
    if unknown:  # as calling fit would
        raise TypeError(
            f"{type(estimator).__name__}.fit() got an unexpected keyword argument {min(unknown)!r}"
        )
    earlier = estimator.model_ if estimator.warm_start and hasattr(estimator, "model_") else None
    key = (
        type(estimator),
        id(X),
        id(y),
        *((name, id(params[name])) for name in sorted(params)),
        identity(vars(settings.reading)),
        settings.loss,
    )
    if key in problems and not estimator.warm_start:
        seeds = settings.draw_seeds()
        problem = problems[key].under(settings, seeds.splits)
        if not compare_the_same(problem, problems[key]):  # else it has been checked
            check_fairness(problem)
    else:
        rows = read_training_rows(settings, X, y, **params, earlier=earlier)
        seeds = settings.draw_seeds()
        problem = fit_problem(settings, rows, earlier=earlier, split_seed=seeds.splits)
        problems[key] = problem
    job = ensemble_job(settings, problem, seeds, earlier=earlier)
    return _Prepared(settings, problem, seeds, job.labeled(label))
