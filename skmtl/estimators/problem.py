"""Training data of networks: arrays, rows of every task, and validation splits."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skmtl.data import Groups, TaskSet
from skmtl.estimators.fit_settings import Settings
from skmtl.estimators.intake import EncodedRows, Intake
from skmtl.network import FleetData

# Fewest labeled rows of a task for validation rows: with early_stopping=True, and with "auto".
MIN_ROWS_TO_HOLD_OUT, _FEWEST_TO_HOLD_OUT = 10, 5

# Training and validation rows of every task.
_Split = dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]]
_NO_ROWS: NDArray[np.intp] = np.empty(0, dtype=np.intp)


class Problem:
    """Tasks laid out for networks: encoded inputs, coded targets, training and validation rows.

    Parameters
    ----------
    settings : Settings
        Settings of the estimator, which determine the validation rows.
    intake : Intake
        Encoders of inputs and targets; some of its tasks may have no rows here.
    train : TaskSet
        Training tasks.
    test : TaskSet, optional
        Rows to score, over tasks of the same names.
    sample_weight : ndarray, optional
        Weights of the rows of ``train.X``.
    groups : Groups, optional
        Sensitive group of every row of ``train.X``.
    split_seed : int
        Seed of the validation splits.
    separate : bool, optional
        Whether to lay out the rows of each task separately, in long form, so that any group of
        tasks can be trained; by default only if no row belongs to two tasks.
    hold_out : bool
        False uses no validation rows, whatever the settings.

    Examples
    --------
    One network for the first two tasks, trained with an estimator's settings:

    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import make_grouped_tasks
    >>> from skmtl.estimators import group_job, problem_of_groups, read_settings, train_job
    >>> tasks = make_grouped_tasks(n_tasks=4, n_groups=2, random_state=0).task_set
    >>> settings = read_settings(MultiTaskRegressor(max_iter=5))
    >>> problem = problem_of_groups(settings, tasks, split_seed=0)
    >>> trained = train_job(group_job(settings, problem, [tasks.names[:2]], seed=0, record=True))
    >>> trained[0].task_loss_curve.shape
    (5, 2)
    """

    def __init__(
        self,
        settings: Settings,
        intake: Intake,
        train: TaskSet,
        test: TaskSet | None = None,
        *,
        sample_weight: NDArray[np.float64] | None = None,
        groups: Groups | None = None,
        split_seed: int = 0,
        separate: bool | None = None,
        hold_out: bool = True,
    ):
        self.settings, self.intake, self.split_seed = settings, intake, split_seed
        self.train, self.test, self.groups = train, test, groups
        # In parts of the training data a task may be small without a mistake of the user.
        self.measuring = separate is True
        self.shared = train.shares_rows if separate is None else not separate
        self.hold_out = hold_out and settings.early_stopping is not False
        self.targets, self.names = intake.targets, intake.task_names
        self.scored: dict[str, NDArray[np.intp]] = {}
        self.data = (
            self._shared_table(sample_weight) if self.shared else self._long_table(sample_weight)
        )
        self._known_splits: dict[tuple[int, bool | str, float] | None, dict[int, _Split]] = {}

    def under(self, settings: Settings, split_seed: int) -> Problem:
        """Return the problem for other settings that read rows in the same way."""
        other = copy.copy(self)
        other.settings, other.split_seed = settings, split_seed
        other.hold_out = settings.early_stopping is not False
        return other

    # ------------------------------------------------------------------ layout
    def _shared_table(self, sample_weight: NDArray[np.float64] | None) -> FleetData:
        """Return one table for all tasks, with one column of labels per task."""
        train = self.train
        rows = self.intake.encode(train.X, None)
        Y = np.full((len(rows), len(self.names)), np.nan)
        for t, name in enumerate(self.names):
            if name in train:
                Y[train.rows(name), t] = self.targets.encode(name, train.targets(name))
        codes = None if self.groups is None else self.groups.codes
        return FleetData(rows.numeric, Y, sample_weight, codes, rows.codes)

    def _long_table(self, sample_weight: NDArray[np.float64] | None) -> FleetData:
        """Return a table in long form: training rows of every task, then the rows to score."""
        train, test = self.train, self.test
        index = np.concatenate([train.rows(name) for name in train.names])
        y = [self.targets.encode(name, train.targets(name)) for name in train.names]
        tables = [self.intake.encode(train.X, None).take(index)]
        weight = None if sample_weight is None else sample_weight[index]
        if test is not None:
            scored = np.concatenate([test.rows(name) for name in test.names])
            tables.append(self.intake.encode(test.X, None).take(scored))
            y.append(np.zeros(len(scored)))
            self.scored = {
                name: rows + len(index) for name, (rows, _) in _consecutive(test, {}).items()
            }
            weight = None if weight is None else np.concatenate([weight, np.ones(len(scored))])
        numeric = np.concatenate([table.numeric for table in tables])
        groups = None
        if self.groups is not None:
            groups = np.concatenate(
                [self.groups.codes[index], np.full(len(numeric) - len(index), -1)]
            )
        return FleetData(numeric, np.concatenate(y), weight, groups, _joined_codes(tables))

    # ------------------------------------------------------------------ validation rows
    def rows(self, split: int) -> _Split:
        """Return training and validation rows of every task in one of the splits.

        If tasks share rows, their only key is "".
        """
        splits = self._splits
        split = split if self.hold_out else 0
        if split not in splits:
            held = self._held_out(self.split_seed + split)
            splits[split] = self._shared_split(held) if self.shared else self._long_split(held)
            watched = any(len(validation) for _, validation in splits[split].values())
            if split and watched != self.watching:
                splits[split] = self.rows(
                    0
                )  # all networks of an ensemble have validation rows, or none
        return splits[split]

    @property
    def watching(self) -> bool:
        """Whether there are validation rows."""
        return any(len(validation) for _, validation in self.rows(0).values())

    def watches(self, name: str, split: int) -> bool:
        """Return whether a task has validation rows in one of the splits."""
        rows = self.rows(split)["" if self.shared else name][1]
        if not self.shared:
            return len(rows) > 0
        return bool((~np.isnan(self.data.y[rows, self.names.index(name)])).any())

    @property
    def _splits(self) -> dict[int, _Split]:
        """Cached validation splits, by number."""
        settings = self.settings
        drawn = (
            (self.split_seed, settings.early_stopping, settings.validation_fraction)
            if self.hold_out
            else None
        )
        return self._known_splits.setdefault(drawn, {})

    def _shared_split(self, held: dict[str, NDArray[np.bool_]]) -> _Split:
        """Return the split of shared rows; tasks with few rows keep all of them for training."""
        train = self.train
        validation = np.zeros(len(self.data.X), dtype=bool)
        for name in train.names:
            validation[train.rows(name)[held[name]]] = True
        for name, size in zip(train.names, train.sizes, strict=True):
            if size < _FEWEST_TO_HOLD_OUT:
                validation[train.rows(name)] = False
        labeled = ~np.isnan(self.data.y).all(axis=1)
        return {"": (np.flatnonzero(labeled & ~validation), np.flatnonzero(labeled & validation))}

    def _long_split(self, held: dict[str, NDArray[np.bool_]]) -> _Split:
        return dict.fromkeys(self.names, (_NO_ROWS, _NO_ROWS)) | _consecutive(self.train, held)

    def _held_out(self, seed: int) -> dict[str, NDArray[np.bool_]]:
        """Return masks of the validation rows among the labeled rows of every task."""
        sizes = dict(zip(self.train.names, self.train.sizes, strict=True))
        nothing = {name: np.zeros(size, dtype=bool) for name, size in sizes.items()}
        if not self.hold_out:
            return nothing
        demanded = self.settings.early_stopping is True and not self.measuring
        small = [name for name, size in sizes.items() if size < MIN_ROWS_TO_HOLD_OUT]
        if demanded and small:
            raise ValueError(
                f"Task {small[0]!r} has {sizes[small[0]]} labeled rows in y; "
                f"{self.settings.owner} needs at least {MIN_ROWS_TO_HOLD_OUT} "
                "per task to hold out a validation part. Drop the task, or set "
                "early_stopping=False."
            )
        able = [name for name, size in sizes.items() if size >= _FEWEST_TO_HOLD_OUT]
        if not able:
            return nothing
        try:
            _, held = self.train.subset(able).hold_out(self.settings.validation_fraction, seed)
        except ValueError:
            if demanded:
                raise
            return nothing
        return nothing | {name: np.isin(self.train.rows(name), held.rows(name)) for name in able}


def _joined_codes(tables: Sequence[EncodedRows]) -> NDArray[np.int64] | None:
    codes = [table.codes for table in tables if table.codes is not None]
    return np.concatenate(codes) if codes else None


def _consecutive(tasks: TaskSet, held: dict[str, NDArray[np.bool_]]) -> _Split:
    """Return training and validation positions of every task in a TaskSet's long table."""
    rows, start = {}, 0
    for name, size in zip(tasks.names, tasks.sizes, strict=True):
        mask = held.get(name, np.zeros(size, dtype=bool))
        rows[name] = (start + np.flatnonzero(~mask), start + np.flatnonzero(mask))
        start += size
    return rows
