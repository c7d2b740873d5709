"""Losses of fitted networks on held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skmtl.data import TaskSet, take_rows


def held_out_losses(estimator: Any, held: TaskSet, group: Sequence[str]) -> dict[str, float]:
    """Return the mean loss of every task of a group, as ``TaskLoss.mean_loss`` defines it.

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
        losses[name] = estimator._targets.mean_loss(name, y, outputs)
    return losses
