"""Parameters of an estimator, validated and resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import check_random_state

from skmtl.aggregation import Mean, resolve_aggregator
from skmtl.base import Aggregator, FairnessTerm, TaskLoss
from skmtl.data import Kind, TaskSet, read_task_weights
from skmtl.losses import resolve_loss
from skmtl.network import resolve_device

_LARGEST_SEED = np.iinfo(np.int32).max
# alpha="auto" for all solvers but adamw.
_PENALTY = 1e-4
# n_members="auto": networks of an ensemble, and the labeled rows above which it is halved.
_MEMBERS, _MANY_ROWS = 8, 20_000


@dataclass(frozen=True, eq=False)
class ReadingSettings:
    """Settings for reading X and y; estimators with equal ones can share a table."""

    task_column: Any
    categorical_features: Any
    embedding_dim: int | str
    standardize: bool
    sensitive_as_input: bool


@dataclass(frozen=True)
class Seeds:
    """Seeds of the networks and of their validation splits."""

    networks: int
    splits: int


@dataclass(frozen=True, eq=False)
class Settings:
    """Validated parameters of a MultiTaskRegressor or MultiTaskClassifier.

    Every "auto" that does not depend on the data is resolved.

    Attributes
    ----------
    owner : str
        Class of the estimator, for messages.
    kind : {"regression", "classification"}
        Kind of its tasks.
    reading : ReadingSettings
        How X and y are read.
    alpha : float or None
        Weight decay; None = depends on the number of labels.
    task_embedding_dim : int or "auto"
        Width of the embedding of a task; "auto" = depends on the number of tasks.
    aggregator : Aggregator or None
        None = the weighted mean of the losses.

    The other attributes are the parameters of the estimators.
    """

    owner: str
    kind: Kind
    reading: ReadingSettings
    hidden: tuple[int, ...]
    head_hidden: tuple[int, ...]
    activation: str
    solver: str
    alpha: float | None
    batch_size: int | str
    learning_rate: float
    max_iter: int
    early_stopping: bool | str
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    dropout: float
    n_members: int | str
    task_embedding_dim: int | str
    task_weights: ArrayLike | dict[Any, float] | None
    loss: TaskLoss
    aggregator: Aggregator | None
    fairness: FairnessTerm | None
    dtype: str
    device: str
    random_state: Any
    verbose: int

    def draw_seeds(self) -> Seeds:
        """Draw the seeds of one fit."""
        splits, networks = (
            check_random_state(self.random_state).randint(_LARGEST_SEED, size=2).tolist()
        )
        return Seeds(networks=networks, splits=splits)

    def weights_of(self, names: Sequence[str]) -> NDArray[np.float64] | None:
        """Return the weights of named tasks; None = all equal."""
        return None if self.task_weights is None else read_task_weights(self.task_weights, names)

    def ensemble_size(self, tasks: TaskSet) -> int:
        """Return the number of networks that are trained for these tasks."""
        if self.n_members != "auto":
            return int(self.n_members)
        n_rows = len(np.unique(np.concatenate([tasks.rows(name) for name in tasks.names])))
        return _MEMBERS if n_rows <= _MANY_ROWS else _MEMBERS // 2


def read_settings(estimator: BaseEstimator) -> Settings:
    """Check and read the parameters of an estimator.

    Parameters
    ----------
    estimator : MultiTaskRegressor or MultiTaskClassifier
        Estimator, which is not changed.

    Returns
    -------
    Settings
        Its parameters.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """
    estimator._validate_params()
    given: Any = estimator
    owner = type(estimator).__name__
    kind: Kind = "classification" if is_classifier(estimator) else "regression"
    aggregator = resolve_aggregator(given.aggregator)
    return Settings(
        owner=owner,
        kind=kind,
        reading=ReadingSettings(
            task_column=given.task_column,
            categorical_features=given.categorical_features,
            embedding_dim=given.embedding_dim,
            standardize=bool(given.standardize),
            sensitive_as_input=bool(getattr(given, "sensitive_as_input", False)),
        ),
        hidden=_widths("hidden_layer_sizes", given.hidden_layer_sizes, owner),
        head_hidden=_widths("head_hidden_layer_sizes", given.head_hidden_layer_sizes, owner),
        activation=given.activation,
        solver=given.solver,
        alpha=_resolved_alpha(given.alpha, given.solver),
        batch_size=given.batch_size,
        learning_rate=given.learning_rate_init,
        max_iter=given.max_iter,
        early_stopping=given.early_stopping,
        validation_fraction=given.validation_fraction,
        n_iter_no_change=given.n_iter_no_change,
        tol=given.tol,
        dropout=given.dropout,
        n_members=given.n_members,
        task_embedding_dim=_resolved_embedding(given.task_embedding_dim, given.task_column),
        task_weights=given.task_weights,
        loss=resolve_loss(given.loss, kind),
        aggregator=None if type(aggregator) is Mean else aggregator,
        fairness=getattr(given, "fairness", None),
        dtype="float32" if given.dtype == "auto" else given.dtype,
        device=str(resolve_device(given.device)),
        random_state=given.random_state,
        verbose=given.verbose,
    )


def _widths(name: str, sizes: Any, owner: str) -> tuple[int, ...]:
    """Return layer widths as a tuple; a single number is one layer."""
    listed = [sizes] if isinstance(sizes, Integral) else sizes
    if not all(isinstance(size, Integral) and int(size) >= 1 for size in listed):
        raise ValueError(
            f"The {name!r} parameter of {owner} must hold positive integers. Got {sizes!r} instead."
        )
    return tuple(int(size) for size in listed)


def _resolved_alpha(alpha: float | str, solver: str) -> float | None:
    """Return the weight decay; None if it depends on the number of labels."""
    if alpha != "auto":
        return float(alpha)
    return None if solver == "adamw" else _PENALTY


def _resolved_embedding(width: int | str, task_column: Any) -> int | str:
    """Return the width of a task's embedding: "auto" is 0 for wide targets."""
    if width == "auto":
        return 0 if task_column is None else "auto"
    return int(width)
