"""MTA-F: penalties that only one task's rows call for go to its head, the rest to the trunk."""

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

FORMS = ("paper", "released")


class MTAF(LossTerm):
    r"""Multi-task-aware fairness: split every task's penalty between its head and the trunk.

    .. math:: \text{head } t: \; w_t [ L_t + \lambda_t r_t F(E_t) ], \qquad
        \text{trunk}: \; \sum_t w_t [ L_t + \lambda_t ( F(N_t) - F(E_t) ) ]

    with w the weights of the tasks in the loss, N_t the rows that are negative on task t, E_t those
    of them that are positive on all other tasks, and F one of the penalties, computed in every
    mini-batch. For "tpr" the two labels change places; "equalized_odds" adds both up, equation (11)
    of [1]_.

    Parameters
    ----------
    loss : {"mmd", "gap", "correlation"} or list of T of them, default="mmd"
        Penalty: :func:`mmd_penalty`, :func:`gap_penalty` or :func:`correlation_penalty`.
    criterion : {"fpr", "tpr", "equalized_odds"} or list of T of them, default="fpr"
        Rate that should be equal in all groups; "fpr" and "tpr" are the two readings of equal
        opportunity.
    weight : float or array-like of shape (T,), default=1.0
        Weight of the penalty beside the loss of its task, lambda.
    head_ratio : float or array-like of shape (T,), default=1.0
        Weight of the heads' penalty relative to the trunk's, r.
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
    form : {"paper", "released"}, default="paper"
        "paper" is Algorithm 1 of [1]_. "released" is the published code: the trunk's part is
        F(N_t) - r_t F(E_t), and every F is multiplied by the share of its rows in the batch
        (only F(N_t) of "gap" is not). Weights of the two forms are on different scales.

    Notes
    -----
    - Only rows with a label for every task can be exclusive to one. In long form, or where every
      row has one label, there are none: the trunk then takes the whole penalty. With T tasks,
      exclusive rows have T - 1 labels in common and grow rare.
    - With one task all its rows are exclusive: the head takes the whole penalty and the trunk none.
    - F(N_t) - F(E_t) may be negative. It steers the trunk; it is no distance. The trunk is paid for
      a difference on the exclusive rows that the heads must remove, and from moderate weights on
      (about 0.3 for "mmd" and 1 for "gap" on Adult) such networks take hardly anybody for positive:
      start with small weights, and look at the share of positive decisions. form="released" and
      :class:`PerTaskFairness` bear larger ones.
    - A set in which fewer than two groups have rows in a batch gives 0. The published code then
      draws the scores of the one group together ("mmd") or towards 0 ("gap"); neither form here
      does. Its "gap" counts predictions, which gives no gradient; that of :func:`gap_penalty` does.

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
    ... )  # one member, two tasks, logits of four rows
    >>> labels = torch.tensor(
    ...     [[[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]]]
    ... )  # rows 0 and 2 are negative on the first task only, row 3 on the second
    >>> groups = torch.tensor([[[0, 0, 1, 1]]])
    >>> trunk, heads = MTAF("gap").values(scores, labels, torch.ones(1, 2, 4), groups)
    >>> heads  # |0.2689 - 0.7311| on the first task; the second has one group among its exclusive rows
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
        """Return the trunk's and the heads' sums of the tasks' weighted penalties.

        Parameters
        ----------
        scores : Tensor of shape (E, T, k, B)
            Logits; k = 1 for binary tasks. A class that a task does not have is at minus infinity.
        labels, weights : Tensor of shape (E, T, B)
            Class codes, and weights in the loss; weight 0 = the row has no label for the task.
        groups : Tensor of shape (E, 1 or T, B) or None
            Code of every row's group, counted from 0, negative where unknown; with an axis of
            length T > 1 tasks have rows of their own.

        Returns
        -------
        trunk, heads : Tensor of shape (E,)
            Differentiable functions of ``scores``.
        """
        self._check_form()
        settings = read_settings(self, scores.shape[1])
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

    def check(self, task_names: Sequence[str], n_classes: Sequence[int] | None = None) -> None:
        """Raise ValueError if a parameter does not fit these tasks, and name the task.

        Parameters
        ----------
        task_names : sequence of str
            Names of the tasks in order.
        n_classes : sequence of int, optional
            Their numbers of classes.
        """
        self._check_form()
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
            The weights, and the weights times the head ratios (in the released form the weights
            again).
        """
        settings = read_settings(self, n_tasks)
        heads = settings.weight * settings.head_ratio if self.form == "paper" else settings.weight
        return np.stack([settings.weight, heads])

    def unweighted(self) -> MTAF:
        """Return the term with weight 1, and head ratio 1 in the paper's form: what members of a
        fleet that differ in these have in common.
        """
        fixed = clone(self).set_params(weight=1.0)
        return fixed.set_params(head_ratio=1.0) if self.form == "paper" else fixed

    def _check_form(self) -> None:
        if self.form not in FORMS:
            raise ValueError(
                f"The 'form' parameter of MTAF must be one of {', '.join(FORMS)}. Got "
                f"{self.form!r} instead."
            )
