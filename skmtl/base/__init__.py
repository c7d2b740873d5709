"""Base classes of the objects that plug into the training loop."""

from skmtl.base.aggregator import Aggregator, AggregatorKind, TrunkStep
from skmtl.base.fairness_term import FairnessTerm, TermForTasks
from skmtl.base.loss_values import checked_values
from skmtl.base.penalty import Penalty
from skmtl.base.probabilities import SMALLEST_PROBABILITY
from skmtl.base.signals import Signals
from skmtl.base.target_coding import StandardizedTarget, TargetCoding
from skmtl.base.task_loss import Curvature, TaskLoss

__all__ = [
    "Aggregator",
    "FairnessTerm",
    "Penalty",
    "Signals",
    "TaskLoss",
    "TermForTasks",
    "TrunkStep",
]
__shared__ = [
    "SMALLEST_PROBABILITY",
    "AggregatorKind",
    "Curvature",
    "StandardizedTarget",
    "TargetCoding",
    "checked_values",
]
