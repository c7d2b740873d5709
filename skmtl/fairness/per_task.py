"""The same penalty for trunk and heads, one task at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from torch import Tensor

from skmtl.base import LossTerm
from skmtl.fairness.settings import check_classes, read_settings, row_sets
from skmtl.fairness.task_penalties import as_column, task_penalties


class PerTaskFairness(LossTerm):
    r"""Add to every task's loss a penalty on differences between groups.

    .. math:: \sum_t w_t [ L_t + \lambda_t F(N_t) ]

    with w the weights of the tasks in the loss and F one of the penalties, computed in every
    mini-batch on the probabilities of task t's negative rows, N_t (its positive rows for "tpr", the
    sum of both for "equalized_odds"). Trunk and heads see the same penalty. It is the baseline that
    :class:`MTAF` is held against in [1]_.

    Parameters
    ----------
    loss : {"mmd", "gap", "correlation"} or list of T of them, default="mmd"
        Penalty: :func:`mmd_penalty`, :func:`gap_penalty` or :func:`correlation_penalty`.
    criterion : {"fpr", "tpr", "equalized_odds"} or list of T of them, default="fpr"
        Rate that should be equal in all groups; "fpr" and "tpr" are the two readings of equal
        opportunity.
    weight : float or array-like of shape (T,), default=1.0
        Weight of the penalty beside the loss of its task.
    positive_class : int or array-like of shape (T,), default=1
        Position in a task's sorted classes of the one that is held against the rest.
    length : float, default=0.1
        Length of the kernel of "mmd".
    threshold : float or array-like of shape (T,), default=0.5
        Probability that "gap" takes for the limit between the classes; read with a temperature
        only.
    temperature : float, default=None
        Width of the step of "gap" at the threshold; None = differences of mean probabilities.
    pairs : {"max", "mean"}, default="max"
        What counts with more than two groups: the largest value over pairs, or their mean.

    Notes
    -----
    A batch in which fewer than two groups have rows adds nothing for that task: batches should be
    large enough for some rows of every group and label. Rows whose group is unknown take no part.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021, section 5.1.

    Examples
    --------
    >>> import torch
    >>> from skmtl.fairness import PerTaskFairness
    >>> scores = torch.tensor([-1.0, 0.0, 1.0, 2.0]).view(
    ...     1, 1, 1, 4
    ... )  # one member, one task, logits of four rows
    >>> labels, weights = torch.tensor([[[0.0, 0.0, 0.0, 1.0]]]), torch.ones(1, 1, 4)
    >>> groups = torch.tensor([[[0, 0, 1, 1]]])
    >>> trunk, heads = PerTaskFairness("gap", weight=2.0).values(scores, labels, weights, groups)
    >>> trunk  # 2 * |(0.2689 + 0.5) / 2 - 0.7311|
    tensor([0.6932])
    """

    per_task = True

    def __init__(
        self,
        loss: Any = "mmd",
        *,
        criterion: Any = "fpr",
        weight: Any = 1.0,
        positive_class: Any = 1,
        length: float = 0.1,
        threshold: Any = 0.5,
        temperature: float | None = None,
        pairs: str = "max",
    ) -> None:
        self.loss = loss
        self.criterion = criterion
        self.weight = weight
        self.positive_class = positive_class
        self.length = length
        self.threshold = threshold
        self.temperature = temperature
        self.pairs = pairs

    def values(
        self, scores: Tensor, labels: Tensor, weights: Tensor, groups: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of the tasks' weighted penalties, for the trunk and, the same, for the
        heads.

        Parameters
        ----------
        scores : Tensor of shape (E, T, k, B)
            Logits; k = 1 for binary tasks. A class that a task does not have is at minus infinity.
        labels, weights : Tensor of shape (E, T, B)
            Class codes, and weights in the loss; weight 0 = the row has no label for the task.
        groups : Tensor of shape (E, 1 or T, B) or None
            Code of every row's group, counted from 0, negative where unknown.

        Returns
        -------
        trunk, heads : Tensor of shape (E,)
            One tensor, twice.
        """
        settings = read_settings(self, scores.shape[1])
        penalties = task_penalties(settings, scores, labels, weights, groups, exclusive=False)[
            ..., 0
        ]
        total = (penalties * as_column(settings.weight, penalties)).sum(1)
        return total, total

    def check(self, task_names: Sequence[str], n_classes: Sequence[int] | None = None) -> None:
        """Raise ValueError if a parameter does not fit these tasks, and name the task.

        Parameters
        ----------
        task_names : sequence of str
            Names of the tasks in order.
        n_classes : sequence of int, optional
            Their numbers of classes.
        """
        settings = read_settings(self, len(task_names), task_names)
        if n_classes is not None:
            check_classes(self, settings, task_names, n_classes)

    def row_sets(self, task_names: Sequence[str]) -> list[list[tuple[bool, int]]]:
        """Return the sets of rows in which each task's groups are compared.

        Parameters
        ----------
        task_names : sequence of str
            Names of the tasks in order.

        Returns
        -------
        list of list of (bool, int)
            For every task whether positive or negative rows are looked at, and the code of the
            positive class; empty for a task of weight 0.
        """
        return row_sets(self, task_names)

    def multipliers(self, n_tasks: int) -> NDArray[np.float64]:
        """Return what the gradients of :meth:`unweighted` are multiplied by to give this term's,
        for trunk and heads.

        Parameters
        ----------
        n_tasks : int
            Number of tasks.

        Returns
        -------
        ndarray of shape (2, T)
            The weights, twice.
        """
        weight = read_settings(self, n_tasks).weight
        return np.stack([weight, weight])

    def unweighted(self) -> PerTaskFairness:
        """Return the term with weight 1: what members of a fleet that differ in their weights have
        in common.
        """
        return clone(self).set_params(weight=1.0)
