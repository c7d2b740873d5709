"""Checks of the parameters and inputs of the featurizer."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.affinity.featurizer.catalogue import EXTENDED, FEATURES
from skmtl.data import TaskSet, task_name

OWNER = "TaskRelationFeaturizer"


def check_tasks(tasks: Any) -> None:
    """Raise unless ``tasks`` is a TaskSet whose tasks all have rows."""
    if not isinstance(tasks, TaskSet):
        raise TypeError(
            f"The 'tasks' parameter of {OWNER} must be a TaskSet. Got {type(tasks).__name__} "
            "instead; build one with TaskSet.from_long or TaskSet.from_wide."
        )
    if len(tasks) == 0:
        raise ValueError(
            f"The 'tasks' parameter of {OWNER} must contain at least one task. Got an empty "
            "TaskSet instead."
        )
    if tasks.sizes.min() == 0:
        raise ValueError(
            f"Task {tasks.names[int(tasks.sizes.argmin())]!r} has no rows; {OWNER} needs at least "
            "1 row per task."
        )


def check_positive_integer(value: Any, what: str) -> None:
    """Raise unless ``value`` is an int of at least 1."""
    wanted = f"The {what!r} parameter of {OWNER} must be an int in the range [1, inf)."
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{wanted} Got {value!r} of type {type(value).__name__} instead.")
    if value < 1:
        raise ValueError(f"{wanted} Got {value!r} instead.")


def check_flag(value: Any, what: str) -> None:
    """Raise unless ``value`` is a bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(
            f"The {what!r} parameter of {OWNER} must be a bool. Got {value!r} of type "
            f"{type(value).__name__} instead."
        )


def check_features(features: Any) -> tuple[str, ...]:
    """Return the names of the wanted features, in order."""
    if isinstance(features, str) and features in ("all", "extended"):
        return FEATURES if features == "all" else EXTENDED
    wanted = f"The 'features' parameter of {OWNER} must be 'all', 'extended' or a list of names."
    if isinstance(features, (str, bytes)) or not np.iterable(features):
        raise ValueError(f"{wanted} Got {features!r} instead.")
    names = tuple(features)
    for position, name in enumerate(names):
        if name not in EXTENDED:
            raise ValueError(
                f"{wanted} Got the unknown name {name!r}; the names are {', '.join(EXTENDED)}."
            )
        if name in names[:position]:
            raise ValueError(f"{wanted} Got {name!r} twice.")
    return names


def check_single_losses(losses: Any, names: list[str]) -> NDArray[np.float64]:
    """Return the logarithm of each task's loss; missing ones are set to the mean."""
    series = pd.Series(losses, dtype=np.float64)
    unknown = [name for name in series.index if name not in names]
    if unknown:
        raise ValueError(
            f"The 'single_losses' parameter of {OWNER} contains task {unknown[0]!r}, which is not "
            "in tasks."
        )
    values = series.reindex(names).to_numpy()
    known = np.isfinite(values) & (values > 0)
    logs = np.zeros(len(names))
    logs[known] = np.log(values[known])
    logs[~known] = logs[known].mean() if known.any() else 0.0
    return logs


def check_pairs(X: Any, names: list[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Turn pairs of names into positions.

    Parameters
    ----------
    X : array-like or DataFrame of shape (m, 2)
        Names, target then source.
    names : list of str
        All tasks.

    Returns
    -------
    targets, sources : ndarray of shape (m,)
        Positions in ``names``.

    Raises
    ------
    ValueError
        If X has another shape, names a task that is not there, or pairs a task with itself.
    """
    pairs = X.to_numpy(dtype=object) if hasattr(X, "iloc") else np.asarray(X, dtype=object)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(
            "X must have shape (m, 2): names of tasks, target then source. Got shape "
            f"{pairs.shape}."
        )
    position = {name: t for t, name in enumerate(names)}
    codes = np.array(
        [position.get(task_name(name, "X"), -1) for name in pairs.ravel()], dtype=np.intp
    ).reshape(-1, 2)
    if (codes < 0).any():
        raise ValueError(
            f"Task {pairs[codes < 0][0]!r} in X is not one of the {len(names)} tasks that {OWNER} "
            "was fitted on."
        )
    same = codes[:, 0] == codes[:, 1]
    if same.any():
        raise ValueError(
            f"Pair {int(same.argmax())} of X has task {names[codes[same.argmax(), 0]]!r} as target "
            "and as source; a pair needs two different tasks."
        )
    return codes[:, 0], codes[:, 1]
