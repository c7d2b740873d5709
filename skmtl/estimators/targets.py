"""How the targets of many tasks become what a network is trained on, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from skmtl.data import TaskSet

# A predicted probability is kept this far from 0 and 1 in a log loss, as in scikit-learn.
_TINY = np.finfo(np.float64).eps


@dataclass(frozen=True)
class StandardizedTargets:
    """Regression targets, standardised task by task.

    Attributes
    ----------
    mean, scale : dict of str to float
        Mean and standard deviation of every task's training targets. A task of one row takes the
        median scale of the tasks that vary; a constant one has scale 0: its mean is predicted.
    """

    mean: dict[str, float]
    scale: dict[str, float]
    loss: str = "squared_error"
    n_outputs: int = 1

    @classmethod
    def of(
        cls,
        tasks: TaskSet,
        weights: dict[str, NDArray[np.float64]] | None = None,
        *,
        constant_may_vary: bool = False,
    ) -> StandardizedTargets:
        """Learn means and scales from training targets, with weights where given; targets that are
        constant now may vary later.
        """
        mean, scale = {}, {}
        for name in tasks.names:
            y = tasks.targets(name)
            weight = np.ones(len(y)) if weights is None else weights[name]
            mean[name], spread = _mean_and_spread(y, weight)
            scale[name] = spread if spread > 1e-12 * abs(mean[name]) else 0.0
        varying = [spread for spread in scale.values() if spread > 0]
        for name, spread in scale.items():
            if spread == 0 and (constant_may_vary or len(tasks.targets(name)) == 1):
                scale[name] = float(np.median(varying)) if varying else abs(mean[name]) or 1.0
        return cls(mean, scale)

    def encode(self, name: str, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return standardised targets of one task."""
        return (y - self.mean[name]) / (self.scale[name] or 1.0)

    def predict(self, name: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return predictions in the user's units from scores, (..., n, 1) to (..., n)."""
        predictions: NDArray[np.float64] = scores[..., 0] * self.scale[name] + self.mean[name]
        return predictions

    def mean_loss(self, name: str, scores: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        """Return the mean squared error of scores, (n, 1), in the user's units."""
        return float(np.mean((self.predict(name, scores) - y) ** 2))


@dataclass(frozen=True)
class CodedLabels:
    """Class labels, coded by position among the classes.

    Attributes
    ----------
    classes : dict of str to ndarray
        Sorted classes that every task has in training.
    coding : dict of str to ndarray
        Classes that the codes of every task stand for. Where all tasks draw from the same two
        labels it is these two, so a task that has met only one of them still knows which one it is.
    """

    classes: dict[str, NDArray]
    coding: dict[str, NDArray]
    loss: str
    n_outputs: int

    @classmethod
    def of(cls, tasks: TaskSet) -> CodedLabels:
        """Learn the classes from training labels."""
        return cls.among({name: np.unique(tasks.targets(name)) for name in tasks.names})

    @classmethod
    def among(cls, classes: dict[str, NDArray]) -> CodedLabels:
        """Code labels among these sorted classes of every task."""
        coding = classes
        union = (
            np.unique(np.concatenate(list(classes.values())))
            if len({own.dtype.kind for own in classes.values()}) == 1
            else np.empty(0)
        )
        if len(union) == 2:
            coding = dict.fromkeys(classes, union)
        most = max(len(own) for own in classes.values())
        return cls(
            classes,
            coding,
            "binary_cross_entropy" if most <= 2 else "cross_entropy",
            1 if most <= 2 else most,
        )

    def encode(self, name: str, y: NDArray) -> NDArray[np.float64]:
        """Return the codes of one task's labels."""
        unknown = y[~np.isin(y, self.coding[name])]
        if len(unknown):
            raise ValueError(
                f"Task {name!r} has the label {unknown[:1].tolist()[0]!r} in y, which is not among "
                f"its classes {self.coding[name].tolist()}."
            )
        return np.searchsorted(self.coding[name], y).astype(np.float64)

    def n_classes(self, name: str) -> int:
        """Return how many scores of a task's head are in use."""
        return max(len(self.coding[name]), 2)

    def probabilities(self, name: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities of the task's own classes, (..., n, k_t), from scores, (..., n, k)."""
        logits = self._logits(name, scores)
        columns = np.searchsorted(self.coding[name], self.classes[name])
        probabilities = softmax(logits[..., columns], axis=-1)
        result: NDArray[np.float64] = probabilities
        return result

    def mean_loss(self, name: str, scores: NDArray[np.float64], y: NDArray) -> float:
        """Return the log loss of scores, (n, k), at labels; a label the task never had costs that
        of probability epsilon.
        """
        logits = self._logits(name, scores)
        known = np.isin(y, self.coding[name])
        log_probabilities = np.maximum(log_softmax(logits, axis=-1), np.log(_TINY))
        codes = np.searchsorted(self.coding[name], np.where(known, y, self.coding[name][0]))
        losses = np.where(known, -log_probabilities[np.arange(len(y)), codes], -np.log(_TINY))
        return float(np.mean(losses))

    def _logits(self, name: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one logit a class."""
        if self.loss == "binary_cross_entropy":
            return np.concatenate([np.zeros_like(scores), scores], axis=-1)
        return scores[..., : self.n_classes(name)]


Targets = StandardizedTargets | CodedLabels


def _mean_and_spread(y: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[float, float]:
    """Weighted mean and standard deviation; a power of two keeps the squares of very large and very
    small targets finite.
    """
    if y.min() == y.max():
        return float(y[0]), 0.0
    exponent = int(np.clip(np.frexp(np.abs(y).max())[1], -1000, 1000))
    scaled, shares = np.ldexp(y, -exponent), weight / weight.max()
    mean = np.average(scaled, weights=shares)
    spread = np.sqrt(np.average((scaled - mean) ** 2, weights=shares))
    return float(np.ldexp(mean, exponent)), float(np.ldexp(spread, exponent))


def learn_targets(tasks: TaskSet, weights: dict[str, NDArray[np.float64]] | None = None) -> Targets:
    """Return the coding of a training set's targets."""
    return (
        StandardizedTargets.of(tasks, weights)
        if tasks.kind == "regression"
        else CodedLabels.of(tasks)
    )
