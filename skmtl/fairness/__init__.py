"""Fairness terms, which add a penalty on differences between sensitive groups to the loss."""

from skmtl.fairness.correlation import Correlation, correlation_penalty
from skmtl.fairness.mmd import MMD, mmd_penalty
from skmtl.fairness.mtaf import MTAF
from skmtl.fairness.per_task import PerTaskFairness
from skmtl.fairness.rate_gap import RateGap, gap_penalty

__all__ = [
    "MMD",
    "MTAF",
    "Correlation",
    "PerTaskFairness",
    "RateGap",
    "correlation_penalty",
    "gap_penalty",
    "mmd_penalty",
]
