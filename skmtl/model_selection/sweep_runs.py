"""Settings drawn for the runs of a sweep, and networks with these settings."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.estimators import MultiTaskClassifier
from skmtl.model_selection.sweep_settings import SweepSettings, limits

LARGEST_SEED = np.iinfo(np.int32).max
# Parameters of the fairness term that are drawn, one number per task.
_OF_THE_TERM = ("weight", "head_ratio")


def draw_runs(
    settings: SweepSettings,
    network: MultiTaskClassifier,
    names: Sequence[str],
    rng: np.random.RandomState,
) -> pd.DataFrame:
    """Draw the settings of all runs, one row per run."""
    drawn: dict[str, NDArray[np.generic]] = {}
    n_runs, n_tasks, has_term = int(settings.n_runs), len(names), network.fairness is not None
    for parameter in _OF_THE_TERM:
        given = getattr(settings, parameter)
        if given is None or (parameter == "head_ratio" and not has_term):
            continue
        low, high = limits(given, parameter, n_tasks)
        values = np.zeros((n_runs, n_tasks))
        if has_term:
            _check_parameter(network.fairness, parameter)
            values = rng.uniform(low, high, size=(n_runs, n_tasks))
        drawn |= {f"{parameter}_{name}": values[:, t] for t, name in enumerate(names)}
    if settings.task_weight is not None:
        shares = draw_shares(settings.task_weight, n_runs, n_tasks, rng)
        drawn |= {f"task_weight_{name}": shares[:, t] for t, name in enumerate(names)}
    return pd.DataFrame(drawn | {"seed": rng.randint(LARGEST_SEED, size=n_runs)})


def _check_parameter(term: Any, parameter: str) -> None:
    """Raise ValueError if a fairness term does not have a parameter that is drawn."""
    if parameter not in term.get_params(deep=False):
        raise ValueError(
            f"fairness_sweep draws the parameter {parameter!r} of the fairness term, which "
            f"{type(term).__name__} does not have. Add a parameter that takes a list with one "
            f"number per task to the term, or set {parameter}=None."
        )


def draw_shares(
    given: Any, n_runs: int, n_tasks: int, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Draw task weights that sum to 1, (runs, T), uniformly among those in the range."""
    low, high = (float(limit[0]) for limit in limits(given, "task_weight", 1))
    if not n_tasks * low <= 1 <= n_tasks * high:
        raise ValueError(
            f"task_weight must allow {n_tasks} weights that sum to 1: low <= {1 / n_tasks:.3g} <= "
            f"high. Got {given!r}."
        )
    found = np.empty((0, n_tasks))
    for _ in range(1000):
        drawn = low + (1 - n_tasks * low) * rng.dirichlet(np.ones(n_tasks), size=max(n_runs, 1000))
        found = np.vstack([found, drawn[(drawn <= high + 1e-12).all(axis=1)]])
        if len(found) >= n_runs:
            return found[:n_runs]
    raise ValueError(
        f"task_weight={given!r} leaves hardly any weights of {n_tasks} tasks that sum to 1. Widen "
        "the range."
    )


def network_of_run(
    network: MultiTaskClassifier, run: Mapping[Any, Any], names: Sequence[str]
) -> MultiTaskClassifier:
    """Return an unfitted network with the settings of a run."""
    one = copy.copy(network)
    one.random_state = int(run["seed"])
    drawn = {
        parameter: [float(run[f"{parameter}_{name}"]) for name in names]
        for parameter in (*_OF_THE_TERM, "task_weight")
        if f"{parameter}_{names[0]}" in run
    }
    if "task_weight" in drawn:
        one.task_weights = drawn.pop("task_weight")
    if one.fairness is not None and drawn:
        one.fairness = copy.copy(one.fairness).set_params(**drawn)
    return one
