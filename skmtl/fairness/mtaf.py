"""MTA-F: the penalty on rows exclusive to one task goes to its head, the rest to the trunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from torch import Tensor

from skmtl.base import FairnessTerm, TermForTasks
from skmtl.fairness.task_penalties import as_column, task_penalties
from skmtl.fairness.term_settings import read_settings

FORMS = ("paper", "released")


class MTAF(FairnessTerm):
    r"""Multi-task-aware fairness: split the penalty of each task between its head and the trunk.

    .. math:: \text{head } t: \; w_t [ L_t + \lambda_t r_t F(E_t) ], \qquad
        \text{trunk}: \; \sum_t w_t [ L_t + \lambda_t ( F(N_t) - F(E_t) ) ]

    with w the weights of the tasks in the loss, N_t the rows that are negative on task t, E_t those
    of them that are positive on all other tasks, and F the penalty, computed in every mini-batch.
    For "tpr" the two labels change places; "equalized_odds" is the sum of both, equation (11) of
    [1]_.

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
        Weight of the penalty relative to the loss of its task, lambda. Larger weights close more of
        the gap between groups and cost accuracy.
    head_ratio : float or array-like of shape (T,), default=1.0
        Weight of the heads' penalty relative to the trunk's, r.
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
    form : {"paper", "released"}, default="paper"
        "paper" is Algorithm 1 of [1]_. "released" is the published code: the trunk's part is
        F(N_t) - r_t F(E_t), and every F is multiplied by the share of its rows in the batch
        (only F(N_t) of :class:`RateGap` is not). Weights of the two forms are on different scales.

    Raises
    ------
    ValueError
        In ``fit``, if a parameter is out of range or has the wrong number of values; the message
        names the parameter and the task.
    TypeError
        In ``fit``, if a penalty of the user's own returns anything but a number.

    Notes
    -----
    - Only rows with a label for every task can be exclusive to one. In long form, or where every
      row has one label, there are none: the trunk then takes the whole penalty. With T tasks,
      exclusive rows have T - 1 labels in common and grow rare.
    - With one task all its rows are exclusive: the head takes the whole penalty and the trunk none.
    - F(N_t) - F(E_t) may be negative; it is a direction for the trunk and not a distance. The trunk
      gains from a difference on the exclusive rows, which the heads must remove. From moderate
      weights on (about 0.3 for "mmd" and 1 for "gap" on Adult) such networks predict hardly any
      positives: start with small weights, and check the share of positive predictions.
      form="released" and :class:`PerTaskFairness` allow larger weights.
    - A set in which fewer than two groups have rows in a batch gives 0. The published code then
      moves the scores of the one group closer to each other ("mmd") or to 0 ("gap"); neither form
      here does. Its "gap" counts predictions, which gives no gradient; that of
      :func:`gap_penalty` does.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021, section 5.2 and Algorithm 1.

    Examples
    --------
    >>> import torch
    >>> from skmtl.fairness import MTAF
    >>> scores = torch.tensor([[-1.0, 0.0, 1.0, 2.0], [1.0, 1.0, 0.0, 0.0]]).view(
    ...     1, 2, 1, 4
    ... )  # one network, two tasks, logits of four rows
    >>> labels = torch.tensor(
    ...     [[[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]]]
    ... )  # rows 0 and 2 are negative on the first task only, row 3 on the second
    >>> groups = torch.tensor([[[0, 0, 1, 1]]])
    >>> trunk, heads = MTAF("gap").values(scores, labels, torch.ones(1, 2, 4), groups)
    >>> heads  # |0.2689 - 0.7311| on the first task; the second has one group in its rows
    tensor([0.4621])
    >>> trunk  # 0.3466 - 0.4621 on the first task, |0.7311 - 0.5| on the second
    tensor([0.1155])
    """

    per_task = True

    def __init__(
        self,
        loss: Any = "mmd",
        *,
        criterion: Any = "fpr",
        weight: Any = 1.0,
        head_ratio: Any = 1.0,
        positive_class: Any = 1,
        length: float = 0.1,
        threshold: Any = 0.5,
        temperature: float | None = None,
        pairs: str = "max",
        form: str = "paper",
    ) -> None:
        self.loss = loss
        self.criterion = criterion
        self.weight = weight
        self.head_ratio = head_ratio
        self.positive_class = positive_class
        self.length = length
        self.threshold = threshold
        self.temperature = temperature
        self.pairs = pairs
        self.form = form

    def values(
        self, scores: Tensor, labels: Tensor, weights: Tensor, groups: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the weighted sums of the penalties over tasks, for the trunk and for the heads.

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
            Differentiable functions of ``scores``.
        """
        self._check_form()
        settings = read_settings(self, [str(t) for t in range(scores.shape[1])])
        released = self.form == "released"
        penalties = task_penalties(
            settings, scores, labels, weights, groups, exclusive=True, per_row=released
        )
        weight, ratio = (
            as_column(settings.weight, penalties),
            as_column(settings.head_ratio, penalties),
        )
        whole, own = penalties.unbind(-1)
        trunk = whole - own * ratio if released else whole - own
        return (trunk * weight).sum(1), (own * ratio * weight).sum(1)

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
            The term with weight 1 (and head ratio 1 in the paper's form), and for the trunk the
            weights, for the heads the weights times the head ratios (in the released form the
            weights again).
        """
        self._check_form()
        settings = read_settings(self, task_names, n_classes)
        shared, heads = clone(self).set_params(weight=1.0), settings.weight
        if self.form == "paper":
            shared, heads = shared.set_params(head_ratio=1.0), heads * settings.head_ratio
        return TermForTasks(shared, np.stack([settings.weight, heads]), settings.compared_rows())

    def _check_form(self) -> None:
        if self.form not in FORMS:
            raise ValueError(
                f"The 'form' parameter of MTAF must be one of {', '.join(FORMS)}. Got "
                f"{self.form!r} instead."
            )
