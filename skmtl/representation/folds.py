"""One fold of a representation path: test errors of the shared and the single-task models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from skmtl.data import (
    encode_task_ids,
    known_task_codes,
    numeric_targets,
    one_column,
    take_column,
    take_rows,
    wide_columns,
)
from skmtl.estimators import (
    MultiTaskRegressor,
    fit_groups,
    read_settings,
    read_training_rows,
    rows_by_task,
)
from skmtl.representation.linear_tasks import LinearTasks, read_linear_rows
from skmtl.representation.low_rank import (
    LowRankMultiTaskRegressor,
    linear_tasks,
    moments_of,
    read_low_rank_settings,
    solution_of,
)
from skmtl.representation.ridge import leave_one_out_ridge

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Labels:
    """All known labels, one entry per label.

    Attributes
    ----------
    names : list of str
        Names of the tasks.
    rows : ndarray of shape (m,)
        Row of every label.
    tasks : ndarray of shape (m,)
        Position of the task of every label in ``names``.
    values : ndarray of shape (m,)
        The labels.
    wide : bool
        Whether a row can have labels of several tasks.
    """

    names: list[str]
    rows: NDArray[np.intp]
    tasks: NDArray[np.intp]
    values: Array
    wide: bool

    @classmethod
    def of(cls, model: Any, X: Any, y: Any) -> Labels:
        """Read the labels of y in the form (wide or long) that the model is set to."""
        if model.task_column is not None:
            names, codes = encode_task_ids(
                take_column(X, model.task_column, "task_column")[0], "task_column"
            )
            values = numeric_targets(one_column(y, "y"), "y")
            return cls(names, np.arange(len(codes)), codes, values, wide=False)
        names, columns = wide_columns(y, "y")
        table = np.column_stack(
            [
                numeric_targets(column, f"y[{name!r}]")
                for name, column in zip(names, columns, strict=True)
            ]
        )
        rows, tasks = np.nonzero(~np.isnan(table))
        return cls(names, rows, tasks, table[rows, tasks], wide=True)

    def among(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
        """Return the labels of these rows: position among the rows, task, and value."""
        place = np.full(max(int(self.rows.max()), int(rows.max())) + 1, -1)
        place[rows] = np.arange(len(rows))
        known = place[self.rows] >= 0
        return place[self.rows[known]], self.tasks[known], self.values[known]


def fold_errors(
    model: Any,
    X: Any,
    y: Any,
    labels: Labels,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    ranks: list[int],
) -> tuple[Array, NDArray[np.intp]]:
    """Return the squared errors of the test labels, (2 + ranks, labels), and the task of each.

    The errors are those of the training mean, the single-task model, and every rank.
    """
    X_train, y_train, X_test = take_rows(X, train), take_rows(y, train), take_rows(X, test)
    _, seen, known = labels.among(train)
    counts = np.bincount(seen, minlength=len(labels.names))
    if not counts.all():
        raise ValueError(
            f"Task {labels.names[int(counts.argmin())]!r} has no labeled row in the training rows "
            "of a fold. Drop the task, or use another cv."
        )
    place, tasks, values = labels.among(test)
    linear = isinstance(model, LowRankMultiTaskRegressor)
    alone = _linear_alone if linear else _networks_alone
    path = _linear_path if linear else _network_path
    tables = [
        alone(model, X_train, y_train, X_test, labels.names),
        *path(model, X_train, y_train, X_test, ranks),
    ]
    mean = (np.bincount(seen, known, minlength=len(labels.names)) / counts)[tasks]
    predicted = [
        table[place] if not labels.wide or table.ndim == 1 else table[place, tasks]
        for table in tables
    ]
    return (np.stack([mean, *predicted]) - values) ** 2, tasks


def _linear_path(
    model: LowRankMultiTaskRegressor, X: Any, y: Any, X_test: Any, ranks: list[int]
) -> list[Array]:
    """Return the predictions of all ranks from one set of moments.

    The solver of each rank starts from the subspace of the rank before.
    """
    settings = read_low_rank_settings(model)
    rows = read_linear_rows(settings.owner, model.task_column, X, y)
    moments, start, predictions = moments_of(settings, rows), None, []
    for rank in ranks:
        found = solution_of(settings, moments, rank, start)
        start = found.components
        predictions.append(linear_tasks(rows, moments, found).outputs(X_test).predictions())
    return predictions


def _network_path(model: Any, X: Any, y: Any, X_test: Any, ranks: list[int]) -> list[Array]:
    widths = np.atleast_1d(model.hidden_layer_sizes)[:-1].tolist()
    return [
        clone(model).set_params(hidden_layer_sizes=(*widths, rank)).fit(X, y).predict(X_test)
        for rank in ranks
    ]


def _linear_alone(
    model: LowRankMultiTaskRegressor, X: Any, y: Any, X_test: Any, names: list[str]
) -> Array:
    """Return the predictions of ridge regression per task, with leave-one-out penalties."""
    rows = read_linear_rows(type(model).__name__, model.task_column, X, y)
    lines = [
        leave_one_out_ridge(task.X, task.y, fit_intercept=model.fit_intercept)
        for task in rows.tasks
    ]
    fitted = LinearTasks(
        rows.layout,
        list(rows.tasks.names),
        np.stack([coef for coef, _ in lines]),
        np.array([intercept for _, intercept in lines]),
    )
    return fitted.outputs(X_test).predictions()


def _networks_alone(
    model: MultiTaskRegressor, X: Any, y: Any, X_test: Any, names: list[str]
) -> Array:
    """Return the predictions of one network per task; all networks train in one batch."""
    network = clone(model).set_params(task_weights=None)
    rows = read_training_rows(read_settings(network), X, y)
    seed = int(check_random_state(model.random_state).randint(np.iinfo(np.int32).max))
    groups = [[name] for name in rows.tasks.names]
    own = dict(zip(rows.tasks.names, fit_groups(network, rows, groups, seed=seed), strict=True))
    inputs, ids = rows.layout.split(X_test)
    if ids is None:
        read = [own[name].model_ for name in names]
        return np.column_stack(
            [one.outputs_of(one.intake.encode(inputs, None)).by_task[0] for one in read]
        )
    codes = known_task_codes(ids, names, rows.layout.owner)
    predicted = np.empty(len(codes))
    for t, of_task in rows_by_task(codes).items():
        one = own[names[t]].model_
        nothing_else = np.zeros(len(of_task), dtype=np.intp)
        encoded = one.intake.encode(take_rows(inputs, of_task), nothing_else)
        predicted[of_task] = one.outputs_of(encoded).by_task[0]
    return predicted
