"""Risk of every task over the rank of a shared representation, and starved tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from skmtl.data import rows_as_given
from skmtl.estimators import MultiTaskRegressor
from skmtl.representation.folds import Labels, fold_errors
from skmtl.representation.low_rank import LowRankMultiTaskRegressor
from skmtl.splitting import MultiTaskKFold

Array = NDArray[np.float64]

# A task is starved if the shared model explains less than this share of what its single-task model
# explains,
_STARVED_BELOW = 0.5
# and the mean difference of squared errors is larger than this many of its standard errors.
_STANDARD_ERRORS = 2.0


@dataclass(frozen=True, eq=False)
class RepresentationPath:
    """Test risks of T tasks over the size of their shared representation.

    Result of :func:`representation_path`.

    Attributes
    ----------
    ranks : tuple of int
        Sizes of the representation, in the order given.
    task_names : tuple of str
        Names of the tasks.
    risks : ndarray of shape (ranks, T)
        Mean squared error of the shared model on test rows, in squared units of the targets.
    single_task_risks : ndarray of shape (T,)
        Mean squared error of the single-task models.
    trivial_risks : ndarray of shape (T,)
        Mean squared error of predicting the mean of the training targets.
    starved : ndarray of bool of shape (ranks, T)
        Whether the shared model explains far less than the single-task model.
    smallest_rank_ : int or None
        Smallest size that starves no task; None if every size starves a task.

    See Also
    --------
    representation_path : Computes the risks.

    Examples
    --------
    With rank 1, the task "south" has ten times the risk of its single-task model:

    >>> import numpy as np
    >>> from skmtl.representation import RepresentationPath
    >>> starved = np.array([[False, True], [False, False]])
    >>> risks = np.array([[0.1, 1.0], [0.1, 0.2]])
    >>> path = RepresentationPath(
    ...     (1, 2), ("north", "south"), risks, np.array([0.1, 0.1]), np.ones(2), starved
    ... )
    >>> path.smallest_rank_, path.starved_tasks(1)
    (2, ['south'])
    """

    ranks: tuple[int, ...]
    task_names: tuple[str, ...]
    risks: Array
    single_task_risks: Array
    trivial_risks: Array
    starved: NDArray[np.bool_]
    smallest_rank_: int | None = field(init=False)

    def __post_init__(self) -> None:
        fair = [
            rank
            for rank, starved in zip(self.ranks, self.starved, strict=True)
            if not starved.any()
        ]
        object.__setattr__(self, "smallest_rank_", min(fair, default=None))

    @property
    def explained(self) -> Array:
        """Share of each task's trivial risk that the shared model explains, (ranks, T).

        It is NaN if the trivial risk is zero.
        """
        return _explained(self.risks, self.trivial_risks)

    @property
    def single_task_explained(self) -> Array:
        """Share of each task's trivial risk that its single-task model explains, (T,)."""
        return _explained(self.single_task_risks, self.trivial_risks)

    @property
    def table(self) -> pd.DataFrame:
        """DataFrame with one row per rank and task.

        Its columns are rank, task, risk, explained, single_task_explained and starved.
        """
        n = len(self.ranks)
        return pd.DataFrame(
            {
                "rank": np.repeat(self.ranks, len(self.task_names)),
                "task": np.tile(np.array(self.task_names, dtype=object), n),
                "risk": self.risks.ravel(),
                "explained": self.explained.ravel(),
                "single_task_explained": np.tile(self.single_task_explained, n),
                "starved": self.starved.ravel(),
            }
        )

    def starved_tasks(self, rank: int) -> list[str]:
        """Return the names of the tasks that are starved at a rank.

        Parameters
        ----------
        rank : int
            One of ``ranks``.

        Returns
        -------
        list of str
            In the order of ``task_names``.
        """
        if rank not in self.ranks:
            raise ValueError(
                f"rank must be one of the ranks of this path, {list(self.ranks)}. Got {rank!r}."
            )
        return [
            name
            for name, starved in zip(
                self.task_names, self.starved[self.ranks.index(rank)], strict=True
            )
            if starved
        ]


