"""Base classes of what can be plugged into the training loop; they hold parameters and know no tensor library."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator


class Aggregator(BaseEstimator):
    """How the losses or gradients of T tasks become one step. Subclass one of the three kinds below."""


class LossWeighting(Aggregator):
    """Weighs the task losses; trunk and heads both follow the weighted loss."""

    def loss_weights(self, losses: Any) -> Any:
        """Return weights of shape (..., T) from the task losses of a batch, (..., T)."""
        raise NotImplementedError


class GradientWeighting(Aggregator):
    """Weighs the task gradients of the trunk by their inner products; heads follow their own losses."""

    def weights(self, gramian: Any) -> Any:
        """Return weights of shape (..., T) from the Gramian of the task gradients, (..., T, T)."""
        raise NotImplementedError


class JacobianAggregator(Aggregator):
    """Turns the Jacobian of the trunk into one direction entry by entry; heads follow their own losses."""

    def aggregate(self, jacobian: Any) -> Any:
        """Return a direction of shape (..., P) from the Jacobian, (..., T, P)."""
        raise NotImplementedError


class LossTerm(BaseEstimator):
    """A term that is added to the loss and sees scores, labels and groups of the batch."""

    def values(self, scores: Any, labels: Any, weights: Any, groups: Any) -> tuple[Any, Any]:
        """Return the term as the trunk sees it and as the heads see it.

        Parameters
        ----------
        scores : Tensor of shape (E, T, k, B)
            Outputs of the heads, before any link function.
        labels, weights : Tensor of shape (E, T, B)
            Targets and loss weights; weight 0 = the row has no label for the task.
        groups : Tensor of shape (E, 1 or T, B) or None
            Code of every row's group, negative where unknown.

        Returns
        -------
        trunk, heads : Tensor of shape (E,)
            Differentiable functions of ``scores``; their gradients go to the trunk and to the heads.
        """
        raise NotImplementedError
