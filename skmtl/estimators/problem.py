"""A set of tasks as the fleet takes it: encoded inputs, coded targets, training and validation
rows.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skmtl.data import Groups, TaskSet
from skmtl.estimators.reading import InputReader
from skmtl.estimators.targets import Targets, learn_targets
from skmtl.losses import resolve_loss
from skmtl.network import Architecture, FleetData, Member, TrainedMember, Training

# Fewest labelled rows of a task that must, and that can, spare a validation part.
MIN_ROWS_TO_HOLD_OUT, _FEWEST_TO_HOLD_OUT = 10, 5
# batch_size="auto": a tenth of the rows within these bounds, and in long form at most as many rows
# of all tasks together.
_SMALLEST_BATCH, _LARGEST_BATCH, _ROWS_OF_ALL_TASKS = 16, 256, 512
# alpha="auto": the decay of adamw, the labelled rows of a task from which on it falls, and the
# penalty of the other solvers.
_DECOUPLED_DECAY, _MANY_LABELS, _PENALTY = 1.0, 2000, 1e-4
# Widest embedding of tasks that "auto" takes.
_TASK_EMBEDDING = 8

# Training and validation rows of every task.
_Split = dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]]


class Problem:
    """Tasks made ready for members of a fleet.

    Parameters
    ----------
    estimator : MultiTaskRegressor or MultiTaskClassifier
        Where the settings come from; it is not changed.
    train : TaskSet
        Training tasks.
    test : TaskSet, optional
        Rows to score, over tasks of the same names.
    sample_weight : ndarray, optional
        Weights of the rows of ``train.X``.
    split_seed : int
        Seed of the validation splits.
    separate : bool, optional
        Whether each task brings rows of its own even where tasks share rows, so that any group of
        tasks can be trained; by default only where no row belongs to two tasks.
    categorical_features : list of int, "from_dtype" or None
        Categorical columns of ``train.X``.
    reader, targets, names : InputReader, Targets and list of str, optional
        How to read inputs and code targets, and the tasks, where they are known from earlier data;
        some tasks may have no row now.
    hold_out : bool
        False takes no rows for validation, whatever the estimator says.
    groups : Groups, optional
        Group of every row of ``train.X`` for terms of the loss.

    Examples
    --------
    One network for the first two tasks, trained with an estimator's settings:

    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import make_grouped_tasks
    >>> from skmtl.estimators import Problem
    >>> from skmtl.network import train_fleet
    >>> tasks = make_grouped_tasks(n_tasks=4, n_groups=2, random_state=0).task_set
    >>> problem = Problem(MultiTaskRegressor(max_iter=5), tasks, separate=True)
    >>> member = problem.member(tasks.names[:2], seed=0, order_seed=0)
    >>> trained = train_fleet(
    ...     problem.architecture(), problem.data, [member], problem.training(record=True)
    ... )
    >>> trained[0].task_loss_curve.shape
    (5, 2)
    """

    def __init__(
        self,
        estimator: Any,
        train: TaskSet,
        test: TaskSet | None = None,
        *,
        sample_weight: NDArray[np.float64] | None = None,
        split_seed: int = 0,
        separate: bool | None = None,
        categorical_features: Any = "from_dtype",
        reader: InputReader | None = None,
        targets: Targets | None = None,
        names: list[str] | None = None,
        hold_out: bool = True,
        groups: Groups | None = None,
    ):
        self.estimator, self.train, self.test, self.split_seed = estimator, train, test, split_seed
        self.measuring = (
            separate is True
        )  # parts of parts: a task may be small without fault of the user's
        self.shared = train.shares_rows if separate is None else not separate
        self.hold_out = hold_out and estimator.early_stopping is not False
        self.reader = (
            self._learn_reader(categorical_features, sample_weight) if reader is None else reader
        )
        weights = (
            None
            if sample_weight is None
            else {name: sample_weight[train.rows(name)] for name in train.names}
        )
        loss = resolve_loss(estimator.loss, train.kind)
        self.targets = (
            learn_targets(train, loss, weights) if targets is None else targets.under(loss)
        )
        self.names = train.names if names is None else names
        self.groups = groups
        self._known_splits: dict[Any, dict[int, _Split]] = {}
        if self.shared:
            self._lay_out_shared(sample_weight)
        else:
            self._lay_out_separate(sample_weight)

    def under(self, estimator: Any, split_seed: int) -> Problem:
        """Return the same table for an estimator that reads rows alike; what is worked out of it is
        shared.
        """
        other = copy.copy(self)
        other.estimator, other.split_seed, other.hold_out = (
            estimator,
            split_seed,
            estimator.early_stopping is not False,
        )
        return other

    @property
    def _splits(self) -> dict[int, _Split]:
        """Validation splits that are known, by number."""
        drawn = (
            (self.split_seed, self.estimator.early_stopping, self.estimator.validation_fraction)
            if self.hold_out
            else None
        )
        return self._known_splits.setdefault(drawn, {})

    def _learn_reader(
        self, categorical_features: Any, sample_weight: NDArray[np.float64] | None
    ) -> InputReader:
        index = np.concatenate([self.train.rows(name) for name in self.train.names])
        return InputReader.learn(
            self.train.X,
            categorical_features=categorical_features,
            embedding_dim=self.estimator.embedding_dim,
            standardize=self.estimator.standardize,
            sample_weight=sample_weight,
            rows=np.unique(index) if self.shared else index,
        )

    # ------------------------------------------------------------------ layout
    def _lay_out_shared(self, sample_weight: NDArray[np.float64] | None) -> None:
        """One table for all tasks, labels in columns."""
        train = self.train
        numeric, codes = self.reader.read(train.X)
        Y = np.full((len(numeric), len(self.names)), np.nan)
        for t, name in enumerate(self.names):
            if name in train:
                Y[train.rows(name), t] = self.targets.encode(name, train.targets(name))
        self.data = FleetData(
            numeric, Y, sample_weight, None if self.groups is None else self.groups.codes, codes
        )

    def _lay_out_separate(self, sample_weight: NDArray[np.float64] | None) -> None:
        """Lay out a list of rows for every task, training rows first, then the rows to score."""
        train, test = self.train, self.test
        index = np.concatenate([train.rows(name) for name in train.names])
        y = [self.targets.encode(name, train.targets(name)) for name in train.names]
        tables = [_rows_of(self.reader.read(train.X), index)]
        weight = None if sample_weight is None else sample_weight[index]
        self._scored: dict[str, NDArray[np.intp]] = {}
        if test is not None:
            scored = np.concatenate([test.rows(name) for name in test.names])
            tables.append(_rows_of(self.reader.read(test.X), scored))
            y.append(np.zeros(len(scored)))
            self._scored = {
                name: rows + len(index) for name, (rows, _) in _consecutive(test, {}).items()
            }
            weight = None if weight is None else np.concatenate([weight, np.ones(len(scored))])
        numeric, codes = (
            None if parts[0] is None else np.concatenate(parts)
            for parts in zip(*tables, strict=True)
        )
        assert numeric is not None
        groups = None
        if self.groups is not None:
            groups = np.concatenate(
                [self.groups.codes[index], np.full(len(numeric) - len(index), -1)]
            )
        self.data = FleetData(numeric, np.concatenate(y), weight, groups, codes)

    def _rows(self, split: int) -> _Split:
        """Training and validation rows of one of the splits, by task, or under "" where tasks share
        rows.
        """
        split = split if self.hold_out else 0
        if split not in self._splits:
            held = self._hold_out(self.split_seed + split)
            if self.shared:
                validation = np.zeros(len(self.data.X), dtype=bool)
                for name in self.train.names:
                    validation[self.train.rows(name)[held[name]]] = True
                for name, size in zip(self.train.names, self.train.sizes, strict=True):
                    if (
                        size < _FEWEST_TO_HOLD_OUT
                    ):  # a row that others could spare is not taken from a task that cannot
                        validation[self.train.rows(name)] = False
                labelled = ~np.isnan(self.data.y).all(axis=1)
                self._splits[split] = {
                    "": (
                        np.flatnonzero(labelled & ~validation),
                        np.flatnonzero(labelled & validation),
                    )
                }
            else:
                nothing: NDArray[np.intp] = np.empty(0, dtype=np.intp)
                self._splits[split] = dict.fromkeys(self.names, (nothing, nothing)) | _consecutive(
                    self.train, held
                )
            if (
                split
                and any(len(held) for _, held in self._splits[split].values()) != self.watching
            ):
                self._splits[split] = self._rows(
                    0
                )  # all members of an ensemble are watched, or none
        return self._splits[split]

    @property
    def watching(self) -> bool:
        """Whether early stopping has rows to watch."""
        return any(len(held) for _, held in self._rows(0).values())

    def _hold_out(self, seed: int) -> dict[str, NDArray[np.bool_]]:
        """Masks of the labelled rows of every task that early stopping watches."""
        sizes = dict(zip(self.train.names, self.train.sizes, strict=True))
        nothing = {name: np.zeros(size, dtype=bool) for name, size in sizes.items()}
        if not self.hold_out:
            return nothing
        demanded = self.estimator.early_stopping is True and not self.measuring
        small = [name for name, size in sizes.items() if size < MIN_ROWS_TO_HOLD_OUT]
        if demanded and small:
            raise ValueError(
                f"Task {small[0]!r} has {sizes[small[0]]} labelled rows in y; "
                f"{type(self.estimator).__name__} needs at least {MIN_ROWS_TO_HOLD_OUT} "
                "per task to hold out a validation part. Drop the task, or set "
                "early_stopping=False."
            )
        able = [name for name, size in sizes.items() if size >= _FEWEST_TO_HOLD_OUT]
        if not able:
            return nothing
        watched = self.train.subset(able)
        try:
            _, held = watched.hold_out(self.estimator.validation_fraction, seed)
        except ValueError:
            if demanded:
                raise
            return nothing
        return nothing | {name: np.isin(self.train.rows(name), held.rows(name)) for name in able}

    # ------------------------------------------------------------------ what the fleet trains
    def member(
        self,
        names: Sequence[str],
        seed: int,
        order_seed: int,
        task_weights: ArrayLike | None = None,
        *,
        split: int = 0,
        start: TrainedMember | None = None,
    ) -> Member:
        """Return the network of a group of tasks (of all tasks, where they share rows), with one of
        the validation splits.
        """
        keys = [""] if self.shared else list(names)
        rows = self._rows(split)
        return Member(
            train=[rows[key][0] for key in keys],
            validation=[rows[key][1] for key in keys],
            evaluation=[self._scored[key] for key in keys] if self.test is not None else (),
            seed=seed,
            order_seed=order_seed,
            learning_rate=self.estimator.learning_rate_init,
            alpha=self._alpha(),
            task_weights=None if task_weights is None else np.asarray(task_weights, dtype=float),
            n_scores=np.array([self.targets.n_scores(name) for name in names]),
            label=" + ".join(names)
            if len(names) <= 3
            else f"{names[0]} + {len(names) - 1} more tasks",
            start=start,
            term_weights=self._term_weights(names),
        )

    def watches(self, name: str, split: int) -> bool:
        """Return whether a task has validation rows in one of the splits."""
        rows = self._rows(split)["" if self.shared else name][1]
        return (
            bool((~np.isnan(self.data.y[rows, self.names.index(name)])).any())
            if self.shared
            else len(rows) > 0
        )

    def alone(self, member: Member, t: int, split: int) -> Member:
        """Return the network of a member's t-th task alone, with the member's seeds and rows."""
        if self.shared:
            return replace(member, task_weights=np.eye(len(self.names))[t], start=None)
        return self.member([self.names[t]], member.seed, member.order_seed, split=split)

    def _term_weights(self, names: Sequence[str]) -> NDArray[np.float64] | None:
        """Return the weights of the loss's terms for these tasks."""
        term = getattr(self.estimator, "fairness", None)
        weights: NDArray[np.float64] | None = (
            None if term is None else term.multipliers(len(self.names))
        )
        return None if weights is None else weights[:, [self.names.index(name) for name in names]]

    def _alpha(self) -> float:
        """Weight decay: decoupled decay acts once a step whatever the gradients are, so it has
        another scale than a penalty.
        """
        if self.estimator.alpha != "auto":
            return float(self.estimator.alpha)
        if self.estimator.solver != "adamw":
            return _PENALTY
        return _DECOUPLED_DECAY * min(
            1.0, _MANY_LABELS / max(float(np.median(self.train.sizes)), 1.0)
        )

    def architecture(self) -> Architecture:
        """Return the shape of the networks."""
        estimator = self.estimator
        return Architecture(
            n_inputs=self.reader.n_inputs,
            hidden=widths(estimator.hidden_layer_sizes),
            head_hidden=widths(estimator.head_hidden_layer_sizes),
            n_outputs=self.targets.n_outputs,
            activation=estimator.activation,
            embeddings=self.reader.embeddings,
            task_embedding_dim=self._task_embedding_dim(),
        )

    def _task_embedding_dim(self) -> int:
        """Width of the task's embedding: tasks that share rows have none, for the trunk reads a row
        once for all of them.
        """
        width = self.estimator.task_embedding_dim
        long = self.measuring or self.estimator.task_column is not None
        if (
            self.shared
            or not long
            or (width == "auto" and (self.estimator.task_column is None or len(self.names) == 1))
        ):
            return 0
        return min(_TASK_EMBEDDING, len(self.names)) if width == "auto" else int(width)

    def training(self, *, record: bool, passes: int | None = None) -> Training:
        """Return the settings of the training loop; with ``passes`` of a part of it that may be
        resumed.
        """
        estimator = self.estimator
        watching = all(len(held) for _, held in self._rows(0).values())
        return Training(
            loss=self.targets.loss,
            solver=estimator.solver,
            batch_size=self._batch_size(),
            max_iter=estimator.max_iter if passes is None else passes,
            n_iter_no_change=estimator.n_iter_no_change,
            tol=estimator.tol,
            record=record or not watching,
            dropout=estimator.dropout,
            keep_solver_state=passes is not None,
            dtype="float32" if estimator.dtype == "auto" else estimator.dtype,
            device=estimator.device,
        )

    def _batch_size(self) -> int | None:
        size = self.estimator.batch_size
        if size == "full":
            return None
        if size == "auto":
            longest = max(len(rows) for rows, _ in self._rows(0).values())
            adapted = int(np.clip(longest // 10, _SMALLEST_BATCH, _LARGEST_BATCH))
            return (
                adapted
                if self.shared
                else max(4, min(adapted, _ROWS_OF_ALL_TASKS // len(self.names)))
            )
        return int(size)

    def mean_loss(self, name: str, scores: NDArray[np.float64]) -> float:
        """Return the mean loss of scores of a task's test rows, in the user's units."""
        if self.test is None:
            raise ValueError("There are no test rows to score.")
        return self.targets.mean_loss_of_scores(name, self.test.targets(name), scores)


def widths(sizes: Any) -> tuple[int, ...]:
    """Return layer widths as a tuple; a single number is one layer."""
    return (int(sizes),) if isinstance(sizes, Integral) else tuple(int(size) for size in sizes)


def _rows_of(
    table: tuple[NDArray[np.float64], NDArray[np.int64] | None], index: NDArray[np.intp]
) -> tuple[Any, Any]:
    return tuple(None if part is None else part[index] for part in table)  # type: ignore[return-value]


def _consecutive(
    tasks: TaskSet, held: dict[str, NDArray[np.bool_]]
) -> dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Kept and held-out positions of every task in the long table of a TaskSet."""
    rows, start = {}, 0
    for name, size in zip(tasks.names, tasks.sizes, strict=True):
        mask = held.get(name, np.zeros(size, dtype=bool))
        rows[name] = (start + np.flatnonzero(~mask), start + np.flatnonzero(mask))
        start += size
    return rows
