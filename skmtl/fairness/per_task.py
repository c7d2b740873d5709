"""Per-task fairness: one penalty per task, the same for the trunk and the heads."""

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

    where w are the task weights and F is the penalty, computed in every mini-batch on the predicted
    probabilities of the rows N_t that are negative for task t. For "tpr" these are its positive
    rows, and "equalized_odds" is the sum of both. Trunk and heads are trained with the same
    penalty. In [1]_ it is the baseline of :class:`MTAF`.

    Parameters
    ----------
    loss : {"mmd", "gap", "correlation"}, penalty, or list of T of them, default="mmd"
        Penalty: :class:`MMD`, :class:`RateGap` or :class:`Correlation`, by name or as an object, or
        a callable that returns a scalar for scores (n,) and groups (n,), see
        :class:`skmtl.base.Penalty`.
    criterion : {"fpr", "tpr", "equalized_odds"} or list of T of them, default="fpr"
        Rate that should be equal in all sensitive groups: false positive rate, true positive rate
        (equal opportunity), or both (equalized odds).
    weight : float or array-like of shape (T,), default=1.0
        Weight :math:`\lambda_t` of the penalty relative to the loss of its task. A larger weight
        reduces the rate gap further, usually at the cost of accuracy.
    positive_class : int or array-like of shape (T,), default=1
        Position of the positive class among the sorted classes of a task; all others are negative.
    length : float, default=0.1
        Length scale of the kernel of "mmd". This parameter and the next three are used only if
        `loss` is a name.
    threshold : float or array-like of shape (T,), default=0.5
        Probability from which "gap" predicts the positive class; used only with a temperature.
    temperature : float, default=None
        Width of the sigmoid with which "gap" smooths the step at the threshold. None = no step:
        compare mean probabilities.
    pairs : {"max", "mean"}, default="max"
        With more than two groups, take the largest value over pairs of groups, or the mean.

    Raises
    ------
    ValueError
        In ``fit``, if a parameter is out of range or has the wrong number of values. The message
        names the parameter and the task.
    TypeError
        In ``fit``, if a user-defined penalty does not return a scalar tensor.

    See Also
    --------
    MTAF : Splits the penalty between the head of a task and the trunk.

    Notes
    -----
    If fewer than two groups have rows of a task in a batch, its penalty is 0. Use batches that are
    large enough to have rows of every group and label. Rows whose group is unknown are ignored.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021, section 5.1.

    Examples
    --------
    One network with one task predicts four rows; the last one is positive and does not count:

    >>> import torch
    >>> from skmtl.fairness import PerTaskFairness
    >>> logits = torch.tensor([-1.0, 0.0, 1.0, 2.0]).view(1, 1, 1, 4)
    >>> labels, weights = torch.tensor([[[0.0, 0.0, 0.0, 1.0]]]), torch.ones(1, 1, 4)
    >>> groups = torch.tensor([[[0, 0, 1, 1]]])
    >>> trunk, heads = PerTaskFairness("gap", weight=2.0).values(logits, labels, weights, groups)
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
        """Return the weighted sum of the penalties over tasks, the same for trunk and heads.

        Parameters
        ----------
        scores : Tensor of shape (E, T, k, B)
            Logits; k = 1 for binary tasks. Classes that a task does not have are minus infinity.
        labels, weights : Tensor of shape (E, T, B)
            Class codes, and weights in the loss; weight 0 means that the row has no label for the
            task.
        groups : Tensor of shape (E, 1 or T, B) or None
            Group code of every row, counted from 0, negative if unknown. If the second axis has
            length T > 1, tasks have separate rows.

        Returns
        -------
        trunk, heads : Tensor of shape (E,)
            The same tensor twice, differentiable in ``scores``.
        """
        settings = read_settings(self, [str(t) for t in range(scores.shape[1])])
        by_set = task_penalties(settings, scores, labels, weights, groups, exclusive=False)
        penalties = by_set[..., 0]
        total = (penalties * as_column(settings.weight, penalties)).sum(1)
        return total, total

    def for_tasks(
        self, task_names: Sequence[str], n_classes: Sequence[int] | None = None
    ) -> TermForTasks:
        """Check the parameters for these tasks, and separate the weights from the term.

        Parameters
        ----------
        task_names : sequence of str
            Names of the tasks in order.
        n_classes : sequence of int, optional
            Number of classes of every task.

        Returns
        -------
        TermForTasks
            The term with weight 1, and the weights as multipliers for trunk and heads.

        Raises
        ------
        ValueError
            If a parameter does not fit the tasks.
        """
        settings = read_settings(self, task_names, n_classes)
        multipliers = np.stack([settings.weight, settings.weight])
        shared = clone(self).set_params(weight=1.0)
        return TermForTasks(shared, multipliers, settings.compared_rows())
