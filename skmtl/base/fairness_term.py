"""The base class of terms that are added to the loss and see sensitive groups."""

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
    """A fairness term whose parameters have been read for the tasks of one problem.

    Attributes
    ----------
    shared : FairnessTerm
        What networks that differ in the weights of the term alone have in common. They train as one
        batch, which computes it once for all of them.
    multipliers : ndarray of shape (2, T) or None, default=None
        What a network multiplies the gradients of ``shared`` by, task by task, for the trunk (row 0)
        and for the heads (row 1). None = 1. All 0 = the network trains without the term.
    compared : list of T lists of (bool, int) or None, default=None
        Rows in which the groups of each task are compared: whether they are the positive or the
        negative ones, and the code of the positive class. Read for warnings about groups without
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
    """Base class of terms that are added to the loss of a classifier and see sensitive groups.

    A subclass holds its parameters as scikit-learn's estimators do, and implements :meth:`values`.
    It is never changed by training, and must not change itself: one object serves many networks.

    Attributes
    ----------
    per_task : bool
        Whether the term is a sum over tasks of what depends on the scores of that task alone. Then
        its gradients are multiplied by whatever the loss of the task is multiplied by (task
        weights, weights of an aggregator), and by the network's multipliers (see
        :class:`TermForTasks`). A joint term (False, the default) is added as it is.

    See Also
    --------
    skmtl.base.Penalty : What most terms put on the scores of one task.
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
            Where `per_task`, minus infinity for classes that a task does not have.
        labels, weights : Tensor of shape (E, T, B)
            Class codes, and weights in the loss; weight 0 = the row has no label for the task.
        groups : Tensor of shape (E, 1 or T, B) or None
            Code of the group of every row, negative where unknown; an axis of length T > 1 says
            that tasks have rows of their own (long form).

        Returns
        -------
        trunk, heads : Tensor of shape (E,)
            Differentiable functions of ``scores``, one value per network: the gradients of the
            first go to the trunk, those of the second to the heads. May be one tensor, twice.
        """
        raise NotImplementedError
