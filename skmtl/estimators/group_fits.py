"""Networks for many task groups: their test losses, or fitted estimators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import clone

from skmtl.data import Groups, TaskSet
from skmtl.estimators.classifier import MultiTaskClassifier
from skmtl.estimators.fairness_terms import check_fairness, refuse_fairness
from skmtl.estimators.fit_settings import Seeds, read_settings
from skmtl.estimators.fitted_networks import FittedNetworks
from skmtl.estimators.intake import learn_intake
from skmtl.estimators.job_building import group_job, weights_of_groups
from skmtl.estimators.network import remember
from skmtl.estimators.problem import Problem
from skmtl.estimators.problem_building import problem_of_groups
from skmtl.estimators.regressor import MultiTaskRegressor
from skmtl.estimators.train_jobs import train_job
from skmtl.estimators.training_rows import TrainingRows


@dataclass(frozen=True)
class GroupOutcome:
    """Result of training one task group.

    Attributes
    ----------
    losses : tuple of float
        Test loss of every task of the group, in the group's order: mean squared error in the user's
        units, or log loss.
    n_iter : int
        Number of epochs.
    diverged : bool
        Whether training ended early because a loss became infinite or NaN.

    Examples
    --------
    >>> from skmtl.estimators import GroupOutcome
    >>> GroupOutcome(losses=(0.9, 1.1)).diverged
    False
    """

    losses: tuple[float, ...]
    n_iter: int = 0
    diverged: bool = False


def measure_groups(
    estimator: MultiTaskRegressor | MultiTaskClassifier,
    train: TaskSet,
    test: TaskSet,
    groups: Sequence[Sequence[str]],
    *,
    seed: int,
    sample_weight: NDArray[np.float64] | None = None,
    people: Groups | None = None,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[GroupOutcome]:
    """Train one network per task group, in one batch, and return the tasks' test losses.

    All networks share the scale of the inputs (of all training rows), the validation rows of each
    task, the initial trunk and the order of rows, so that their losses are comparable.

    Parameters
    ----------
    estimator : MultiTaskRegressor or MultiTaskClassifier
        Estimator with the settings; it is neither fitted nor changed.
    train, test : TaskSet
        Training and test rows of the tasks.
    groups : sequence of sequence of str
        Names of the tasks that are trained together.
    seed : int
        Seed of all randomness.
    sample_weight : ndarray, optional
        Training weights of the rows of ``train.X``; test losses are not weighted.
    people : Groups, optional
        Sensitive group of every row of ``train.X``; required if the estimator has a fairness term.
    n_workers : int, optional
        Largest number of processes, by default torch's number of threads.
    progress : callable, optional
        Called with the number of groups that have just finished.

    Returns
    -------
    list of GroupOutcome
        In the order of ``groups``.

    Raises
    ------
    ValueError
        If the estimator has a fairness term and ``people`` is None.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import make_grouped_tasks
    >>> from skmtl.estimators import measure_groups
    >>> tasks = make_grouped_tasks(n_tasks=4, n_groups=2, random_state=0).task_set
    >>> train, test = tasks.train_test_split(random_state=0)
    >>> outcomes = measure_groups(
    ...     MultiTaskRegressor(max_iter=5), train, test, [tasks.names[:1], tasks.names[:2]], seed=0
    ... )
    >>> [len(outcome.losses) for outcome in outcomes]
    [1, 2]
    """
    settings = read_settings(estimator)
    if people is None:
        refuse_fairness(settings.fairness, "measuring groups of tasks")
    problem = problem_of_groups(
        settings, train, test, split_seed=seed, sample_weight=sample_weight, groups=people
    )
    check_fairness(problem)
    job = group_job(settings, problem, groups, seed=seed, record=False)
    trained = train_job(job, n_workers=_workers(n_workers), progress=progress)
    return [
        GroupOutcome(
            losses=tuple(
                problem.targets.mean_loss_of_scores(name, test.targets(name), scores)
                for name, scores in zip(group, network.scores, strict=True)
            ),
            n_iter=network.n_iter,
            diverged=network.diverged,
        )
        for group, network in zip(groups, trained, strict=True)
    ]


def fit_groups(
    estimator: MultiTaskRegressor | MultiTaskClassifier,
    rows: TrainingRows,
    groups: Sequence[Sequence[str]],
    *,
    seed: int,
    n_workers: int | None = None,
) -> list[MultiTaskRegressor | MultiTaskClassifier]:
    """Fit one estimator per task group, in one batch.

    Parameters
    ----------
    estimator : MultiTaskRegressor or MultiTaskClassifier
        Estimator with the settings; it is neither fitted nor changed.
    rows : TrainingRows
        Training tasks, weights and sensitive groups of their rows, and the layout of the tables
        that the fitted estimators will predict for.
    groups : sequence of sequence of str
        Names of the tasks that are trained together.
    seed : int
        Seed of all randomness.
    n_workers : int, optional
        Largest number of processes, by default torch's number of threads.

    Returns
    -------
    list of MultiTaskRegressor or MultiTaskClassifier
        Fitted estimators, in the order of ``groups``.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import make_grouped_tasks
    >>> from skmtl.estimators import fit_groups, read_settings, read_training_rows
    >>> data = make_grouped_tasks(n_tasks=3, n_groups=1, random_state=0)
    >>> frame = data.data.assign(task=data.task)
    >>> network = MultiTaskRegressor(task_column="task", max_iter=5)
    >>> rows = read_training_rows(read_settings(network), frame, data.target)
    >>> first, rest = fit_groups(
    ...     network, rows, [rows.tasks.names[:1], rows.tasks.names[1:]], seed=0
    ... )
    >>> rest.task_names_
    ['task_1', 'task_2']
    """
    layout, tasks = rows.layout, rows.tasks
    settings = read_settings(estimator)
    intake = learn_intake(
        settings,
        replace(layout, owner=settings.owner),
        tasks,
        categorical=rows.categorical,
        sample_weight=rows.sample_weight,
        separate=True,
    )
    problem = Problem(
        settings,
        intake,
        tasks,
        sample_weight=rows.sample_weight,
        groups=rows.groups,
        split_seed=seed,
        separate=True,
    )
    check_fairness(problem)
    n_networks = settings.ensemble_size(tasks)
    job = group_job(settings, problem, groups, seed=seed, record=True, n_networks=n_networks)
    trained = train_job(job, n_workers=_workers(n_workers))
    weights = weights_of_groups(settings, tasks.names, groups)
    fitted = []
    for g, group in enumerate(groups):
        one = clone(estimator).set_params(task_column=layout.task_column, task_weights=weights[g])
        model = FittedNetworks.of(
            replace(settings, task_weights=weights[g]),
            intake.for_tasks(group),
            job,
            Seeds(networks=seed, splits=seed),
            trained[g * n_networks : (g + 1) * n_networks],
        )
        remember(one, model)
        fitted.append(one)
    return fitted


def _workers(n_workers: int | None) -> int | None:
    """Resolve negative numbers of processes as joblib does."""
    return n_workers if n_workers is None or n_workers > 0 else effective_n_jobs(n_workers)
