"""Embeddings of categories and tasks, written into the inputs of stacked networks."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.network.architecture import Architecture


class Embeddings:
    """Embeddings of categories, then of the task, in the last columns of the inputs.

    Parameters
    ----------
    architecture : Architecture
        Shape of the networks.
    parameters, gradients : list of Tensor
        Stacked parameters of the networks and buffers for their gradients, in the order of
        :meth:`Architecture.member_shapes`.
    """

    def __init__(
        self, architecture: Architecture, parameters: list[Tensor], gradients: list[Tensor]
    ):
        n_tables = len(architecture.embeddings)
        self.first = architecture.n_inputs
        self.width = architecture.n_embedded + architecture.task_embedding_dim
        self.tables, self.table_gradients = parameters[:n_tables], gradients[:n_tables]
        self.tasks = parameters[-1] if architecture.task_embedding_dim else None
        self.task_gradient = gradients[-1] if architecture.task_embedding_dim else None
        self.n_tasks = parameters[n_tables + 2 * architecture.n_trunk_layers].shape[1]
        self.codes: Tensor | None = None
        self.indices: list[Tensor] = []

    def fill(self, x: Tensor, codes: Tensor | None) -> None:
        """Write the embeddings into the last columns of the inputs, (E, columns, rows).

        Category codes have shape (E, c, rows).
        """
        start = self.first
        self.codes, self.indices = codes, []
        for j, table in enumerate(self.tables):
            e, levels, width = table.shape
            if codes is None:
                raise ValueError(
                    "These networks embed categories: forward needs the codes of the rows."
                )
            index = (
                codes[:, j] + levels * torch.arange(e, device=codes.device).unsqueeze(1)
            ).reshape(-1)
            x[:, start : start + width] = (
                table.view(e * levels, width)
                .index_select(0, index)
                .view(e, -1, width)
                .transpose(1, 2)
            )
            self.indices.append(index)
            start += width
        if self.tasks is not None:
            x[:, start:].view(len(x), -1, self.n_tasks, x.shape[2] // self.n_tasks).copy_(
                self.tasks.transpose(1, 2).unsqueeze(3)
            )

    def backward(self, dx: Tensor) -> None:
        """Compute the gradients from the derivative in the embedded columns, (E, width, rows)."""
        start = 0
        for table, index, gradient in zip(
            self.tables, self.indices, self.table_gradients, strict=True
        ):
            e, levels, width = table.shape
            own = dx[:, start : start + width].transpose(1, 2).reshape(-1, width)
            gradient.zero_().view(e * levels, width).index_add_(0, index, own)
            start += width
        if self.task_gradient is not None:
            torch.sum(
                dx[:, start:].view(len(dx), -1, self.n_tasks, dx.shape[2] // self.n_tasks),
                3,
                out=self.task_gradient.transpose(1, 2),
            )

    def jacobian(self, dx: Tensor, *, shared_rows: bool) -> list[Tensor]:
        """Return the gradients of the category embeddings per task, (E, T, levels * width).

        Derivatives have shape (E, T, width, B). The embedding of a task affects only the task's
        loss, so its gradient is written directly.
        """
        e, t, _, n_rows = dx.shape
        start, blocks = 0, []
        for j, table in enumerate(self.tables):
            levels, width = table.shape[1:]
            assert self.codes is not None
            codes = (
                self.codes[:, j].unsqueeze(1).expand(e, t, n_rows)
                if shared_rows
                else self.codes[:, j].view(e, t, n_rows)
            )
            index = codes + levels * torch.arange(e * t, device=dx.device).view(e, t, 1)
            own = dx[:, :, start : start + width].transpose(2, 3).reshape(-1, width)
            blocks.append(
                dx.new_zeros(e * t * levels, width)
                .index_add_(0, index.reshape(-1), own)
                .view(e, t, -1)
            )
            start += width
        if self.task_gradient is not None:
            torch.sum(dx[:, :, start:], 3, out=self.task_gradient)
        return blocks
