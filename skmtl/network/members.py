"""What a fleet is asked to train, and what it gives back."""

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
    """The table that all members of a fleet draw their rows from.

    Attributes
    ----------
    X : ndarray of shape (n, p)
        Finite inputs.
    y : ndarray of shape (n,) or (n, T)
        Targets or class codes. One column: every row has one label, and each task of a member lists
        rows of its own. T columns: tasks share rows; NaN where a row has no label for a task.
    sample_weight : ndarray of shape (n,) or (n, T), optional
        Non-negative weights of the rows; where tasks share rows, also of every label.
    groups : ndarray of shape (n,), optional
        Integer code of every row's group for loss terms, negative where unknown.
    codes : ndarray of shape (n, c), optional
        Level of every categorical column, for the architecture's embeddings.

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
        """Return one table with the rows of several of one layout, in their order."""

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
    """One network of a fleet.

    Attributes
    ----------
    train : sequence of ndarray of int
        Training rows: one array per task, or a single array where tasks share rows.
    validation : sequence of ndarray of int
        Rows that early stopping watches, in the form of ``train``; empty = none.
    evaluation : sequence of ndarray of int
        Rows whose scores are wanted from the final weights, in the form of ``train``; empty = none.
    seed, order_seed : int
        Seeds of the initial weights and of the order of rows. Members that share them start from
        the same trunk and see equally many rows in the same order.
    learning_rate, alpha : float
        Learning rate; L2 penalty, alpha / 2 * ||W||^2 added to the loss (decoupled for adamw).
    task_weights : ndarray of shape (T,), optional
        Weights of the tasks in the loss; None = all equal.
    n_scores : ndarray of shape (T,), optional
        Number of scores that every task uses; None = all.
    label : str
        How messages call the member.
    start : TrainedMember, optional
        What to go on from: its parameters and, where it has them, the states of its solver and its
        aggregator; None = a fresh draw.
    baselines : ndarray of shape (T,), optional
        Validation losses that aggregators compare the tasks with; None = none.
    ensemble : int, optional
        Members with one number take as many steps per epoch as the largest of them; None = as many as
        its own rows need.
    term_weights : ndarray of shape (2, T), optional
        What terms of single tasks are multiplied by, as the trunk and as the heads see them; None =
        1.

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
        """Return the member for a table in which its rows stand so many rows further down."""
        train, validation, evaluation = (
            [rows + by for rows in part] for part in (self.train, self.validation, self.evaluation)
        )
        return replace(self, train=train, validation=validation, evaluation=evaluation)


@dataclass(frozen=True)
class Training:
    """Settings that all members of a fleet share.

    Attributes
    ----------
    loss : TaskLoss
        Loss of every task.
    solver : {"adam", "adamw", "adagrad", "sgd"}
        Optimizer.
    batch_size : int or None
        Rows of every task in a step; None = all of them.
    max_iter : int
        Largest number of epochs.
    n_iter_no_change : int
        Epochs without an improvement of ``tol`` after which a member stops.
    tol : float
        Smallest decrease of the watched loss that counts as an improvement.
    record : bool
        Keep every task's training loss of every epoch (needed where there are no validation rows to
        watch).
    train_trunk : bool
        False keeps the trunk as it started.
    dropout : float
        Share of the hidden units that a training step leaves out.
    keep_solver_state : bool
        Return what solver and aggregator remember, to go on from.
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
    """A member after training, in numpy.

    Attributes
    ----------
    parameters : list of ndarray
        Weights and biases, tasks first in the heads; the best ones on the validation rows where
        there are any.
    n_iter, best_iteration : int
        Epochs trained, and the epoch that the parameters stem from (counted from 1; 0 = the initial
        ones).
    task_loss_curve : ndarray of shape (n_iter, T)
        Training loss of every task and epoch; empty unless recorded.
    validation_curve : ndarray of shape (n_iter,)
        Watched validation loss, weighted mean over tasks; empty without validation rows.
    scores : list of ndarray of shape (n_t, k)
        Scores of the evaluation rows, one array per task.
    aggregation_weights : ndarray of shape (n_iter, T)
        Mean weight of every task in the steps of an epoch; NaN where a method has none; empty unless
        losses are recorded.
    diagnostics : list of dict
        What the aggregator says of the task gradients, epoch by epoch; empty unless losses are
        recorded.
    diverged : bool
        Whether a loss or weight became infinite or NaN; the parameters are the last good ones.
    solver_state : list of (list of ndarray)
        Moments of the solver, in the order of the parameters; empty unless asked for.
    n_steps : int
        Steps that the solver state has seen, where the solver counts them (Adam).
    aggregator_state : dict of ndarray
        What the aggregator remembers; empty unless asked for.
    aggregator : str
        Aggregator that the state belongs to; another one starts afresh.
    solver : str
        Solver that the state belongs to; another one starts afresh.

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
    """Whether any member lists any row."""
    return any(len(rows) > 0 for member in members for rows in member)
