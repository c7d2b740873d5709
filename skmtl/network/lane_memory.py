"""State that is kept for each lane between steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Lanes = NDArray[np.intp]
# Tensors with a first axis of lanes; some aggregators keep arrays of objects.
State = dict[str, Tensor]


class LaneMemory:
    """A state with one entry per lane.

    Parameters
    ----------
    fresh : callable
        Returns the state of a number of new lanes.
    """

    def __init__(self, fresh: Callable[[int], State]):
        self.fresh = fresh
        self.state: State = {}

    def open(self, n_lanes: int) -> None:
        """Create the state of new lanes."""
        self.state = self.fresh(n_lanes)

    def enter(self, lanes: Lanes) -> None:
        """Reset lanes that new networks enter."""
        fresh = self.fresh(len(lanes))
        for name, values in self.state.items():
            self.state[name] = _replaced(values, lanes, fresh[name])

    def select(self, keep: Lanes) -> None:
        """Keep only these lanes."""
        self.state = {name: values[keep] for name, values in self.state.items()}

    def of(self, lane: int) -> dict[str, NDArray[np.generic]]:
        """Return the state of a lane as numpy arrays; entries that are not tensors are left out."""
        return {
            name: values[lane].cpu().numpy().copy()
            for name, values in self.state.items()
            if isinstance(values, Tensor)
        }

    def resume(self, lane: int, name: str, saved: NDArray[np.generic]) -> None:
        """Restore an entry of a lane from :meth:`of`, if its name and shape are known."""
        values = self.state.get(name)
        if isinstance(values, Tensor) and tuple(values.shape[1:]) == np.shape(saved):
            entry = torch.as_tensor(saved).to(values).unsqueeze(0)
            self.state[name] = _replaced(values, np.array([lane]), entry)

    def part(self, lanes: Lanes, tasks: Lanes) -> State:
        """Return a copy of the entries of some lanes and, along the task axes, some tasks."""
        return {name: values[_index(values, lanes, tasks)] for name, values in self.state.items()}

    def put(self, new: State, lanes: Lanes, tasks: Lanes) -> None:
        """Write entries of some lanes and tasks."""
        for name, values in new.items():
            target = self.state[name]
            target[_index(target, lanes, tasks)] = (
                values.to(target) if isinstance(values, Tensor) else values
            )


def _replaced(values: Tensor, lanes: Lanes, by: Tensor) -> Tensor:
    """Return a copy with other values in some lanes."""
    values = values.clone() if isinstance(values, Tensor) else values.copy()
    values[lanes] = by
    return values


def _index(values: Tensor, lanes: Lanes, tasks: Lanes) -> Lanes | tuple[Lanes, ...]:
    """Return the index of some lanes and, along all other axes, some tasks."""
    return lanes if values.ndim == 1 else np.ix_(lanes, *[tasks] * (values.ndim - 1))
