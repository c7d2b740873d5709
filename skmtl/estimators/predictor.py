"""Scores of trained networks for encoded inputs, always in float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.network import Architecture, StackedNetwork

# Number of rows that are predicted at once.
_PREDICTED_AT_ONCE = 2048
# Products per block of rows below which one thread is as fast as several. A process that is forked
# after torch has used several threads must not use them again: it would deadlock.
_WORTH_THREADS = 100_000_000

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

    def __init__(self, architecture: Architecture, members: Sequence[Parameters]):
        self.architecture, self.members = architecture, members
        self.n_members = len(members)
        self.trunk = self._stacked(range(architecture.n_trunk_parameters))

    def scores(
        self, numeric: NDArray[np.float64], codes: NDArray[np.int64] | None, task: int | None = None
    ) -> Iterator[NDArray[np.float64]]:
        """Yield the scores of blocks of rows, at least one block.

        They have shape (members, T, rows, k) for all heads, or (members, 1, rows, k) for that of
        one task.
        """
        network = self._network(task)
        if len(numeric) == 0:
            yield np.empty((self.n_members, network.n_tasks, 0, self.architecture.n_outputs))
        for x, c in self._batches(numeric, codes):
            with self._threads(x.shape[2]):
                scores = network.forward(x, c).numpy().transpose(0, 1, 3, 2)
            yield scores

    def representation(
        self, numeric: NDArray[np.float64], codes: NDArray[np.int64] | None, task: int | None = None
    ) -> NDArray[np.float64]:
        """Return the shared representation, (n, members * width), members side by side.

        If tasks are embedded, it is that of one task.
        """
        network = self._network(task)
        width = self.architecture.trunk_sizes[-1]
        with self._threads(len(numeric)):
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
        first, last = self.architecture.n_trunk_parameters, len(self.members[0])
        parameters = [*self.trunk, *self._stacked(range(first, last), task)]
        return StackedNetwork(self.architecture, parameters, parameters, shared_rows=True)

    def _stacked(self, positions: range, task: int | None = None) -> list[Tensor]:
        """Return parameters of all networks in float64, or only those of one task."""
        own = slice(None) if task is None else slice(task, task + 1)
        return [
            torch.as_tensor(
                np.stack([member[k][own] for member in self.members]), dtype=torch.float64
            )
            for k in positions
        ]

    def _threads(self, n_rows: int) -> AbstractContextManager[None]:
        """Return a context with the number of threads for this many rows."""
        products = self.n_members * n_rows * self.architecture.n_parameters(1)
        return one_thread() if products < _WORTH_THREADS else nullcontext()

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


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, and restore the caller's number of threads."""
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
