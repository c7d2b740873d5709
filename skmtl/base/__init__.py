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

__all__ = [
    "Aggregator",
    "FairnessTerm",
    "GradientUse",
    "GradientWeighting",
    "JacobianAggregator",
    "LossWeighting",
    "Penalty",
    "TermForTasks",
]
