"""Forward and reverse pass of many networks of one architecture at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from skmtl.network.architecture import Architecture


class StackedNetwork:
    """E networks of one architecture with T heads each, as stacked tensors.

    Activations are laid out feature-major, (E, width, rows): batched products of small matrices are two to four times
    faster so than row-major, because their long axis is contiguous. The reverse pass is written out, not recorded: it
    writes into buffers that are allocated once (on CPU, page faults of fresh buffers cost more than the products), it can
    send different gradients to trunk and heads, and it gives the trunk's Jacobian over tasks with one pass per layer.

    Parameters
    ----------
    architecture : Architecture
        Shape of the networks.
    parameters : list of Tensor
        Stacked parameters in the order of :meth:`Architecture.member_shapes`, each with a leading axis of length E.
    gradients : list of Tensor, optional
        Where :meth:`backward` writes, in the order and shapes of ``parameters``; allocated when None.
    shared_rows : bool
        True: every head sees every row of the batch, inputs are (E, p, B). False: each task has rows of its own, inputs are
        (E, p, T * B), task after task.
    """

    def __init__(self, architecture: Architecture, parameters: list[Tensor], gradients: list[Tensor] | None = None, *, shared_rows: bool):
        self.architecture = architecture
        self.parameters = parameters
        self.gradients = [torch.zeros_like(p) for p in parameters] if gradients is None else gradients
        self.shared_rows = shared_rows
        self.n_members, self.n_tasks = parameters[-1].shape[:2]
        self._split = 2 * architecture.n_trunk_layers
        self._buffers: dict[str, Tensor] = {}
        self._activate, self._activate_backward = _ACTIVATIONS[architecture.activation]
        self._trunk_outputs: list[Tensor] = []
        self._head_outputs: list[Tensor] = []

    def for_inference(self) -> StackedNetwork:
        """Return a network over the same parameters with buffers of its own and no gradients."""
        twin = StackedNetwork.__new__(StackedNetwork)
        twin.__dict__.update(self.__dict__, gradients=[], _buffers={}, _trunk_outputs=[], _head_outputs=[])
        return twin

    # ------------------------------------------------------------------ forward
    def forward(self, x: Tensor) -> Tensor:
        """Return the scores, (E, T, k, B), of inputs (E, p, rows)."""
        outputs = [x]
        for layer in range(self.architecture.n_trunk_layers):
            weight, bias = self.parameters[2 * layer : 2 * layer + 2]
            out = self._buffer(f"trunk{layer}", (self.n_members, weight.shape[1], x.shape[2]), x)
            outputs.append(self._activate(torch.baddbmm(bias, weight, outputs[-1], out=out)))
        self._trunk_outputs = outputs
        return self._forward_heads(outputs[-1])

    def _forward_heads(self, shared: Tensor) -> Tensor:
        e, t = self.n_members, self.n_tasks
        outputs = [shared if self.shared_rows else self._by_task("head_input", shared)]
        n_rows = outputs[0].shape[-1]
        for layer in range(self.architecture.n_head_layers):
            weight, bias = self._head(layer)
            width = weight.shape[2]
            out = self._buffer(f"head{layer}", (e, t, width, n_rows), shared)
            if self.shared_rows and layer == 0:
                torch.baddbmm(bias.view(e, t * width, 1), weight.view(e, t * width, -1), outputs[0], out=out.view(e, t * width, n_rows))
            else:
                flat = outputs[-1].view(e * t, -1, n_rows)
                torch.baddbmm(bias.view(e * t, width, 1), weight.view(e * t, width, -1), flat, out=out.view(e * t, width, n_rows))
            outputs.append(self._activate(out) if layer < self.architecture.n_head_layers - 1 else out)
        self._head_outputs = outputs
        return outputs[-1]

    # ------------------------------------------------------------------ reverse
    def backward(self, dscores: Tensor, trunk_dscores: Tensor | None = None, *, trunk: bool = True) -> None:
        """Fill :attr:`gradients` from the derivative of the loss in the scores.

        Parameters
        ----------
        dscores : Tensor of shape (E, T, k, B)
            Derivative that the heads follow.
        trunk_dscores : Tensor of shape (E, T, k, B), optional
            Derivative that the trunk follows, where it differs from that of the heads.
        trunk : bool, default=True
            False leaves the trunk's gradients alone (a frozen trunk, or one whose gradient is set from the Jacobian).
        """
        trunk = trunk and self.architecture.n_trunk_layers > 0
        dinput = self._backward_heads(dscores, parameters=True, inputs=trunk and trunk_dscores is None)
        if not trunk:
            return
        if trunk_dscores is not None:
            dinput = self._backward_heads(trunk_dscores, parameters=False, inputs=True)
        self._backward_trunk(self._sum_over_tasks(dinput))

    def _backward_heads(self, dout: Tensor, *, parameters: bool, inputs: bool) -> Tensor:
        """Reverse pass of the heads; returns the derivative in each task's head input, (E, T, width, B)."""
        e, t, n_rows = self.n_members, self.n_tasks, dout.shape[-1]
        for layer in reversed(range(self.architecture.n_head_layers)):
            weight, _ = self._head(layer)
            width = weight.shape[2]
            flat = dout.reshape(e * t, width, n_rows)
            if parameters:
                dweight, dbias = self.gradients[self._split + 2 * layer : self._split + 2 * layer + 2]
                if self.shared_rows and layer == 0:
                    merged = dout.reshape(e, t * width, n_rows)
                    torch.bmm(merged, self._head_outputs[0].transpose(1, 2), out=dweight.view(e, t * width, -1))
                else:
                    source = self._head_outputs[layer].view(e * t, -1, n_rows)
                    torch.bmm(flat, source.transpose(1, 2), out=dweight.view(e * t, width, -1))
                torch.sum(flat, 2, keepdim=True, out=dbias.view(e * t, width, 1))
            if layer == 0 and not inputs:
                return dout
            din = self._buffer(f"dhead{layer}", (e, t, weight.shape[3], n_rows), dout)
            torch.bmm(weight.view(e * t, width, -1).transpose(1, 2), flat, out=din.view(e * t, -1, n_rows))
            if layer > 0:
                self._activate_backward(din, self._head_outputs[layer])
            dout = din
        return dout

    def _sum_over_tasks(self, dinput: Tensor) -> Tensor:
        e, t, width, n_rows = dinput.shape
        if self.shared_rows:
            return torch.sum(dinput, 1, out=self._buffer("dtrunk_out", (e, width, n_rows), dinput))
        out = self._buffer("dtrunk_out", (e, width, t * n_rows), dinput)
        out.view(e, width, t, n_rows).copy_(dinput.transpose(1, 2))
        return out

    def _backward_trunk(self, dout: Tensor) -> None:
        for layer in reversed(range(self.architecture.n_trunk_layers)):
            weight = self.parameters[2 * layer]
            self._activate_backward(dout, self._trunk_outputs[layer + 1])
            torch.bmm(dout, self._trunk_outputs[layer].transpose(1, 2), out=self.gradients[2 * layer])
            torch.sum(dout, 2, keepdim=True, out=self.gradients[2 * layer + 1])
            if layer > 0:
                din = self._buffer(f"dtrunk{layer}", (self.n_members, weight.shape[2], dout.shape[2]), dout)
                dout = torch.bmm(weight.transpose(1, 2), dout, out=din)

    # ------------------------------------------------------------------ Jacobian
    def trunk_jacobian(self, dscores: Tensor) -> Tensor:
        """Gradient of every task's loss in the trunk's parameters, (E, T, P), after :meth:`forward`.

        Row t follows from ``dscores[:, t]`` alone. One batched product a layer serves all tasks; where tasks have rows of
        their own the products are no larger than those of :meth:`backward`.
        """
        e, t = self.n_members, self.n_tasks
        dout = self._backward_heads(dscores, parameters=False, inputs=True)
        blocks: list[Tensor] = []
        for layer in reversed(range(self.architecture.n_trunk_layers)):
            weight = self.parameters[2 * layer]
            output, source = (self._per_task(self._trunk_outputs[layer + k]) for k in (1, 0))
            dout = dout.clone() if layer == self.architecture.n_trunk_layers - 1 else dout
            self._activate_backward(dout, output.expand_as(dout))
            dweight = torch.matmul(dout, source.transpose(2, 3))
            blocks = [dweight.reshape(e, t, -1), dout.sum(3), *blocks]
            if layer > 0:
                dout = torch.matmul(weight.transpose(1, 2).unsqueeze(1), dout)
        return torch.cat(blocks, 2) if blocks else dscores.new_zeros(e, t, 0)

    def set_trunk_gradient(self, direction: Tensor) -> None:
        """Write a direction of shape (E, P), in the order of :meth:`trunk_jacobian`'s columns, into the trunk's gradients."""
        start = 0
        for gradient in self.gradients[: self._split]:
            size = gradient[0].numel()
            gradient.copy_(direction[:, start : start + size].view_as(gradient))
            start += size

    # ------------------------------------------------------------------ helpers
    def _head(self, layer: int) -> tuple[Tensor, Tensor]:
        weight, bias = self.parameters[self._split + 2 * layer : self._split + 2 * layer + 2]
        return weight, bias

    def _per_task(self, activation: Tensor) -> Tensor:
        """View (E, width, rows) as (E, 1 or T, width, B)."""
        if self.shared_rows:
            return activation.unsqueeze(1)
        e, width, n_rows = activation.shape
        return activation.reshape(e, width, self.n_tasks, n_rows // self.n_tasks).transpose(1, 2)

    def _by_task(self, name: str, activation: Tensor) -> Tensor:
        view = self._per_task(activation)
        return self._buffer(name, tuple(view.shape), view).copy_(view)

    def _buffer(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != shape:
            buffer = self._buffers[name] = torch.empty(shape, dtype=like.dtype, device=like.device)
        return buffer


def _relu_backward(gradient: Tensor, output: Tensor) -> Tensor:
    result: Tensor = torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)
    return result


def _tanh_backward(gradient: Tensor, output: Tensor) -> Tensor:
    result: Tensor = torch.ops.aten.tanh_backward.grad_input(gradient, output, grad_input=gradient)
    return result


def _logistic_backward(gradient: Tensor, output: Tensor) -> Tensor:
    result: Tensor = torch.ops.aten.sigmoid_backward.grad_input(gradient, output, grad_input=gradient)
    return result


def _unchanged(value: Tensor, _: Tensor | None = None) -> Tensor:
    return value


_ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "relu": (torch.relu_, _relu_backward),
    "tanh": (torch.tanh_, _tanh_backward),
    "logistic": (torch.sigmoid_, _logistic_backward),
    "identity": (_unchanged, _unchanged),
}
