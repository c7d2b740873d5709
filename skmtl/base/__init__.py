"""Base classes of what can be plugged into the training loop."""

from skmtl.base.aggregator import (
    Aggregator,
    GradientUse,
    GradientWeighting,
    JacobianAggregator,
    LossWeighting,
)
from skmtl.base.loss_term import LossTerm

__all__ = [
    "Aggregator",
    "GradientUse",
    "GradientWeighting",
    "JacobianAggregator",
    "LossTerm",
    "LossWeighting",
]
