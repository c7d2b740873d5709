"""Data, settings and results of networks that train as a fleet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.base import TaskLoss
from skmtl.losses import SquaredError

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class FleetData:
    """Data of all networks of a fleet.

    Attributes
    ----------
    X : ndarray of shape (n, p)
        Finite inputs.
    y : ndarray of shape (n,) or (n, T)
        Targets or class codes. Shape (n,): every row belongs to one task, and a network lists the
        rows of each of its tasks. Shape (n, T): tasks share rows; NaN for a missing label.
    sample_weight : ndarray of shape (n,) or (n, T), optional
        Non-negative weights of the rows, or of all labels if tasks share rows.
    groups : ndarray of shape (n,), optional
        Integer code of every row's sensitive group, negative where unknown.
    codes : ndarray of shape (n, c), optional
        Level code of every embedded categorical column.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.network import FleetData
    >>> FleetData(np.zeros((4, 2)), np.zeros((4, 3))).shared_rows
    True
    """

    X: NDArray[np.floating]
    y: NDArray[np.floating]
    sample_weight: NDArray[np.floating] | None = None
    groups: NDArray[np.integer] | None = None
    codes: NDArray[np.integer] | None = None

    @property
    def shared_rows(self) -> bool:
        """Whether a row may have a label for every task."""
        return self.y.ndim == 2

    @classmethod
    def joined(cls, tables: Sequence[FleetData]) -> FleetData:
        """Concatenate the rows of several tables of the same layout."""

        def rows(name: str) -> Any:
            parts = [getattr(table, name) for table in tables]
            return None if parts[0] is None else np.concatenate(parts)

        return (
            tables[0]
            if len(tables) == 1
            else cls(rows("X"), rows("y"), rows("sample_weight"), rows("groups"), rows("codes"))
        )


@dataclass(frozen=True)
class Member:
    """One network of a fleet, and how it is trained.

    Attributes
    ----------
    train : sequence of ndarray of int
        Training rows: one array per task, or a single array if tasks share rows.
    validation : sequence of ndarray of int
        Validation rows for early stopping, in the form of ``train``; empty = none.
    evaluation : sequence of ndarray of int
        Rows to score with the final parameters, in the form of ``train``; empty = none.
    seed, order_seed : int
        Seeds of the initial parameters and of the order of rows. Networks with the same seeds
        start from the same trunk and use the same order of rows.
    learning_rate, alpha : float
        Learning rate; L2 penalty, alpha / 2 * ||W||^2 added to the loss (decoupled for adamw).
    task_weights : ndarray of shape (T,), optional
        Weights of the tasks in the loss; None = all equal.
    n_scores : ndarray of shape (T,), optional
        Number of scores that every task uses; None = all.
    label : str
        Name of the network in messages.
    start : TrainedMember, optional
        Network to continue from: its parameters and, if stored, the states of solver and
        aggregator; None = random initial parameters.
    baselines : ndarray of shape (T,), optional
        Validation losses of single-task networks, for aggregators that need them.
    ensemble : int, optional
        Networks with the same number take as many steps per epoch as the largest of them; None =
        as many as the network's rows need.
    term_weights : ndarray of shape (2, T), optional
        Factors of the per-task fairness terms, for the trunk and for the heads; None = 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.network import Member
    >>> Member(train=[np.arange(80), np.arange(80, 200)], label="school 7 + school 9").learning_rate
    0.001
    """

    train: Sequence[Rows]
    validation: Sequence[Rows] = ()
    evaluation: Sequence[Rows] = ()
    seed: int = 0
    order_seed: int = 0
    learning_rate: float = 1e-3
    alpha: float = 0.0
    task_weights: NDArray[np.floating] | None = None
    n_scores: NDArray[np.integer] | None = None
    label: str = "network"
    start: TrainedMember | None = None
    baselines: NDArray[np.floating] | None = None
    ensemble: int | None = None
    term_weights: NDArray[np.floating] | None = None

    def moved(self, by: int) -> Member:
        """Return the network with all row positions increased by ``by``."""
        train, validation, evaluation = (
            [rows + by for rows in part] for part in (self.train, self.validation, self.evaluation)
        )
        return replace(self, train=train, validation=validation, evaluation=evaluation)


@dataclass(frozen=True)
class Training:
    """Settings that all networks of a fleet share.

    Attributes
    ----------
    loss : TaskLoss
        Loss of every task.
    solver : {"adam", "adamw", "adagrad", "sgd"}
        Optimizer.
    batch_size : int or None
        Rows per task and step; None = all.
    max_iter : int
        Largest number of epochs.
    n_iter_no_change : int
        Epochs without an improvement of ``tol`` after which a network stops.
    tol : float
        Smallest decrease of the monitored loss that counts as an improvement.
    record : bool
        Whether to keep the training losses of all tasks and epochs (needed for early stopping
        without validation rows).
    train_trunk : bool
        Whether to train the trunk; False freezes it.
    dropout : float
        Fraction of the hidden units that a training step drops.
    keep_solver_state : bool
        Whether to return the states of solver and aggregator, to continue training later.
    dtype : {"float32", "float64"}
        Precision of training.
    device : str
        Torch device.

    Examples
    --------
    >>> from skmtl.losses import LogLoss
    >>> from skmtl.network import Training
    >>> Training(loss=LogLoss(), batch_size=None).max_iter
    200
    """

    loss: TaskLoss = field(default_factory=SquaredError)
    solver: str = "adam"
    batch_size: int | None = 64
    max_iter: int = 200
    n_iter_no_change: int = 10
    tol: float = 1e-4
    record: bool = False
    train_trunk: bool = True
    dropout: float = 0.0
    keep_solver_state: bool = False
    dtype: str = "float32"
    device: str = "cpu"


@dataclass
class TrainedMember:
    """A trained network, as numpy arrays.

    Attributes
    ----------
    parameters : list of ndarray
        Weights and biases, with the task as first axis in heads; those with the lowest validation
        loss if there are validation rows.
    n_iter, best_iteration : int
        Number of epochs, and the epoch of the returned parameters (counted from 1; 0 = the initial
        parameters).
    task_loss_curve : ndarray of shape (n_iter, T)
        Training losses per epoch and task; empty unless recorded.
    validation_curve : ndarray of shape (n_iter,)
        Validation loss, weighted mean over tasks; empty without validation rows.
    scores : list of ndarray of shape (n_t, k)
        Scores of the evaluation rows, one array per task.
    aggregation_weights : ndarray of shape (n_iter, T)
        Mean aggregation weights per epoch and task; NaN for methods without weights; empty unless
        losses are recorded.
    diagnostics : list of dict
        Diagnostics of the aggregator, one entry per epoch; empty unless losses are recorded.
    diverged : bool
        Whether a loss or parameter became infinite or NaN; ``parameters`` are the last finite ones.
    solver_state : list of (list of ndarray)
        Moments of the solver, in the order of the parameters; empty unless requested.
    n_steps : int
        Number of steps of the solver state, for solvers that count them (Adam).
    aggregator_state : dict of ndarray
        State of the aggregator; empty unless requested.
    aggregator : str
        Aggregator that the state belongs to; other aggregators ignore it.
    solver : str
        Solver that the state belongs to; other solvers ignore it.

    Examples
    --------
    >>> from skmtl.network import TrainedMember
    >>> TrainedMember(parameters=[], n_iter=12).diverged
    False
    """

    parameters: list[NDArray[np.floating]]
    n_iter: int = 0
    best_iteration: int = 0
    task_loss_curve: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    validation_curve: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    scores: list[NDArray[np.float64]] = field(default_factory=list)
    aggregation_weights: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    diagnostics: list[dict[str, float]] = field(default_factory=list)
    diverged: bool = False
    solver_state: list[list[NDArray[np.floating]]] = field(default_factory=list)
    n_steps: int = 0
    aggregator_state: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    aggregator: str = ""
    solver: str = ""


def any_rows(members: Iterable[Sequence[Rows]]) -> bool:
    """Whether any of the row lists has a row."""
    return any(len(rows) > 0 for member in members for rows in member)