def representation_path(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    ranks: Iterable[int],
    cv: Any = 5,
    n_jobs: int | None = None,
    task_weights: Any = None,
) -> RepresentationPath:
    r"""Cross-validated risk of every task over the size of the shared representation.

    A task is *starved* at a rank if a small representation does not serve it: with the explained
    share :math:`e = 1 - \text{risk} / \text{trivial risk}`, if :math:`e < e_{single} / 2`, where
    :math:`e_{single} > 0` is that of its single-task model, and the mean difference between the
    squared errors of the two models on test rows is larger than two of its standard errors.

    Parameters
    ----------
    estimator : LowRankMultiTaskRegressor or MultiTaskRegressor
        The shared model; it is cloned. The size of the representation is its ``rank``, or the width
        of its last shared layer. The single-task models are ridge regressions with a penalty chosen
        by leave-one-out, or one network per task with the layer widths of `estimator`.
    X : array-like of shape (n, p)
        Inputs, in long form with the task column.
    y : array-like of shape (n,) or (n, T)
        Targets; NaN if a row has no label for a task (wide form).
    ranks : iterable of int
        Sizes of the representation to evaluate.
    cv : int or splitter, default=5
        Number of folds of a shuffled :class:`skmtl.model_selection.MultiTaskKFold` with a fixed
        seed, or a splitter.
    n_jobs : int, optional
        Number of folds that are fitted in parallel.
    task_weights : array-like of shape (T,), dict or None, default=None
        Weights of the tasks in the loss of the shared model; None = those of the estimator. Larger
        weights give a task more influence on the representation.

    Returns
    -------
    RepresentationPath
        With ``risks``, ``starved`` and ``smallest_rank_``.

    Raises
    ------
    TypeError
        If `estimator` is neither of the two classes.
    ValueError
        If `ranks` is empty or out of range, if a task has no labeled row among the training rows of
        a fold, or if it has none among the test rows of all folds.

    Notes
    -----
    The solver of a linear model starts at each rank from the subspace of the rank before, so the
    training loss decreases along the path. A small representation serves the majority of the tasks;
    minority tasks then lose what they could explain alone, which is the finding of [1]_.

    References
    ----------
    .. [1] Li, Oymak, "On the fairness of multitask representation learning", ICASSP 2023.

    Examples
    --------
    Two directions serve the majority of the tasks only; four serve all tasks:

    >>> from skmtl.datasets import make_majority_minority_tasks
    >>> from skmtl.representation import LowRankMultiTaskRegressor, representation_path
    >>> planted = make_majority_minority_tasks(
    ...     12, 2, n_features=8, majority_rank=2, minority_rank=2, noise=0.1, random_state=0
    ... )
    >>> X = planted.data.assign(task=planted.task)
    >>> path = representation_path(
    ...     LowRankMultiTaskRegressor(task_column="task"), X, planted.target, ranks=[2, 4]
    ... )
    >>> path.starved_tasks(2)
    ['minority_0', 'minority_1']
    >>> path.smallest_rank_
    4
    """
    if not isinstance(estimator, (LowRankMultiTaskRegressor, MultiTaskRegressor)):
        raise TypeError(
            "estimator must be a LowRankMultiTaskRegressor or a MultiTaskRegressor. Got "
            f"{type(estimator).__name__}."
        )
    wanted = _checked_ranks(ranks)
    model = clone(estimator)
    if task_weights is not None:
        model.set_params(task_weights=task_weights)
    X, y = (rows_as_given(part) for part in (X, y))
    labels = Labels.of(model, X, y)
    weights = model.task_weights
    if (
        weights is not None
        and not isinstance(weights, dict)
        and np.shape(weights) == (len(labels.names),)
    ):  # by name, because tasks can appear in another order in a fold
        model.set_params(task_weights=dict(zip(labels.names, weights, strict=True)))
    splitter = (
        MultiTaskKFold(int(cv), task_column=model.task_column, random_state=0)
        if isinstance(cv, Integral)
        else cv
    )
    sizes = sorted(set(wanted))
    folds = Parallel(n_jobs=n_jobs)(
        delayed(fold_errors)(model, X, y, labels, train, test, sizes)
        for train, test in splitter.split(X, y)
    )
    errors: Array = np.concatenate([errors for errors, _ in folds], axis=1)
    tasks: NDArray[np.intp] = np.concatenate([tasks for _, tasks in folds])
    if lacking := [name for t, name in enumerate(labels.names) if not (tasks == t).any()]:
        raise ValueError(
            f"Task {lacking[0]!r} has no labeled row among the test rows of any fold, so its risk "
            "cannot be measured. Drop the task, or use another cv."
        )
    order = [0, 1, *(2 + sizes.index(rank) for rank in wanted)]
    return _path(wanted, labels.names, errors[order], tasks)


def _path(
    ranks: tuple[int, ...], names: Sequence[str], errors: Array, tasks: NDArray[np.intp]
) -> RepresentationPath:
    """Return the path for squared errors of test labels: trivial, single-task, and every rank."""
    counts = np.bincount(tasks, minlength=len(names))
    means: Array = np.stack(
        [np.bincount(tasks, row, minlength=len(names)) / counts for row in errors]
    )
    trivial, own, risks = means[0], means[1], means[2:]
    starved = np.zeros(risks.shape, dtype=bool)
    for r, row in enumerate(errors[2:]):
        worse = row - errors[1]
        squares = np.bincount(tasks, worse**2, minlength=len(names)) / counts
        error = np.sqrt((squares - (risks[r] - own) ** 2).clip(min=0) / np.maximum(counts - 1, 1))
        clear = risks[r] - own > _STANDARD_ERRORS * error
        explains, could = trivial - risks[r], trivial - own
        starved[r] = clear & (could > 0) & (explains < _STARVED_BELOW * could)
    return RepresentationPath(ranks, tuple(names), risks, own, trivial, starved)


def _checked_ranks(ranks: Any) -> tuple[int, ...]:
    sizes = list(ranks) if isinstance(ranks, Iterable) else [ranks]
    if not sizes or not all(
        isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size >= 1
        for size in sizes
    ):
        raise ValueError(f"ranks must hold whole numbers of at least 1. Got {ranks!r}.")
    return tuple(int(size) for size in sizes)


def _explained(risks: Array, trivial: Array) -> Array:
    share: Array = 1 - np.divide(
        risks,
        trivial,
        out=np.full(np.shape(risks), np.nan),
        where=np.broadcast_to(trivial > 0, np.shape(risks)),
    )
    return share
