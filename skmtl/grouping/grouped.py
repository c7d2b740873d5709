"""Shared part of the grouped estimators: measure gains, propose and choose groups, refit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, MultiOutputMixin, clone
from sklearn.utils import check_random_state

from skmtl._sklearn_compat import Interval
from skmtl.affinity import PairwiseGains, collect_pairwise_gains, listed, predict_affinity
from skmtl.data import TaskSet
from skmtl.estimators import (
    MultiTaskNetwork,
    Settings,
    TrainingRows,
    fit_groups,
    known_groups,
    read_settings,
)
from skmtl.grouping.candidates import (
    SOME_EVIDENCE,
    STRONG_EVIDENCE,
    Candidate,
    GroupingKind,
    choose,
    joint,
    loss_units,
    proposed,
    single_task,
)
from skmtl.grouping.grouped_networks import GroupedNetworks
from skmtl.grouping.held_out import held_out_losses
from skmtl.grouping.rounds import N_SPLITS, GroupMeasurements, refined
from skmtl.grouping.search import TaskGrouper
from skmtl.support import DocLinks, Stage, VersionedState, warn_of_seedless_memory

# Minimum number of rows of a task that takes part in the choice of groups.
MIN_ROWS = 10
_LARGEST_SEED = np.iinfo(np.int32).max
# Default network of a group: small, because hundreds of them are trained.
DEFAULT_NETWORK: dict[str, Any] = {
    "hidden_layer_sizes": (64,),
    "solver": "adam",
    "alpha": 1e-3,
    "learning_rate_init": 3e-3,
    "batch_size": 64,
    "max_iter": 500,
    "n_iter_no_change": 30,
    "tol": 0.0,
    "n_members": 1,
    "task_embedding_dim": 0,
}


class TaskGrouped(VersionedState, DocLinks, MultiOutputMixin, BaseEstimator):
    """Parameters that the grouped regressor and classifier share."""

    model_: GroupedNetworks
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [MultiTaskNetwork, None],
        "task_column": [str, Integral, None],
        "grouper": [TaskGrouper, None],
        "pair_fraction": [Interval(Real, 0, 1, closed="right")],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "n_rounds": [Interval(Integral, 0, None, closed="left")],
        "validation_size": [Interval(Real, 0, 1, closed="neither")],
        "n_jobs": [Integral, None],
        "memory": "no_validation",  # type: ignore[dict-item]
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        task_column: Any = None,
        grouper: TaskGrouper | None = None,
        pair_fraction: float = 0.25,
        n_repeats: int = 4,
        n_rounds: int = 3,
        validation_size: float = 0.3,
        n_jobs: int | None = None,
        memory: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.estimator = estimator
        self.task_column = task_column
        self.grouper = grouper
        self.pair_fraction = pair_fraction
        self.n_repeats = n_repeats
        self.n_rounds = n_rounds
        self.validation_size = validation_size
        self.n_jobs = n_jobs
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")


@dataclass(frozen=True, eq=False)
class GroupingPlan:
    """Checked parameters of a grouped estimator.

    Attributes
    ----------
    owner : str
        Class of the estimator, for messages.
    network : MultiTaskNetwork
        Unfitted network of a group, with the task column.
    settings : Settings
        Settings of the network.

    Notes
    -----
    The other attributes are the parameters of the estimator, and four seeds.
    """

    owner: str
    network: MultiTaskNetwork
    settings: Settings
    grouper: TaskGrouper | None
    pair_fraction: float
    n_repeats: int
    n_rounds: int
    validation_size: float
    n_jobs: int | None
    memory: Any
    verbose: int
    seeds: list[int]

    @property
    def long(self) -> bool:
        """Whether X has a task column."""
        return self.settings.reading.task_column is not None

    def units(self, tasks: TaskSet) -> dict[str, float]:
        """Return a divisor per task that makes losses comparable."""
        return loss_units(tasks, pooled=self.long, degree=self.settings.loss.degree)


def read_plan(estimator: TaskGrouped, kind: type[MultiTaskNetwork]) -> GroupingPlan:
    """Check the parameters of a grouped estimator and return them as a plan."""
    owner, given = type(estimator).__name__, estimator.estimator
    if given is not None and not isinstance(given, kind):
        raise TypeError(
            f"The estimator of a {owner} must be a {kind.__name__}. Got {type(given).__name__}."
        )
    warn_of_seedless_memory(estimator.memory, estimator.random_state)
    network = kind(**DEFAULT_NETWORK) if given is None else clone(given)
    network.set_params(task_column=estimator.task_column)
    return GroupingPlan(
        owner=owner,
        network=network,
        settings=replace(read_settings(network), owner=owner),
        grouper=estimator.grouper,
        pair_fraction=estimator.pair_fraction,
        n_repeats=estimator.n_repeats,
        n_rounds=estimator.n_rounds,
        validation_size=estimator.validation_size,
        n_jobs=estimator.n_jobs,
        memory=estimator.memory,
        verbose=estimator.verbose,
        seeds=check_random_state(estimator.random_state).randint(_LARGEST_SEED, size=4).tolist(),
    )


def group_and_fit(plan: GroupingPlan, rows: TrainingRows) -> dict[str, Any]:
    """Choose the groups, train their networks, and return the fitted attributes.

    Parameters
    ----------
    plan : GroupingPlan
        Parameters.
    rows : TrainingRows
        Checked training rows.

    Returns
    -------
    dict of str to object
        Attributes of the fitted estimator.
    """
    tasks, fairness = rows.tasks, plan.settings.fairness
    if fairness is not None:
        known_groups(fairness, rows.groups)
    _warn_of_one_task(plan, tasks)
    usable = _usable_tasks(tasks)
    rest, held = (
        usable.train_test_split(plan.validation_size, plan.seeds[0])
        if len(usable)
        else (usable, usable)
    )
    gains, affinity = _measured(plan, rows, rest)
    choice = chosen(plan, rows, rest, held, affinity)
    groups = list(choice.winner.groups)
    labels = np.array([choice.winner.served_by[name] for name in tasks.names], dtype=np.intp)
    network = _network(plan, rows, tasks.names).set_params(
        **({} if fairness is None else {"fairness": fairness})
    )
    fitted = fit_groups(network, rows, groups, seed=plan.seeds[3], n_workers=plan.n_jobs)
    model = GroupedNetworks(
        rows.layout, list(tasks.names), labels, [estimator.model_ for estimator in fitted]
    )
    return {
        "task_names_": list(tasks.names),
        "n_outputs_": len(tasks),
        "gains_": gains,
        "affinity_": affinity.reindex(index=tasks.names, columns=tasks.names),
        "rounds_": choice.rounds,
        "choice_": choice.table,
        "groups_": groups,
        "labels_": labels,
        "estimators_": fitted,
        "model_": model,
        **rows.layout.attributes(),
    }


# ---------------------------------------------------------------------- steps
@dataclass(frozen=True, eq=False)
class Choice:
    """Chosen candidate, table of all candidates, and table of the rounds that proposed them."""

    winner: Candidate
    table: pd.DataFrame
    rounds: pd.DataFrame | None = None


def _network(plan: GroupingPlan, rows: TrainingRows, names: Sequence[str]) -> MultiTaskNetwork:
    """Return the unfitted network of these tasks, with their task weights.

    It has no fairness term, because losses alone choose the groups.
    """
    network = clone(plan.network)
    if plan.settings.fairness is not None:
        network.set_params(fairness=None)
    weights = plan.settings.weights_of(rows.tasks.names)
    if weights is None:
        return network
    of = dict(zip(rows.tasks.names, weights, strict=True))
    return network.set_params(task_weights={name: of[name] for name in of if name in names})


def _measuring_network(
    plan: GroupingPlan, rows: TrainingRows, names: Sequence[str]
) -> MultiTaskNetwork:
    """Return the network for a TaskSet, whose inputs have no task column."""
    return _network(plan, rows, names).set_params(categorical_features=rows.categorical)


def _warn_of_one_task(plan: GroupingPlan, tasks: TaskSet) -> None:
    """Warn that there is nothing to group."""
    if len(tasks) > 1:
        return
    where = (
        f"The task column contains one task, {tasks.names[0]!r}"
        if plan.long
        else "y contains one task and task_column is None"
    )
    warnings.warn(
        f"{where}: {plan.owner} has nothing to group and trains one network. Set task_column to "
        "the task column of X, or pass y with one column per task.",
        UserWarning,
        stacklevel=5,
    )


def _usable_tasks(tasks: TaskSet) -> TaskSet:
    """Return the tasks that take part in measuring and choosing; name the others in a warning."""
    few = [name for name, size in zip(tasks.names, tasks.sizes, strict=True) if size < MIN_ROWS]
    one_class = [
        task.name
        for task in tasks
        if tasks.kind == "classification" and task.name not in few and len(np.unique(task.y)) < 2
    ]
    if few or one_class:
        reasons = [f"fewer than {MIN_ROWS} rows: {listed(few, 5, 24)}"] * bool(few) + [
            f"one class only: {listed(one_class, 5, 24)}"
        ] * bool(one_class)
        warnings.warn(
            f"Some tasks take no part in the choice of groups ({'; '.join(reasons)}). "
            "They are trained in the joint network if it is chosen, otherwise in single-task "
            "networks.",
            UserWarning,
            stacklevel=5,
        )
    usable = [name for name in tasks.names if name not in few and name not in one_class]
    return tasks.subset(usable) if usable else TaskSet(tasks.X, {}, {}, tasks.kind)


def _measured(
    plan: GroupingPlan, rows: TrainingRows, rest: TaskSet
) -> tuple[PairwiseGains | None, pd.DataFrame]:
    """Measure the gains of a sample of pairs and predict those of all pairs, (T, T)."""
    if len(rest) < 2:
        nothing = np.zeros((len(rest), len(rest)))
        return None, pd.DataFrame(nothing, index=rest.names, columns=rest.names)
    gains = collect_pairwise_gains(
        rest,
        _measuring_network(plan, rows, rest.names),
        pairs=plan.pair_fraction,
        n_repeats=plan.n_repeats,
        n_jobs=plan.n_jobs,
        memory=plan.memory,
        random_state=plan.seeds[1],
        verbose=plan.verbose,
    )
    return gains, predict_affinity(rest, gains, random_state=plan.seeds[1])


def chosen(
    plan: GroupingPlan, rows: TrainingRows, rest: TaskSet, held: TaskSet, affinity: pd.DataFrame
) -> Choice:
    """Train all candidates on one part of the rows and compare total losses on the other."""
    all_names = rows.tasks.names
    if len(rest) < 2:
        only = joint(all_names)
        columns = {
            "candidate": [only.name],
            "kind": [only.kind.value],
            "n_groups": [1],
            "validation_loss": [np.nan],
            "chosen": [True],
        }
        return Choice(only, pd.DataFrame(columns))
    proposals, rounds = _proposals(plan, rows, rest, affinity)
    candidates = [single_task(rest.names), joint(rest.names), *proposals]
    groups = list(dict.fromkeys(group for candidate in candidates for group in candidate.groups))
    stage = Stage("Candidate groups", len(groups), plan.verbose)
    fitted = fit_groups(
        _network(plan, rows, rest.names),
        replace(rows, tasks=rest, groups=None),
        groups,
        seed=plan.seeds[2],
        n_workers=plan.n_jobs,
    )
    loss_of = {
        (group, name): loss
        for group, one in zip(groups, fitted, strict=True)
        for name, loss in held_out_losses(one, held, group).items()
    }
    stage.advance(len(groups))
    unit = plan.units(rest)
    losses = [
        np.array(
            [
                loss_of[candidate.groups[candidate.served_by[name]], name] / unit[name]
                for name in rest.names
            ]
        )
        for candidate in candidates
    ]
    table = choose(candidates, losses, SOME_EVIDENCE if plan.n_rounds else STRONG_EVIDENCE)
    winner = candidates[int(np.argmax(table["chosen"]))]
    left_out = [name for name in all_names if name not in rest]
    if not left_out:
        return Choice(winner, table, rounds)
    if winner.kind is GroupingKind.JOINT:
        return Choice(joint(all_names), table, rounds)
    served_by = winner.served_by | {name: len(winner.groups) + k for k, name in enumerate(left_out)}
    groups_of_all = (*winner.groups, *((name,) for name in left_out))
    return Choice(replace(winner, groups=groups_of_all, served_by=served_by), table, rounds)


def _proposals(
    plan: GroupingPlan, rows: TrainingRows, rest: TaskSet, affinity: pd.DataFrame
) -> tuple[list[Candidate], pd.DataFrame | None]:
    """Return the proposed groupings and the table of the rounds."""
    seed = plan.seeds[2]
    if plan.n_rounds == 0 or len(rest) < 3:
        return proposed(affinity, plan.grouper, seed), None
    seeds = check_random_state(seed).randint(_LARGEST_SEED, size=N_SPLITS).tolist()
    measurements = GroupMeasurements(
        rest,
        _measuring_network(plan, rows, rest.names),
        plan.units(rest),
        seeds,
        plan.n_jobs,
        plan.memory,
        plan.verbose,
    )
    return refined(measurements, affinity, plan.grouper, plan.n_rounds, seed)
