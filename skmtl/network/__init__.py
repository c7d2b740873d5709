"""Batches of networks, and the training loop."""

from skmtl.network.architecture import ACTIVATIONS, Architecture
from skmtl.network.devices import resolve_device
from skmtl.network.dispatch import train_fleet
from skmtl.network.lane_loss import LaneLoss
from skmtl.network.members import FleetData, Member, TrainedMember, Training
from skmtl.network.solvers import SOLVERS
from skmtl.network.stacked_network import StackedNetwork
from skmtl.network.threads import numeric_mode

# What other packages of skmtl use; no promise to users.
__shared__ = [
    "ACTIVATIONS",
    "SOLVERS",
    "Architecture",
    "FleetData",
    "LaneLoss",
    "Member",
    "StackedNetwork",
    "TrainedMember",
    "Training",
    "numeric_mode",
    "resolve_device",
    "train_fleet",
]
