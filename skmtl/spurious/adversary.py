"""Adversary that predicts the labels of other tasks from the scores of a task head."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from skmtl.base import FairnessTerm

# Ridge of the adversary relative to the mean variance of its inputs, because the scores of the
# classes of a task are linearly dependent.
_RIDGE = 1e-6
_TINY = 1e-30
# The adversary is beaten if it explains less than this share of a label's variance above chance,
# in this many consecutive steps.
_BEATEN, _STEPS_IN_VAIN = 0.01, 5


@dataclass(frozen=True)
class LabelAdversary:
    r"""Penalty on the variance of other tasks' labels that an adversary explains from a head.

    The adversary of task i and its spurious task j has the scores :math:`s_i` of head i and the
    label of task i as inputs, and predicts the label of task j by least squares, with separate
    coefficients per class of task i. The term of task i is

    .. math:: \mu \sum_{j \in S_i} R^2_{ij}, \qquad
        R^2_{ij} = 1 - \min_{a, B}
        \frac{E \lVert y_j - a_{y_i} - B_{y_i}^\top s_i \rVert^2}
        {E \lVert y_j - E[y_j | y_i] \rVert^2}

    where labels :math:`y_j` are indicators of classes. It is 0 if, within each class of task i, the
    scores are uncorrelated with the label of task j. In every step the adversary is at its optimum,
    which least squares gives exactly, and the scores follow its reversed gradient.

    Parameters
    ----------
    spurious : ndarray of bool of shape (T, T)
        [i, j]: the scores of head i should not predict the label of task j.
    n_classes : int
        Largest number of classes of a task.
    strength : float
        The factor :math:`\mu`.
    """

    spurious: NDArray[np.bool_]
    n_classes: int
    strength: float = 1.0

    def rows(self, labels: Tensor, weights: Tensor) -> AdversaryRows:
        """Return the quantities that depend only on the labels of a mini-batch."""
        strength = self.strength * torch.as_tensor(self.spurious, device=labels.device)
        return AdversaryRows(labels, weights, self.n_classes, strength)

    def term(self, scores: Tensor, rows: AdversaryRows) -> tuple[Tensor, Tensor]:
        """Return the term, (E,), and the largest explained share, a mean over networks."""
        seen = centered(scores)
        with torch.no_grad():
            explained, derivative = _best_response(seen, rows)
            largest = explained.mean(0).max() / self.strength
            constant = explained.sum((1, 2)) - (seen * derivative).sum((1, 2, 3))
        return (seen * derivative).sum((1, 2, 3)) + constant, largest


class AdversarialTraining(FairnessTerm):
    """Fairness term of an adversary in one training run, which ends once the adversary is beaten.

    The object records the shares that the adversary explained in the last steps, so every run needs
    a new one.

    Parameters
    ----------
    adversary : LabelAdversary
        Penalty that is added to the loss.
    """

    per_task = True

    def __init__(self, adversary: LabelAdversary):
        self.adversary = adversary
        self.explained: deque[Tensor] = deque(maxlen=_STEPS_IN_VAIN)
        self.rows: AdversaryRows | None = None

    def values(
        self, scores: Tensor, labels: Tensor, weights: Tensor, groups: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the term twice; arguments as in :meth:`skmtl.base.FairnessTerm.values`."""
        if self.rows is None or not self.rows.belong_to(labels, weights):
            self.rows = self.adversary.rows(labels, weights)
        term, explained = self.adversary.term(scores, self.rows)
        self.explained.append(explained)
        return term, term

    def is_beaten(self) -> bool:
        """Return whether no adversary explained more than 1 % above chance in the last steps."""
        if self.rows is None or len(self.explained) < _STEPS_IN_VAIN:
            return False
        return bool(torch.stack(list(self.explained)).max() < _BEATEN + self.rows.chance)


