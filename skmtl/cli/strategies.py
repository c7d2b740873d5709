"""Comparison of single-task, joint and grouped training on held-out rows."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.affinity import PairwiseGains, listed, out_of_fold_predictions
from skmtl.cli.data import MISSING_AS_TEXT, Data
from skmtl.data import TaskSet
from skmtl.estimators import (
    MultiTaskClassifier,
    MultiTaskRegressor,
    TrainingRows,
    fit_groups,
)
from skmtl.grouping import (
    DEFAULT_NETWORK,
    MIN_ROWS,
    TaskGroupedClassifier,
    TaskGroupedRegressor,
    TaskGrouper,
    loss_units,
)
from skmtl.losses import cell_log_losses
from skmtl.report import GroupingReport, Strategy

TEST_SIZE = 0.3
TASK_COLUMN = "task"
LOSS_NAMES = {
    "regression": "mean squared error divided by the variance of all training targets",
    "classification": "log loss",
}
_LARGEST_SEED = np.iinfo(np.int32).max
_GAIN_COLUMNS = [
    "target",
    "source",
    "gain",
    "gain_se",
    "stl_loss",
    "mtl_loss",
    "n_repeats",
    "predicted",
]


@dataclass(frozen=True)
class Comparison:
    """Results of the command.

    Attributes
    ----------
    report : GroupingReport
        Content of the report page.
    sizes : dict of str to int
        Number of rows per task.
    """

    report: GroupingReport
    sizes: dict[str, int]


def compare(data: Data, options: argparse.Namespace) -> Comparison:
    """Choose groups on one part of the rows and compare the three strategies on the other.

    Parameters
    ----------
    data : Data
        Checked data.
    options : Namespace
        ``pairs``, ``repeats``, ``method``, ``jobs`` and ``seed``.

    Returns
    -------
    Comparison
        Losses, groups and gains.
    """
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Tasks that take no part are listed below with their reasons.
        warnings.filterwarnings("ignore", message="Some tasks take no part in the choice of groups")
        warnings.filterwarnings("ignore", message=MISSING_AS_TEXT)
        comparison = _compare(data, options)
    heard = [
        str(warning.message)
        for warning in caught
        if issubclass(warning.category, (UserWarning, RuntimeWarning))
    ]
    notices = list(
        dict.fromkeys([*comparison.report.notices, *heard, *_second_best(comparison.report)])
    )
    return replace(
        comparison,
        report=replace(comparison.report, notices=notices, seconds=time.perf_counter() - start),
    )


def _compare(data: Data, options: argparse.Namespace) -> Comparison:
    split_seed, fit_seed, train_seed = (
        np.random.RandomState(options.seed).randint(_LARGEST_SEED, size=3).tolist()
    )
    tasks = data.tasks
    train, test = _split(data, split_seed)
    model = _model(data, options, fit_seed)
    frame, y = _long(train)
    model.fit(frame, y)
    losses = _losses(model, train, test, train_seed, options.jobs)
    gains, predicted = _gains(model.gains_, train, fit_seed)
    report = GroupingReport(
        title=f"Which tasks of {data.name} should be trained together?",
        data_description=data.about,
        kind=tasks.kind,
        n_rows=int(tasks.sizes.sum()),
        n_features=tasks.n_features_in_,
        loss_name=LOSS_NAMES[tasks.kind],
        losses=losses,
        winner=str(model.choice_.loc[model.choice_["chosen"], "candidate"].iloc[0]),
        groups=model.groups_,
        gains=gains,
        affinity=model.affinity_,
        predicted_gains=predicted,
        reliability=float("nan") if model.gains_ is None else model.gains_.reliability,
        choice=model.choice_,
        notices=[*data.notices, *_left_out(data, train)],
        settings=_settings(data, options),
        served_by=dict(zip(model.task_names_, map(int, model.labels_), strict=True)),
    )
    return Comparison(report, dict(zip(tasks.names, map(int, tasks.sizes), strict=True)))


# ---------------------------------------------------------------------- rows
def _split(data: Data, seed: int) -> tuple[TaskSet, TaskSet]:
    """Split the rows of each usable task into training and test rows; the others only train."""
    tasks = data.tasks
    train, test = tasks.subset(
        [name for name in tasks.names if name not in data.unusable]
    ).train_test_split(TEST_SIZE, seed)
    rows = {name: train.rows(name) if name in train else tasks.rows(name) for name in tasks.names}
    targets = {name: train[name].y if name in train else tasks[name].y for name in tasks.names}
    return TaskSet(tasks.X, rows, targets, tasks.kind), test


def _long(tasks: TaskSet) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Return inputs, with the task in a last column of a unique name, and targets."""
    X, y, task = tasks.to_long()
    frame = pd.DataFrame(X).set_axis([f"input {name}" for name in pd.DataFrame(X).columns], axis=1)
    return frame.assign(**{TASK_COLUMN: task}), y


