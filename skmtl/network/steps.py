"""One training step of stacked networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from skmtl.base import FairnessTerm
from skmtl.network.batches import Batch
from skmtl.network.lane_loss import LaneLoss
from skmtl.network.plugin_checks import checked_term
from skmtl.network.stacked_network import StackedNetwork


@dataclass
class Step:
    """One training step: a batch, its scores, and everything that the losses depend on.

    Attributes
    ----------
    network, loss, terms, batch, scores
        The networks, their loss and terms, the batch and its scores.
    task_weights : Tensor of shape (E, T)
        Weights of the tasks in the loss, which sum to 1.
    importance : Tensor of shape (E, T) or None
        The same with mean 1; None where all are 1.
    term_weights : Tensor of shape (E, 2, T) or None
        Factors of the per-task fairness terms, for the trunk and for the heads.
    train_trunk, record : bool
        Whether the trunk is trained; whether losses and weights are recorded.
    sums : Tensor of shape (E, T) or None
        Losses of the tasks in the batch, once they are known.
    """

    network: StackedNetwork
    loss: LaneLoss
    terms: Sequence[FairnessTerm]
    batch: Batch
    scores: Tensor
    task_weights: Tensor
    importance: Tensor | None
    term_weights: Tensor | None
    train_trunk: bool
    record: bool
    sums: Tensor | None = None

    @cached_property
    def presence(self) -> tuple[Tensor, Tensor]:
        """Total weight of each task's labels in the batch, (E, T), and which tasks take part."""
        shares = self.batch.weights.sum(2).double()
        present = shares > 0
        return shares, present if self.importance is None else present & (self.importance > 0)

    def mean_losses(self, scores: Tensor | None = None) -> Tensor:
        """Return the mean task losses in the batch times their importance, (E, T).

        They are those of other scores, if given, else those of the step.
        """
        if scores is not None:
            sums = self._sums(scores)
        else:
            sums = self.sums = self._sums(self.scores) if self.sums is None else self.sums
        shares, present = self.presence
        losses = torch.where(present, sums.double() / torch.where(present, shares, 1.0), 0.0)
        return losses if self.importance is None else losses * self.importance

    def _sums(self, scores: Tensor) -> Tensor:
        return (self.loss.values(scores, self.batch.labels) * self.batch.weights).sum(2)

    def derivative(self, *, losses: bool = False) -> Tensor:
        """Return the derivative of the task losses; store the losses if needed."""
        arguments = self.scores, self.batch.labels, self.batch.weights, self.network.score_gradient
        if not (losses or self.record):
            return self.loss.derivative(*arguments)
        self.sums, derivative = self.loss.sums_and_derivative(*arguments)
        return derivative

    def with_terms(self, derivative: Tensor, *factors: Tensor | None) -> tuple[Tensor, Tensor]:
        """Add the derivatives of the fairness terms, for the trunk and for the heads.

        ``factors``, (E, T), are those of the task losses.
        """
        trunk = heads = derivative
        for term in self.terms:
            leaf = self.scores.detach().clone().requires_grad_()
            returned = term.values(
                self.loss.visible(leaf) if term.per_task else leaf,
                self.batch.labels,
                self.batch.weights,
                self.batch.groups,
            )
            to_trunk, to_heads = checked_term(term, returned, len(leaf))
            one = to_trunk is to_heads
            to_trunk = torch.autograd.grad(to_trunk.sum(), leaf, retain_graph=not one)[0]
            to_heads = to_trunk if one else torch.autograd.grad(to_heads.sum(), leaf)[0]
            if term.per_task:
                own = (None, None) if self.term_weights is None else self.term_weights.unbind(1)
                one = one and (own[0] is None or torch.equal(*own))
                to_trunk = _times(to_trunk, *factors, own[0])
                to_heads = to_trunk if one else _times(to_heads, *factors, own[1])
            alike = one and trunk is heads
            trunk = trunk + to_trunk
            heads = trunk if alike else heads + to_heads
        return trunk, heads

    def backward(self, derivative: Tensor, *factors: Tensor | None) -> None:
        """Compute gradients from one derivative for trunk and heads, plus the fairness terms."""
        trunk, heads = self.with_terms(derivative, *factors)
        self.network.backward(heads, None if trunk is heads else trunk, trunk=self.train_trunk)

    def weighted(self, derivative: Tensor, weights: Tensor | None) -> Tensor:
        """Multiply the derivative of every task's loss, in place, by weights (E, T)."""
        if weights is None:
            return derivative
        return derivative.mul_(castable(weights, derivative)[..., None, None])


def _times(derivative: Tensor, *factors: Tensor | None) -> Tensor:
    """Return a derivative, (E, T, k, B), times factors (E, T)."""
    given = [factor for factor in factors if factor is not None]
    if not given:
        return derivative
    return derivative * castable(math.prod(given[1:], start=given[0]), derivative)[..., None, None]


def castable(weights: Tensor, like: Tensor) -> Tensor:
    """Return weights in the precision of a tensor, clipped to its range."""
    limit = torch.finfo(like.dtype).max
    return weights.clamp(-limit, limit).to(like.dtype)


def gramian_of(rows: Tensor) -> Tensor:
    """Return inner products in float64, so that rounding does not make the Gramian indefinite."""
    exact = rows.double()
    return exact @ exact.mT


def norms_of(gramian: Tensor) -> Tensor:
    """Return the norms of task gradients, (E, T), from their inner products."""
    return gramian.diagonal(dim1=1, dim2=2).clamp(min=0).sqrt()
