"""What the multi-task regressor and classifier have in common: inputs, one fleet, scores."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from skmtl._sklearn_compat import Interval, StrOptions, check_sample_weight
from skmtl.estimators.problem import Problem
from skmtl.network import ACTIVATIONS, SOLVERS, Architecture, StackedNetwork, TrainedMember, resolve_device, train_fleet
from skmtl.tasks import Kind, TaskSet, encode_task_ids, task_name

# Rows that are predicted at once.
_PREDICTED_AT_ONCE = 2048
_LARGEST_SEED = np.iinfo(np.int32).max


class MultiTaskNetwork(MultiOutputMixin, BaseEstimator):
    """A shared trunk with one head a task, in wide and long form; subclasses say what the scores mean.

    The parameters are those of :class:`skmtl.MultiTaskRegressor` and :class:`skmtl.MultiTaskClassifier`.

    Examples
    --------
    >>> from skmtl import MultiTaskClassifier, MultiTaskRegressor
    >>> from skmtl.estimators import MultiTaskNetwork
    >>> issubclass(MultiTaskClassifier, MultiTaskNetwork), issubclass(MultiTaskRegressor, MultiTaskNetwork)
    (True, True)
    """

    _kind: ClassVar[Kind]
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "head_hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "solver": [StrOptions(set(SOLVERS))],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto", "full"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "standardize": ["boolean"],
        "n_members": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "task_column": [str, Integral, None],
        "task_weights": ["array-like", dict, None],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (64,),
        head_hidden_layer_sizes: Any = (),
        *,
        activation: str = "relu",
        solver: str = "adam",
        alpha: float = 1e-4,
        batch_size: int | str = "auto",
        learning_rate_init: float = 1e-3,
        max_iter: int = 200,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        standardize: bool = True,
        n_members: int | str = "auto",
        task_column: Any = None,
        task_weights: Any = None,
        dtype: str = "auto",
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.head_hidden_layer_sizes = head_hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.standardize = standardize
        self.n_members = n_members
        self.task_column = task_column
        self.task_weights = task_weights
        self.dtype = dtype
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    # ------------------------------------------------------------------ fit
    def _fit(self, X: Any, y: Any, sample_weight: Any) -> Any:
        self._check_settings()
        tasks, weight = self._as_tasks(X, y, sample_weight)
        rng = check_random_state(self.random_state)
        split_seed = rng.randint(_LARGEST_SEED)
        n_members = 1 if self.n_members == "auto" else int(self.n_members)
        seeds = rng.randint(_LARGEST_SEED, size=n_members).tolist()
        problem = Problem(self, tasks, sample_weight=weight, split_seed=split_seed)
        task_weights = self._task_weights(tasks.names)
        members = [problem.member(tasks.names, seed, seed, task_weights) for seed in seeds]
        self._store(problem, tasks.names, train_fleet(problem.architecture(), problem.data, members, problem.training(record=True)))
        if self.verbose:
            print(f"[{type(self).__name__}] {len(tasks)} tasks, {self.n_iter_} passes, training loss {self.loss_curve_[-1]:.4g}")
        return self

    def _check_settings(self) -> None:
        """Raise where a parameter is out of range."""
        self._validate_params()
        for what in ("hidden_layer_sizes", "head_hidden_layer_sizes"):
            sizes = getattr(self, what)
            if not all(isinstance(size, Integral) and int(size) >= 1 for size in ([sizes] if isinstance(sizes, Integral) else sizes)):
                raise ValueError(f"The {what!r} parameter of {type(self).__name__} must hold positive whole widths. Got {sizes!r} instead.")

    def _as_tasks(self, X: Any, y: Any, sample_weight: Any) -> tuple[TaskSet, NDArray[np.float64] | None]:
        """Check the input and return it as a TaskSet, with the weights of its rows."""
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        ids, inputs = self._split_task_column(X, reset=True)
        inputs = validate_data(self, inputs, dtype=np.float64, ensure_min_samples=2) if ids is None else check_array(inputs, dtype=np.float64)
        y = as_target(y)
        check_consistent_length(inputs, y)
        weight = None
        if sample_weight is not None:
            weight = check_sample_weight(sample_weight, inputs, dtype=np.float64, ensure_non_negative=True)
        self._check_labels(y)
        if ids is None:
            self._wide_2d = np.ndim(y) == 2
            tasks = TaskSet.from_wide(inputs, y, kind=self._kind)
        else:
            tasks = self._long_tasks(inputs, y, ids)
        return (tasks, None) if weight is None else (weighted_rows(tasks, weight), weight)

    def _long_tasks(self, inputs: NDArray[np.float64], y: Any, ids: Any) -> TaskSet:
        self._wide_2d = False
        if np.ndim(y) != 1:
            raise ValueError(f"With task_column, y must have shape (n,). Got an array with {np.ndim(y)} dimensions.")
        labels = np.asarray(y)
        if pd.isna(labels).any():
            name = task_name(np.asarray(ids, dtype=object)[pd.isna(labels).argmax()])
            raise ValueError(f"Task {name!r} has a missing target in y; in long form every row needs one. Drop such rows first.")
        return TaskSet.from_long(inputs, labels, ids, kind=self._kind)

    def _check_labels(self, y: Any) -> None:
        """Raise where y cannot be what the estimator predicts."""

    def _split_task_column(self, X: Any, *, reset: bool) -> tuple[Any, Any]:
        """Return task ids (None in wide form) and the inputs without them."""
        if self.task_column is None:
            return None, X
        ids, inputs = take_column(X, self.task_column, "task_column")
        if reset:
            validate_data(self, X, skip_check_array=True)
        else:
            validate_data(self, X, skip_check_array=True, reset=False)
        return ids, inputs

    def _task_weights(self, names: list[str]) -> NDArray[np.float64] | None:
        if self.task_weights is None:
            return None
        given = self.task_weights
        if isinstance(given, dict):
            named = {task_name(key): value for key, value in given.items()}
            unknown = set(named) - set(names)
            if unknown:
                raise ValueError(f"task_weights names the task {min(unknown)!r}, which is not in y.")
            given = [named.get(name, 1.0) for name in names]
        try:
            weights = np.asarray(given, dtype=float)
        except (TypeError, ValueError):
            weights = np.full(len(names), np.nan)
        if weights.shape != (len(names),) or not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
            raise ValueError(f"task_weights must hold {len(names)} finite weights >= 0, one a task and not all zero. Got {self.task_weights!r}.")
        return weights

    def _store(self, problem: Problem, names: Sequence[str], trained: Sequence[TrainedMember]) -> None:
        """Keep what was learnt about these tasks, as numpy arrays and plain values."""
        self.task_names_ = list(names)
        self.n_outputs_ = len(self.task_names_)
        self._architecture = problem.architecture()
        self._scaler = problem.scaler
        self._targets = problem.targets
        self.members_ = [member.parameters for member in trained]
        self.n_iter_ = max(member.n_iter for member in trained)
        self.best_iteration_ = max(member.best_iteration for member in trained)
        self.task_loss_curve_ = _mean_curve([member.task_loss_curve for member in trained])
        weights = self._task_weights(self.task_names_)
        self.loss_curve_ = np.average(self.task_loss_curve_, axis=1, weights=weights)
        watched = _mean_curve([member.validation_curve for member in trained if len(member.validation_curve)])
        self.history_ = [{"iteration": k + 1, "loss": float(loss)} for k, loss in enumerate(self.loss_curve_)]
        for entry, loss in zip(self.history_, watched, strict=False):
            entry["validation_loss"] = float(loss)
        self.device_ = str(resolve_device(self.device))

    # ------------------------------------------------------------------ predict
    def _outputs(self, X: Any) -> tuple[list[NDArray[np.float64]], NDArray[np.intp] | None]:
        check_is_fitted(self)
        inputs, codes = self._checked_inputs(X, self.task_names_)
        scores = self._raw_scores(inputs)
        rows = [slice(None) if codes is None else np.flatnonzero(codes == t) for t in range(len(self.task_names_))]
        return [self._task_output(name, scores[:, t, rows[t]]) for t, name in enumerate(self.task_names_)], codes

    def _task_output(self, name: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what one task's scores, (members, n, k), mean."""
        raise NotImplementedError

    def _task_ids(self, X: Any) -> Any:
        return None if self.task_column is None else np.asarray(take_column(X, self.task_column, "task_column")[0], dtype=object)

    def _checked_inputs(self, X: Any, names: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.intp] | None]:
        """Return checked inputs and, in long form, the position in ``names`` of every row's task."""
        ids, inputs = self._split_task_column(X, reset=False)
        if ids is None:
            return validate_data(self, inputs, dtype=np.float64, reset=False), None
        found, codes = encode_task_ids(ids, "task_column")
        known = {name: t for t, name in enumerate(names)}
        unknown = [name for name in found if name not in known]
        if unknown:
            shown = ", ".join(repr(name) for name in names[:5])
            raise ValueError(f"Task {unknown[0]!r} was not in fit; this {type(self).__name__} knows {len(known)} tasks: {shown}{', ...' * (len(known) > 5)}.")
        return check_array(inputs, dtype=np.float64), np.array([known[name] for name in found], dtype=np.intp)[codes]

    def _raw_scores(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores, (members, T, n, k), of checked inputs; there may be no row at all."""
        if len(inputs) == 0:
            return np.empty((len(self.members_), self.n_outputs_, 0, self._architecture.n_outputs))
        return stacked_scores(self._architecture, self.members_, inputs if self._scaler is None else self._scaler.transform(inputs))


def stacked_scores(architecture: Architecture, members: list[list[NDArray[np.floating]]], inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores of all heads, (members, T, n, k), in float64 whatever training used, block by block."""
    parameters = [torch.as_tensor(np.stack(stack), dtype=torch.float64) for stack in zip(*members, strict=True)]
    network = StackedNetwork(architecture, parameters, parameters, shared_rows=True)
    blocks = []
    for start in range(0, len(inputs), _PREDICTED_AT_ONCE):
        x = torch.as_tensor(np.ascontiguousarray(inputs[start : start + _PREDICTED_AT_ONCE].T), dtype=torch.float64)
        blocks.append(network.forward(x.expand(len(members), *x.shape).contiguous()).numpy().transpose(0, 1, 3, 2).copy())
    return np.concatenate(blocks, axis=2)


def as_target(y: Any) -> Any:
    """Return targets as an array; frames and series stay what they are."""
    if isinstance(y, (pd.DataFrame, pd.Series)):
        return y
    if isinstance(y, (list, tuple)) and np.asarray(y).dtype.kind in "US":
        y = np.array(y, dtype=object)  # numpy would turn NaN among strings into the string "nan"
    return check_array(y, ensure_2d=False, dtype=None, ensure_all_finite=False, input_name="y")


def weighted_rows(tasks: TaskSet, weight: NDArray[np.float64]) -> TaskSet:
    """Return the tasks without their rows of weight zero."""
    kept = {name: weight[tasks.rows(name)] > 0 for name in tasks.names}
    for name, mask in kept.items():
        if not mask.any():
            raise ValueError(f"sample_weight is zero for every labelled row of task {name!r}: no sample is left to learn it from.")
    rows = {name: tasks.rows(name)[mask] for name, mask in kept.items()}
    return TaskSet(tasks.X, rows, {name: tasks[name].y[mask] for name, mask in kept.items()}, tasks.kind)


def take_column(X: Any, column: str | int, what: str) -> tuple[Any, Any]:
    """Return a column of X and X without it."""
    if hasattr(X, "columns"):
        if column not in X.columns and not isinstance(column, Integral):
            raise ValueError(f"{what}={column!r} is not a column of X, which has {list(X.columns)[:8]}.")
        label = column if column in X.columns else X.columns[_position(column, X.shape[1], what)]
        return X[label], X.drop(columns=label)
    if isinstance(column, str):
        raise ValueError(f"{what}={column!r} names a column, but X is not a DataFrame. Give the column's index instead.")
    array: ArrayLike = np.asarray(X)
    if np.ndim(array) != 2:
        raise ValueError(f"Expected 2D array, got {np.ndim(array)}D array instead: X must have shape (n, p).")
    position = _position(column, np.shape(array)[1], what)
    return np.asarray(array)[:, position], np.delete(np.asarray(array), position, axis=1)


def _position(column: Any, n_columns: int, what: str) -> int:
    if not -n_columns <= column < n_columns:
        raise ValueError(f"{what}={column!r} is out of range: X has {n_columns} columns.")
    return int(column)


def _mean_curve(curves: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean over the members that are still running; NaN where all of them diverged."""
    if not curves:
        return np.empty(0)
    longest = max(len(curve) for curve in curves)
    padded = np.full((len(curves), longest, *curves[0].shape[1:]), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
    running = np.isfinite(padded)
    total, count = np.where(running, padded, 0.0).sum(axis=0), running.sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