class AdversaryRows:
    """Labels of a mini-batch as targets of the adversaries, and their moments.

    Axes: E networks, T tasks, C classes, L = C - 1 classes (all but one), B rows.
    """

    def __init__(self, labels: Tensor, weights: Tensor, n_classes: int, strength: Tensor):
        self.labels, self.weights = labels, weights
        classes = functional.one_hot(labels.long(), n_classes).movedim(3, 2).to(weights)
        self.own = classes * weights.unsqueeze(2)
        e, t, c, b = self.own.shape
        self.known = (weights > 0).to(weights)
        self.both = torch.cat(
            [self.known, (classes[:, :, 1:] * self.known.unsqueeze(2)).reshape(e, -1, b)], 1
        )
        moments = self.own.reshape(e, t * c, b) @ self.both.mT
        self.n = moments[:, :, :t].reshape(e, t, c, 1, t).clamp_min(_TINY)
        counts = moments[:, :, t:].reshape(e, t, c, t, c - 1)
        self.mean = (counts / self.n.squeeze(3).unsqueeze(4)).unsqueeze(3)  # (E, T, C, 1, T, L)
        variance = (counts * (1 - self.mean.squeeze(3))).sum((2, 4))
        # Penalty of a pair per unit of explained variance, and twice that for the derivative.
        value = torch.where(variance > 0, strength / variance.clamp_min(_TINY), 0.0).to(weights)
        self.value = value[:, :, None, None, :, None]
        self.slope = 2 * self.value
        self.chance = n_classes * (1 if n_classes == 2 else n_classes) / b

    def belong_to(self, labels: Tensor, weights: Tensor) -> bool:
        """Return whether these are the labels and weights of the same mini-batch (by identity)."""
        return self.labels is labels and self.weights is weights


def _best_response(scores: Tensor, rows: AdversaryRows) -> tuple[Tensor, Tensor]:
    """Return the weighted shares that adversaries explain, (E, T, T), and a derivative.

    It is the derivative of their sum with respect to the scores, (E, T, k, B).
    """
    e, t, k, b = scores.shape
    c = rows.own.shape[2]
    weighted = rows.own.unsqueeze(3) * scores.unsqueeze(2)
    moments = weighted.reshape(e, t * c * k, b) @ rows.both.mT
    sums = moments[:, :, :t].reshape(e, t, c, k, t)
    mean = sums / rows.n
    cross = torch.addcmul(
        moments[:, :, t:].reshape(e, t, c, k, t, c - 1), sums.unsqueeze(5), rows.mean, value=-1
    )
    products = (weighted.unsqueeze(4) * scores[:, :, None, None]).reshape(e, t * c * k * k, b)
    squares = products @ rows.known.mT
    square = torch.addcmul(
        squares.reshape(e, t, c, k, k, t), sums.unsqueeze(4), mean.unsqueeze(3), value=-1
    )
    slopes = _solve(square, cross)  # (E, T, C, k, T, L), as cross
    explained = (cross * slopes * rows.value).sum((2, 3, 5))

    # The derivative is 2 B (y_j - a - B' s), the error of the adversary times its coefficients.
    steep = rows.slope * slopes
    if k == 1:
        of_scores = (steep * slopes).sum(5)
        offset = torch.addcmul((steep * rows.mean).sum(5), of_scores, mean, value=-1)
    else:
        offset = (steep * (rows.mean - (slopes * mean.unsqueeze(5)).sum(3, keepdim=True))).sum(5)
        of_scores = torch.einsum("etckul,etcmul->etckmu", steep, slopes)
    coefficients = torch.cat(
        [offset.neg_().reshape(e, t * c * k, t), steep.reshape(e, t * c * k, -1)], 2
    )
    derivative = (coefficients @ rows.both).reshape(e, t, c, k, b)
    bent = (of_scores.reshape(e, t * c * k * k, t) @ rows.known).reshape(e, t, c, k, k, b)
    derivative -= (
        bent.squeeze(4) * scores.unsqueeze(2)
        if k == 1
        else (bent * scores[:, :, None, None]).sum(4)
    )
    return explained, derivative.mul_(rows.own.unsqueeze(3)).sum(2)


def _solve(square: Tensor, cross: Tensor) -> Tensor:
    """Return the least-squares coefficients for the moments of inputs and targets.

    The moments have shapes (E, T, C, k, k, T) and (E, T, C, k, T, L). The ridge is negligible.
    """
    if square.shape[3] == 1:
        return cross / square.squeeze(3).unsqueeze(5).mul(1 + _RIDGE).add_(_TINY)
    square = square.movedim(5, 3)
    ridge = _RIDGE * square.diagonal(dim1=4, dim2=5).mean(4) + _TINY
    regular = square + ridge[..., None, None] * torch.eye(square.shape[4]).to(square)
    return torch.linalg.solve(regular, cross.movedim(4, 3)).movedim(3, 4)


def centered(scores: Tensor) -> Tensor:
    """Return scores minus their mean over the classes of the task; 0 for classes it does not have.

    Probabilities do not depend on that mean.
    """
    if scores.shape[2] == 1:
        return scores
    has = torch.isfinite(scores)
    finite = torch.where(has, scores, 0.0)
    return torch.where(has, finite - finite.sum(2, keepdim=True) / has.sum(2, keepdim=True), 0.0)
