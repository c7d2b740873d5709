"""The loss of the tasks in the lanes, with the number of scores of each task."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.base import TaskLoss, checked_values


class LaneLoss:
    """Loss of scores (E, T, k, B) and labels (E, T, B); a task may use fewer than k scores.

    Parameters
    ----------
    loss : TaskLoss
        Loss of the tasks.
    n_scores : Tensor of shape (E, T) or None
        Number of scores that each task uses; None = all.
    n_outputs : int
        Number of scores k.
    """

    def __init__(self, loss: TaskLoss, n_scores: Tensor | None = None, n_outputs: int = 1):
        self.loss = loss
        self.surplus: Tensor | None = None
        if n_scores is not None and n_outputs > 1:
            numbers = torch.arange(n_outputs, device=n_scores.device)
            surplus = (numbers >= n_scores.unsqueeze(-1)).unsqueeze(-1)
            self.surplus = surplus if surplus.any() else None

    def visible(self, scores: Tensor) -> Tensor:
        """Return the scores with minus infinity for the classes that a task does not have."""
        return scores if self.surplus is None else scores.masked_fill(self.surplus, -torch.inf)

    def values(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of every row and task, (E, T, B)."""
        return checked_values(self.loss, self.loss.values(self.visible(scores), labels), scores)

    def derivative(
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor | None = None
    ) -> Tensor:
        """Return the derivative of the weighted sum with respect to the scores."""
        return self.loss.derivative(self.visible(scores), labels, weights, out)

    def sums_and_derivative(
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the weighted sums, (E, T), and their derivative in the scores, in ``out``."""
        return self.loss.sums_and_derivative(self.visible(scores), labels, weights, out)
