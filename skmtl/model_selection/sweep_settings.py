"""Settings of a sweep: the ranges of the draws, and the evaluation of the runs."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.data import check_fraction
from skmtl.estimators import MultiTaskClassifier
from skmtl.model_selection.thresholds import check_threshold

# True labels of the rows on which a rate is measured.
SIDES = {"fpr": (0.0,), "tpr": (1.0,), "equalized_odds": (0.0, 1.0)}


@dataclass(frozen=True)
class Evaluation:
    """How probabilities become decisions, and which rate gap is measured.

    Attributes
    ----------
    threshold : "quantile", "validation" or float
        Threshold of the decisions, as in :func:`fairness_sweep`.
    rate : {"fpr", "tpr", "equalized_odds"}
        Rate whose gap is measured.
    """

    threshold: float | str
    rate: str


@dataclass(frozen=True)
class SweepSettings:
    """Parameters of :func:`fairness_sweep` for the draws and the evaluation of runs."""

    n_runs: int
    weight: Any
    task_weight: Any
    head_ratio: Any
    validation_fraction: float
    threshold: float | str
    rate: str | None

    def check(self) -> None:
        """Raise ValueError for values that are wrong whatever the data."""
        check_threshold(self.threshold)
        check_fraction(self.validation_fraction, "validation_fraction")
        integer = isinstance(self.n_runs, Integral) and not isinstance(self.n_runs, bool)
        if not integer or self.n_runs < 1:
            raise ValueError(f"n_runs must be an int >= 1. Got {self.n_runs!r}.")
        if self.rate is not None and self.rate not in SIDES:
            raise ValueError(f"rate must be None or one of {', '.join(SIDES)}. Got {self.rate!r}.")

    def evaluation(self, network: MultiTaskClassifier) -> Evaluation:
        """Return the evaluation of the runs; rate=None is the criterion of the fairness term."""
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
