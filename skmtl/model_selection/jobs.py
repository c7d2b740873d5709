"""Fits of a search: which of them train in fleets, on which rows, and their scores."""

from __future__ import annotations

import copy
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from skmtl._sklearn_compat import check_method_params, fit_and_score, safe_split
from skmtl.estimators import fit_together, trains_in_fleets
from skmtl.support import registered_callbacks

# Arguments of fit, besides X and y, with which networks can train in a fleet.
_KNOWN = {"sample_weight", "sensitive_features"}


@dataclass
class Rows:
    """Training rows of a fold, as transformed by the steps before the network.

    Attributes
    ----------
    X, y : array-like
        Training data.
    params : dict
        Further arguments of ``fit``.
    pipeline : Pipeline or None
        The fitted steps before the network, with a placeholder in its position.
    error : Exception or None
        Exception that fitting these steps raised.
    seconds : float
        Time of fitting these steps.
    n_users : int
        Number of fits that share these rows.
    """

    X: Any = None
    y: Any = None
    params: dict[str, Any] = field(default_factory=dict)
    pipeline: Pipeline | None = None
    error: Exception | None = None
    seconds: float = 0.0
    n_users: int = 0


@dataclass
class Job:
    """One candidate on one fold.

    Attributes
    ----------
    candidate, split : (int, dict), (int, (ndarray, ndarray))
        Number and parameters of the candidate; number and rows of the fold.
    estimator : estimator
        A clone with the candidate's parameters.
    rows : tuple
        Key of the rows on which the network is fitted; empty if it does not train in a fleet.
    """

    candidate: tuple[int, dict[str, Any]]
    split: tuple[int, tuple[Any, Any]]
    estimator: Any
    rows: tuple[Hashable, ...] = ()


class Placeholder(BaseEstimator):
    """Last step of a pipeline that records the data on which a network would be fitted."""

    def __init__(self, estimator: Any = None):
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, **params: Any) -> Placeholder:
        """Record the arguments."""
        self.seen_ = (X, y, params)
        return self

    def get_metadata_routing(self) -> Any:
        """Request the metadata that the network requests."""
        return self.estimator.get_metadata_routing()


class Made:
    """A finished fit, in a form that scikit-learn's ``_fit_and_score`` can score.

    scikit-learn sets the parameters of an estimator, fits it and scores it. Setting the parameters
    of this object returns the fitted estimator, frozen, or one that raises the error of the fit.
    """

    def __init__(self, estimator: Any, error: Exception | None):
        self.made = FrozenEstimator(estimator) if error is None else FailedFit(error)

    def set_params(self, **params: Any) -> FrozenEstimator | FailedFit:
        """Return the estimator, which has its parameters."""
        return self.made


class FailedFit(BaseEstimator):
    """An estimator whose fit failed; fitting it raises the same error."""

    def __init__(self, error: Exception):
        self.error = error

    def fit(self, *data: Any, **params: Any) -> None:
        """Raise the error of the fit."""
        raise self.error


def evaluate(
    base: Any,
    candidates: Sequence[dict[str, Any]],
    splits: Sequence[tuple[Any, Any]],
    X: Any,
    y: Any,
    *,
    parallel: Parallel,
    n_workers: int | None,
    settings: dict[str, Any],
) -> list[dict[str, Any]]:
    """Fit and score every candidate on every fold.

    Parameters
    ----------
    base : estimator
        Estimator of which the candidates are clones.
    candidates : sequence of dict
        Parameters of the candidates.
    splits : sequence of (ndarray, ndarray)
        Training and test rows of every fold.
    X, y : array-like
        All rows.
    parallel : Parallel
        Runs the steps before networks, and fits one by one.
    n_workers : int or None
        Largest number of processes of a fleet.
    settings : dict
        Arguments of scikit-learn's ``_fit_and_score``.

    Returns
    -------
    list of dict
        Results of ``_fit_and_score``, all folds of the first candidate first.
    """
    jobs = [
        Job((c, parameters), split, clone(base).set_params(**clone(parameters, safe=False)))
        for c, parameters in enumerate(candidates)
        for split in enumerate(splits)
    ]
    rows = _rows_of_networks(jobs, base, X, y, parallel, settings["fit_params"])
    in_fleets = [job for job in jobs if job.rows and set(rows[job.rows].params) <= _KNOWN]
    made = _made(in_fleets, rows, n_workers)
    progress = [
        {
            "split_progress": (job.split[0], len(splits)),
            "candidate_progress": (job.candidate[0], len(candidates)),
        }
        for job in jobs
    ]
    ordinary = [k for k, job in enumerate(jobs) if id(job) not in made]
    fitted = parallel(
        delayed(_fit_and_score)(jobs[k].estimator, jobs[k], X, y, 0.0, **progress[k], **settings)
        for k in ordinary
    )
    out = dict(zip(ordinary, fitted, strict=True))
    for k, job in enumerate(jobs):
        if id(job) in made:
            estimator, seconds = made[id(job)]
            out[k] = _fit_and_score(estimator, job, X, y, seconds, **progress[k], **settings)
    return [out[k] for k in range(len(jobs))]


