"""Test losses of many groups of tasks, each trained as one network: the question that affinity and
grouping ask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import clone

from skmtl.data import Groups, TaskSet
from skmtl.estimators.classifier import MultiTaskClassifier
from skmtl.estimators.ensembles import aggregator_of, members_of, terms_of
from skmtl.estimators.network import MultiTaskNetwork
from skmtl.estimators.problem import Problem
from skmtl.estimators.regressor import MultiTaskRegressor
from skmtl.network import train_fleet


@dataclass(frozen=True)
class GroupOutcome:
    """What training one group gave.

    Attributes
    ----------
    losses : tuple of float
        Test loss of every task of the group, in the group's order: mean squared error in the user's
        units, or log loss.
    n_iter : int
        Passes made.
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
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[GroupOutcome]:
    """Train one network for every group, as one fleet, and return its tasks' test losses.

    All networks share the scale of the inputs (of all training rows), each task's validation rows,
    the initial trunk and the order of rows, so that differences between groups are due to the
    groups.

    Parameters
    ----------
    estimator : MultiTaskRegressor or MultiTaskClassifier
        Settings; it is neither fitted nor changed.
    train, test : TaskSet
        Training and test rows of the tasks.
    groups : sequence of sequence of str
        Names of the tasks that learn together.
    seed : int
        Seed of everything random.
    sample_weight : ndarray, optional
        Weights of the rows of ``train.X`` in training; test losses are not weighted.
    n_workers : int, optional
        Most processes for large fleets, by default as many as torch may use threads.
    progress : callable, optional
        Called with the number of groups just finished.

    Returns
    -------
    list of GroupOutcome
        In the order of ``groups``.

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
    estimator._check_settings()
    problem = Problem(
        estimator,
        train,
        test,
        sample_weight=sample_weight,
        split_seed=seed,
        separate=True,
        categorical_features=estimator.categorical_features,
    )
    weights = _weights_of_groups(estimator, train, groups)
    members = [
        problem.member(group, seed, seed, weight)
        for group, weight in zip(groups, weights, strict=True)
    ]
    training, aggregator = problem.training(record=False), aggregator_of(estimator)
    trained = train_fleet(
        problem.architecture(),
        problem.data,
        members,
        training,
        aggregator=aggregator,
        n_workers=_workers(n_workers),
        progress=progress,
    )
    return [
        GroupOutcome(
            losses=tuple(
                problem.mean_loss(name, scores)
                for name, scores in zip(group, member.scores, strict=True)
            ),
            n_iter=member.n_iter,
            diverged=member.diverged,
        )
        for group, member in zip(groups, trained, strict=True)
    ]


def fit_groups(
    estimator: MultiTaskRegressor | MultiTaskClassifier,
    tasks: TaskSet,
    groups: Sequence[Sequence[str]],
    *,
    seed: int,
    like: Any,
    sample_weight: NDArray[np.float64] | None = None,
    people: Groups | None = None,
    n_workers: int | None = None,
) -> list[MultiTaskRegressor | MultiTaskClassifier]:
    """Fit one estimator for every group, all as one fleet.

    Parameters
    ----------
    estimator : MultiTaskRegressor or MultiTaskClassifier
        Settings; it is neither fitted nor changed.
    tasks : TaskSet
        Training tasks.
    groups : sequence of sequence of str
        Names of the tasks that learn together.
    seed : int
        Seed of everything random.
    like : estimator
        Fitted or half-fitted estimator whose ``task_column``, layout and input columns the new ones
        share.
    sample_weight : ndarray, optional
        Weights of the rows of ``tasks.X``.
    people : Groups, optional
        Group of every row of ``tasks.X``, for the estimator's fairness term.
    n_workers : int, optional
        Most processes for large fleets, by default as many as torch may use threads.

    Returns
    -------
    list of MultiTaskRegressor or MultiTaskClassifier
        Fitted estimators, in the order of ``groups``.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import make_grouped_tasks
    >>> from skmtl.estimators import fit_groups
    >>> data = make_grouped_tasks(n_tasks=3, n_groups=1, random_state=0)
    >>> frame = data.data.assign(task=data.task)
    >>> like = MultiTaskRegressor(task_column="task", max_iter=1).fit(frame, data.target)
    >>> first, rest = fit_groups(
    ...     MultiTaskRegressor(max_iter=5),
    ...     data.task_set,
    ...     [data.task_set.names[:1], data.task_set.names[1:]],
    ...     seed=0,
    ...     like=like,
    ... )
    >>> first.predict(frame[data.task == data.task.iloc[0]]).shape == (
    ...     (data.task == data.task.iloc[0]).sum(),
    ... )
    True
    """
    estimator._check_settings()
    settings = {
        "sample_weight": sample_weight,
        "groups": people,
        "categorical_features": estimator.categorical_features,
    }
    problem = Problem(estimator, tasks, split_seed=seed, separate=True, **settings)
    estimator._check_problem(problem)
    weights = _weights_of_groups(estimator, tasks, groups)
    n_members = members_of(estimator, tasks)
    members = [
        problem.member(group, seed + k, seed + k, weight, split=k)
        for group, weight in zip(groups, weights, strict=True)
        for k in range(n_members)
    ]
    fleet = problem.architecture(), problem.data, members, problem.training(record=True)
    trained = train_fleet(
        *fleet,
        aggregator=aggregator_of(estimator),
        terms=terms_of(problem),
        n_workers=_workers(n_workers),
    )
    fitted = []
    for g, group in enumerate(groups):
        one = clone(estimator).set_params(task_column=like.task_column, task_weights=weights[g])
        one.categorical_features = getattr(
            like, "categorical_features", estimator.categorical_features
        )
        for name in ("n_features_in_", "feature_names_in_", "_wide_2d"):
            if hasattr(like, name):
                setattr(one, name, getattr(like, name))
        one._seeds, one._n_calls = [seed, seed], 0
        one._store(problem, group, trained[g * n_members : (g + 1) * n_members])
        fitted.append(one)
    return fitted


def _weights_of_groups(
    estimator: MultiTaskNetwork, tasks: TaskSet, groups: Sequence[Sequence[str]]
) -> list[NDArray[np.float64] | None]:
    """Return the weights of every group's tasks; None where all are equal or zero."""
    weights = estimator._task_weights(tasks.names)
    if weights is None:
        return [None] * len(groups)
    of = dict(zip(tasks.names, weights, strict=True))
    own = [np.array([of[name] for name in group]) for group in groups]
    return [weight if weight.any() else None for weight in own]


def _workers(n_workers: int | None) -> int | None:
    """Return the number of processes that joblib's negative numbers stand for."""
    return n_workers if n_workers is None or n_workers > 0 else effective_n_jobs(n_workers)
