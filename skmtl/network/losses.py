"""Per-cell losses of stacked scores and their derivatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


class Loss:
    """A loss of scores (E, T, k, B) at labels (E, T, B)."""

    def values(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of every cell, (E, T, B)."""
        raise NotImplementedError

    def derivative(
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor | None = None
    ) -> Tensor:
        """Return the derivative of the weighted sum in the scores, (E, T, k, B), in ``out`` where
        given.
        """
        raise NotImplementedError

    def visible(self, scores: Tensor) -> Tensor:
        """Return the scores as terms see them: minus infinity for a class that a task does not
        have.
        """
        return scores

    def sums_and_derivative(
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the weighted sums, (E, T), and their derivative in the scores, in ``out``."""
        return (self.values(scores, labels) * weights).sum(2), self.derivative(
            scores, labels, weights, out
        )


class SquaredError(Loss):
    """Squared error, (s - y)^2."""

    def values(self, scores: Tensor, labels: Tensor) -> Tensor:  # noqa: D102
        return (scores.squeeze(2) - labels).square_()

    def derivative(  # noqa: D102
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor | None = None
    ) -> Tensor:
        out = torch.empty_like(scores) if out is None else out
        torch.sub(scores.squeeze(2), labels, out=out.squeeze(2)).mul_(weights).mul_(2.0)
        return out

    def sums_and_derivative(  # noqa: D102
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor
    ) -> tuple[Tensor, Tensor]:
        residuals = scores.squeeze(2) - labels
        weighted = residuals * weights
        torch.mul(weighted, 2.0, out=out.squeeze(2))
        return weighted.mul_(residuals).sum(2), out


class BinaryCrossEntropy(Loss):
    """Log loss of a logit, log(1 + exp(s)) - y s, labels 0 and 1."""

    def values(self, scores: Tensor, labels: Tensor) -> Tensor:  # noqa: D102
        logits = scores.squeeze(2)
        return functional.softplus(logits).sub_(labels * logits)

    def derivative(  # noqa: D102
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor | None = None
    ) -> Tensor:
        out = torch.empty_like(scores) if out is None else out
        torch.sigmoid(scores.squeeze(2), out=out.squeeze(2)).sub_(labels).mul_(weights)
        return out


class CrossEntropy(Loss):
    """Log loss of k logits, labels 0 .. k_t - 1; a task with fewer than k classes never uses its
    surplus logits.
    """

    def __init__(self, n_classes: Tensor):
        """Take the number of classes of every task, (E, T)."""
        self.n_classes = n_classes

    def visible(self, scores: Tensor) -> Tensor:  # noqa: D102
        surplus = torch.arange(scores.shape[2], device=scores.device) >= self.n_classes.unsqueeze(
            -1
        )
        return scores.masked_fill(surplus.unsqueeze(-1), -torch.inf)

    def values(self, scores: Tensor, labels: Tensor) -> Tensor:  # noqa: D102
        log_probabilities = torch.log_softmax(self.visible(scores), 2)
        return -log_probabilities.gather(2, labels.long().unsqueeze(2)).squeeze(2)

    def derivative(  # noqa: D102
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor | None = None
    ) -> Tensor:
        probabilities = torch.softmax(self.visible(scores), 2)
        index = labels.long().unsqueeze(2)
        probabilities.scatter_add_(2, index, torch.full_like(probabilities[:, :, :1], -1.0))
        return torch.mul(probabilities, weights.unsqueeze(2), out=out)
