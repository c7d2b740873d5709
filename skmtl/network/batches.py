"""Rows of stacked networks as rectangular tables, and their mini-batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from skmtl.network.members import FleetData, Rows

# Rows of a step are rounded up to a multiple of this if a task has fewer rows than a batch.
_ROUNDED_TO = 32
# Most row positions (8 bytes each) to keep of row orders that later networks may need.
_KEPT_POSITIONS = 4_000_000


@dataclass(frozen=True)
class Batch:
    """Mini-batch of E networks.

    Inputs (E, p, rows), labels and loss weights (E, T, B), groups (E, 1 or T, B) or None, category
    codes (E, c, rows) or None.
    """

    x: Tensor
    labels: Tensor
    weights: Tensor
    groups: Tensor | None
    codes: Tensor | None = None


class DeviceData:
    """A :class:`FleetData` on its device: inputs row-major, labels zero where missing.

    Batches have ``n_embedded`` columns after the numeric ones, which the network fills.
    """

    def __init__(
        self, data: FleetData, dtype: torch.dtype, device: torch.device, n_embedded: int = 0
    ):
        self.shared_rows, self.n_embedded = data.shared_rows, n_embedded
        self.x = torch.tensor(np.ascontiguousarray(data.X), dtype=dtype, device=device)
        labels = data.y.T if data.shared_rows else data.y
        self.labels = torch.tensor(np.nan_to_num(labels, nan=0.0), dtype=dtype, device=device)
        self.groups = None if data.groups is None else torch.tensor(data.groups, device=device)
        self.codes = (
            None
            if data.codes is None
            else torch.tensor(data.codes, dtype=torch.int64, device=device)
        )
        self.host = data

    def gather(self, index: Tensor, weights: Tensor) -> Batch:
        """Return the batch of rows ``index``, (E, slots, B); slots is 1 if tasks share rows."""
        inputs = Inputs(index, self.x, self.n_embedded)
        return Batch(
            inputs.fill(index),
            self.labels_at(index),
            weights,
            self.groups_at(index),
            self.codes_at(index),
        )

    def labels_at(self, index: Tensor) -> Tensor:
        """Return the labels of rows (..., slots, B) as (..., T, B)."""
        if not self.shared_rows:
            return self.labels.index_select(0, index.reshape(-1)).view(index.shape)
        rows = index.squeeze(-2)
        return self.labels.index_select(1, rows.reshape(-1)).view(-1, *rows.shape).movedim(0, -2)

    def groups_at(self, index: Tensor) -> Tensor | None:
        """Return the groups of rows (..., slots, B), or None."""
        return (
            None
            if self.groups is None
            else self.groups.index_select(0, index.reshape(-1)).view(index.shape)
        )

    def codes_at(self, index: Tensor) -> Tensor | None:
        """Return the category codes of rows (..., slots, B) as (..., c, slots * B), or None."""
        if self.codes is None:
            return None
        return (
            self.codes.index_select(0, index.reshape(-1))
            .view(*index.shape[:-2], -1, self.codes.shape[1])
            .transpose(-1, -2)
        )


class Inputs:
    """Buffer for the inputs of batches, read through one view, (E, p + embedded, slots * B).

    The view is the same tensor object for every batch, so that the network can reuse its views.
    """

    def __init__(self, index: Tensor, table: Tensor, n_embedded: int = 0):
        e, slots, n_rows = index.shape
        self.table, self.shape, self.n_embedded = table, index.shape, n_embedded
        self._rows = table.new_zeros(index.numel(), table.shape[1] + n_embedded)
        self._view = self._rows.view(e, slots * n_rows, self._rows.shape[1]).transpose(1, 2)

    def fill(self, index: Tensor) -> Tensor:
        """Copy the rows ``index`` into the buffer and return its view."""
        if self.n_embedded:
            self._rows[:, : self.table.shape[1]] = self.table.index_select(0, index.reshape(-1))
        else:
            torch.index_select(self.table, 0, index.reshape(-1), out=self._rows)
        return self._view


@dataclass(frozen=True)
class RowTable:
    """Rows of E networks, padded to the same length by repetition.

    Attributes
    ----------
    index : Tensor of shape (E, slots, N)
        Rows; slots = 1 where tasks share rows, else T.
    weights : Tensor of shape (E, T, N)
        Weight of every label in its task's mean. Weights sum to 1 per task (0 for a task without a
        label). A repeated row counts half each time, so padding changes no mean.
    """

    index: Tensor
    weights: Tensor

    def select(self, keep: Tensor) -> RowTable:
        """Return the table of the networks ``keep``."""
        return RowTable(self.index[keep], self.weights[keep])

    def replace(self, lanes: Tensor, other: RowTable) -> RowTable:
        """Return the table with the rows of ``other`` in ``lanes``, padded with weight 0."""
        length = max(self.index.shape[2], other.index.shape[2])
        index, weights = (
            functional.pad(part, (0, length - part.shape[2])) for part in (self.index, self.weights)
        )
        index[lanes], weights[lanes] = (
            functional.pad(part, (0, length - part.shape[2]))
            for part in (other.index, other.weights)
        )
        return RowTable(index, weights)


def build_table(
    data: DeviceData, members: Sequence[Sequence[Rows]], length: int | None = None
) -> RowTable:
    """Stack the row lists of networks.

    Parameters
    ----------
    data : DeviceData
        Data that the rows refer to.
    members : sequence of (sequence of ndarray)
        Row lists of every network: one per task, or a single one if tasks share rows.
    length : int, optional
        Length to pad to, by default that of the longest list. Shorter lists are repeated, so that
        smaller tasks keep their weight.
    """
    slots = len(members[0])
    length = max(len(rows) for member in members for rows in member) if length is None else length
    index = np.zeros((len(members), slots, length), dtype=np.int64)
    weights = np.zeros((len(members), slots, length))
    for e, member in enumerate(members):
        for s, rows in enumerate(member):
            if len(rows):
                position = np.arange(length) % len(rows)
                index[e, s] = rows[position]
                weights[e, s] = (1.0 / np.bincount(position, minlength=len(rows)))[position]
    weights = label_weights(data.host, index, weights)
    device = data.x.device
    return RowTable(
        torch.tensor(index, device=device), torch.tensor(weights, dtype=data.x.dtype, device=device)
    )


def label_weights(
    data: FleetData, index: NDArray[np.int64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the label weights in each task's mean, (E, T, N), from row shares, (E, slots, N)."""
    if data.sample_weight is not None and data.sample_weight.ndim == 2:
        share = share * data.sample_weight[index[:, 0]].transpose(0, 2, 1)
    elif data.sample_weight is not None:
        share = share * data.sample_weight[index]
    if data.shared_rows:
        labeled = ~np.isnan(data.y)
        share = share * labeled[index[:, 0]].transpose(0, 2, 1)
    total = share.sum(2, keepdims=True)
    weights: NDArray[np.float64] = np.divide(
        share, total, out=np.zeros_like(share), where=total > 0
    )
    return weights


