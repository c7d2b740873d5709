"""What trained networks say about encoded inputs, in float64 whatever training used."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.network import Architecture, StackedNetwork

# Rows that are predicted at once.
_PREDICTED_AT_ONCE = 2048

Parameters = list[NDArray[np.floating]]


class Predictor:
    """The networks of one estimator.

    Parameters
    ----------
    architecture : Architecture
        Shape of the networks.
    members : list of (list of ndarray)
        Parameters of every network.
    """

    def __init__(self, architecture: Architecture, members: list[Parameters]):
        self.architecture = architecture
        self.parameters = [
            torch.as_tensor(np.stack(stack), dtype=torch.float64)
            for stack in zip(*members, strict=True)
        ]
        self.n_members, self.n_tasks = (
            len(members),
            members[0][architecture.n_trunk_parameters].shape[0],
        )

    def scores(
        self, numeric: NDArray[np.float64], codes: NDArray[np.int64] | None, task: int | None = None
    ) -> Iterator[NDArray[np.float64]]:
        """Yield the scores, (members, T, rows, k), of all heads, or (members, 1, rows, k) of one
        task's, block of rows by block; at least one.
        """
        network = self._network(task)
        yield np.empty((self.n_members, network.n_tasks, 0, self.architecture.n_outputs))
        for x, c in self._batches(numeric, codes):
            yield network.forward(x, c).numpy().transpose(0, 1, 3, 2)

    def representation(
        self, numeric: NDArray[np.float64], codes: NDArray[np.int64] | None, task: int | None = None
    ) -> NDArray[np.float64]:
        """Return what the heads see, (n, members * width), members side by side; as one task's head
        sees it where tasks are embedded.
        """
        network = self._network(task)
        width = self.architecture.trunk_sizes[-1]
        blocks = [
            network.representation(x, c)
            .numpy()
            .transpose(2, 0, 1)
            .reshape(-1, self.n_members * width)
            for x, c in self._batches(numeric, codes)
        ]
        return np.concatenate([np.empty((0, self.n_members * width)), *blocks])

    def _network(self, task: int | None) -> StackedNetwork:
        """Return the networks with all heads, or with that of one task and its embedding."""
        parameters, first = self.parameters, self.architecture.n_trunk_parameters
        if task is not None:
            parameters = parameters[:first] + [
                part[:, task : task + 1].contiguous() for part in parameters[first:]
            ]
        return StackedNetwork(self.architecture, parameters, parameters, shared_rows=True)

    def _batches(
        self, numeric: NDArray[np.float64], codes: NDArray[np.int64] | None
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        for start in range(0, len(numeric), _PREDICTED_AT_ONCE):
            rows = slice(start, start + _PREDICTED_AT_ONCE)
            own = torch.as_tensor(np.ascontiguousarray(numeric[rows].T))
            x = torch.zeros(
                self.n_members, self.architecture.trunk_sizes[0], own.shape[1], dtype=torch.float64
            )
            x[:, : own.shape[0]] = own
            c = (
                None
                if codes is None
                else torch.as_tensor(np.ascontiguousarray(codes[rows].T)).expand(
                    self.n_members, -1, -1
                )
            )
            yield x, c
