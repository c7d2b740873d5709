"""Base classes of what can be plugged into the training loop."""

from skmtl.base.aggregator import (
    Aggregator,
    GradientUse,
    GradientWeighting,
    JacobianAggregator,
    LossWeighting,
)
from skmtl.base.loss_term import LossTerm
from skmtl.base.probabilities import SMALLEST_PROBABILITY
from skmtl.base.target_coding import StandardizedTarget, TargetCoding
from skmtl.base.task_loss import Curvature, TaskLoss

__all__ = [
    "Aggregator",
    "GradientUse",
    "GradientWeighting",
    "JacobianAggregator",
    "LossTerm",
    "LossWeighting",
    "TaskLoss",
]
__shared__ = ["SMALLEST_PROBABILITY", "Curvature", "StandardizedTarget", "TargetCoding"]
