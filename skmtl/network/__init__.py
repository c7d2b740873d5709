"""Stacked networks and the one training loop."""

from skmtl.network.architecture import ACTIVATIONS, Architecture
from skmtl.network.fleet import train_fleet
from skmtl.network.lane_loss import LaneLoss
from skmtl.network.members import FleetData, Member, TrainedMember, Training
from skmtl.network.numerics import numeric_mode, resolve_device
from skmtl.network.solvers import SOLVERS
from skmtl.network.stacked import StackedNetwork

__all__ = [
    "ACTIVATIONS",
    "SOLVERS",
    "Architecture",
    "FleetData",
    "Member",
    "StackedNetwork",
    "TrainedMember",
    "Training",
    "numeric_mode",
    "resolve_device",
    "train_fleet",
]
__shared__ = ["LaneLoss"]
