"""What the multi-task regressor and classifier have in common: settings, one fleet, what it leaves
behind, scores.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    MultiOutputMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skmtl._sklearn_compat import Interval, StrOptions
from skmtl.aggregation import resolve_aggregator
from skmtl.data import (
    Groups,
    Kind,
    TaskSet,
    as_pandas,
    as_target,
    check_inputs,
    checked_weight,
    column_position,
    known_task_codes,
    long_tasks,
    read_task_weights,
    take_column,
    weighted_rows,
    wide_tasks,
)
from skmtl.estimators.categories import resolve_categorical
from skmtl.estimators.ensembles import aggregator_of, ensemble, terms_of
from skmtl.estimators.history import diagnostic_curves, entries, mean_curve, weighted_curve
from skmtl.estimators.prediction import Predictor
from skmtl.estimators.problem import Problem
from skmtl.losses import resolve_loss
from skmtl.network import ACTIVATIONS, SOLVERS, TrainedMember, Training, resolve_device, train_fleet
from skmtl.support import CallbackSupport, DocLinks, VersionedState, fit_callbacks

_LARGEST_SEED = np.iinfo(np.int32).max


class MultiTaskNetwork(
    VersionedState,
    DocLinks,
    CallbackSupport,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    MultiOutputMixin,
    BaseEstimator,
):
    """A shared trunk with one head a task, in wide and long form; subclasses say what the scores
    mean.

    The parameters are those of :class:`skmtl.MultiTaskRegressor` and
    :class:`skmtl.MultiTaskClassifier`.

    Examples
    --------
    >>> from skmtl import MultiTaskClassifier, MultiTaskRegressor
    >>> from skmtl.estimators import MultiTaskNetwork
    >>> (
    ...     issubclass(MultiTaskClassifier, MultiTaskNetwork),
    ...     issubclass(MultiTaskRegressor, MultiTaskNetwork),
    ... )
    (True, True)
    """

    _kind: ClassVar[Kind]
    _solver_states: list[Any]
    _wide_2d: bool
    n_iter_: int
    loss_curve_: NDArray[np.float64]
    task_loss_curve_: NDArray[np.float64]
    aggregation_weights_: NDArray[np.float64]
    history_: list[dict[str, Any]]
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "head_hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "solver": [StrOptions(set(SOLVERS))],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto", "full"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "standardize": ["boolean"],
        "n_members": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "task_embedding_dim": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "task_column": [str, Integral, None],
        "task_weights": ["array-like", dict, None],
        "loss": "no_validation",
        "aggregator": "no_validation",
        "categorical_features": [StrOptions({"from_dtype"}), "array-like", None],
        "embedding_dim": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "device": [str],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (64,),
        head_hidden_layer_sizes: Any = (),
        *,
        activation: str = "relu",
        solver: str = "adamw",
        alpha: float | str = "auto",
        batch_size: int | str = "auto",
        learning_rate_init: float = 3e-3,
        max_iter: int = 200,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 20,
        tol: float = 1e-4,
        dropout: float = 0.0,
        standardize: bool = True,
        n_members: int | str = "auto",
        task_embedding_dim: int | str = "auto",
        task_column: Any = None,
        task_weights: Any = None,
        loss: Any = "squared_error",
        aggregator: Any = "mean",
        categorical_features: Any = "from_dtype",
        embedding_dim: int | str = "auto",
        dtype: str = "auto",
        device: str = "auto",
        warm_start: bool = False,
        callbacks: Any = None,
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
        self.dropout = dropout
        self.standardize = standardize
        self.n_members = n_members
        self.task_embedding_dim = task_embedding_dim
        self.task_column = task_column
        self.task_weights = task_weights
        self.loss = loss
        self.aggregator = aggregator
        self.categorical_features = categorical_features
        self.embedding_dim = embedding_dim
        self.dtype = dtype
        self.device = device
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    # ------------------------------------------------------------------ fit
    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Groups | None = None) -> Any:
        problem, first_seed, started = self._prepare(X, y, sample_weight, groups)
        members = ensemble(
            problem, first_seed, first_seed, self._task_weights(problem.names), started
        )
        with fit_callbacks(
            self, X, y, max_passes=self.max_iter, metadata={"sample_weight": sample_weight}
        ) as on_pass:

            def told(n_done: int, now: Any) -> bool:
                return on_pass is not None and on_pass(n_done, lambda: self._as_if(problem, now()))

            trained = self._train(
                problem, members, problem.training(record=True), None if on_pass is None else told
            )
            self._store(problem, problem.names, trained)
        self._finish(problem, first_seed)
        return self

    def _grouped(self, X: Any, sensitive_features: Any) -> tuple[Any, Groups | None]:
        """Return the inputs, and the groups where they are given."""
        return X, None

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, groups: Groups | None = None
    ) -> tuple[Problem, int, list[TrainedMember] | None]:
        """Check the input; return it as a problem, the first seed, and what training starts from."""
        again = self.warm_start and hasattr(self, "members_")
        tasks, weight, categorical = self._as_tasks(X, y, sample_weight, reset=not again)
        split_seed, first_seed = self._drawn_seeds()
        learnt = self._known(tasks) if again else {"categorical_features": categorical}
        problem = Problem(
            self, tasks, sample_weight=weight, split_seed=split_seed, groups=groups, **learnt
        )
        self._check_problem(problem)
        return problem, first_seed, self._started(problem) if again else None

    def _drawn_seeds(self) -> list[int]:
        """Draw the seeds of the validation splits and of everything else."""
        seeds: list[int] = (
            check_random_state(self.random_state).randint(_LARGEST_SEED, size=2).tolist()
        )
        return seeds

    def _finish(self, problem: Problem, first_seed: int) -> None:
        """Close a fit whose networks are stored."""
        self._seeds, self._n_calls = [first_seed, problem.split_seed], 0
        if self.verbose:
            print(
                f"[{type(self).__name__}] {len(problem.train)} tasks, {self.n_iter_} passes, "
                f"training loss {self.loss_curve_[-1]:.4g}"
            )

    def _partial_fit(
        self, X: Any, y: Any, sample_weight: Any, classes: Any = None, groups: Groups | None = None
    ) -> Any:
        """Take one pass over these rows; the first call learns how to read inputs and code targets."""
        first = not hasattr(self, "members_")
        tasks, weight, categorical = self._as_tasks(X, y, sample_weight, reset=first)
        declared = self._declared(tasks, classes, weight)
        learnt = (
            {"categorical_features": categorical, "targets": declared}
            if first
            else self._known(tasks)
        )
        if not first and classes is not None:
            self._check_declared(declared)
        problem = Problem(
            self, tasks, sample_weight=weight, hold_out=False, groups=groups, **learnt
        )
        self._check_problem(problem)
        if first:
            split_seed, first_seed = self._drawn_seeds()
            self._seeds, self._n_calls = [first_seed, split_seed], 0
        started = None if first else self._started(problem)
        members = ensemble(
            problem,
            self._seeds[0],
            self._seeds[1] + self._n_calls,
            self._task_weights(problem.names),
            started,
        )
        trained = self._train(problem, members, problem.training(record=True, passes=1))
        for member in trained:
            member.task_loss_curve[:, [name not in tasks for name in problem.names]] = np.nan
        earlier = (
            None
            if first
            else (self.task_loss_curve_, self.aggregation_weights_, self.history_, self.n_iter_)
        )
        self._store(problem, problem.names, trained)
        self._n_calls += 1
        self._solver_states = [
            (
                self.solver,
                member.solver_state,
                member.n_steps,
                member.aggregator,
                member.aggregator_state,
            )
            for member in trained
        ]
        if earlier is not None:
            task_losses, weights, history, n_iter = earlier
            self.task_loss_curve_ = np.concatenate([task_losses, self.task_loss_curve_])
            self.loss_curve_ = weighted_curve(
                self.task_loss_curve_, self._task_weights(self.task_names_)
            )
            self.aggregation_weights_ = np.concatenate([weights, self.aggregation_weights_])
            self.history_ = [
                *history,
                *({**entry, "iteration": n_iter + 1} for entry in self.history_),
            ]
            self.n_iter_ = self.best_iteration_ = n_iter + 1
        return self

    def _train(
        self, problem: Problem, members: list[Any], training: Training, on_pass: Any = None
    ) -> list[TrainedMember]:
        """Train the members of one ensemble."""
        arguments = problem.architecture(), problem.data, members, training
        return train_fleet(
            *arguments,
            aggregator=aggregator_of(self),
            terms=terms_of(problem),
            together=True,
            on_pass=on_pass,
        )

    def _known(self, tasks: TaskSet) -> dict[str, Any]:
        """Return what was learnt about inputs, targets and tasks, for tasks that are all known."""
        unknown = [name for name in tasks.names if name not in set(self.task_names_)]
        if unknown:
            raise ValueError(
                f"Task {unknown[0]!r} was not in the first fit of this {type(self).__name__}; only "
                "known tasks can be learnt further."
            )
        return {"reader": self._reader, "targets": self._targets, "names": self.task_names_}

    def _started(self, problem: Problem) -> list[TrainedMember]:
        """Return the present networks as what further training starts from."""
        if self.n_members not in ("auto", len(self.members_)):
            raise ValueError(
                f"This {type(self).__name__} goes on with {len(self.members_)} networks; "
                f"n_members={self.n_members!r} needs a fresh fit."
            )
        if problem.architecture() != self._architecture:
            raise ValueError(
                f"This {type(self).__name__} goes on from networks of another shape: "
                "hidden_layer_sizes, head_hidden_layer_sizes, activation, "
                "task_embedding_dim and task_column must be those of the first fit. Set "
                "warm_start=False or fit a clone."
            )
        states = self._solver_states or [("", [], 0, "", {})] * len(self.members_)
        return [
            TrainedMember(
                parameters=own,
                solver=solver,
                solver_state=state,
                n_steps=n,
                aggregator=aggregator,
                aggregator_state=remembered,
            )
            for own, (solver, state, n, aggregator, remembered) in zip(
                self.members_, states, strict=True
            )
        ]

    def _declared(self, tasks: TaskSet, classes: Any, weight: NDArray[np.float64] | None) -> Any:
        """Return the coding of the targets that later calls may bring, or None where it follows
        from the first rows.
        """

    def _check_declared(self, declared: Any) -> None:
        """Raise where classes are not those that an earlier call declared."""

    def _check_settings(self) -> None:
        """Raise where a parameter is out of range."""
        self._validate_params()
        resolve_loss(self.loss, self._kind)
        resolve_aggregator(self.aggregator)
        for what in ("hidden_layer_sizes", "head_hidden_layer_sizes"):
            sizes = getattr(self, what)
            if not all(
                isinstance(size, Integral) and int(size) >= 1
                for size in ([sizes] if isinstance(sizes, Integral) else sizes)
            ):
                raise ValueError(
                    f"The {what!r} parameter of {type(self).__name__} must hold positive whole "
                    f"widths. Got {sizes!r} instead."
                )

    def _check_groups(self, groups: Groups | None) -> None:
        """Raise where the loss needs groups of people that are not given."""

    def _check_problem(self, problem: Problem) -> None:
        """Raise or warn where settings do not fit the tasks."""

    def _as_tasks(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool
    ) -> tuple[TaskSet, NDArray[np.float64] | None, Any]:
        """Check the input; return it as a TaskSet, with the weights of its rows and the positions
        of categorical columns.
        """
        self._check_settings()
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        X, y = as_pandas(X), as_pandas(y)
        ids, inputs = check_inputs(self, X, reset=reset, task_column=self.task_column)
        position = None if ids is None else column_position(X, self.task_column, "task_column")
        shape = list(X.columns) if hasattr(X, "columns") else inputs.shape[1] + (ids is not None)
        categorical = resolve_categorical(self.categorical_features, shape, position)
        y = as_target(y)
        check_consistent_length(inputs, y)
        weight = None
        if sample_weight is not None:
            weight = checked_weight(sample_weight, len(inputs))
        if ids is None:
            tasks = wide_tasks(
                inputs,
                y,
                self._kind,
                self._check_labels,
                known=None if reset else (self._wide_2d, self.task_names_),
            )
        else:
            tasks = long_tasks(inputs, y, ids, self._kind, self._check_labels)
        if reset:
            self._wide_2d = ids is None and np.ndim(y) == 2
        return (
            (tasks, None, categorical)
            if weight is None
            else (weighted_rows(tasks, weight), weight, categorical)
        )

    def _check_labels(self, name: str, labels: NDArray[Any]) -> None:
        """Raise where the known labels of a task cannot be what the estimator predicts."""

    def _task_weights(self, names: Sequence[str]) -> NDArray[np.float64] | None:
        return None if self.task_weights is None else read_task_weights(self.task_weights, names)

    # ------------------------------------------------------------------ what fit leaves behind
    def _store(
        self, problem: Problem, names: Sequence[str], trained: Sequence[TrainedMember]
    ) -> None:
        """Keep what was learnt about these tasks, as numpy arrays and plain values."""
        self.task_names_ = list(names)
        self.n_outputs_ = len(self.task_names_)
        self._architecture = problem.architecture()
        self._reader, self._targets = problem.reader, problem.targets
        self.members_ = [member.parameters for member in trained]
        self._solver_states = []
        self._n_features_out = len(self.members_) * self._architecture.trunk_sizes[-1]
        self.n_iter_ = max(member.n_iter for member in trained)
        self.best_iteration_ = max(member.best_iteration for member in trained)
        watched = mean_curve(
            [member.validation_curve for member in trained if len(member.validation_curve)]
        )
        self.task_loss_curve_ = mean_curve([member.task_loss_curve for member in trained])
        self.loss_curve_ = weighted_curve(
            self.task_loss_curve_, self._task_weights(self.task_names_)
        )
        self.aggregation_weights_ = mean_curve([member.aggregation_weights for member in trained])
        self.history_ = entries(
            self.loss_curve_, validation_loss=watched, **diagnostic_curves(trained)
        )
        self.device_ = str(resolve_device(self.device))

    def _as_if(self, problem: Problem, trained: list[TrainedMember]) -> dict[str, Any]:
        """Return the attributes that fit would leave behind if it ended now."""
        shown = copy.copy(self)
        shown._store(problem, problem.names, trained)
        return dict(vars(shown))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "members_")

    # ------------------------------------------------------------------ predict
    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return what the heads see: the shared representation of all networks, side by side.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.

        Returns
        -------
        ndarray of shape (n, n_members * last hidden size)
            Outputs of the last shared layer; in long form with an embedded task, as the row's own
            task sees them.
        """
        check_is_fitted(self)
        inputs, tasks = self._checked_inputs(X, self.task_names_)
        numeric, codes = self._reader.read(inputs)
        predictor = Predictor(self._architecture, self.members_)
        if not self._architecture.task_embedding_dim or tasks is None:
            return predictor.representation(numeric, codes)
        seen = np.empty((len(numeric), self._n_features_out))
        for t in np.unique(tasks):
            rows = np.flatnonzero(tasks == t)
            seen[rows] = predictor.representation(
                numeric[rows], None if codes is None else codes[rows], int(t)
            )
        return seen

    def _outputs(self, X: Any) -> tuple[list[NDArray[np.float64]], NDArray[np.intp] | None]:
        """Return the outputs of every task (in long form, for its own rows) and, in long form, the
        task of every row.
        """
        check_is_fitted(self)
        inputs, tasks = self._checked_inputs(X, self.task_names_)
        return self._outputs_of(inputs, tasks), tasks

    def _outputs_of(self, inputs: Any, tasks: NDArray[np.intp] | None) -> list[NDArray[np.float64]]:
        """Return the outputs of every task for checked inputs, in long form for the rows of its
        own.
        """
        numeric, codes = self._reader.read(inputs)
        predictor = Predictor(self._architecture, self.members_)
        names = list(enumerate(self.task_names_))
        if tasks is None and not self._architecture.task_embedding_dim:
            blocks = [
                [self._task_output(name, scores[:, t]) for t, name in names]
                for scores in predictor.scores(numeric, codes)
            ]
            return [np.concatenate(own) for own in zip(*blocks, strict=True)]
        outputs = []
        for t, name in names:
            rows = np.arange(len(numeric)) if tasks is None else np.flatnonzero(tasks == t)
            blocks_of_task = predictor.scores(
                numeric[rows], None if codes is None else codes[rows], t
            )
            outputs.append(
                np.concatenate([self._task_output(name, scores[:, 0]) for scores in blocks_of_task])
            )
        return outputs

    def _task_output(self, name: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what one task's scores, (members, n, k), mean."""
        raise NotImplementedError

    def _task_ids(self, X: Any) -> Any:
        return (
            None
            if self.task_column is None
            else np.asarray(take_column(X, self.task_column, "task_column")[0], dtype=object)
        )

    def _checked_inputs(self, X: Any, names: Sequence[str]) -> tuple[Any, NDArray[np.intp] | None]:
        """Return checked inputs and, in long form, the position in ``names`` of every row's task."""
        ids, inputs = check_inputs(self, X, reset=False, task_column=self.task_column)
        if ids is None:
            return inputs, None
        return inputs, known_task_codes(ids, names, type(self).__name__)
