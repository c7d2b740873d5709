"""From a table of many tasks to groups that learn together, in one estimator."""

from __future__ import annotations

import warnings
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skmtl._sklearn_compat import Interval
from skmtl.affinity import PairwiseGains, collect_pairwise_gains, predict_affinity
from skmtl.data import TaskSet, take_rows
from skmtl.estimators import MultiTaskNetwork, fit_groups
from skmtl.grouping.candidates import (
    SOME_EVIDENCE,
    STRONG_EVIDENCE,
    Candidate,
    GroupingKind,
    alone,
    choose,
    loss_units,
    proposed,
    together,
)
from skmtl.grouping.held_out import held_out_losses
from skmtl.grouping.rounds import N_SPLITS, GroupMeasurements, refined
from skmtl.grouping.search import TaskGrouper
from skmtl.losses import resolve_loss
from skmtl.support import DocLinks, Stage, VersionedState

# Fewest rows of a task that takes part in measuring gains and in the choice of groups.
MIN_ROWS = 10
_LARGEST_SEED = np.iinfo(np.int32).max
# Network of every group where none is given: small and quick, since hundreds of them are trained.
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
    """Measure gains, predict the rest, propose groups, choose on held-out rows, refit: what both
    kinds share.
    """

    _network: ClassVar[type[MultiTaskNetwork]]
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

    # ------------------------------------------------------------------ fit
    def _fit(self, X: Any, y: Any, sample_weight: Any, sensitive_features: Any = None) -> None:
        if self.estimator is not None and not isinstance(self.estimator, self._network):
            raise TypeError(
                f"The estimator of a {type(self).__name__} must be a {self._network.__name__}. Got "
                f"{type(self.estimator).__name__}."
            )
        self._front = self._inner()
        X, people = self._front._grouped(X, sensitive_features)
        self._front._check_groups(people)
        tasks, weight, self._categorical = self._front._as_tasks(X, y, sample_weight, reset=True)
        self.n_features_in_ = self._front.n_features_in_
        if hasattr(self._front, "feature_names_in_"):
            self.feature_names_in_ = self._front.feature_names_in_
        rng = check_random_state(self.random_state)
        seeds = rng.randint(_LARGEST_SEED, size=4).tolist()
        self.task_names_ = tasks.names
        usable = self._usable_tasks(tasks)
        rest, held = (
            usable.train_test_split(self.validation_size, seeds[0])
            if len(usable)
            else (usable, usable)
        )
        affinity = self._measure(rest, seeds[1])
        self.affinity_ = affinity.reindex(index=tasks.names, columns=tasks.names)
        winner = self._choose(rest, held, affinity, seeds[2], weight)
        self._refit(tasks, winner, seeds[3], weight, people)

    def _inner(self, names: list[str] | None = None) -> Any:
        """Return the network of a group, unfitted; with names, its task weights are those of these
        tasks, and it has no fairness term: losses choose groups.
        """
        inner = (
            self._network(**DEFAULT_NETWORK) if self.estimator is None else clone(self.estimator)
        )
        inner.set_params(task_column=self.task_column)
        weights = None if names is None else inner._task_weights(self.task_names_)
        if names is not None:
            inner.set_params(
                categorical_features=self._categorical
            )  # positions without the task column
            if getattr(inner, "fairness", None) is not None:
                inner.set_params(fairness=None)
        if names is None or weights is None:
            return inner
        return inner.set_params(
            task_weights={
                name: weight
                for name, weight in zip(self.task_names_, weights, strict=True)
                if name in names
            }
        )

    def _usable_tasks(self, tasks: TaskSet) -> TaskSet:
        """Return the tasks that take part in measuring and choosing; name the others in a warning."""
        few = [name for name, size in zip(tasks.names, tasks.sizes, strict=True) if size < MIN_ROWS]
        one_class = [
            task.name
            for task in tasks
            if tasks.kind == "classification"
            and task.name not in few
            and len(np.unique(task.y)) < 2
        ]
        if few or one_class:
            reasons = [f"fewer than {MIN_ROWS} rows: {', '.join(few)}"] * bool(few) + [
                f"one class only: {', '.join(one_class)}"
            ] * bool(one_class)
            warnings.warn(
                f"Some tasks take no part in the choice of groups ({'; '.join(reasons)}). "
                "They are trained in the common network if that is chosen, else alone.",
                UserWarning,
                stacklevel=5,
            )
        usable = [name for name in tasks.names if name not in few and name not in one_class]
        return tasks.subset(usable) if usable else TaskSet(tasks.X, {}, {}, tasks.kind)

    def _measure(self, rest: TaskSet, seed: int) -> pd.DataFrame:
        """Measure a sample of pairs and predict the gains of all, (T, T)."""
        if len(rest) < 2:
            self.gains_: PairwiseGains | None = None
            return pd.DataFrame(
                np.zeros((len(rest), len(rest))), index=rest.names, columns=rest.names
            )
        gains = collect_pairwise_gains(
            rest,
            self._inner(rest.names),
            pairs=self.pair_fraction,
            n_repeats=self.n_repeats,
            n_jobs=self.n_jobs,
            memory=self.memory,
            random_state=seed,
            verbose=self.verbose,
        )
        self.gains_ = gains
        return predict_affinity(rest, gains, random_state=seed)

    def _units(self, rest: TaskSet) -> dict[str, float]:
        loss = resolve_loss(self._inner(rest.names).loss, rest.kind)
        return loss_units(rest, pooled=self.task_column is not None, degree=loss.degree)

    def _choose(
        self,
        rest: TaskSet,
        held: TaskSet,
        affinity: pd.DataFrame,
        seed: int,
        weight: NDArray[np.float64] | None,
    ) -> Candidate:
        """Train every candidate on one part of the rows and compare totals on the other."""
        self.rounds_: pd.DataFrame | None = None
        if len(rest) < 2:
            everybody = together(self.task_names_)
            self.choice_ = pd.DataFrame(
                {
                    "candidate": [everybody.name],
                    "kind": [everybody.kind.value],
                    "n_groups": [1],
                    "validation_loss": [np.nan],
                    "chosen": [True],
                }
            )
            return everybody
        proposals = self._proposals(rest, affinity, seed)
        candidates = [alone(rest.names), together(rest.names), *proposals]
        groups = list(
            dict.fromkeys(group for candidate in candidates for group in candidate.groups)
        )
        stage = Stage("Candidate groups", len(groups), self.verbose)
        fitted = fit_groups(
            self._inner(rest.names),
            rest,
            groups,
            seed=seed,
            like=self._front,
            sample_weight=weight,
            n_workers=self.n_jobs,
        )
        loss_of = {
            (group, name): loss
            for group, one in zip(groups, fitted, strict=True)
            for name, loss in held_out_losses(one, held, group).items()
        }
        stage.advance(len(groups))
        unit = self._units(rest)
        losses = [
            np.array(
                [
                    loss_of[candidate.groups[candidate.served_by[name]], name] / unit[name]
                    for name in rest.names
                ]
            )
            for candidate in candidates
        ]
        self.choice_ = choose(
            candidates, losses, SOME_EVIDENCE if self.n_rounds else STRONG_EVIDENCE
        )
        winner = candidates[int(np.argmax(self.choice_["chosen"]))]
        left_out = [name for name in self.task_names_ if name not in rest]
        if not left_out:
            return winner
        if winner.kind is GroupingKind.JOINT:
            return together(self.task_names_)
        served_by = winner.served_by | {
            name: len(winner.groups) + k for k, name in enumerate(left_out)
        }
        with_single = (*winner.groups, *((name,) for name in left_out))
        return replace(winner, groups=with_single, served_by=served_by)

    def _proposals(self, rest: TaskSet, affinity: pd.DataFrame, seed: int) -> list[Candidate]:
        """Return the groupings that are held against "alone" and "all together"; ``rounds_`` is
        what they come from.
        """
        if self.n_rounds == 0 or len(rest) < 3:
            return proposed(affinity, self.grouper, seed)
        seeds = check_random_state(seed).randint(_LARGEST_SEED, size=N_SPLITS).tolist()
        units = self._units(rest)
        measurements = GroupMeasurements(
            rest, self._inner(rest.names), units, seeds, self.n_jobs, self.memory, self.verbose
        )
        finalists, self.rounds_ = refined(measurements, affinity, self.grouper, self.n_rounds, seed)
        return finalists

    def _refit(
        self,
        tasks: TaskSet,
        winner: Candidate,
        seed: int,
        weight: NDArray[np.float64] | None,
        people: Any,
    ) -> None:
        self.groups_ = list(winner.groups)
        self.labels_ = np.array([winner.served_by[name] for name in tasks.names], dtype=np.intp)
        self.n_outputs_ = len(tasks)
        inner = self._inner(tasks.names)
        if getattr(self._front, "fairness", None) is not None:
            inner.set_params(fairness=self._front.fairness)
        settings = {"sample_weight": weight, "people": people, "n_workers": self.n_jobs}
        self.estimators_ = fit_groups(
            inner, tasks, self.groups_, seed=seed, like=self._front, **settings
        )

    # ------------------------------------------------------------------ predict
    @property
    def _wide_2d(self) -> bool:
        return bool(self._front._wide_2d)

    def _task_ids(self, X: Any) -> Any:
        return self._front._task_ids(X)

    def _outputs(self, X: Any) -> tuple[list[NDArray[np.float64]], NDArray[np.intp] | None]:
        """Return the outputs of every task from the network that serves it."""
        check_is_fitted(self, "estimators_")
        inputs, codes = self._front._checked_inputs(X, self.task_names_)
        outputs: list[NDArray[np.float64]] = [np.empty(0)] * len(self.task_names_)
        for g, estimator in enumerate(self.estimators_):
            served = np.flatnonzero(self.labels_ == g)
            position = {name: k for k, name in enumerate(estimator.task_names_)}
            if codes is None:
                own = estimator._outputs_of(inputs, None)
            else:
                rows = np.flatnonzero(np.isin(codes, served))
                own = estimator._outputs_of(
                    take_rows(inputs, rows),
                    np.array([position.get(name, -1) for name in self.task_names_])[codes[rows]],
                )
            for t in served:
                outputs[t] = own[position[self.task_names_[t]]]
        return outputs, codes
