"""Coding of one task's targets: how they are encoded, and how scores are decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class TargetCoding(Protocol):
    """Immutable coding of the targets of one task."""

    @property
    def n_scores(self) -> int:
        """Number of scores that the task's head must have."""

    @property
    def unit(self) -> float:
        """Length in the user's units of a difference of 1 between encoded targets."""

    def encode(self, y: NDArray[Any]) -> Array:
        """Return encoded targets, (n,), as the loss uses them."""

    def decode(self, scores: Array) -> Array:
        """Return predictions, (..., n), or probabilities, (..., n, k_t), from (..., n, k)."""


@dataclass(frozen=True)
class StandardizedTarget:
    """Regression targets of one task, standardized.

    Attributes
    ----------
    mean, scale : float
        Mean and standard deviation of the training targets. A task with one row takes the median
        scale of the tasks that are not constant. A constant task has scale 0 and is predicted by
        its mean.
    """

    mean: float
    scale: float
    n_scores: int = 1

    @property
    def unit(self) -> float:
        """Length in the user's units of a difference of 1 between encoded targets."""
        return self.scale or 1.0

    def encode(self, y: Array) -> Array:
        """Return standardized targets."""
        return (y - self.mean) / (self.scale or 1.0)

    def decode(self, scores: Array) -> Array:
        """Return predictions in the user's units from scores, (..., n, 1) to (..., n)."""
        predictions: Array = scores[..., 0] * self.scale + self.mean
        return predictions


def standardized_targets(
    targets: Mapping[str, Array],
    weights: Mapping[str, Array] | None = None,
    *,
    constant_may_vary: bool = False,
) -> dict[str, StandardizedTarget]:
    """Learn the mean and scale of every task; with ``constant_may_vary`` no scale is 0."""
    mean, scale = {}, {}
    for name, y in targets.items():
        weight = np.ones(len(y)) if weights is None else weights[name]
        mean[name], spread = _mean_and_spread(y, weight)
        scale[name] = spread if spread > 1e-12 * abs(mean[name]) else 0.0
    varying = [spread for spread in scale.values() if spread > 0]
    for name, spread in scale.items():
        if spread == 0 and (constant_may_vary or len(targets[name]) == 1):
            scale[name] = float(np.median(varying)) if varying else abs(mean[name]) or 1.0
    return {name: StandardizedTarget(mean[name], scale[name]) for name in targets}


def _mean_and_spread(y: Array, weight: Array) -> tuple[float, float]:
    """Weighted mean and standard deviation.

    Scaling by a power of two keeps the squares of very large and very small targets finite.
    """
    if y.min() == y.max():
        return float(y[0]), 0.0
    exponent = int(np.clip(np.frexp(np.abs(y).max())[1], -1000, 1000))
    scaled, shares = np.ldexp(y, -exponent), weight / weight.max()
    mean = np.average(scaled, weights=shares)
    spread = np.sqrt(np.average((scaled - mean) ** 2, weights=shares))
    return float(np.ldexp(mean, exponent)), float(np.ldexp(spread, exponent))