def _fit_and_score(
    estimator: Any, job: Job, X: Any, y: Any, seconds: float, **settings: Any
) -> dict[str, Any]:
    """Let scikit-learn fit and score, and add the time of a fit that is already done."""
    train, test = job.split[1]
    result: dict[str, Any] = fit_and_score(
        estimator, X, y, train=train, test=test, parameters=job.candidate[1], **settings
    )
    result["fit_time"] += seconds
    return result


# ---------------------------------------------------------------------- training rows of networks
def _rows_of_networks(
    jobs: Sequence[Job],
    base: Any,
    X: Any,
    y: Any,
    parallel: Parallel,
    fit_params: Mapping[str, Any] | None,
) -> dict[tuple[Hashable, ...], Rows]:
    """Return the rows of all networks that can train in a fleet; store their keys in the jobs."""
    folds: dict[int, Rows] = {}
    rows: dict[tuple[Hashable, ...], Rows] = {}
    pipelines: dict[tuple[Hashable, ...], tuple[Pipeline, Rows]] = {}
    for job in jobs:
        if not trains_in_fleets(_network(job.estimator)):
            continue
        fold, (train, _) = job.split
        if fold not in folds:
            X_train, y_train = safe_split(base, X, y, train)
            params = check_method_params(X, params=fit_params, indices=train)
            folds[fold] = Rows(X_train, y_train, params)
        job.rows = (fold, *_steps_before(job))
        if isinstance(job.estimator, Pipeline):
            pipelines.setdefault(job.rows, (job.estimator, folds[fold]))
        else:
            rows[job.rows] = folds[fold]
    transformed = parallel(
        delayed(_before_network)(pipeline, fold) for pipeline, fold in pipelines.values()
    )
    rows.update(zip(pipelines, transformed, strict=True))
    for job in jobs:
        if job.rows:
            rows[job.rows].n_users += 1
    return rows


def _network(estimator: Any) -> Any:
    """Return the estimator, or the last step of a pipeline without callbacks; else None."""
    if isinstance(estimator, Pipeline):
        return None if registered_callbacks(estimator) else estimator.steps[-1][1]
    return estimator


def _steps_before(job: Job) -> tuple[Hashable, ...]:
    """Return a hashable key of the candidate's parameters of the steps before the network."""
    if not isinstance(job.estimator, Pipeline):
        return ()
    last = job.estimator.steps[-1][0]
    beyond = sorted(
        (name, value)
        for name, value in job.candidate[1].items()
        if not name.startswith(f"{last}__")
    )
    return tuple(
        (name, type(value), value) if isinstance(value, (str, int, float)) else (name, id(value))
        for name, value in beyond
    )


def _before_network(pipeline: Pipeline, fold: Rows) -> Rows:
    """Fit the steps before the network on a fold, as a pipeline with a placeholder for it."""
    start = time.perf_counter()
    pipeline = clone(pipeline)
    name, network = pipeline.steps[-1]
    pipeline.steps[-1] = (name, Placeholder(network))
    try:
        pipeline.fit(fold.X, fold.y, **fold.params)
        X, y, params = pipeline.steps[-1][1].seen_
    except Exception as error:  # as in scikit-learn's searches, only this fit fails
        return Rows(error=error, seconds=time.perf_counter() - start)
    return Rows(X, y, params, pipeline, seconds=time.perf_counter() - start)


# ---------------------------------------------------------------------- fleets
def _made(
    jobs: Sequence[Job], rows: Mapping[tuple[Hashable, ...], Rows], n_workers: int | None
) -> dict[int, tuple[Made, float]]:
    """Train the networks of jobs in fleets; return the fits and their times, by job identity."""
    sound = [job for job in jobs if rows[job.rows].error is None]
    networks = [_network(job.estimator) for job in sound]
    data = [(own.X, own.y, own.params) for own in (rows[job.rows] for job in sound)]
    labels = [f"candidate {job.candidate[0]} on fold {job.split[0]}" for job in sound]
    fits = fit_together(networks, data, labels=labels, n_workers=n_workers)
    outcomes = dict(zip(map(id, sound), fits, strict=True))
    made = {}
    for job in jobs:
        own, outcome = rows[job.rows], outcomes.get(id(job))
        seconds = own.seconds / own.n_users
        if outcome is None:
            made[id(job)] = Made(job.estimator, own.error), seconds
            continue
        whole = job.estimator
        if own.pipeline is not None:
            whole = copy.copy(own.pipeline)
            whole.steps = [*own.pipeline.steps[:-1], job.estimator.steps[-1]]
        made[id(job)] = Made(whole, outcome.error), seconds + outcome.seconds
    return made
