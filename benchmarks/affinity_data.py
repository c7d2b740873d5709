"""Gains of all pairs of the three published data sets, measured once and kept on disk."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skmtl import MultiTaskClassifier, MultiTaskRegressor, TaskSet
from skmtl.affinity import PairwiseGains
from skmtl.datasets import fetch_landmine, fetch_mhc_binding, fetch_school, make_grouped_tasks
from skmtl.estimators import measure_groups

DATA_SETS = ("school", "landmine", "mhc_binding")
TEST_SIZE = 0.3

# Table 5 of the paper: layers, learning rate, batch size; Adam, at most 1000 passes, patience 50.
_PUBLISHED = {
    "school": {"hidden_layer_sizes": (20, 10, 32), "learning_rate_init": 0.005, "batch_size": 64},
    "landmine": {"hidden_layer_sizes": (64, 32), "learning_rate_init": 0.001, "batch_size": 64},
    "mhc_binding": {"hidden_layer_sizes": (32, 16), "learning_rate_init": 0.001, "batch_size": 264},
}


def load_tasks(name: str, data_home: str | None) -> TaskSet:
    """Return a data set by name; "planted" is generated."""
    if name == "planted":
        return make_grouped_tasks(n_tasks=12, n_groups=3, n_samples=60, random_state=0).task_set
    fetch = {"school": fetch_school, "landmine": fetch_landmine, "mhc_binding": fetch_mhc_binding}[
        name
    ]
    return fetch(data_home=data_home).task_set


def published_network(name: str, kind: str) -> MultiTaskRegressor | MultiTaskClassifier:
    """Return the paper's network and training settings for a data set."""
    network = MultiTaskRegressor if kind == "regression" else MultiTaskClassifier
    settings = _PUBLISHED.get(
        name,
        {
            "hidden_layer_sizes": (16,),
            "learning_rate_init": 0.005,
            "batch_size": 64,
            "max_iter": 100,
        },
    )
    return network(
        **{
            "max_iter": 1000,
            "early_stopping": True,
            "n_iter_no_change": 50,
            "tol": 0.0,
            "device": "cpu",
            **settings,
        }
    )


@dataclass(frozen=True)
class Measured:
    """Losses of every task alone, (T,), and of both tasks of every unordered pair, (m, 2), on the
    test rows of one split.
    """

    pairs: NDArray[np.intp]
    alone: NDArray[np.float64]
    together: NDArray[np.float64]
    seconds: float

    def gains(self) -> NDArray[np.float64]:
        """Gains as a matrix (T, T), row = target, NaN on the diagonal."""
        matrix = np.full((len(self.alone), len(self.alone)), np.nan)
        first, second = self.pairs.T
        matrix[first, second] = 1 - self.together[:, 0] / self.alone[first]
        matrix[second, first] = 1 - self.together[:, 1] / self.alone[second]
        return matrix


def measure_split(
    name: str, split: int, *, data_home: str | None, cache: Path, n_workers: int | None = None
) -> Measured:
    """Measure all pairs on one split, or read what was measured before."""
    path = cache / f"{name}-{split}.npz"
    if path.exists():
        with np.load(path) as kept:
            return Measured(kept["pairs"], kept["alone"], kept["together"], float(kept["seconds"]))
    tasks = load_tasks(name, data_home)
    train, test = tasks.train_test_split(TEST_SIZE, split)
    pairs = np.array(list(itertools.combinations(range(len(tasks)), 2)))
    groups = [(task,) for task in tasks.names] + [
        (tasks.names[i], tasks.names[j]) for i, j in pairs
    ]
    start = time.perf_counter()
    outcomes = measure_groups(
        published_network(name, tasks.kind), train, test, groups, seed=split, n_workers=n_workers
    )
    seconds = time.perf_counter() - start
    alone = np.array([outcome.losses[0] for outcome in outcomes[: len(tasks)]])
    together = np.array([outcome.losses for outcome in outcomes[len(tasks) :]])
    cache.mkdir(parents=True, exist_ok=True)
    np.savez(path, pairs=pairs, alone=alone, together=together, seconds=seconds)
    return Measured(pairs, alone, together, seconds)


def as_gains(
    names: list[str], measured: Measured, chosen: NDArray[np.intp] | None = None
) -> PairwiseGains:
    """Return the gains of some unordered pairs, by their numbers, both directions of a pair one
    after the other.
    """
    rows = np.arange(len(measured.pairs)) if chosen is None else chosen
    ordered = np.stack([measured.pairs[rows], measured.pairs[rows][:, ::-1]], axis=1).reshape(-1, 2)
    together = measured.together[rows].reshape(-1, 1)
    return PairwiseGains(
        list(names),
        np.array(names, dtype=object)[ordered],
        measured.alone[ordered[:, 0]][:, None],
        together,
    )