def _left_out(data: Data, train: TaskSet) -> list[str]:
    """Return notices about tasks without a held-out loss or without a part in the choice."""
    notices = []
    if data.unusable:
        reasons = [f"{name} ({why})" for name, why in data.unusable.items()]
        notices.append(
            f"Too few data for testing and for the choice of groups: {listed(reasons)}. All their "
            "rows are used for training, in the joint network if it is chosen, otherwise in "
            "single-task networks."
        )
    few = [task.name for task in train if task.name not in data.unusable and len(task) < MIN_ROWS]
    if few:
        notices.append(
            f"Without the held-out rows, fewer than {MIN_ROWS} rows are left of: {listed(few)}. "
            "These tasks take no part in the choice of groups; they are trained in the joint "
            "network if it is chosen, otherwise in single-task networks."
        )
    return notices


def _second_best(report: GroupingReport) -> list[str]:
    """Return a notice if the chosen grouping is not the best strategy on the test rows."""
    totals, best = report.totals, report.best
    excess = totals[Strategy.GROUPED.value] - totals[best]
    if not excess > 1e-9 * abs(totals[best]):
        return []
    return [
        f"The grouping was chosen on validation rows ({report.winner}). On the held-out rows, "
        f"{best} has a total loss that is {excess / totals[Strategy.GROUPED.value]:.1%} lower: "
        "the difference is small, or validation rows were misleading."
    ]


# ---------------------------------------------------------------------- networks
def _network(data: Data) -> MultiTaskRegressor | MultiTaskClassifier:
    network = MultiTaskRegressor if data.tasks.kind == "regression" else MultiTaskClassifier
    return network(**DEFAULT_NETWORK, task_column=TASK_COLUMN)


def _model(data: Data, options: argparse.Namespace, seed: int) -> Any:
    grouped = TaskGroupedRegressor if data.tasks.kind == "regression" else TaskGroupedClassifier
    return grouped(
        _network(data),
        task_column=TASK_COLUMN,
        grouper=TaskGrouper(options.method) if options.method else None,
        pair_fraction=options.pairs,
        n_repeats=options.repeats,
        n_jobs=options.jobs,
        random_state=seed,
    )


def _losses(model: Any, train: TaskSet, test: TaskSet, seed: int, jobs: int | None) -> pd.DataFrame:
    """Return held-out losses, (T, 3); NaN for tasks without test rows.

    All networks are trained as one fleet from one seed, and a group that two strategies share is
    trained once. Strategies that train a task in the same group give it exactly the same loss.
    """
    names = train.names
    group_of: dict[Strategy, dict[str, tuple[str, ...]]] = {
        Strategy.SINGLE: {name: (name,) for name in names},
        Strategy.JOINT: dict.fromkeys(names, tuple(names)),
        Strategy.GROUPED: dict(zip(names, (model.groups_[g] for g in model.labels_), strict=True)),
    }
    groups = list(dict.fromkeys(group for each in group_of.values() for group in each.values()))
    layout, categorical = model.model_.layout, model.estimator.categorical_features
    rows = TrainingRows(layout, train, categorical=categorical)
    fitted = dict(
        zip(
            groups,
            fit_groups(model.estimator, rows, groups, seed=seed, n_workers=jobs),
            strict=True,
        )
    )
    units = loss_units(train, pooled=True)
    loss_of: dict[tuple[Any, str], float] = {}
    for group, estimator in fitted.items():
        served = [
            name
            for name in group
            if name in test and any(each[name] == group for each in group_of.values())
        ]
        if served:
            for name, loss in zip(
                served, _task_losses(estimator, test.subset(served)), strict=True
            ):
                loss_of[group, name] = loss / units[name]
    columns = {
        strategy.value: [loss_of.get((each[name], name), np.nan) for name in names]
        for strategy, each in group_of.items()
    }
    return pd.DataFrame(columns, index=pd.Index(names, name="task"))


def _task_losses(estimator: Any, test: TaskSet) -> list[float]:
    """Return the mean squared error or log loss per task."""
    frame, y = _long(test)
    if test.kind == "regression":
        errors = (y - estimator.predict(frame)) ** 2
    else:
        errors = cell_log_losses(y, estimator.predict_proba(frame), estimator.classes_)
    return [float(part.mean()) for part in np.split(errors, np.cumsum(test.sizes)[:-1])]


# ---------------------------------------------------------------------- gains
def _gains(
    gains: PairwiseGains | None, train: TaskSet, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table of measured gains with out-of-fold predictions, and these predictions."""
    if gains is None:
        return pd.DataFrame(columns=_GAIN_COLUMNS), pd.DataFrame(
            columns=["target", "source", "measured", "predicted"]
        )
    predicted = out_of_fold_predictions(train.subset(gains.names), gains, random_state=seed)
    return gains.table.merge(
        predicted[["target", "source", "predicted"]], on=["target", "source"], how="left"
    ), predicted


def prediction_correlation(predicted: pd.DataFrame) -> float:
    """Return the correlation of measured and predicted gains; NaN where it is undefined."""
    both = predicted[["measured", "predicted"]].astype(float).dropna()
    if len(both) < 3 or (both.std() == 0).any():
        return float("nan")
    return float(np.corrcoef(both["measured"], both["predicted"])[0, 1])


def _settings(data: Data, options: argparse.Namespace) -> dict[str, Any]:
    chosen: Sequence[str] = ("data", "task", "target", "pairs", "repeats", "method", "jobs", "seed")
    settings = {name: getattr(options, name) for name in chosen}
    network = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in DEFAULT_NETWORK.items()
    }
    return settings | {"kind": data.tasks.kind, "held_out": TEST_SIZE, "network": network}
