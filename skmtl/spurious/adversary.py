"""An adversary that reads the labels of other tasks in what a task's head says."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from skmtl.base import LossTerm

# Ridge of the adversary, relative to the mean variance of its inputs: the scores of all classes of
# a task are redundant.
_RIDGE = 1e-6
_TINY = 1e-30
# Share of a label's variance, above chance, that an adversary must explain now and then, and the
# steps in which it must.
_BEATEN, _STEPS_IN_VAIN = 0.01, 5


class LabelAdversary(LossTerm):
    r"""What an adversary can tell about the labels of other tasks from the scores of a head.

    The adversary of task i and its spurious task j sees the scores :math:`s_i` of head i and the
    label of task i, and predicts the label of task j by least squares, with coefficients of its own
    for every class of task i. The term of task i is

    .. math:: \mu \sum_{j \in S_i} R^2_{ij}, \qquad
              R^2_{ij} = 1 - \min_{a, B} \frac{E \lVert y_j - a_{y_i} - B_{y_i}^\top s_i \rVert^2}{E
              \lVert y_j - E[y_j | y_i] \rVert^2}

    with labels :math:`y_j` as indicators of classes. It is 0 where, among the rows of each class of
    task i, the scores are uncorrelated with the label of task j. In every step the adversary is at
    its best response, which least squares gives exactly, and the scores follow its gradient
    reversed.

    Parameters
    ----------
    spurious : ndarray of bool of shape (T, T)
        [i, j]: head i must not tell the label of task j.
    n_classes : int
        Largest number of classes of a task.
    strength : float
        The factor :math:`\mu`.
    """

    per_task = True

    def __init__(self, spurious: NDArray[np.bool_], n_classes: int, strength: float = 1.0):
        self.spurious = spurious
        self.n_classes = n_classes
        self.strength = strength

    def values(self, scores: Any, labels: Any, weights: Any, groups: Any) -> tuple[Any, Any]:
        """Return the term twice; arguments as in :meth:`skmtl.base.LossTerm.values`."""
        seen = centred(scores)
        with torch.no_grad():
            rows = self._rows(labels, weights)
            told, derivative = _best_response(seen, rows)
            self._told = [
                *self.__dict__.get("_told", [])[1 - _STEPS_IN_VAIN :],
                told.mean(0).max() / self.strength,
            ]
            constant = told.sum((1, 2)) - (seen * derivative).sum((1, 2, 3))
        term = (seen * derivative).sum((1, 2, 3)) + constant
        return term, term

    def is_beaten(self) -> bool:
        """Return whether no adversary has told more than one percent above chance in the last
        steps.
        """
        told, rows = self.__dict__.get("_told", []), self.__dict__.get("_last")
        if rows is None or len(told) < _STEPS_IN_VAIN:
            return False
        return bool(torch.stack(told).max() < _BEATEN + rows.chance)

    def _rows(self, labels: Tensor, weights: Tensor) -> _Rows:
        """Return what does not depend on scores, kept while the same batch comes again."""
        rows: _Rows | None = self.__dict__.get("_last")
        if rows is None or rows.labels is not labels or rows.weights is not weights:
            rows = self._last = _Rows(
                labels,
                weights,
                self.n_classes,
                self.strength * torch.as_tensor(self.spurious, device=labels.device),
            )
        return rows


class _Rows:
    """Labels of a batch as adversaries see them: E members, T tasks, C classes, L = C - 1 that tell
    the last one, B rows.
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
        # What a pair counts per unit of explained variance; twice that stands in the derivative.
        self.value = (
            torch.where(variance > 0, strength / variance.clamp_min(_TINY), 0.0).to(weights)
        )[:, :, None, None, :, None]
        self.slope = 2 * self.value
        self.chance = n_classes * (1 if n_classes == 2 else n_classes) / b


def _best_response(scores: Tensor, rows: _Rows) -> tuple[Tensor, Tensor]:
    """Return strength times the shares that the adversaries explain, (E, T, T), and the derivative
    of their sum in the scores, (E, T, k, B).
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
    squares = (weighted.unsqueeze(4) * scores[:, :, None, None]).reshape(
        e, t * c * k * k, b
    ) @ rows.known.mT
    square = torch.addcmul(
        squares.reshape(e, t, c, k, k, t), sums.unsqueeze(4), mean.unsqueeze(3), value=-1
    )
    slopes = _solve(square, cross)  # (E, T, C, k, T, L), as cross
    told = (cross * slopes * rows.value).sum((2, 3, 5))

    # The derivative is 2 B (y_j - a - B' s): the error of the adversary, seen through its
    # coefficients.
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
    return told, derivative.mul_(rows.own.unsqueeze(3)).sum(2)


def _solve(square: Tensor, cross: Tensor) -> Tensor:
    """Return coefficients of least squares for squares (E, T, C, k, k, T) and products (E, T, C, k,
    T, L), with a ridge far below what matters.
    """
    if square.shape[3] == 1:
        return cross / square.squeeze(3).unsqueeze(5).mul(1 + _RIDGE).add_(_TINY)
    square = square.movedim(5, 3)
    ridge = _RIDGE * square.diagonal(dim1=4, dim2=5).mean(4) + _TINY
    regular = square + ridge[..., None, None] * torch.eye(square.shape[4]).to(square)
    return torch.linalg.solve(regular, cross.movedim(4, 3)).movedim(3, 4)


def centred(scores: Tensor) -> Tensor:
    """Return scores less their mean over the classes that a task has, which probabilities do not
    see; 0 for those that it does not have.
    """
    if scores.shape[2] == 1:
        return scores
    has = torch.isfinite(scores)
    finite = torch.where(has, scores, 0.0)
    return torch.where(has, finite - finite.sum(2, keepdim=True) / has.sum(2, keepdim=True), 0.0)
