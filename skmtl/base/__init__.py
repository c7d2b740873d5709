"""Base classes of what can be plugged into the training loop."""

from skmtl.base.aggregator import Aggregator, TrunkStep
from skmtl.base.loss_term import LossTerm
from skmtl.base.signals import Signals

__all__ = ["Aggregator", "LossTerm", "Signals", "TrunkStep"]
