"""Encoding of the targets of many tasks, and decoding of scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.base import TargetCoding, TaskLoss
from skmtl.data import TaskSet
from skmtl.losses import ClassCodes, class_codes


@dataclass(frozen=True)
class Targets:
    """A loss, with the coding of every task.

    Attributes
    ----------
    loss : TaskLoss
        Loss of every task.
    codings : dict of str to TargetCoding
        How the targets of every task are encoded.
    """

    loss: TaskLoss
    codings: Mapping[str, TargetCoding]

    @property
    def n_outputs(self) -> int:
        """Number of scores of a head."""
        return max(coding.n_scores for coding in self.codings.values())

    @property
    def classes(self) -> dict[str, NDArray[Any]]:
        """Sorted classes of every classification task."""
        return {
            name: coding.classes
            for name, coding in self.codings.items()
            if isinstance(coding, ClassCodes)
        }

    def under(self, loss: TaskLoss) -> Targets:
        """Return the same codings with another loss."""
        return replace(self, loss=loss)

    def n_scores(self, name: str) -> int:
        """Return the number of scores that a task uses."""
        return self.codings[name].n_scores

    def encode(self, name: str, y: NDArray[Any]) -> NDArray[np.float64]:
        """Return the encoded targets of one task."""
        return self.codings[name].encode(y)

    def decode(self, name: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return predictions, (..., n), or probabilities, (..., n, k_t), from (..., n, k)."""
        return self.loss.decode(self.codings[name], scores)

    def mean_loss(self, name: str, y: NDArray[Any], outputs: NDArray[np.float64]) -> float:
        """Return the mean loss of decoded scores on held-out rows."""
        return self.loss.mean_loss(self.codings[name], y, outputs)

    def mean_loss_of_scores(self, name: str, y: NDArray[Any], scores: NDArray[np.float64]) -> float:
        """Return the mean loss of scores, (n, k), on held-out rows."""
        return self.loss.mean_loss_of_scores(self.codings[name], y, scores)


def learn_targets(
    tasks: TaskSet,
    loss: TaskLoss,
    weights: dict[str, NDArray[np.float64]] | None = None,
    *,
    constant_may_vary: bool = False,
) -> Targets:
    """Learn the codings of a training set's targets; constant ones may vary in later rows."""
    targets = {name: tasks.targets(name) for name in tasks.names}
    codings = loss.learn_codings(targets, weights, constant_may_vary=constant_may_vary)
    return Targets(loss, codings)


def declared_targets(loss: TaskLoss, classes: dict[str, NDArray[Any]]) -> Targets:
    """Return codings for given classes."""
    return Targets(loss, class_codes(classes))
