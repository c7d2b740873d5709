"""Log loss, also known as cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch import Tensor
from torch.nn import functional

from skmtl.base import SMALLEST_PROBABILITY, Curvature, TargetCoding, TaskLoss
from skmtl.losses.label_codes import ClassCodes, class_codes

Array = NDArray[np.float64]


def cell_log_losses(y: NDArray[Any], probabilities: Array, classes: NDArray[Any]) -> Array:
    """Return the log loss of every row, given probabilities of sorted classes, (n, k).

    A label that is not among the classes has probability 0; probabilities are clipped at
    ``SMALLEST_PROBABILITY``.
    """
    known = np.isin(y, classes)
    columns = np.searchsorted(classes, np.where(known, y, classes[0]))
    probability = np.where(known, probabilities[np.arange(len(y)), columns], 0.0)
    losses: Array = -np.log(np.maximum(probability, SMALLEST_PROBABILITY))
    return losses


class _ClassificationLoss(TaskLoss):
    """Class codes, and the log loss as held-out loss, for any loss of logits.

    A subclass of LogLoss that overrides ``values`` keeps these methods.
    """

    kind: ClassVar[Literal["regression", "classification"]] = "classification"

    def learn_codings(
        self,
        targets: Mapping[str, NDArray[Any]],
        weights: Mapping[str, Array] | None = None,
        *,
        constant_may_vary: bool = False,
    ) -> Mapping[str, TargetCoding]:
        """Learn the classes of every task; see :class:`TaskLoss`."""
        return class_codes({name: np.unique(y) for name, y in targets.items()})

    def mean_loss(self, coding: TargetCoding, y: NDArray[Any], outputs: Array) -> float:
        """Return the log loss of probabilities, (n, k_t)."""
        codes = cast(ClassCodes, coding)
        return float(np.mean(cell_log_losses(y, outputs, codes.classes)))

    def mean_loss_of_scores(self, coding: TargetCoding, y: NDArray[Any], scores: Array) -> float:
        """Return the log loss of scores, (n, k).

        A label that the task does not have in training costs that of ``SMALLEST_PROBABILITY``.
        """
        codes = cast(ClassCodes, coding)
        known = np.isin(y, codes.coded)
        log_probabilities = np.maximum(
            log_softmax(codes.logits(scores), axis=-1), np.log(SMALLEST_PROBABILITY)
        )
        positions = np.searchsorted(codes.coded, np.where(known, y, codes.coded[0]))
        losses = np.where(
            known,
            -log_probabilities[np.arange(len(y)), positions],
            -np.log(SMALLEST_PROBABILITY),
        )
        return float(np.mean(losses))


class LogLoss(_ClassificationLoss):
    r"""Log loss (cross-entropy) of class labels.

    .. math:: L(s, y) = -\log \hat p_y, \qquad \hat p = \operatorname{softmax}(s_1, \dots, s_k)

    with one logit per class of the task. If no task has more than two classes, a head has a single
    logit, :math:`L(s, y) = \log(1 + e^s) - y s`. Losses are in nats.

    Examples
    --------
    >>> import torch
    >>> from skmtl.losses import LogLoss
    >>> logits, labels = torch.zeros(1, 1, 1, 2), torch.tensor([[[0.0, 1.0]]])
    >>> LogLoss().values(logits, labels)
    tensor([[[0.6931, 0.6931]]])
    >>> LogLoss().derivative(logits, labels, torch.ones(1, 1, 2))
    tensor([[[[ 0.5000, -0.5000]]]])
    """

    def values(self, scores: Tensor, labels: Tensor) -> Tensor:  # noqa: D102
        if scores.shape[2] == 1:
            logits = scores.squeeze(2)
            return functional.softplus(logits).sub_(labels * logits)
        chosen = labels.long().expand(len(scores), -1, -1).unsqueeze(2)
        return -torch.log_softmax(scores, 2).gather(2, chosen).squeeze(2)

    def derivative(  # noqa: D102
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor | None = None
    ) -> Tensor:
        if scores.shape[2] == 1:
            out = torch.empty_like(scores) if out is None else out
            torch.sigmoid(scores.squeeze(2), out=out.squeeze(2)).sub_(labels).mul_(weights)
            return out
        probabilities = torch.softmax(scores, 2)
        index = labels.long().unsqueeze(2)
        probabilities.scatter_add_(2, index, torch.full_like(probabilities[:, :, :1], -1.0))
        return torch.mul(probabilities, weights.unsqueeze(2), out=out)

    def curvature(self, n_scores: int) -> Curvature:  # noqa: D102
        return Curvature(0.25 if n_scores == 1 else 0.5)
