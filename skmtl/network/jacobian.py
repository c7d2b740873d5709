"""Task gradients of the trunk's parameters, with one batched product per layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from skmtl.network.activations import IN_PLACE
from skmtl.network.embeddings import Embeddings
from skmtl.network.layers import Layer
from skmtl.network.layout import view_by_task


class TrunkJacobian:
    """Reverse pass of a trunk that keeps the gradients of tasks separate.

    If tasks share rows, their derivatives are laid out side by side, (E, width, T, B). A layer then
    needs one large product per network, two to three times as fast as T small ones, and a row of
    ones below the layer's source adds the gradient of the bias to this product. If every row
    belongs to one task, the products are no larger than in the ordinary reverse pass.

    Parameters
    ----------
    trunk : sequence of Layer
        Layers of the trunk, for one shape of batch.
    embeddings : Embeddings
        Embeddings in the last columns of the inputs.
    activation : str
        Activation of the layers.
    n_tasks : int
        Number T of tasks.
    shared_rows : bool
        Whether tasks share rows.
    """

    def __init__(
        self,
        trunk: Sequence[Layer],
        embeddings: Embeddings,
        activation: str,
        n_tasks: int,
        *,
        shared_rows: bool,
    ):
        self.trunk, self.embeddings, self.n_tasks, self.shared_rows = (
            trunk,
            embeddings,
            n_tasks,
            shared_rows,
        )
        self._activate_backward = IN_PLACE[activation][1]
        self._buffers: list[Tensor] = []
        self._sources: list[Tensor] = []

    def rows(self, derivative: Tensor) -> Tensor:
        """Return the gradients, (E, T, P), from those in the heads' inputs, (E, T, width, B)."""
        blocks = (
            self._of_shared_rows(derivative) if self.shared_rows else self._of_own_rows(derivative)
        )
        return torch.cat(blocks, 2) if blocks else derivative.new_zeros(*derivative.shape[:2], 0)

    def rows_below_linear_heads(self, weight: Tensor, dscores: Tensor) -> Tensor:
        """Return the gradients, (E, T, P), of tasks that share rows and have linear heads.

        Weights of heads with one score have shape (E, T, width), dscores (E, T, B).
        """
        if not self._buffers:
            self._allocate(weight, dscores.shape[2])
        torch.mul(weight.transpose(1, 2).unsqueeze(3), dscores.unsqueeze(1), out=self._buffers[-1])
        return torch.cat(self._down(), 2)

    def _of_shared_rows(self, derivative: Tensor) -> list[Tensor]:
        if not self._buffers:
            self._allocate(derivative, derivative.shape[3])
        self._buffers[-1].copy_(derivative.transpose(1, 2))
        return self._down()

    def _down(self) -> list[Tensor]:
        """Compute the gradients from the derivative of the trunk's output in the last buffer."""
        e, _, t, n_rows = self._buffers[-1].shape
        blocks: list[Tensor] = []
        for i, layer in reversed(list(enumerate(self.trunk))):
            dout, source = self._buffers[i + 1], self._sources[i]
            if layer.mask is not None:
                dout.mul_(layer.mask.unsqueeze(2))
            self._activate_backward(dout, layer.out.unsqueeze(2).expand_as(dout))
            source[:, :-1] = layer.source
            gradient = torch.bmm(source, dout.view(e, -1, n_rows).transpose(1, 2)).view(
                e, source.shape[1], -1, t
            )
            blocks = [
                gradient[:, :-1].permute(0, 3, 2, 1).reshape(e, t, -1),
                gradient[:, -1].transpose(1, 2),
                *blocks,
            ]
            if i > 0 or self.embeddings.width:
                below = self._buffers[i]
                torch.bmm(
                    layer.way_back.transpose(1, 2),
                    dout.view(e, -1, t * n_rows),
                    out=below.view(e, -1, t * n_rows),
                )
        if self.embeddings.width:
            blocks = [
                *self.embeddings.jacobian(self._buffers[0].transpose(1, 2), shared_rows=True),
                *blocks,
            ]
        return blocks

    def _allocate(self, like: Tensor, n_rows: int) -> None:
        """Allocate derivatives, (E, width, T, B), and sources above a row of ones.

        The derivatives are those in the embedded inputs and in every layer's output.
        """
        e, t = like.shape[:2]
        widths = [self.embeddings.width, *(layer.out.shape[1] for layer in self.trunk)]
        self._buffers = [like.new_empty(e, own, t, n_rows) for own in widths]
        self._sources = [
            layer.source.new_ones(e, layer.source.shape[1] + 1, n_rows) for layer in self.trunk
        ]

    def _of_own_rows(self, derivative: Tensor) -> list[Tensor]:
        e, t = derivative.shape[:2]
        blocks: list[Tensor] = []
        dout = derivative
        for i, layer in reversed(list(enumerate(self.trunk))):
            dout = (
                dout.clone()
                if layer.mask is None
                else dout * view_by_task(layer.mask, self.n_tasks)
            )
            self._activate_backward(dout, view_by_task(layer.out, self.n_tasks))
            blocks = [
                (dout @ view_by_task(layer.source, self.n_tasks).mT).reshape(e, t, -1),
                dout.sum(3),
                *blocks,
            ]
            if i > 0 or self.embeddings.width:
                dout = layer.way_back.transpose(1, 2).unsqueeze(1) @ dout
        if self.embeddings.width:
            blocks = [*self.embeddings.jacobian(dout, shared_rows=False), *blocks]
        return blocks
