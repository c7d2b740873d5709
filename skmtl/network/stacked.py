"""Forward and reverse pass of many networks of one architecture at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from skmtl.network.architecture import Architecture


@dataclass(frozen=True)
class _Layer:
    """Tensors of one layer for one shape of batch; all are views of parameters, gradients or buffers, (items, width, rows)."""

    weight: Tensor
    bias: Tensor
    source: Tensor
    out: Tensor
    dweight: Tensor | None
    dbias: Tensor | None
    dout: Tensor
    dsource: Tensor
    activated: bool


class StackedNetwork:
    """E networks of one architecture with T heads each, as stacked tensors.

    Activations are laid out feature-major, (E, width, rows): batched products of small matrices are two to four times
    faster so than row-major, because their long axis is contiguous. The reverse pass is written out, not recorded: it
    writes into buffers that are allocated once (on CPU, page faults of fresh buffers cost more than the products), it can
    send different gradients to trunk and heads, and it gives the trunk's Jacobian over tasks with one pass per layer. All views
    are taken once for each shape of batch, so a step costs little more than its products.

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

    Examples
    --------
    >>> import torch
    >>> from skmtl.network import Architecture, StackedNetwork
    >>> architecture = Architecture(n_inputs=3, hidden=(5,))
    >>> parameters = [torch.zeros(4, *shape) for shape in architecture.member_shapes(n_tasks=2)]
    >>> StackedNetwork(architecture, parameters, shared_rows=True).forward(torch.zeros(4, 3, 10)).shape
    torch.Size([4, 2, 1, 10])
    """

    def __init__(self, architecture: Architecture, parameters: list[Tensor], gradients: list[Tensor] | None = None, *, shared_rows: bool):
        self.architecture = architecture
        self.parameters = parameters
        self.gradients = [torch.zeros_like(p) for p in parameters] if gradients is None else gradients
        self.shared_rows = shared_rows
        self.n_members, self.n_tasks = parameters[-1].shape[:2]
        self._split = 2 * architecture.n_trunk_layers
        self._activate, self._activate_backward = _ACTIVATIONS[architecture.activation]
        self._inputs: Tensor | None = None

    def for_inference(self) -> StackedNetwork:
        """Return a network over the same parameters with buffers of its own."""
        return StackedNetwork(self.architecture, self.parameters, self.gradients, shared_rows=self.shared_rows)

    # ------------------------------------------------------------------ forward
    def forward(self, x: Tensor) -> Tensor:
        """Return the scores, (E, T, k, B), of inputs (E, p, rows).

        The scores live in a buffer that the next call overwrites. Passing the same tensor object again, with new contents,
        saves laying out the views anew.
        """
        if x is not self._inputs:
            self._lay_out(x)
        for layer in self._trunk:
            torch.baddbmm(layer.bias, layer.weight, layer.source, out=layer.out)
            self._activate(layer.out)
        if self._head_input is not None:
            self._head_input.copy_(self._shared_by_task)
        for layer in self._heads:
            torch.baddbmm(layer.bias, layer.weight, layer.source, out=layer.out)
            if layer.activated:
                self._activate(layer.out)
        return self._scores

    def _lay_out(self, x: Tensor) -> None:
        """Allocate buffers for this shape of batch and take all views."""
        e, t, n_rows = self.n_members, self.n_tasks, x.shape[2]
        architecture, empty = self.architecture, x.new_empty
        self._trunk: list[_Layer] = []
        source, dsource = x, x
        for i in range(architecture.n_trunk_layers):
            weight, bias = self.parameters[2 * i : 2 * i + 2]
            dweight, dbias = self.gradients[2 * i : 2 * i + 2]
            out, dout = empty(e, weight.shape[1], n_rows), empty(e, weight.shape[1], n_rows)
            self._trunk.append(_Layer(weight, bias, source, out, dweight, dbias, dout, dsource, activated=True))
            source, dsource = out, dout
        # Heads see (E, width, B) where tasks share rows, else (E, T, width, B).
        width = architecture.trunk_sizes[-1]
        self._shared, self._dshared = source, dsource
        self._shared_by_task = self._per_task(source)
        self._head_input = None
        n_rows = self._shared_by_task.shape[3]
        if not self.shared_rows:
            if t == 1 and source.is_contiguous():
                source, dsource = source.view(e, width, n_rows), dsource.view(e, width, n_rows)
            else:
                self._head_input = empty(e, t, width, n_rows)
                source, dsource = self._head_input.view(e * t, width, n_rows), empty(e * t, width, n_rows)
        elif t > 1 or architecture.n_trunk_layers == 0:
            dsource = empty(e * t, width, n_rows)
        self._dhead_input = dsource
        self._heads: list[_Layer] = []
        for i in range(architecture.n_head_layers):
            weight, bias = self.parameters[self._split + 2 * i : self._split + 2 * i + 2]
            dweight, dbias = self.gradients[self._split + 2 * i : self._split + 2 * i + 2]
            width = weight.shape[2]
            joined = (e, t * width) if self.shared_rows and i == 0 else (e * t, width)
            weight, bias, dweight, dbias = (part.view(*joined, -1) for part in (weight, bias, dweight, dbias))
            out, dout = empty(e, t, width, n_rows), empty(e, t, width, n_rows)
            last = i == architecture.n_head_layers - 1
            layer_source = source if i == 0 else source.view(e * t, -1, n_rows)
            self._heads.append(_Layer(weight, bias, layer_source, out.view(*joined, n_rows), dweight, dbias, dout.view(*joined, n_rows), dsource, not last))
            source, dsource = out, dout.view(e * t, width, n_rows)
        self._scores, self.score_gradient = out, dout
        self._inputs = x

    # ------------------------------------------------------------------ reverse
    def backward(self, dscores: Tensor, trunk_dscores: Tensor | None = None, *, trunk: bool = True) -> None:
        """Fill :attr:`gradients` from the derivative of the loss in the scores.

        Parameters
        ----------
        dscores : Tensor of shape (E, T, k, B)
            Derivative that the heads follow; written into ``score_gradient`` beforehand, it is not copied.
        trunk_dscores : Tensor of shape (E, T, k, B), optional
            Derivative that the trunk follows, where it differs from that of the heads.
        trunk : bool, default=True
            False leaves the trunk's gradients alone (a frozen trunk, or one whose gradient is set from the Jacobian).
        """
        trunk = trunk and bool(self._trunk)
        self._backward_heads(dscores, parameters=True, inputs=trunk and trunk_dscores is None)
        if not trunk:
            return
        if trunk_dscores is not None:
            self._backward_heads(trunk_dscores, parameters=False, inputs=True)
        self._gather_tasks()
        for i, layer in reversed(list(enumerate(self._trunk))):
            self._activate_backward(layer.dout, layer.out)
            self._differentiate(layer, parameters=True, inputs=i > 0)

    def _backward_heads(self, dscores: Tensor, *, parameters: bool, inputs: bool) -> None:
        """Reverse pass of the heads, down to the derivative in each task's head input."""
        if dscores is not self.score_gradient:
            self.score_gradient.copy_(dscores)
        for i, layer in reversed(list(enumerate(self._heads))):
            if layer.activated:
                self._activate_backward(layer.dout, layer.out)
            self._differentiate(layer, parameters=parameters, inputs=i > 0)
        if inputs:
            first = self._heads[0]
            if self.shared_rows and self._dhead_input is not self._dshared:
                e, t, n_rows = self.n_members, self.n_tasks, first.dout.shape[2]
                weight, dout = (part.reshape(e * t, -1, part.shape[2]) for part in (first.weight, first.dout.view(e, -1, n_rows)))
                torch.bmm(weight.transpose(1, 2), dout, out=self._dhead_input)
            else:
                torch.bmm(first.weight.transpose(1, 2), first.dout, out=self._dhead_input)

    @staticmethod
    def _differentiate(layer: _Layer, *, parameters: bool, inputs: bool) -> None:
        if parameters:
            torch.bmm(layer.dout, layer.source.transpose(1, 2), out=layer.dweight)
            torch.sum(layer.dout, 2, keepdim=True, out=layer.dbias)
        if inputs:
            torch.bmm(layer.weight.transpose(1, 2), layer.dout, out=layer.dsource)

    def _gather_tasks(self) -> None:
        """Bring the derivatives in the heads' inputs together as the derivative in the trunk's output."""
        e, t = self.n_members, self.n_tasks
        if self.shared_rows and t > 1:
            torch.sum(self._dhead_input.view(e, t, -1, self._dhead_input.shape[2]), 1, out=self._dshared)
        elif self._head_input is not None:
            self._per_task(self._dshared).copy_(self._dhead_input.view(self._head_input.shape))

    # ------------------------------------------------------------------ Jacobian
    def trunk_jacobian(self, dscores: Tensor) -> Tensor:
        """Return the gradient of every task's loss in the trunk's parameters, (E, T, P), after :meth:`forward`.

        Row t follows from ``dscores[:, t]`` alone. One batched product a layer serves all tasks; where tasks have rows of
        their own the products are no larger than those of :meth:`backward`.
        """
        e, t = self.n_members, self.n_tasks
        if not self._trunk:
            return dscores.new_zeros(e, t, 0)
        self._backward_heads(dscores, parameters=False, inputs=True)
        dout = self._dhead_input.view(e, t, -1, self._dhead_input.shape[2])
        blocks: list[Tensor] = []
        for i, layer in reversed(list(enumerate(self._trunk))):
            dout = dout.clone()
            self._activate_backward(dout, self._per_task(layer.out).expand_as(dout))
            dweight = torch.matmul(dout, self._per_task(layer.source).transpose(2, 3))
            blocks = [dweight.reshape(e, t, -1), dout.sum(3), *blocks]
            if i > 0:
                dout = torch.matmul(layer.weight.transpose(1, 2).unsqueeze(1), dout)
        return torch.cat(blocks, 2)

    def set_trunk_gradient(self, direction: Tensor) -> None:
        """Write a direction of shape (E, P), in the order of :meth:`trunk_jacobian`'s columns, into the trunk's gradients."""
        start = 0
        for gradient in self.gradients[: self._split]:
            size = gradient[0].numel()
            gradient.copy_(direction[:, start : start + size].view_as(gradient))
            start += size

    def _per_task(self, activation: Tensor) -> Tensor:
        """View (E, width, rows) as (E, 1 or T, width, B)."""
        if self.shared_rows:
            return activation.unsqueeze(1)
        e, width, n_rows = activation.shape
        return activation.view(e, width, self.n_tasks, n_rows // self.n_tasks).transpose(1, 2)


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
