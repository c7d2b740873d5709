"""Losses of fitted networks on held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skmtl.data import TaskSet, take_rows

_SMALLEST_PROBABILITY = 1e-7


def held_out_losses(estimator: Any, held: TaskSet, group: Sequence[str]) -> dict[str, float]:
    """Return the mean squared error or log loss of every task of a group, in the user's units.

    Parameters
    ----------
    estimator : MultiTaskRegressor or MultiTaskClassifier
        Fitted to the tasks of the group, in their order.
    held : TaskSet
        Held-out rows of these tasks, perhaps of others.
    group : sequence of str
        Names of the tasks.

    Returns
    -------
    dict of str to float
        Loss of every task.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import make_grouped_tasks
    >>> data = make_grouped_tasks(n_tasks=2, n_groups=1, random_state=0)
    >>> model = MultiTaskRegressor(task_column="task", max_iter=5).fit(
    ...     data.data.assign(task=data.task), data.target
    ... )
    >>> list(held_out_losses(model, data.task_set, data.task_set.names))
    ['task_0', 'task_1']
    """
    losses = {}
    for position, name in enumerate(group):
        rows, y = held.rows(name), held[name].y
        codes = None if estimator.task_column is None else np.full(len(rows), position)
        outputs = estimator._outputs_of(take_rows(held.X, rows), codes)[position]
        if held.kind == "regression":
            losses[name] = float(np.mean((y - outputs) ** 2))
            continue
        classes = estimator._own_classes[position]
        known = np.isin(y, classes)
        column = np.searchsorted(classes, np.where(known, y, classes[0]))
        probability = np.where(known, outputs[np.arange(len(y)), column], 0.0)
        losses[name] = float(-np.mean(np.log(np.maximum(probability, _SMALLEST_PROBABILITY))))
    return losses
