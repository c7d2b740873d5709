"""What is added to a loss so that groups are treated alike."""

from skmtl.fairness.correlation import correlation_penalty
from skmtl.fairness.gap import gap_penalty
from skmtl.fairness.mmd import mmd_penalty
from skmtl.fairness.mtaf import MTAF
from skmtl.fairness.per_task import PerTaskFairness

__all__ = ["MTAF", "PerTaskFairness", "correlation_penalty", "gap_penalty", "mmd_penalty"]
