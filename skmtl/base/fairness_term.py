"""The base class of loss terms that depend on sensitive groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TermForTasks:
    """A fairness term with its parameters resolved for the tasks of one problem.

    Attributes
    ----------
    shared : FairnessTerm
        The term without its weights. Networks that differ only in these weights share it: they
        train as one batch, which evaluates it once.
    multipliers : ndarray of shape (2, T) or None, default=None
        Factors of the gradients of ``shared`` per task, for the trunk (row 0) and for the heads
        (row 1). None = 1. All 0 = the network trains without the term.
    compared : list of T lists of (bool, int) or None, default=None
        Rows of each task in which the groups are compared: True for positive and False for
        negative rows, and the code of the positive class. Used for warnings about groups without
        rows. None = all labeled rows.

    Examples
    --------
    >>> from skmtl.fairness import PerTaskFairness
    >>> term = PerTaskFairness("gap", weight=[0.5, 2.0]).for_tasks(["income", "gain"])
    >>> term.shared
    PerTaskFairness(loss='gap')
    >>> term.multipliers
    array([[0.5, 2. ],
           [0.5, 2. ]])
    """

    shared: FairnessTerm
    multipliers: NDArray[np.float64] | None = None
    compared: list[list[tuple[bool, int]]] | None = None


class FairnessTerm(BaseEstimator):
    """Base class of terms of a classifier's loss that depend on sensitive groups.

    A subclass stores its parameters like a scikit-learn estimator and implements :meth:`values`.
    Training never changes it, and it must not change itself: one object serves many networks.

    Attributes
    ----------
    per_task : bool
        Whether the term is a sum over tasks, each summand depending on the scores of one task. Its
        gradients are then multiplied by the factors of the task's loss (task weights, weights of
        an aggregator) and by the network's multipliers (see :class:`TermForTasks`). A joint term
        (False, the default) is added unweighted.

    See Also
    --------
    skmtl.base.Penalty : Penalty of the scores of one task, which most terms use.
    skmtl.fairness.PerTaskFairness : A penalty per task, for trunk and heads alike.
    skmtl.fairness.MTAF : Splits the penalty of each task between its head and the trunk.

    Examples
    --------
    A joint term: the groups' mean logits should be equal, averaged over all tasks.

    >>> import torch
    >>> from skmtl.base import FairnessTerm
    >>> class EqualMeans(FairnessTerm):
    ...     def __init__(self, weight=1.0):
    ...         self.weight = weight
    ...
    ...     def values(self, scores, labels, weights, groups):
    ...         means = [
    ...             (scores * (groups == group).unsqueeze(2)).sum((1, 2, 3))
    ...             / (groups == group).sum((1, 2)).clamp(min=1)
    ...             for group in (0, 1)
    ...         ]
    ...         term = self.weight * (means[0] - means[1]).square()
    ...         return term, term
    >>> scores = torch.tensor([[[[1.0, 3.0, 0.0, 0.0]]]])  # one network, one task, four rows
    >>> groups = torch.tensor([[[0, 0, 1, 1]]])
    >>> EqualMeans().values(scores, torch.zeros(1, 1, 4), torch.ones(1, 1, 4), groups)[0]
    tensor([4.])
    """

    per_task: bool = False

    def for_tasks(
        self, task_names: Sequence[str], n_classes: Sequence[int] | None = None
    ) -> TermForTasks:
        """Resolve the parameters for these tasks; raise ValueError if one does not fit.

        Parameters
        ----------
        task_names : sequence of str
            Names of the tasks in order.
        n_classes : sequence of int, optional
            Number of classes of each task.

        Returns
        -------
        TermForTasks
            By default the term itself, without multipliers.
        """
        return TermForTasks(self)

    def values(
        self, scores: Tensor, labels: Tensor, weights: Tensor, groups: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the term of a mini-batch as the trunk sees it and as the heads see it.

        Parameters
        ----------
        scores : Tensor of shape (E, T, k, B)
            Outputs of the heads of E networks, before any link function; k = 1 for binary tasks.
            If ``per_task``, minus infinity for classes that a task does not have.
        labels, weights : Tensor of shape (E, T, B)
            Class codes, and weights in the loss; weight 0 = the row has no label for the task.
        groups : Tensor of shape (E, 1 or T, B) or None
            Code of the group of every row, negative where unknown. The second axis has length T if
            every row belongs to one task (long form), 1 if tasks share rows (wide form).

        Returns
        -------
        trunk, heads : Tensor of shape (E,)
            Differentiable functions of ``scores``, one value per network: the gradients of the
            first go to the trunk, those of the second to the heads. May be the same tensor twice.
        """
        raise NotImplementedError
