"""Reverse pass of stacked networks over the buffers of a layout."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from skmtl.network.layers import Layer
from skmtl.network.layout import Layout, view_by_task

# Turns, in place, the derivative of an activation's output into that of its input.
ActivationBackward = Callable[[Tensor, Tensor], Tensor]


class ReversePass:
    """Derivatives of heads and trunk, from the scores down to the inputs.

    Parameters
    ----------
    layout : Layout
        Buffers of one shape of batch.
    activate_backward : callable
        Reverse of the hidden layers' activation.
    n_tasks : int
        Number T of tasks.
    shared_rows : bool
        Whether tasks share rows.
    joined : bool
        Whether one product over all heads computes the sum of their derivatives.
    with_embeddings : bool
        Whether the derivative of the inputs' embedded columns is needed.
    """

    def __init__(
        self,
        layout: Layout,
        activate_backward: ActivationBackward,
        n_tasks: int,
        *,
        shared_rows: bool,
        joined: bool,
        with_embeddings: bool,
    ):
        self.layout, self.n_tasks, self.shared_rows = layout, n_tasks, shared_rows
        self.joined, self.with_embeddings = joined, with_embeddings
        self._activate_backward = activate_backward

    def heads(
        self, dscores: Tensor, *, parameters: bool, inputs: bool, joined: bool = False
    ) -> None:
        """Compute the heads' gradients and the derivatives of their inputs (joined: the sum)."""
        layout = self.layout
        if dscores is not layout.score_gradient:
            layout.score_gradient.copy_(dscores)
        for i, layer in reversed(list(enumerate(layout.heads))):
            if layer.activated:
                self._deactivate(layer)
            _differentiate(layer, parameters=parameters, inputs=i > 0)
        if not inputs:
            return
        first = layout.heads[0]
        e, t, n_rows = len(layout.scores), self.n_tasks, first.dout.shape[2]
        if joined:
            torch.bmm(
                first.way_back.reshape(e, -1, first.way_back.shape[2]).transpose(1, 2),
                first.dout.view(e, -1, n_rows),
                out=layout.trunk_output_gradient,
            )
            return
        torch.bmm(
            first.way_back.transpose(1, 2),
            first.dout.view(e * t, -1, n_rows),
            out=layout.head_input_gradient,
        )

    def trunk(self) -> None:
        """Compute the trunk's gradients from the derivatives that :meth:`heads` computed."""
        if not self.joined:
            self._gather_tasks()
        for i, layer in reversed(list(enumerate(self.layout.trunk))):
            self._deactivate(layer)
            _differentiate(layer, parameters=True, inputs=i > 0 or self.with_embeddings)

    def _deactivate(self, layer: Layer) -> None:
        """Turn the derivative of a layer's output into that of its pre-activation."""
        if layer.mask is not None:
            layer.dout.mul_(layer.mask)
        self._activate_backward(layer.dout, layer.out)

    def _gather_tasks(self) -> None:
        """Convert the derivatives of the heads' inputs to that of the trunk's output."""
        layout, e, t = self.layout, len(self.layout.scores), self.n_tasks
        by_head = layout.head_input_gradient
        if self.shared_rows and t > 1:
            torch.sum(by_head.view(e, t, -1, by_head.shape[2]), 1, out=layout.trunk_output_gradient)
        elif layout.head_input is not None:
            view_by_task(layout.trunk_output_gradient, t).copy_(
                by_head.view(e, t, *by_head.shape[1:])
            )


def _differentiate(layer: Layer, *, parameters: bool, inputs: bool) -> None:
    if parameters:
        torch.bmm(layer.dout, layer.source.transpose(1, 2), out=layer.dweight)
        torch.sum(layer.dout, 2, keepdim=True, out=layer.dbias)
    if inputs:
        torch.bmm(layer.way_back.transpose(1, 2), layer.dout, out=layer.dsource)
