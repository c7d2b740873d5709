"""Base classes of what can be plugged into the training loop."""

from skmtl.base.aggregator import (
    Aggregator,
    GradientUse,
    GradientWeighting,
    JacobianAggregator,
    LossWeighting,
)
from skmtl.base.fairness_term import FairnessTerm, TermForTasks
from skmtl.base.penalty import Penalty
from skmtl.base.probabilities import SMALLEST_PROBABILITY
from skmtl.base.target_coding import StandardizedTarget, TargetCoding
from skmtl.base.task_loss import Curvature, TaskLoss

__all__ = [
    "Aggregator",
    "FairnessTerm",
    "GradientUse",
    "GradientWeighting",
    "JacobianAggregator",
    "LossWeighting",
    "Penalty",
    "TaskLoss",
    "TermForTasks",
]
__shared__ = ["SMALLEST_PROBABILITY", "Curvature", "StandardizedTarget", "TargetCoding"]
