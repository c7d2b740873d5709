"""Callbacks after every epoch, training for one epoch, and the report after a fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator

from skmtl.estimators.fit_settings import Settings
from skmtl.estimators.fitted_networks import FittedNetworks
from skmtl.estimators.job_building import ensemble_job
from skmtl.estimators.problem import Problem
from skmtl.estimators.train_jobs import OnEpoch, train_job
from skmtl.network import TrainedMember


def after_each_epoch(
    report: Callable[[int, Callable[[], dict[str, Any]]], bool] | None,
    estimator: BaseEstimator,
    fitted: Callable[[list[TrainedMember]], FittedNetworks],
) -> OnEpoch | None:
    """Return the ``on_epoch`` of a fit, which reports to callbacks; None without callbacks."""
    if report is None:
        return None

    def on_epoch(n_done: int, now: Callable[[], list[TrainedMember]]) -> bool:
        return report(n_done, lambda: {**vars(estimator), **fitted(now()).attributes()})

    return on_epoch


def train_one_epoch(
    settings: Settings, problem: Problem, earlier: FittedNetworks | None
) -> FittedNetworks:
    """Train for one epoch, continuing from earlier networks if there are any."""
    seeds = settings.draw_seeds() if earlier is None else earlier.seeds
    order_seed = seeds.splits + (0 if earlier is None else earlier.n_calls)
    job = ensemble_job(settings, problem, seeds, earlier=earlier, order_seed=order_seed, epochs=1)
    later = FittedNetworks.of(settings, problem.intake, job, seeds, train_job(job), n_calls=1)
    return (
        later if earlier is None else earlier.continued(later, settings.weights_of(problem.names))
    )


def announce(settings: Settings, model: FittedNetworks) -> None:
    """Print one line about a fit if ``verbose`` is set."""
    if settings.verbose:
        print(
            f"[{settings.owner}] {len(model.intake.task_names)} tasks, {model.history.n_iter} "
            f"epochs, training loss {model.history.loss[-1]:.4g}"
        )
