"""Class labels of every task, coded by position among the classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClassCodes:
    """Class labels of one task.

    Attributes
    ----------
    task : str
        Name of the task.
    classes : ndarray
        Sorted classes of the task in training.
    coded : ndarray
        Classes in the order of the codes. If all tasks together have two labels, these are the
        two, even for a task that has only one of them in training.
    n_scores : int
        1 (the logit of the second class) if no task has more than two classes, else one logit per
        class.
    """

    task: str
    classes: NDArray[Any]
    coded: NDArray[Any]
    n_scores: int

    @property
    def unit(self) -> float:
        """Codes have no unit."""
        return 1.0

    def encode(self, y: NDArray[Any]) -> Array:
        """Return the codes of labels."""
        unknown = y[~np.isin(y, self.coded)]
        if len(unknown):
            raise ValueError(
                f"Task {self.task!r} has the label {unknown[:1].tolist()[0]!r} in y, which is not "
                f"among its classes {self.coded.tolist()}."
            )
        return np.searchsorted(self.coded, y).astype(np.float64)

    def logits(self, scores: Array) -> Array:
        """Return one logit per coded class."""
        if self.n_scores == 1:
            return np.concatenate([np.zeros_like(scores), scores], axis=-1)
        return scores[..., : self.n_scores]

    def decode(self, scores: Array) -> Array:
        """Return probabilities of the task's own classes, (..., n, k_t), from (..., n, k)."""
        columns = np.searchsorted(self.coded, self.classes)
        probabilities: Array = softmax(self.logits(scores)[..., columns], axis=-1)
        return probabilities


def class_codes(classes: Mapping[str, NDArray[Any]]) -> dict[str, ClassCodes]:
    """Return the coding of every task, given its sorted classes."""
    coded = dict(classes)
    union = (
        np.unique(np.concatenate(list(classes.values())))
        if len({own.dtype.kind for own in classes.values()}) == 1
        else np.empty(0)
    )
    if len(union) == 2:
        coded = dict.fromkeys(classes, union)
    binary = max(len(own) for own in classes.values()) <= 2
    return {
        name: ClassCodes(name, own, coded[name], 1 if binary else max(len(coded[name]), 2))
        for name, own in classes.items()
    }
