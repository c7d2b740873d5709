"""Test losses of many groups of tasks, each trained as one network: the question that affinity and grouping ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from skmtl.estimators.classifier import MultiTaskClassifier
from skmtl.estimators.problem import Problem
from skmtl.estimators.regressor import MultiTaskRegressor
from skmtl.network import train_fleet
from skmtl.tasks import TaskSet


@dataclass(frozen=True)
class GroupOutcome:
    """What training one group gave.

    Attributes
    ----------
    losses : tuple of float
        Test loss of every task of the group, in the group's order: mean squared error in the user's units, or log loss.
    n_iter : int
        Passes made.
    diverged : bool
        Whether training ended early because a loss became infinite or NaN.
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
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[GroupOutcome]:
    """Train one network for every group, as one fleet, and return its tasks' test losses.

    All networks share the scale of the inputs (of all training rows), each task's validation rows, the initial trunk and
    the order of rows, so that differences between groups are due to the groups.

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
    n_workers : int, optional
        Threads, by default as many as torch may use.
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
    >>> outcomes = measure_groups(MultiTaskRegressor(max_iter=5), train, test, [tasks.names[:1], tasks.names[:2]], seed=0)
    >>> [len(outcome.losses) for outcome in outcomes]
    [1, 2]
    """
    problem = Problem(estimator, train, test, split_seed=seed, separate=True)
    members = [problem.member(group, seed, seed) for group in groups]
    trained = train_fleet(problem.architecture(), problem.data, members, problem.training(record=False), n_workers=n_workers, progress=progress)
    return [
        GroupOutcome(
            losses=tuple(problem.mean_loss(name, scores) for name, scores in zip(group, member.scores, strict=True)),
            n_iter=member.n_iter,
            diverged=member.diverged,
        )
        for group, member in zip(groups, trained, strict=True)
    ]
