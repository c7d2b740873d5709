"""The protocol of terms that are added to the loss."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator


class LossTerm(BaseEstimator):
    """A term that is added to the loss and sees scores, labels and groups of the batch.

    Attributes
    ----------
    per_task : bool
        Whether the term is a sum over tasks of what depends on that task's scores alone. Its
        gradients are then multiplied by whatever the task's loss is multiplied by, and by a
        network's own ``term_weights``.
    """

    per_task: bool = False

    def check(self, task_names: Any, n_classes: Any = None) -> None:
        """Raise ValueError where a parameter does not fit tasks of these names, and of these
        numbers of classes.
        """

    def row_sets(self, task_names: Any) -> Any:
        """Return the sets of rows in which each task's groups are compared: (positive or negative,
        code of the positive class); None = all rows.
        """

    def unweighted(self) -> LossTerm:
        """Return what networks whose terms differ in their weights alone have in common; a term of
        single tasks.
        """
        return self

    def multipliers(self, n_tasks: int) -> Any:
        """Return what the gradients of :meth:`unweighted` are multiplied by for trunk and heads,
        (2, T), or None where both are the same.
        """

    def values(self, scores: Any, labels: Any, weights: Any, groups: Any) -> tuple[Any, Any]:
        """Return the term as the trunk sees it and as the heads see it.

        Parameters
        ----------
        scores : Tensor of shape (E, T, k, B)
            Outputs of the heads, before any link function; where `per_task`, minus infinity for
            classes that a task does not have.
        labels, weights : Tensor of shape (E, T, B)
            Targets and loss weights; weight 0 = the row has no label for the task.
        groups : Tensor of shape (E, 1 or T, B) or None
            Code of every row's group, negative where unknown.

        Returns
        -------
        trunk, heads : Tensor of shape (E,)
            Differentiable functions of ``scores``; their gradients go to the trunk and to the
            heads.
        """
        raise NotImplementedError
