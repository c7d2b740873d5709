"""Many estimators fitted at once: networks of one shape and one way of training are one fleet,
whatever rows they learn from.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import joblib

from skmtl.base import Aggregator, FairnessTerm
from skmtl.estimators.classifier import MultiTaskClassifier
from skmtl.estimators.ensembles import aggregator_of, ensemble, terms_of
from skmtl.estimators.problem import Problem
from skmtl.estimators.regressor import MultiTaskRegressor
from skmtl.network import Architecture, FleetData, Member, TrainedMember, Training, train_fleet

# Parameters that do not change how rows are read: estimators that differ in these alone share one
# table. Any other is taken to change it.
_OF_THE_NETWORK = {
    "hidden_layer_sizes",
    "head_hidden_layer_sizes",
    "activation",
    "solver",
    "alpha",
    "batch_size",
    "learning_rate_init",
    "max_iter",
    "early_stopping",
    "validation_fraction",
    "n_iter_no_change",
    "tol",
    "dropout",
    "n_members",
    "task_embedding_dim",
    "task_weights",
    "aggregator",
    "fairness",
    "dtype",
    "device",
    "random_state",
    "verbose",
}
# What an estimator learns of the columns when it reads rows.
_LEARNT_OF_COLUMNS = ("n_features_in_", "feature_names_in_", "_wide_2d", "_sensitive_columns")


@dataclass(frozen=True)
class FitOutcome:
    """How one of many fits ended.

    Attributes
    ----------
    error : Exception or None
        What the fit raised; None = the estimator is fitted.
    seconds : float
        Time of the fit: its preparation, and its share of the fleet's training by passes of its
        networks.

    Examples
    --------
    >>> from skmtl.estimators import FitOutcome
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
        True for a MultiTaskRegressor or MultiTaskClassifier without callbacks; subclasses with a
        ``fit`` of their own train alone.

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
    return not (estimator.callbacks or getattr(estimator, "_skl_callbacks", None))


