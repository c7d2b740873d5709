"""Losses of fitted networks on held-out rows."""

from __future__ import annotations

from collections.abc import Sequence

from skmtl.data import TaskSet
from skmtl.estimators import MultiTaskNetwork


def held_out_losses(
    estimator: MultiTaskNetwork, held: TaskSet, group: Sequence[str]
) -> dict[str, float]:
    """Return the mean squared error or log loss per task of a group, in units of the target.

    Parameters
    ----------
    estimator : MultiTaskRegressor or MultiTaskClassifier
        Fitted to the tasks of the group, in their order.
    held : TaskSet
        Held-out rows of these tasks; other tasks are ignored.
    group : sequence of str
        Names of the tasks.

    Returns
    -------
    dict of str to float
        Loss per task.

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
    losses: dict[str, float] = estimator.model_.losses(held.subset(list(group)))
    return losses
