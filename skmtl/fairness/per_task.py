"""A penalty per task, the same for the trunk and for the heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from torch import Tensor

from skmtl.base import FairnessTerm, TermForTasks
from skmtl.fairness.task_penalties import as_column, task_penalties
from skmtl.fairness.term_settings import read_settings


class PerTaskFairness(FairnessTerm):
    r"""Per-task fairness: add a penalty on differences between groups to the loss of each task.

    .. math:: \sum_t w_t [ L_t + \lambda_t F(N_t) ]

    with w the weights of the tasks in the loss and F the penalty, computed in every mini-batch on
    the probabilities of the negative rows of task t, N_t (its positive rows for "tpr", the sum of
    both for "equalized_odds"). Trunk and heads see the same penalty. It is the baseline of
    :class:`MTAF` in [1]_.

    Parameters
    ----------
    loss : {"mmd", "gap", "correlation"}, penalty, or list of T of them, default="mmd"
        Penalty: :class:`MMD`, :class:`RateGap` or :class:`Correlation`, by name or as an object, or
        any callable that returns a number for scores (n,) and groups (n,), see
        :class:`skmtl.base.Penalty`.
    criterion : {"fpr", "tpr", "equalized_odds"} or list of T of them, default="fpr"
        Rate that should be equal in all groups; "fpr" and "tpr" are the two readings of equal
        opportunity.
    weight : float or array-like of shape (T,), default=1.0
        Weight of the penalty relative to the loss of its task. Larger weights close more of the gap
        between groups and cost accuracy.
    positive_class : int or array-like of shape (T,), default=1
        Position in a task's sorted classes of the one that is compared with the rest.
    length : float, default=0.1
        Length scale of the kernel of "mmd". Like the next three it is read where `loss` is a name.
    threshold : float or array-like of shape (T,), default=0.5
        Probability that separates the classes for "gap"; read with a temperature only.
    temperature : float, default=None
        Width of the step of "gap" at the threshold; None = differences of mean probabilities.
    pairs : {"max", "mean"}, default="max"
        What counts with more than two groups: the largest value over pairs, or their mean.

    Raises
    ------
    ValueError
        In ``fit``, if a parameter is out of range or has the wrong number of values; the message
        names the parameter and the task.
    TypeError
        In ``fit``, if a penalty of the user's own returns anything but a number.

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
    ... )  # one network, one task, logits of four rows
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
        """Return the weighted sum of the penalties over tasks, one for trunk and heads.

        Parameters
        ----------
        scores : Tensor of shape (E, T, k, B)
            Logits; k = 1 for binary tasks. A class that a task does not have is at minus infinity.
        labels, weights : Tensor of shape (E, T, B)
            Class codes, and weights in the loss; weight 0 = the row has no label for the task.
        groups : Tensor of shape (E, 1 or T, B) or None
            Code of the group of every row, counted from 0, negative where unknown; with an axis of
            length T > 1 tasks have separate rows.

        Returns
        -------
        trunk, heads : Tensor of shape (E,)
            One tensor, twice.
        """
        settings = read_settings(self, [str(t) for t in range(scores.shape[1])])
        penalties = task_penalties(settings, scores, labels, weights, groups, exclusive=False)[
            ..., 0
        ]
        total = (penalties * as_column(settings.weight, penalties)).sum(1)
        return total, total

    def for_tasks(
        self, task_names: Sequence[str], n_classes: Sequence[int] | None = None
    ) -> TermForTasks:
        """Read the parameters for these tasks; raise ValueError where one does not fit.

        Parameters
        ----------
        task_names : sequence of str
            Names of the tasks in order.
        n_classes : sequence of int, optional
            Their numbers of classes.

        Returns
        -------
        TermForTasks
            The term with weight 1, and the weights for trunk and heads.
        """
        settings = read_settings(self, task_names, n_classes)
        multipliers = np.stack([settings.weight, settings.weight])
        shared = clone(self).set_params(weight=1.0)
        return TermForTasks(shared, multipliers, settings.compared_rows())
