"""A set of tasks as the fleet takes it: scaled inputs, coded targets, training and validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.preprocessing import StandardScaler

from skmtl.estimators.targets import CodedLabels, Targets, learn_targets
from skmtl.network import Architecture, FleetData, Member, Training
from skmtl.tasks import TaskSet

# Fewest labelled rows of a task that must, and that can, spare a validation part.
MIN_ROWS_TO_HOLD_OUT, _FEWEST_TO_HOLD_OUT = 10, 5
# Rows of all tasks that a step sees when batch_size="auto": in wide form, and in long form summed over tasks.
_AUTO_WIDE, _AUTO_LONG = 200, 512


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
        Seed of the validation split.
    separate : bool, optional
        Whether each task brings rows of its own even where tasks share rows, so that any group of tasks can be trained;
        by default only where no row belongs to two tasks.
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
    ):
        self.estimator, self.train, self.test = estimator, train, test
        self.measuring = separate is True  # parts of parts: a task may be small without fault of the user's
        self.shared = train.shares_rows if separate is None else not separate
        weights = None if sample_weight is None else {name: sample_weight[train.rows(name)] for name in train.names}
        self.targets: Targets = learn_targets(train, weights)
        held = self._hold_out(split_seed)
        if self.shared:
            self._lay_out_shared(held, sample_weight)
        else:
            self._lay_out_separate(held, weights)

    # ------------------------------------------------------------------ layout
    def _lay_out_shared(self, held: dict[str, NDArray[np.bool_]], sample_weight: NDArray[np.float64] | None) -> None:
        """One list of rows for all tasks; labels that are held out leave the training rows with their row."""
        train = self.train
        X = numeric_table(train.X)
        Y = np.full((len(X), len(train)), np.nan)
        validation = np.zeros(len(X), dtype=bool)
        for t, name in enumerate(train.names):
            Y[train.rows(name), t] = self.targets.encode(name, train[name].y)
            validation[train.rows(name)[held[name]]] = True
        labelled = ~np.isnan(Y).all(axis=1)
        self.scaler = fit_scaler(X[labelled], self.estimator.standardize, None if sample_weight is None else sample_weight[labelled])
        self.data = FleetData(self.scaler.transform(X) if self.scaler else X, Y, sample_weight)
        self._rows = {"": (np.flatnonzero(labelled & ~validation), np.flatnonzero(labelled & validation))}

    def _lay_out_separate(self, held: dict[str, NDArray[np.bool_]], weights: dict[str, NDArray[np.float64]] | None) -> None:
        """Lay out a list of rows for every task, training rows first, then the rows to score."""
        X, _, _ = self.train.to_long()
        X = numeric_table(X)
        weight = None if weights is None else np.concatenate([weights[name] for name in self.train.names])
        self.scaler = fit_scaler(X, self.estimator.standardize, weight)
        y = [self.targets.encode(name, self.train[name].y) for name in self.train.names]
        self._rows = _consecutive(self.train, held)
        self._scored: dict[str, NDArray[np.intp]] = {}
        if self.test is not None:
            start = len(X)
            X = np.concatenate([X, numeric_table(self.test.to_long()[0])])
            y += [np.zeros(len(self.test[name])) for name in self.test.names]
            self._true = {task.name: task.y for task in self.test}
            self._scored = {name: rows + start for name, (rows, _) in _consecutive(self.test, {}).items()}
            weight = None if weight is None else np.concatenate([weight, np.ones(len(X) - start)])
        self.data = FleetData(self.scaler.transform(X) if self.scaler else X, np.concatenate(y), weight)

    def _hold_out(self, seed: int) -> dict[str, NDArray[np.bool_]]:
        """Masks of the labelled rows of every task that early stopping watches."""
        early_stopping, sizes = self.estimator.early_stopping, dict(zip(self.train.names, self.train.sizes, strict=True))
        nothing = {name: np.zeros(size, dtype=bool) for name, size in sizes.items()}
        if early_stopping is False:
            return nothing
        small = [name for name, size in sizes.items() if size < MIN_ROWS_TO_HOLD_OUT]
        if early_stopping is True and small and not self.measuring:
            raise ValueError(
                f"Task {small[0]!r} has {sizes[small[0]]} labelled rows in y; {type(self.estimator).__name__} needs at least {MIN_ROWS_TO_HOLD_OUT} "
                "per task to hold out a validation part. Drop the task, or set early_stopping=False."
            )
        able = [name for name, size in sizes.items() if size >= _FEWEST_TO_HOLD_OUT]
        if not able:
            return nothing
        watched = self.train.subset(able)
        try:
            _, held = watched.train_test_split(self.estimator.validation_fraction, np.random.RandomState(seed))
        except ValueError:
            if early_stopping is True and not self.measuring:
                raise
            return nothing
        return nothing | {name: np.isin(self.train.rows(name), held.rows(name)) for name in able}

    # ------------------------------------------------------------------ what the fleet trains
    def member(self, names: Sequence[str], seed: int, order_seed: int, task_weights: ArrayLike | None = None) -> Member:
        """Return the network of a group of tasks (of all tasks, where they share rows)."""
        keys = [""] if self.shared else list(names)
        n_classes = np.array([self.targets.n_classes(name) for name in names]) if isinstance(self.targets, CodedLabels) else None
        return Member(
            train=[self._rows[key][0] for key in keys],
            validation=[self._rows[key][1] for key in keys],
            evaluation=[self._scored[key] for key in keys] if self.test is not None else (),
            seed=seed,
            order_seed=order_seed,
            learning_rate=self.estimator.learning_rate_init,
            alpha=self.estimator.alpha,
            task_weights=None if task_weights is None else np.asarray(task_weights, dtype=float),
            n_classes=n_classes,
            label=" + ".join(names) if len(names) <= 3 else f"{names[0]} + {len(names) - 1} more tasks",
        )

    def architecture(self) -> Architecture:
        """Return the shape of the networks."""
        estimator = self.estimator
        return Architecture(
            n_inputs=self.data.X.shape[1],
            hidden=widths(estimator.hidden_layer_sizes),
            head_hidden=widths(estimator.head_hidden_layer_sizes),
            n_outputs=self.targets.n_outputs,
            activation=estimator.activation,
        )

    def training(self, *, record: bool) -> Training:
        """Return the settings of the training loop."""
        estimator = self.estimator
        watching = all(len(held) for _, held in self._rows.values())
        return Training(
            loss=self.targets.loss,
            solver=estimator.solver,
            batch_size=self._batch_size(),
            max_iter=estimator.max_iter,
            n_iter_no_change=estimator.n_iter_no_change,
            tol=estimator.tol,
            record=record or not watching,
            dtype="float32" if estimator.dtype == "auto" else estimator.dtype,
            device=estimator.device,
        )

    def _batch_size(self) -> int | None:
        size = self.estimator.batch_size
        if size == "full":
            return None
        if size == "auto":
            return _AUTO_WIDE if self.shared or len(self.train) == 1 else max(4, min(_AUTO_WIDE, _AUTO_LONG // len(self.train)))
        return int(size)

    def mean_loss(self, name: str, scores: NDArray[np.float64]) -> float:
        """Return the mean loss of scores of a task's test rows, in the user's units."""
        if self.test is None:
            raise ValueError("There are no test rows to score.")
        return self.targets.mean_loss(name, scores, self._true[name])


def numeric_table(X: Any) -> NDArray[np.float64]:
    """Return inputs as finite float64; name the column that is not numeric."""
    if hasattr(X, "dtypes"):
        for column, dtype in X.dtypes.items():
            if dtype.kind not in "biuf":
                raise ValueError(f"Column {column!r} of X has dtype {dtype}; a network needs numeric inputs. Encode it first, for example with OneHotEncoder.")
    values = np.asarray(X, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("Input X contains NaN or infinity.")
    return values


def fit_scaler(X: NDArray[np.float64], standardize: bool, sample_weight: NDArray[np.float64] | None = None) -> StandardScaler | None:
    """Return the scaler of the inputs, or None where they are taken as they are.

    Columns that hold only 0 and 1 are left alone: dividing a rare indicator by its small standard deviation would make it
    the loudest input (with 180 one-hot columns that cost a fifth of the test loss).
    """
    if not standardize:
        return None
    scaler = StandardScaler().fit(X, sample_weight=sample_weight)
    indicator = np.isin(X, (0.0, 1.0)).all(axis=0)
    scaler.mean_[indicator], scaler.scale_[indicator], scaler.var_[indicator] = 0.0, 1.0, 1.0
    return scaler


def widths(sizes: Any) -> tuple[int, ...]:
    """Return layer widths as a tuple; a single number is one layer."""
    return (int(sizes),) if isinstance(sizes, Integral) else tuple(int(size) for size in sizes)


def _consecutive(tasks: TaskSet, held: dict[str, NDArray[np.bool_]]) -> dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Kept and held-out positions of every task in the long table of a TaskSet."""
    rows, start = {}, 0
    for name, size in zip(tasks.names, tasks.sizes, strict=True):
        mask = held.get(name, np.zeros(size, dtype=bool))
        rows[name] = (start + np.flatnonzero(~mask), start + np.flatnonzero(mask))
        start += size
    return rows
