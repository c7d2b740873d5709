"""Settings that all networks of one call share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skmtl.base import Aggregator, FairnessTerm
from skmtl.network.architecture import Architecture
from skmtl.network.members import FleetData, Member, Training


@dataclass(frozen=True)
class TrainingProblem:
    """Architecture, data, settings and plug-ins that all networks share.

    Attributes
    ----------
    architecture : Architecture
        Shape of all networks.
    data : FleetData
        Table that the networks' rows refer to.
    training : Training
        Settings of training.
    aggregator : Aggregator or None
        How the tasks' losses or gradients become one step.
    terms : sequence of FairnessTerm
        Terms added to the loss.
    """

    architecture: Architecture
    data: FleetData
    training: Training
    aggregator: Aggregator | None = None
    terms: Sequence[FairnessTerm] = ()

    def n_tasks_of(self, member: Member) -> int:
        """Return the number of tasks of a network."""
        return self.data.y.shape[1] if self.data.shared_rows else len(member.train)
