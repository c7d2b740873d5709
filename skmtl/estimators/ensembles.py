"""The members of an ensemble, and the single-task networks that some aggregators hold them against."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.aggregation import Mean, resolve_aggregator
from skmtl.base import Aggregator, FairnessTerm, GradientWeighting
from skmtl.data import TaskSet
from skmtl.estimators.problem import Problem
from skmtl.network import Member, TrainedMember, train_fleet

# n_members="auto": networks of an ensemble, and the labelled rows beyond which half as many do.
_MEMBERS, _MANY_ROWS = 8, 20_000


def members_of(estimator: Any, tasks: TaskSet) -> int:
    """Return the number of networks that an estimator trains for these tasks."""
    if estimator.n_members != "auto":
        return int(estimator.n_members)
    n_rows = len(np.unique(np.concatenate([tasks.rows(name) for name in tasks.names])))
    return _MEMBERS if n_rows <= _MANY_ROWS else _MEMBERS // 2


def aggregator_of(estimator: Any) -> Aggregator | None:
    """Return what the fleet is given; None for the mean, which is the fleet's own way."""
    aggregator = resolve_aggregator(estimator.aggregator)
    return None if type(aggregator) is Mean else aggregator


def terms_of(problem: Problem) -> list[FairnessTerm]:
    """Return the terms that an estimator adds to the loss, without the weights that its networks
    have for them; none whose weights are all 0.
    """
    term = getattr(problem.estimator, "fairness", None)
    if term is None:
        return []
    own = term.for_tasks(problem.names)
    return [] if own.multipliers is not None and not own.multipliers.any() else [own.shared]


def ensemble(
    problem: Problem,
    seed: int,
    order_seed: int,
    task_weights: NDArray[np.float64] | None,
    started: Sequence[TrainedMember] | None = None,
) -> list[Member]:
    """Return the members of an ensemble: each has a draw, an order of rows and a validation split
    of its own.
    """
    starts = [*started] if started else [None] * members_of(problem.estimator, problem.train)
    members = [
        problem.member(
            problem.names, seed + k, order_seed + 7919 * k, task_weights, split=k, start=start
        )
        for k, start in enumerate(starts)
    ]
    aggregator = aggregator_of(problem.estimator)
    if (
        isinstance(aggregator, GradientWeighting)
        and "scores" in aggregator.reads
        and len(problem.names) > 1
    ):
        members = _with_baselines(problem, members, str(aggregator))
    return members


def _with_baselines(problem: Problem, members: Sequence[Member], what: str) -> list[Member]:
    """Give every member the validation losses that single-task networks reach with its seeds and
    rows; 0 for tasks that none watches.
    """
    if not problem.watching:
        warnings.warn(
            f"{what} takes its scores from validation rows, of which there are none here: all "
            "tasks have equal priority. "
            "partial_fit never has any; fit has with early_stopping='auto' and tasks of at least 5 "
            "labelled rows.",
            UserWarning,
            stacklevel=4,
        )
        return list(members)
    n_tasks = len(problem.names)
    watched = np.array(
        [[problem.watches(name, split) for name in problem.names] for split in range(len(members))]
    )
    alone = [
        problem.alone(member, t, split)
        for split, member in enumerate(members)
        for t in range(n_tasks)
    ]
    trained = train_fleet(
        problem.architecture(), problem.data, alone, problem.training(record=False)
    )
    losses = np.array(
        [
            np.nanmin(curve) if np.isfinite(curve := member.validation_curve).any() else 0.0
            for member in trained
        ]
    )
    baselines = np.where(watched, losses.reshape(watched.shape), 0.0)
    return [replace(member, baselines=own) for member, own in zip(members, baselines, strict=True)]
