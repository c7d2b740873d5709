"""One fold of a representation path: the shared model at every rank, each task's own model, and
their errors on held-out rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from skmtl.data import (
    encode_task_ids,
    numeric_targets,
    one_column,
    take_column,
    take_rows,
    wide_columns,
)
from skmtl.estimators import fit_groups
from skmtl.representation.low_rank import LowRankMultiTaskRegressor
from skmtl.representation.reading import read_tasks
from skmtl.representation.ridge import leave_one_out_ridge

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Labels:
    """All known labels, one entry each.

    Attributes
    ----------
    names : list of str
        Names of the tasks.
    rows : ndarray of shape (m,)
        Row of every label.
    tasks : ndarray of shape (m,)
        Position of its task in ``names``.
    values : ndarray of shape (m,)
        The labels.
    wide : bool
        Whether a row may have labels of several tasks.
    """

    names: list[str]
    rows: NDArray[np.intp]
    tasks: NDArray[np.intp]
    values: Array
    wide: bool

    @classmethod
    def of(cls, model: Any, X: Any, y: Any) -> Labels:
        """Read the labels of a target in the layout that the model is set to."""
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
        """Return position among these rows, task and value of their labels."""
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
    """Return squared errors of the test labels under (training mean, own model, every rank), and
    the task of every label.
    """
    X_train, y_train, X_test = take_rows(X, train), take_rows(y, train), take_rows(X, test)
    _, seen, known = labels.among(train)
    counts = np.bincount(seen, minlength=len(labels.names))
    if not counts.all():
        raise ValueError(
            f"Task {labels.names[int(counts.argmin())]!r} has no labelled row in the training part "
            "of a fold. Drop it, or give another cv."
        )
    place, tasks, values = labels.among(test)
    linear = isinstance(model, LowRankMultiTaskRegressor)
    tables = [
        (_linear_alone if linear else _networks_alone)(
            model, X_train, y_train, X_test, labels.names
        ),
        *(_linear_path if linear else _network_path)(model, X_train, y_train, X_test, ranks),
    ]
    mean = (np.bincount(seen, known, minlength=len(labels.names)) / counts)[tasks]
    predicted = [
        table[place] if not labels.wide or table.ndim == 1 else table[place, tasks]
        for table in tables
    ]
    return (np.stack([mean, *predicted]) - values) ** 2, tasks


def _linear_path(model: Any, X: Any, y: Any, X_test: Any, ranks: list[int]) -> list[Array]:
    """Predictions of all ranks from one set of moments, each solved from the subspace of the rank
    before.
    """
    fitted = clone(model)
    fitted._validate_params()
    moments, start, predictions = fitted._learn(X, y), None, []
    for rank in ranks:
        found = fitted._solved(moments, rank, start)
        fitted._keep(moments, found)
        start = found.components
        predictions.append(fitted.predict(X_test))
    return predictions


def _network_path(model: Any, X: Any, y: Any, X_test: Any, ranks: list[int]) -> list[Array]:
    widths = np.atleast_1d(model.hidden_layer_sizes)[:-1].tolist()
    return [
        clone(model).set_params(hidden_layer_sizes=(*widths, rank)).fit(X, y).predict(X_test)
        for rank in ranks
    ]


def _linear_alone(model: Any, X: Any, y: Any, X_test: Any, names: list[str]) -> Array:
    """Predictions of ridge regression task by task, its penalty chosen by leaving rows out one by
    one.
    """
    fitted = clone(model)
    tasks, fitted._wide_2d = read_tasks(fitted, X, y)
    fitted.task_names_ = tasks.names
    lines = [
        leave_one_out_ridge(task.X, task.y, fit_intercept=model.fit_intercept) for task in tasks
    ]
    fitted.coef_, fitted.intercept_ = (
        np.stack([coef for coef, _ in lines]),
        np.array([intercept for _, intercept in lines]),
    )
    return fitted.predict(X_test)


def _networks_alone(model: Any, X: Any, y: Any, X_test: Any, names: list[str]) -> Array:
    """Predictions of one network a task, trained as one fleet."""
    front = clone(model).set_params(task_weights=None)
    tasks, _, categorical = front._as_tasks(X, y, None, reset=True)
    settings = clone(model).set_params(task_weights=None, categorical_features=categorical)
    seed = int(check_random_state(model.random_state).randint(np.iinfo(np.int32).max))
    own = dict(
        zip(
            tasks.names,
            fit_groups(settings, tasks, [[name] for name in tasks.names], seed=seed, like=front),
            strict=True,
        )
    )
    inputs, codes = front._checked_inputs(X_test, names)
    if codes is None:
        return np.column_stack([own[name]._outputs_of(inputs, None)[0] for name in names])
    predicted = np.empty(len(codes))
    for t, name in enumerate(names):
        rows = np.flatnonzero(codes == t)
        predicted[rows] = own[name]._outputs_of(
            take_rows(inputs, rows), np.zeros(len(rows), dtype=np.intp)
        )[0]
    return predicted
