"""MTA-F: the penalty on rows exclusive to a task updates its head, the rest updates the trunk."""

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
    r"""Multi-task-aware fairness (MTA-F): split each task's penalty between its head and the trunk.

    .. math:: \text{head } t: \; w_t [ L_t + \lambda_t r_t F(E_t) ], \qquad
        \text{trunk}: \; \sum_t w_t [ L_t + \lambda_t ( F(N_t) - F(E_t) ) ]

    where w are the task weights, N_t the rows that are negative for task t, E_t the rows exclusive
    to it (those of N_t that are positive for all other tasks), and F the penalty, computed on every
    mini-batch. For "tpr", positive and negative labels are swapped; "equalized_odds" is the sum of
    both, equation (11) of [1]_.

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
    head_ratio : float or array-like of shape (T,), default=1.0
        Weight :math:`r_t` of the penalty in the head relative to the trunk.
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
    form : {"paper", "released"}, default="paper"
        "paper" is Algorithm 1 of [1]_. "released" is its published code: the penalty of the trunk
        is F(N_t) - r_t F(E_t), and every F except F(N_t) of :class:`RateGap` is multiplied by the
        share of its rows in the batch. Weights of the two forms are on different scales.

    Raises
    ------
    ValueError
        In ``fit``, if a parameter is out of range or has the wrong number of values. The message
        names the parameter and the task.
    TypeError
        In ``fit``, if a user-defined penalty does not return a scalar tensor.

    See Also
    --------
    PerTaskFairness : The same penalty for trunk and heads.

    Notes
    -----
    - Only rows with a label for every task can be exclusive to one task. In long form, or if every
      row has a single label, no row is exclusive, and the trunk takes the whole penalty. Exclusive
      rows agree in the labels of T - 1 tasks and become rare as T grows.
    - With a single task all its rows are exclusive: the head takes the whole penalty, the trunk
      none.
    - F(N_t) - F(E_t) can be negative: the trunk is rewarded for a difference on exclusive rows,
      which the heads must remove. With moderate weights (from about 0.3 for "mmd" and 1 for "gap"
      on the Adult data) such networks predict hardly any positives. Start with small weights, and
      check the share of positive predictions. form="released" and :class:`PerTaskFairness` allow
      larger weights.
    - If fewer than two groups have rows in a batch, the penalty is 0. The published code then
      penalizes the spread ("mmd") or size ("gap") of the scores of the one group; neither form here
      does. Its "gap" counts predictions and therefore has no gradient; :func:`gap_penalty` has one.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021, section 5.2 and Algorithm 1.

    Examples
    --------
    One network with two tasks predicts four rows. Rows 0 and 2 are negative for the first task
    only, and row 3 for the second task only:

    >>> import torch
    >>> from skmtl.fairness import MTAF
    >>> logits = torch.tensor([[-1.0, 0.0, 1.0, 2.0], [1.0, 1.0, 0.0, 0.0]]).view(1, 2, 1, 4)
    >>> labels = torch.tensor([[[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]]])
    >>> groups = torch.tensor([[[0, 0, 1, 1]]])
    >>> trunk, heads = MTAF("gap").values(logits, labels, torch.ones(1, 2, 4), groups)
    >>> heads  # |0.2689 - 0.7311| for the first task; exclusive rows of the second have one group
    tensor([0.4621])
    >>> trunk  # 0.3466 - 0.4621 for the first task, |0.7311 - 0.5| for the second
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
            Differentiable in ``scores``.
        """
        self._check_form()
        settings = read_settings(self, [str(t) for t in range(scores.shape[1])])
        released = self.form == "released"
        penalties = task_penalties(
            settings, scores, labels, weights, groups, exclusive=True, per_row=released
        )
        weight = as_column(settings.weight, penalties)
        ratio = as_column(settings.head_ratio, penalties)
        whole, own = penalties.unbind(-1)
        trunk = whole - own * ratio if released else whole - own
        return (trunk * weight).sum(1), (own * ratio * weight).sum(1)

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
            The term with weight 1 (and in the "paper" form head ratio 1), and its multipliers: the
            weights for the trunk, and for the heads the weights times the head ratios (in the
            "released" form the weights).

        Raises
        ------
        ValueError
            If a parameter does not fit the tasks.
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