def batch_shape(members_rows: Sequence[Rows], batch_size: int | None) -> tuple[int, int]:
    """Return the steps per epoch and the rows of every task per step for one network.

    The number of rows is rounded up to a multiple of 32 if it is below ``batch_size``, so that
    networks of similar size train in the same batch. It does not depend on other networks.
    """
    longest = max(len(rows) for rows in members_rows)
    if batch_size is None or batch_size >= longest:
        return 1, longest if batch_size is None else max(
            -(-longest // _ROUNDED_TO) * _ROUNDED_TO, 1
        )
    return -(-longest // batch_size), batch_size


class BatchStream:
    """Mini-batches of stacked networks that take the same number of steps per epoch.

    The order of rows in a network's k-th epoch depends only on (order seed, k). Networks with the
    same order seed use the same order, whatever batch they train in and whenever they entered it.
    """

    def __init__(self, data: DeviceData, n_steps: int):
        self.data = data
        self.n_steps = n_steps
        self._shuffles: dict[tuple[int, int], NDArray[np.int64]] = {}
        self._inputs: Inputs | None = None
        self._whole: tuple[RowTable, Batch] | None = None

    def batches(self, table: RowTable, orders: Sequence[tuple[int, int]]) -> Iterator[Batch]:
        """Yield the batches of an epoch, with the table's weights times the number of steps.

        The inputs of a batch live in a buffer that the next batch overwrites.

        Parameters
        ----------
        table : RowTable
            Training rows of the networks.
        orders : sequence of (int, int)
            Order seed and current epoch of every network.
        """
        if self.n_steps == 1:
            if self._whole is None or self._whole[0] is not table:
                self._whole = (table, self.data.gather(table.index, table.weights))
            yield self._whole[1]
            return
        distinct = {order: k for k, order in enumerate(dict.fromkeys(orders))}
        shuffles = torch.tensor(
            np.stack([self._shuffle(order, table.index.shape[2]) for order in distinct]),
            device=self.data.x.device,
        )
        which = [distinct[order] for order in orders] if len(distinct) > 1 else []
        index, weights = (
            self._dealt(table.index, shuffles, which),
            self._dealt(table.weights, shuffles, which).mul_(self.n_steps),
        )
        labels, groups, codes = (
            self.data.labels_at(index),
            self.data.groups_at(index),
            self.data.codes_at(index),
        )
        if self._inputs is None or self._inputs.shape != index[0].shape:
            self._inputs = Inputs(index[0], self.data.x, self.data.n_embedded)
        for k in range(self.n_steps):
            own_groups, own_codes = (None if part is None else part[k] for part in (groups, codes))
            yield Batch(self._inputs.fill(index[k]), labels[k], weights[k], own_groups, own_codes)

    def _dealt(self, table: Tensor, shuffles: Tensor, which: list[int]) -> Tensor:
        """Reorder the last axis and cut it into steps, (S, E, slots, B)."""
        e, slots, length = table.shape
        if which:
            order = (
                shuffles[torch.tensor(which, device=shuffles.device)]
                .unsqueeze(1)
                .expand(e, slots, length)
            )
            dealt = table.gather(2, order)
        else:
            dealt = table.index_select(2, shuffles[0])
        return (
            dealt.view(e, slots, self.n_steps, length // self.n_steps)
            .permute(2, 0, 1, 3)
            .contiguous()
        )

    def _shuffle(self, order: tuple[int, int], length: int) -> NDArray[np.int64]:
        """Return an order of rows; it is kept for networks that reach the same epoch later."""
        if len(self._shuffles) * length > _KEPT_POSITIONS:
            self._shuffles.clear()
        if order not in self._shuffles:
            self._shuffles[order] = np.random.default_rng(order).permutation(length)
        return self._shuffles[order]
