"""A training job: networks with their rows, seeds and hyperparameters."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

import joblib

from skmtl.base import Aggregator, FairnessTerm
from skmtl.network import Architecture, FleetData, Member, Training


@dataclass(frozen=True, eq=False)
class FitJob:
    """Networks of one shape on one table.

    Attributes
    ----------
    architecture : Architecture
        Shape of the networks.
    data : FleetData
        Table that the networks' rows refer to.
    networks : list of Member
        Seeds, rows and hyperparameters of every network.
    training : Training
        Settings of the training loop.
    aggregator : Aggregator or None
        How losses or gradients of the tasks become one step; None = weighted mean of the losses.
    terms : list of FairnessTerm
        Terms that are added to the loss.
    together : bool
        Whether the networks form an ensemble, in which all take the same number of steps per epoch.
    unlabeled : list of int
        Positions of tasks without labels.
    """

    architecture: Architecture
    data: FleetData
    networks: list[Member]
    training: Training
    aggregator: Aggregator | None = None
    terms: list[FairnessTerm] = field(default_factory=list)
    together: bool = False
    unlabeled: list[int] = field(default_factory=list)

    def labeled(self, label: str) -> FitJob:
        """Return the job under another name in messages."""
        return replace(self, networks=[replace(network, label=label) for network in self.networks])

    @property
    def fleet(self) -> Hashable:
        """Key that is equal for jobs that can train as one fleet.

        It includes the learning rate: with a common one, results are rounded as in a single job,
        and Adam is faster.
        """
        data = self.data
        layout = (
            data.y.shape[1:],
            *(part is None for part in (data.sample_weight, data.groups, data.codes)),
        )
        return (
            self.architecture,
            self.training,
            self.networks[0].learning_rate,
            identity((self.aggregator, self.terms)),
            layout,
        )


def identity(value: Any) -> Hashable:
    """Return a key that is equal for equal values, or the id of a value that cannot be pickled."""
    try:
        found: str = joblib.hash(value)
    except Exception:  # pickling may raise any error
        return id(value)
    return found
