"""Fitted networks of all task groups as one object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.data import known_task_codes
from skmtl.estimators import FittedNetworks, Layout, TaskOutputs, rows_by_task


@dataclass(frozen=True, eq=False)
class GroupedNetworks:
    """Fitted networks of all task groups, which share the layout of X.

    Attributes
    ----------
    layout : Layout
        Columns of X.
    task_names : list of str
        Names of all tasks.
    labels : ndarray of shape (T,)
        Index of the network that predicts a task.
    networks : list of FittedNetworks
        Network of each group.
    """

    layout: Layout
    task_names: list[str]
    labels: NDArray[np.intp]
    networks: list[FittedNetworks]

    @property
    def own_classes(self) -> list[NDArray[Any]]:
        """Return the classes of each task."""
        by_network = [
            dict(zip(one.intake.task_names, one.own_classes, strict=True)) for one in self.networks
        ]
        return [
            by_network[label][name]
            for name, label in zip(self.task_names, self.labels.tolist(), strict=True)
        ]

    def task_ids(self, X: Any) -> NDArray[np.object_] | None:
        """Return the task column of X; None in wide form."""
        return self.layout.task_ids(X)

    def outputs(self, X: Any) -> TaskOutputs:
        """Return the outputs of each task from the network of its group."""
        inputs, ids = self.layout.split(X)
        rows = self.networks[0].intake.encode(inputs, None)
        found: dict[int, NDArray[np.float64]] = {}
        if ids is None:
            for g, network in enumerate(self.networks):
                by_task = network.outputs_of(rows).by_task
                position = {name: k for k, name in enumerate(network.intake.task_names)}
                for t in np.flatnonzero(self.labels == g).tolist():
                    found[t] = by_task[position[self.task_names[t]]]
            return TaskOutputs(found, None, len(rows), self.layout.one_column_per_task)
        codes = known_task_codes(ids, self.task_names, self.layout.owner)
        served_by = self.labels[codes]
        for g in np.unique(served_by).tolist():
            network, own = self.networks[g], np.flatnonzero(served_by == g)
            position = {name: k for k, name in enumerate(network.intake.task_names)}
            of_group = np.array([position.get(name, -1) for name in self.task_names])
            encoded = replace(rows.take(own), tasks=of_group[codes[own]])
            by_task = network.outputs_of(encoded).by_task
            found |= {t: by_task[of_group[t]] for t in np.unique(codes[own]).tolist()}
        return TaskOutputs(found, rows_by_task(codes), len(rows))
