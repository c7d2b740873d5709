"""What a sweep was asked for: the ranges that are drawn from, and how runs are evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.data import check_fraction
from skmtl.estimators import MultiTaskClassifier
from skmtl.model_selection.thresholds import check_threshold

# Labels of the rows that a rate is taken of.
SIDES = {"fpr": (0.0,), "tpr": (1.0,), "equalized_odds": (0.0, 1.0)}


@dataclass(frozen=True)
class Evaluation:
    """How probabilities become decisions, and which rate gap of them is measured.

    Attributes
    ----------
    threshold : "quantile", "validation" or float
        How decisions are made.
    rate : {"fpr", "tpr", "equalized_odds"}
        Rate whose gap is measured.
    """

    threshold: float | str
    rate: str


@dataclass(frozen=True)
class SweepSettings:
    """Parameters of :func:`fairness_sweep` about what is drawn and how runs are evaluated."""

    n_runs: int
    weight: Any
    task_weight: Any
    head_ratio: Any
    validation_fraction: float
    threshold: float | str
    rate: str | None

    def check(self) -> None:
        """Raise where a value needs no data to be known as wrong."""
        check_threshold(self.threshold)
        check_fraction(self.validation_fraction, "validation_fraction")
        if isinstance(self.n_runs, bool) or not isinstance(self.n_runs, Integral):
            raise ValueError(f"n_runs must be an int >= 1. Got {self.n_runs!r}.")
        if self.n_runs < 1:
            raise ValueError(f"n_runs must be an int >= 1. Got {self.n_runs!r}.")
        if self.rate is not None and self.rate not in SIDES:
            raise ValueError(f"rate must be None or one of {', '.join(SIDES)}. Got {self.rate!r}.")

    def evaluation(self, network: MultiTaskClassifier) -> Evaluation:
        """Return how runs are evaluated; the rate is that of the fairness term if not given."""
        rate = self.rate
        if rate is None:
            criterion = getattr(network.fairness, "criterion", None)
            rate = criterion if isinstance(criterion, str) and criterion in SIDES else "fpr"
        return Evaluation(self.threshold, rate)


def limits(
    given: Any, parameter: str, n_tasks: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest values of every task, (T,) each."""
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        values = np.full(0, np.nan)
    if (
        values.shape not in ((2,), (n_tasks, 2))
        or not np.isfinite(values).all()
        or (values < 0).any()
        or (values[..., 0] > values[..., 1]).any()
    ):
        raise ValueError(
            f"{parameter} must be a pair low <= high of numbers >= 0, or {n_tasks} such pairs, one "
            f"per task. Got {given!r}."
        )
    low, high = np.broadcast_to(values, (n_tasks, 2)).T
    return low, high