def fit_together(
    estimators: Sequence[MultiTaskRegressor | MultiTaskClassifier],
    data: Sequence[tuple[Any, Any, Mapping[str, Any]]],
    *,
    labels: Sequence[str] | None = None,
    n_workers: int | None = None,
) -> list[FitOutcome]:
    """Fit every estimator on data of its own, as few fleets.

    What an estimator becomes is what its ``fit`` makes of it, up to rounding. Estimators whose
    networks have one shape and share the settings of the training loop, the aggregator and the
    terms of the loss train as one fleet; seeds, penalties, task weights, weights of terms and rows
    are each network's own. A fit that fails leaves the others alone.

    Parameters
    ----------
    estimators : sequence of MultiTaskRegressor or MultiTaskClassifier
        What to fit, in place; distinct objects, for all of which :func:`trains_in_fleets` holds.
    data : sequence of (X, y, dict)
        Training data of every estimator, and what else its ``fit`` is given: "sample_weight",
        "sensitive_features". Estimators that are given the very same objects, and read them alike,
        share the checked and encoded table.
    labels : sequence of str, optional
        How warnings call the estimators.
    n_workers : int, optional
        Most processes for large fleets, by default as many as torch may use threads.

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
    outcomes: dict[int, FitOutcome] = {}
    fleets: dict[Any, list[_Fit]] = {}
    tables: dict[Any, Problem] = {}
    for k, (estimator, given) in enumerate(zip(estimators, data, strict=True)):
        start = time.perf_counter()
        try:
            fit = _prepared(estimator, given, tables)
        except (
            Exception
        ) as error:  # as in scikit-learn's searches: whatever one fit raises is that fit's
            outcomes[k] = FitOutcome(error, time.perf_counter() - start)
            continue
        label = "network" if labels is None else labels[k]
        fit.position, fit.members = (
            k,
            [replace(member, ensemble=k, label=label) for member in fit.members],
        )
        fit.seconds = time.perf_counter() - start
        fleets.setdefault(fit.shared, []).append(fit)
    for fits in fleets.values():
        outcomes.update(_train(fits, n_workers))
    return [outcomes[k] for k in range(len(outcomes))]


@dataclass
class _Fit:
    """One estimator with what is to be trained."""

    estimator: Any
    given: tuple[Any, Any, Mapping[str, Any]]
    problem: Problem
    members: list[Member]
    first_seed: int
    architecture: Architecture
    training: Training
    aggregator: Aggregator | None
    terms: list[FairnessTerm]
    position: int = 0
    seconds: float = 0.0

    @property
    def shared(self) -> tuple[Any, ...]:
        """What all networks of a fleet have in common; with one step size solvers round as they do
        for a network alone, and Adam is quicker.
        """
        table = self.problem.data
        layout = (
            table.y.shape[1:],
            *(part is None for part in (table.sample_weight, table.groups, table.codes)),
        )
        return (
            self.architecture,
            self.training,
            self.members[0].learning_rate,
            _identity((self.aggregator, self.terms)),
            layout,
        )


def _prepared(
    estimator: Any, given: tuple[Any, Any, Mapping[str, Any]], tables: dict[Any, Problem]
) -> _Fit:
    """Check an estimator's settings and data and return what is to be trained; tables hold the rows
    that were read.
    """
    X, y, params = given
    settings = {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        if name not in _OF_THE_NETWORK
    }
    key = (
        type(estimator),
        id(X),
        id(y),
        *((name, id(params[name])) for name in sorted(params)),
        _identity(settings),
    )
    started = None
    if key in tables and not estimator.warm_start:
        problem, first_seed = _again(estimator, tables[key])
    else:
        inputs, groups = estimator._grouped(X, params.get("sensitive_features"))
        problem, first_seed, started = estimator._prepare(
            inputs, y, params.get("sample_weight"), groups
        )
        tables[key] = problem
    members = ensemble(
        problem, first_seed, first_seed, estimator._task_weights(problem.names), started
    )
    settings_of_fleet = (
        problem.architecture(),
        problem.training(record=True),
        aggregator_of(estimator),
        terms_of(problem),
    )
    return _Fit(estimator, given, problem, members, first_seed, *settings_of_fleet)


def _again(estimator: Any, read: Problem) -> tuple[Problem, int]:
    """Return rows that another estimator has read alike under the settings of this one, and its
    first seed.
    """
    estimator._check_settings()
    for name in _LEARNT_OF_COLUMNS:
        if name in vars(read.estimator):
            setattr(estimator, name, getattr(read.estimator, name))
        else:
            vars(estimator).pop(name, None)
    split_seed, first_seed = estimator._drawn_seeds()
    problem = read.under(estimator, split_seed)
    estimator._check_problem(problem)
    return problem, first_seed


def _identity(value: Any) -> Any:
    """Return something that is equal for equal values; what cannot be compared is equal to itself
    alone.
    """
    try:
        return joblib.hash(value)
    except Exception:  # what cannot be pickled raises as it likes
        return id(value)


def _train(fits: Sequence[_Fit], n_workers: int | None) -> Iterable[tuple[int, FitOutcome]]:
    """Train the networks of all fits as one fleet; should that fail, each by itself, so that a
    failure stays with its fit.
    """
    start = time.perf_counter()
    data, members = _one_table(fits)
    one = fits[0]
    try:
        trained = train_fleet(
            one.architecture,
            data,
            members,
            one.training,
            aggregator=one.aggregator,
            terms=one.terms,
            n_workers=n_workers,
        )
    except Exception:  # the culprit raises again below, in its own fit
        return [(fit.position, _alone(fit)) for fit in fits]
    seconds = (time.perf_counter() - start) / sum(member.n_iter for member in trained)
    remaining = iter(trained)
    return [
        (fit.position, _stored(fit, [next(remaining) for _ in fit.members], seconds))
        for fit in fits
    ]


def _one_table(fits: Sequence[_Fit]) -> tuple[FleetData, list[Member]]:
    """Join the tables of the fits, each once, and move their members' rows there."""
    tables = {id(fit.problem.data): fit.problem.data for fit in fits}
    offsets, n_rows = {}, 0
    for name, table in tables.items():
        offsets[name] = n_rows
        n_rows += len(table.X)
    members = [
        member.moved(offsets[id(fit.problem.data)]) for fit in fits for member in fit.members
    ]
    return FleetData.joined(list(tables.values())), members


def _stored(fit: _Fit, trained: list[TrainedMember], seconds_a_pass: float) -> FitOutcome:
    """Let the estimator keep its networks."""
    fit.estimator._store(fit.problem, fit.problem.names, trained)
    fit.estimator._finish(fit.problem, fit.first_seed)
    return FitOutcome(
        seconds=fit.seconds + seconds_a_pass * sum(member.n_iter for member in trained)
    )


def _alone(fit: _Fit) -> FitOutcome:
    """Fit one estimator in the ordinary way."""
    start = time.perf_counter()
    X, y, params = fit.given
    try:
        fit.estimator.fit(X, y, **params)
    except Exception as error:  # as above
        return FitOutcome(error, fit.seconds + time.perf_counter() - start)
    return FitOutcome(seconds=fit.seconds + time.perf_counter() - start)
