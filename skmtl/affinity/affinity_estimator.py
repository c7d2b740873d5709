"""Base class and helpers of the affinity estimators: checks, tables, prediction for groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skmtl.affinity.measure import check_no_fairness_term
from skmtl.data import TaskSet, task_name
from skmtl.estimators import MultiTaskClassifier, MultiTaskNetwork, MultiTaskRegressor
from skmtl.support import DocLinks, VersionedState

_LARGEST_SEED = np.iinfo(np.int32).max


class AffinityEstimator(VersionedState, DocLinks, BaseEstimator):
    """Base class of affinity estimators: ``fit`` sets ``affinity_``, (T, T), row = target."""

    affinity_: pd.DataFrame
    task_names_: list[str]
    estimator: MultiTaskNetwork | None
    random_state: int | np.random.RandomState | None
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [MultiTaskNetwork, None],
        "random_state": ["random_state"],
    }

    def predict_groups(self, groups: Sequence[Sequence[str]]) -> pd.DataFrame:
        """Predict the gain of each task in each group.

        Parameters
        ----------
        groups : sequence of sequence of str
            Task names of each group.

        Returns
        -------
        DataFrame of shape (n_groups, T)
            Mean affinity with the other tasks of the group; 0 in a group of one, NaN where a task
            is not in the group.
        """
        check_is_fitted(self, "affinity_")
        members = membership(groups, self.task_names_)
        gains = mean_over_others(self.affinity_.to_numpy(), members)
        return group_table(gains, members, self.task_names_)


def network_and_seed(affinity: AffinityEstimator, tasks: TaskSet) -> tuple[MultiTaskNetwork, int]:
    """Check parameters and tasks; return the network to train and a seed."""
    affinity._validate_params()
    name, given = type(affinity).__name__, affinity.estimator
    if not isinstance(tasks, TaskSet):
        raise TypeError(
            f"tasks must be a TaskSet. Got {type(tasks).__name__}; build one with "
            "TaskSet.from_long or TaskSet.from_wide."
        )
    if len(tasks) < 2:
        raise ValueError(f"{name} needs at least 2 tasks. Got {len(tasks)}.")
    kind = MultiTaskRegressor if tasks.kind == "regression" else MultiTaskClassifier
    if given is not None and not isinstance(given, kind):
        raise ValueError(
            f"The tasks are of kind {tasks.kind!r}, so the estimator of {name} must be a "
            f"{kind.__name__}. Got {given!r}."
        )
    check_no_fairness_term(given, name)
    network = kind() if given is None else clone(given)
    return network, int(check_random_state(affinity.random_state).randint(_LARGEST_SEED))


def affinity_table(values: NDArray[np.float64], names: list[str]) -> pd.DataFrame:
    """Return affinities (T, T) with names and a diagonal of 0."""
    table = np.array(values, dtype=np.float64)
    np.fill_diagonal(table, 0.0)
    return pd.DataFrame(table, index=pd.Index(names), columns=pd.Index(names))


def group_table(
    values: NDArray[np.float64], members: NDArray[np.bool_], names: list[str]
) -> pd.DataFrame:
    """Return values of tasks in groups, (n_groups, T), NaN where a task is not in the group."""
    return pd.DataFrame(np.where(members, values, np.nan), columns=names)


def membership(groups: Sequence[Sequence[str]], names: Sequence[str]) -> NDArray[np.bool_]:
    """Return the membership of tasks in groups, (n_groups, T)."""
    position = {name: k for k, name in enumerate(names)}
    members = np.zeros((len(groups), len(names)), dtype=bool)
    for row, group in enumerate(groups):
        if isinstance(group, str) or len(group) == 0:
            raise ValueError(f"groups must contain non-empty lists of task names. Got {group!r}.")
        for given in group:
            name = task_name(given, "groups")
            if name not in position:
                raise ValueError(f"groups contains task {name!r}, which was not in fit.")
            members[row, position[name]] = True
    return members


def mean_over_others(
    affinity: NDArray[np.float64], members: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return each task's mean affinity with the other tasks of each group, (n_groups, T)."""
    table = affinity.copy()
    np.fill_diagonal(table, 0.0)
    share = members / np.maximum(members.sum(1, keepdims=True) - 1, 1)
    unknown = np.isnan(table)
    means: NDArray[np.float64] = share @ np.where(unknown, 0.0, table).T
    return np.where(share @ unknown.T > 0, np.nan, means)
