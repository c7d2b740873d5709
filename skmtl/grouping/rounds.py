"""Rounds of the grouped estimators: propose groups, measure them, correct the gains, repeat."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
from joblib import Memory
from numpy.typing import NDArray
from sklearn.base import clone

from skmtl.affinity import KeptNumbers
from skmtl.data import TaskSet
from skmtl.estimators import MultiTaskClassifier, MultiTaskRegressor, measure_groups
from skmtl.grouping.candidates import Candidate, joint, proposed, single_task
from skmtl.grouping.group_model import GroupGainModel, MeasuredGains
from skmtl.grouping.search import TaskGrouper, climb
from skmtl.support import Stage

Array = NDArray[np.float64]
Group = tuple[str, ...]

TEST_SIZE = 0.3
# Splits on which each proposed group is measured.
N_SPLITS = 2
# Numbers of groups in the first round.
_FIRST_COUNTS = (2, 4, 8, 16)
# Number of best groupings whose groups are candidates for a task, besides single-task and joint.
_SERVING = 3


class GroupMeasurements:
    """Losses of groups on several splits of the same rows; each group is trained once per split.

    Parameters
    ----------
    tasks : TaskSet
        Rows to split.
    estimator : MultiTaskRegressor or MultiTaskClassifier
        Network of each group.
    units : dict of str to float
        Divisor of each task's loss.
    seeds : sequence of int
        Seed of each split and its networks.
    n_jobs : int or None
        Maximum number of processes.
    memory : path, joblib.Memory or None
        Cache of finished measurements.
    verbose : int
        1 prints a line per split.
    """

    def __init__(
        self,
        tasks: TaskSet,
        estimator: MultiTaskRegressor | MultiTaskClassifier,
        units: dict[str, float],
        seeds: Sequence[int],
        n_jobs: int | None,
        memory: str | os.PathLike[str] | Memory | None,
        verbose: int,
    ):
        self.tasks, self.estimator, self.units, self.seeds = tasks, estimator, units, seeds
        self.n_jobs, self.verbose = n_jobs, verbose
        self.losses: dict[Group, Array] = {}
        self._measure = KeptNumbers(_losses_on_split, memory, ignore=["n_jobs"])

    def add(self, candidates: Sequence[Candidate]) -> None:
        """Measure those groups of the candidates that were not measured before."""
        new = list(
            dict.fromkeys(
                group
                for candidate in candidates
                for group in candidate.groups
                if group not in self.losses
            )
        )
        if not new:
            return
        stage = Stage("Proposed groups", len(new) * len(self.seeds), self.verbose)
        splits = []
        for seed in self.seeds:
            splits.append(
                self._measure(self.tasks, clone(self.estimator), new, seed, n_jobs=self.n_jobs)
            )
            stage.advance(len(new))
        ends = np.cumsum([len(group) for group in new])[:-1]
        for group, losses in zip(new, np.split(np.stack(splits), ends, axis=1), strict=True):
            self.losses[group] = losses / [self.units[name] for name in group]

    def gains(self) -> tuple[MeasuredGains, Array]:
        """Return the relative gains in groups of several tasks, and the single-task losses (T,)."""
        names = self.tasks.names
        position = {name: k for k, name in enumerate(names)}
        single = np.column_stack([self.losses[(name,)][:, 0] for name in names])
        weights = single.mean(0)
        groups = [group for group in self.losses if len(group) > 1]
        target = np.array([position[name] for group in groups for name in group], dtype=np.intp)
        members = np.zeros((len(target), len(names)), dtype=bool)
        row = 0
        for group in groups:
            members[row : row + len(group), [position[name] for name in group]] = True
            row += len(group)
        with np.errstate(invalid="ignore", divide="ignore"):
            each = (
                single[:, target] - np.concatenate([self.losses[group] for group in groups], axis=1)
            ) / weights[target]
        known = np.isfinite(each).all(0)
        each, target = each[:, known], target[known]
        of_task = np.zeros((len(names), len(target)))
        of_task[target, np.arange(len(target))] = 1.0
        # Mean over the groups of a task, for each split.
        mean = each @ of_task.T / np.maximum(of_task.sum(1), 1)
        own = _variance(each - mean[:, target], of_task)
        shared = _variance(mean, np.eye(len(names)))
        weights = np.where(np.isfinite(weights), weights, 0.0)
        return MeasuredGains(members[known], target, each.mean(0), own[target], shared), weights


def refined(
    measurements: GroupMeasurements,
    affinity: pd.DataFrame,
    grouper: TaskGrouper | None,
    n_rounds: int,
    random_state: int,
) -> tuple[list[Candidate], pd.DataFrame]:
    """Alternate between searching for groupings and measuring the groups that the search proposes.

    The first groupings come from pair gains only. In each round, a model of gains in groups
    (:class:`GroupGainModel`) is fitted to all measurements; with the corrected pair gains, the
    searches propose groupings near the best one so far. The rounds end when none of the new
    groupings has a lower measured loss.

    Parameters
    ----------
    measurements : GroupMeasurements
        Measures groups and keeps the losses.
    affinity : DataFrame of shape (T, T)
        Predicted gains of pairs, row = target.
    grouper : TaskGrouper or None
        Search that proposes groupings from corrected gains; None = semidefinite clustering, beam
        search and local search.
    n_rounds : int
        Maximum number of rounds.
    random_state : int
        Seed of the search.

    Returns
    -------
    finalists : list of Candidate
        The grouping with the lowest measured loss, and the one that assigns each task to that group
        of the best groupings with its largest expected gain.
    table : DataFrame
        Columns round, candidate, n_groups, predicted_loss (NaN in round 0), measured_loss: totals
        over tasks.
    """
    names = list(affinity.columns)
    simple = [single_task(names), joint(names)]
    counts = [count for count in _FIRST_COUNTS if count <= max(2, len(names) // 2)]
    searches = (
        [TaskGrouper("sdp", n_groups=count) for count in counts] if grouper is None else [grouper]
    )
    found = _distinct(
        [
            candidate
            for search in searches
            for candidate in proposed(affinity, search, random_state)
        ],
        simple,
    )
    measurements.add([*simple, *found])
    known = [*simple, *found]
    rows = [(0, candidate, np.nan) for candidate in known]
    for number in range(1, n_rounds + 1):
        model, weights = _model(measurements, affinity)
        best = min(known, key=lambda candidate: _measured_total(measurements, candidate))
        new = _next_proposals(model, weights, known, best, grouper, names, random_state)
        if not new:
            break
        measurements.add([candidate for candidate, _ in new])
        known += [candidate for candidate, _ in new]
        rows += [(number, candidate, predicted) for candidate, predicted in new]
        if min(_measured_total(measurements, candidate) for candidate, _ in new) >= _measured_total(
            measurements, best
        ):
            break
    table = pd.DataFrame(
        [
            (number, c.name, len(c.groups), predicted, _measured_total(measurements, c))
            for number, c, predicted in rows
        ],
        columns=["round", "candidate", "n_groups", "predicted_loss", "measured_loss"],
    )
    return (_finalists(measurements, affinity, known) if len(known) > len(simple) else []), table


def _model(measurements: GroupMeasurements, affinity: pd.DataFrame) -> tuple[GroupGainModel, Array]:
    measured, weights = measurements.gains()
    model = GroupGainModel(affinity.to_numpy(), measurements.tasks.sizes)
    return (model.fit(measured) if len(measured.gain) else model), weights


def _next_proposals(
    model: GroupGainModel,
    weights: Array,
    known: list[Candidate],
    best: Candidate,
    grouper: TaskGrouper | None,
    names: list[str],
    random_state: int,
) -> list[tuple[Candidate, float]]:
    """Return new groupings and their predicted total losses.

    Without a grouper, these are partitions with numbers of groups between that of the best grouping
    and its neighbors among the numbers tried, a grouping with the best number of groups, which may
    overlap, and the result of a local search that starts from the best grouping.
    """
    corrected = pd.DataFrame(model.affinity + model.pair_effects_, index=names, columns=names)
    searches = [TaskGrouper("sdp", n_groups=count) for count in _counts_between(best, known)]
    searches += (
        [TaskGrouper("beam", n_groups=len(best.groups))]
        if 1 < len(best.groups) <= len(names) // 2
        else []
    )
    new = [
        candidate
        for search in (searches if grouper is None else [grouper])
        for candidate in proposed(corrected, search, random_state)
    ]
    if grouper is None:
        start = np.array([best.served_by[name] for name in names], dtype=np.intp)
        new.append(_partition(climb(model.value(weights), start), names))
    return [
        (candidate, float(weights @ (1 - _predicted_gains(model, candidate, names))))
        for candidate in _distinct(new, known)
    ]


def _predicted_gains(model: GroupGainModel, candidate: Candidate, names: list[str]) -> Array:
    serving = np.array([candidate.served_by[name] for name in names], dtype=np.intp)
    gains: Array = model.predict(_members(candidate.groups, names))[serving, np.arange(len(names))]
    return gains


def _counts_between(best: Candidate, known: list[Candidate]) -> list[int]:
    """Return numbers of groups halfway, on a log scale, to the neighbors that were tried."""
    tried, own = {len(candidate.groups) for candidate in known}, len(best.groups)
    sides = (
        max((k for k in tried if k < own), default=own),
        min((k for k in tried if k > own), default=own),
    )
    return [count for side in sides if (count := round(float(np.sqrt(own * side)))) not in tried]


def _finalists(
    measurements: GroupMeasurements, affinity: pd.DataFrame, known: list[Candidate]
) -> list[Candidate]:
    """Return the grouping with the lowest measured loss, and the best assignment of each task."""
    model, _ = _model(measurements, affinity)
    measured, _ = measurements.gains()
    names = list(affinity.columns)
    ranked = sorted(
        (candidate for candidate in known if not candidate.is_simple),
        key=lambda candidate: _measured_total(measurements, candidate),
    )
    simple = [candidate for candidate in known if candidate.is_simple]
    pool = list(
        dict.fromkeys(
            group for candidate in [*simple, *ranked[:_SERVING]] for group in candidate.groups
        )
    )
    expected = {
        group: expected_gains(model, measured, _members([group], names)[0]) for group in pool
    }
    serving = {
        name: max(
            (group for group in pool if name in group),
            key=lambda group: expected[group][names.index(name)],
        )
        for name in names
    }
    groups = tuple(dict.fromkeys(serving.values()))
    best_of_each = Candidate(
        f"best of each, {len(groups)} groups",
        groups,
        {name: groups.index(group) for name, group in serving.items()},
    )
    return [ranked[0], *_distinct([best_of_each], known)]


def expected_gains(
    model: GroupGainModel, measured: MeasuredGains, group: NDArray[np.bool_]
) -> Array:
    """Return the precision-weighted mean of predicted and measured gains of one group, (T,).

    Each group has a random effect that all its tasks share, with the same spread as single gains
    around the model. The total of a group therefore stays near its measured value, while gains of
    single tasks are shrunk toward the model.
    """
    gains: Array = model.predict(group[None])[0].copy()
    at = np.flatnonzero((measured.members == group).all(1))
    if not len(at):
        return gains
    target, residual = measured.target[at], measured.gain[at] - gains[measured.target[at]]
    spread, noise = model.spread_**2 + 1e-12, measured.variance[at]
    precision = 1 / (spread + noise)
    shared = float(precision @ residual / (precision.sum() + 1 / spread))
    gains[target] += shared + spread / (spread + noise) * (residual - shared)
    return gains


def _variance(each: Array, of_task: Array) -> Array:
    """Return squared standard errors per task (T,) from values (R, m) of R splits.

    The variance of a task is averaged with the median over tasks. Splits share rows, so the
    variance of their mean is corrected by the ratio of test to training rows (Nadeau and Bengio,
    "Inference for the generalization error", 2003).
    """
    spread = each.var(axis=0, ddof=1) if len(each) > 1 else np.square(each[0])
    own = of_task @ spread / np.maximum(of_task.sum(axis=1), 1)
    variance: Array = (own + np.median(own)) / 2 * (1 / len(each) + TEST_SIZE / (1 - TEST_SIZE))
    return variance


def _measured_total(measurements: GroupMeasurements, candidate: Candidate) -> float:
    total = sum(
        measurements.losses[candidate.groups[g]][:, candidate.groups[g].index(name)].mean()
        for name, g in candidate.served_by.items()
    )
    return float(total) if np.isfinite(total) else np.inf


def _partition(labels: NDArray[np.intp], names: list[str]) -> Candidate:
    groups = tuple(
        tuple(name for name, label in zip(names, labels, strict=True) if label == g)
        for g in range(labels.max() + 1)
    )
    return Candidate(
        f"climb, {len(groups)} groups",
        groups,
        {name: int(label) for name, label in zip(names, labels, strict=True)},
    )


def _distinct(candidates: list[Candidate], known: list[Candidate]) -> list[Candidate]:
    """Return the candidates whose groups differ from those of all known and earlier candidates."""
    seen = {frozenset(candidate.groups) for candidate in known}
    kept: dict[frozenset[Group], Candidate] = {}
    for candidate in candidates:
        if frozenset(candidate.groups) not in seen:
            kept.setdefault(frozenset(candidate.groups), candidate)
    return list(kept.values())


def _members(groups: Sequence[Group], names: list[str]) -> NDArray[np.bool_]:
    return np.array([[name in group for name in names] for group in map(set, groups)])


def _losses_on_split(
    tasks: TaskSet,
    estimator: MultiTaskRegressor | MultiTaskClassifier,
    groups: list[Group],
    seed: int,
    n_jobs: int | None = None,
) -> Array:
    """Return the test losses of each group's tasks on one split, concatenated over groups."""
    train, test = tasks.train_test_split(TEST_SIZE, seed)
    outcomes = measure_groups(estimator, train, test, groups, seed=seed, n_workers=n_jobs)
    return np.array([loss for outcome in outcomes for loss in outcome.losses])
