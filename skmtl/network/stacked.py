"""Forward and reverse pass of many networks of one architecture at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from skmtl.network.activations import IN_PLACE
from skmtl.network.architecture import Architecture
from skmtl.network.embeddings import Embeddings
from skmtl.network.jacobian import TrunkJacobian
from skmtl.network.layers import Layer

# Tasks from which on the derivatives of heads that share rows are summed by the product itself.
_JOINED_FROM = 4


class StackedNetwork:
    """E networks of one architecture with T heads each, as stacked tensors.

    Activations are laid out feature-major, (E, width, rows): batched products of small matrices are
    two to four times faster so than row-major, because their long axis is contiguous. The reverse
    pass is written out, not recorded: it writes into buffers that are allocated once (on CPU, page
    faults of fresh buffers cost more than the products), it can send different gradients to trunk
    and heads, and it gives the trunk's Jacobian over tasks with one pass per layer. All views are
    taken once for each shape of batch, so a step costs little more than its products.

    Parameters
    ----------
    architecture : Architecture
        Shape of the networks.
    parameters : list of Tensor
        Stacked parameters in the order of :meth:`Architecture.member_shapes`, each with a leading
        axis of length E.
    gradients : list of Tensor, optional
        Where :meth:`backward` writes, in the order and shapes of ``parameters``; allocated when
        None.
    shared_rows : bool
        True: every head sees every row of the batch, inputs are (E, p, B). False: each task has
        rows of its own, inputs are (E, p, T * B), task after task.
    dropout : callable, optional
        Fills the factors of a hidden layer's outputs in place for every forward pass: a contiguous
        tensor that holds (width, rows) of every member in the trunk, (T, width, rows) of every
        member in the heads; None = no dropout.

    Examples
    --------
    >>> import torch
    >>> from skmtl.network import Architecture, StackedNetwork
    >>> architecture = Architecture(n_inputs=3, hidden=(5,))
    >>> parameters = [torch.zeros(4, *shape) for shape in architecture.member_shapes(n_tasks=2)]
    >>> StackedNetwork(architecture, parameters, shared_rows=True).forward(
    ...     torch.zeros(4, 3, 10)
    ... ).shape
    torch.Size([4, 2, 1, 10])
    """

    def __init__(
        self,
        architecture: Architecture,
        parameters: list[Tensor],
        gradients: list[Tensor] | None = None,
        *,
        shared_rows: bool,
        dropout: Callable[[Tensor], Any] | None = None,
    ):
        self.architecture = architecture
        self.parameters = parameters
        self.gradients = (
            [torch.zeros_like(p) for p in parameters] if gradients is None else gradients
        )
        self.shared_rows = shared_rows
        self.dropout = dropout
        self._first, self._split = len(architecture.embeddings), architecture.n_trunk_parameters
        self.n_members, self.n_tasks = parameters[self._split].shape[:2]
        # One product over all tasks' heads gives the sum of their derivatives, but is the slower
        # way for few of them.
        self._joined = shared_rows and self.n_tasks >= _JOINED_FROM
        self._embeddings = Embeddings(architecture, self.parameters, self.gradients)
        self._activate, self._activate_backward = IN_PLACE[architecture.activation]
        self._inputs: Tensor | None = None

    def for_inference(self) -> StackedNetwork:
        """Return a network over the same parameters with buffers of its own and without dropout."""
        return StackedNetwork(
            self.architecture, self.parameters, self.gradients, shared_rows=self.shared_rows
        )

    # ------------------------------------------------------------------ forward
    def forward(self, x: Tensor, codes: Tensor | None = None, *, draw: bool = True) -> Tensor:
        """Return the scores, (E, T, k, B), of inputs (E, p, rows) and category codes (E, c, rows).

        Columns of the inputs after the numeric ones are overwritten with the embeddings. The scores
        live in a buffer that the next call overwrites. Passing the same tensor object again, with
        new contents, saves laying out the views anew. ``draw=False`` leaves out the same units as
        the last call.
        """
        self._draw = draw
        if x is not self._inputs:
            self._lay_out(x)
        if self._embeddings.width:
            self._embeddings.fill(x, codes)
        for layer in self._trunk:
            self._advance(layer)
        if self._head_input is not None:
            self._head_input.copy_(self._shared_by_task)
        for layer in self._heads:
            self._advance(layer)
        return self._scores

    def representation(self, x: Tensor, codes: Tensor | None = None) -> Tensor:
        """Return what the heads see, (E, width, rows), of inputs as in :meth:`forward`; a buffer
        that the next call overwrites.
        """
        self.forward(x, codes)
        return self._shared

    def _advance(self, layer: Layer) -> None:
        torch.baddbmm(layer.bias, layer.weight, layer.source, out=layer.out)
        if layer.activated:
            self._activate(layer.out)
        if layer.mask is not None and self.dropout is not None:
            if self._draw:
                self.dropout(layer.mask)
            torch.mul(layer.out, layer.mask, out=layer.dropped)

    def _lay_out(self, x: Tensor) -> None:
        """Allocate buffers for this shape of batch and take all views."""
        e, t, n_rows = self.n_members, self.n_tasks, x.shape[2]
        architecture, empty = self.architecture, x.new_empty
        # The derivative in the inputs is wanted in their embedded columns only.
        embedded = slice(architecture.n_inputs, None)
        self._dembedded = dsource = empty(e, self._embeddings.width, n_rows)
        self._trunk: list[Layer] = []
        source = x
        for i in range(architecture.n_trunk_layers):
            weight, bias = self._layer_of(self.parameters, i)
            dweight, dbias = self._layer_of(self.gradients, i)
            out, dout = empty(e, weight.shape[1], n_rows), empty(e, weight.shape[1], n_rows)
            way_back = weight[:, :, embedded] if i == 0 else weight
            self._trunk.append(
                self._with_dropout(
                    Layer(
                        weight,
                        bias,
                        source,
                        out,
                        dweight,
                        dbias,
                        dout,
                        dsource,
                        activated=True,
                        way_back=way_back,
                    )
                )
            )
            source, dsource = (
                self._trunk[-1].dropped if self._trunk[-1].dropped is not None else out,
                dout,
            )
        # Heads see (E, width, B) where tasks share rows, else (E, T, width, B).
        width = architecture.trunk_sizes[-1]
        self._shared, self._dshared = source, dsource
        self._shared_by_task = self._per_task(source)
        self._head_input = None
        n_rows = self._shared_by_task.shape[3]
        back_width = dsource.shape[1]
        if not self.shared_rows:
            if t == 1 and source.is_contiguous():
                source, dsource = source.view(e, width, n_rows), dsource.view(e, back_width, n_rows)
            else:
                self._head_input = empty(e, t, width, n_rows)
                source, dsource = (
                    self._head_input.view(e * t, width, n_rows),
                    empty(e * t, back_width, n_rows),
                )
        elif t > 1:
            dsource = empty(e * t, back_width, n_rows)
        self._dhead_input = dsource
        self._heads: list[Layer] = []
        for i in range(architecture.n_head_layers):
            weight, bias = self._layer_of(self.parameters, architecture.n_trunk_layers + i)
            dweight, dbias = self._layer_of(self.gradients, architecture.n_trunk_layers + i)
            width = weight.shape[2]
            joined = (e, t * width) if self.shared_rows and i == 0 else (e * t, width)
            way_back = weight.reshape(e * t, width, -1)
            if i == 0 and not self._trunk:
                way_back = way_back[:, :, embedded]
            weight, bias, dweight, dbias = (
                part.view(*joined, -1) for part in (weight, bias, dweight, dbias)
            )
            out, dout = empty(e, t, width, n_rows), empty(e, t, width, n_rows)
            layer_source = source if i == 0 else source.view(e * t, -1, n_rows)
            layer = Layer(
                weight,
                bias,
                layer_source,
                out.view(*joined, n_rows),
                dweight,
                dbias,
                dout.view(*joined, n_rows),
                dsource,
                activated=i < architecture.n_head_layers - 1,
                way_back=way_back,
            )
            self._heads.append(self._with_dropout(layer))
            dropped = self._heads[-1].dropped
            source, dsource = out if dropped is None else dropped, dout.view(e * t, width, n_rows)
        self._scores, self.score_gradient = out, dout
        self._jacobian = TrunkJacobian(
            self._trunk,
            self._embeddings,
            self.architecture.activation,
            self.n_tasks,
            shared_rows=self.shared_rows,
        )
        self._inputs = x

    def _layer_of(self, tensors: list[Tensor], i: int) -> list[Tensor]:
        """Weight and bias of the i-th layer, heads after the trunk."""
        return tensors[self._first + 2 * i : self._first + 2 * i + 2]

    def _with_dropout(self, layer: Layer) -> Layer:
        """Give a hidden layer the buffers of dropout, where there is any."""
        if self.dropout is None or not layer.activated:
            return layer
        return replace(layer, mask=torch.ones_like(layer.out), dropped=torch.empty_like(layer.out))

    # ------------------------------------------------------------------ reverse
    def backward(
        self, dscores: Tensor, trunk_dscores: Tensor | None = None, *, trunk: bool = True
    ) -> None:
        """Fill :attr:`gradients` from the derivative of the loss in the scores.

        Parameters
        ----------
        dscores : Tensor of shape (E, T, k, B)
            Derivative that the heads follow; written into ``score_gradient`` beforehand, it is not
            copied.
        trunk_dscores : Tensor of shape (E, T, k, B), optional
            Derivative that the trunk follows, where it differs from that of the heads.
        trunk : bool, default=True
            False leaves the trunk's gradients alone (a frozen trunk, or one whose gradient is set
            from the Jacobian).
        """
        trunk = trunk and bool(self._trunk or self._embeddings.width)
        self._backward_heads(
            dscores, parameters=True, inputs=trunk and trunk_dscores is None, joined=self._joined
        )
        if not trunk:
            return
        if trunk_dscores is not None:
            self._backward_heads(trunk_dscores, parameters=False, inputs=True, joined=self._joined)
        if not self._joined:
            self._gather_tasks()
        for i, layer in reversed(list(enumerate(self._trunk))):
            self._deactivate(layer)
            self._differentiate(layer, parameters=True, inputs=i > 0 or self._embeddings.width > 0)
        if self._embeddings.width:
            self._embeddings.backward(self._dembedded)

    def _backward_heads(
        self, dscores: Tensor, *, parameters: bool, inputs: bool, joined: bool = False
    ) -> None:
        """Reverse pass of the heads, down to the derivative in each task's head input, or (joined)
        to their sum, that in the trunk's output.
        """
        if dscores is not self.score_gradient:
            self.score_gradient.copy_(dscores)
        for i, layer in reversed(list(enumerate(self._heads))):
            if layer.activated:
                self._deactivate(layer)
            self._differentiate(layer, parameters=parameters, inputs=i > 0)
        if inputs:
            first = self._heads[0]
            e, t, n_rows = self.n_members, self.n_tasks, first.dout.shape[2]
            if joined:
                torch.bmm(
                    first.way_back.reshape(e, -1, first.way_back.shape[2]).transpose(1, 2),
                    first.dout.view(e, -1, n_rows),
                    out=self._dshared,
                )
                return
            torch.bmm(
                first.way_back.transpose(1, 2),
                first.dout.view(e * t, -1, n_rows),
                out=self._dhead_input,
            )

    def _deactivate(self, layer: Layer) -> None:
        """Turn the derivative in a layer's output into that in its products."""
        if layer.mask is not None:
            layer.dout.mul_(layer.mask)
        self._activate_backward(layer.dout, layer.out)

    @staticmethod
    def _differentiate(layer: Layer, *, parameters: bool, inputs: bool) -> None:
        if parameters:
            torch.bmm(layer.dout, layer.source.transpose(1, 2), out=layer.dweight)
            torch.sum(layer.dout, 2, keepdim=True, out=layer.dbias)
        if inputs:
            torch.bmm(layer.way_back.transpose(1, 2), layer.dout, out=layer.dsource)

    def _gather_tasks(self) -> None:
        """Bring the derivatives in the heads' inputs together as the derivative in the trunk's
        output.
        """
        e, t = self.n_members, self.n_tasks
        if self.shared_rows and t > 1:
            torch.sum(
                self._dhead_input.view(e, t, -1, self._dhead_input.shape[2]), 1, out=self._dshared
            )
        elif self._head_input is not None:
            self._per_task(self._dshared).copy_(
                self._dhead_input.view(e, t, *self._dhead_input.shape[1:])
            )

    # ------------------------------------------------------------------ Jacobian
    def trunk_jacobian(self, dscores: Tensor, head_dscores: Tensor | None = None) -> Tensor:
        """Return the gradient of every task's loss in the trunk's parameters, (E, T, P), after
        :meth:`forward`.

        Row t follows from ``dscores[:, t]`` alone. One batched product a layer serves all tasks;
        where tasks have rows of their own the products are no larger than those of
        :meth:`backward`.

        Parameters
        ----------
        dscores : Tensor of shape (E, T, k, B)
            Derivative of every task's loss in its scores.
        head_dscores : Tensor of shape (E, T, k, B), optional
            Derivative that fills the heads' gradients on the way; None leaves them alone.

        Returns
        -------
        Tensor of shape (E, T, P)
            One row a task.
        """
        if not self.has_trunk:
            return dscores.new_zeros(self.n_members, self.n_tasks, 0)
        if self._trunk and self.shared_rows and len(self._heads) == 1 and dscores.shape[2] == 1:
            rows = self._jacobian.rows_below_linear_heads(
                self._heads[0].way_back.view(self.n_members, self.n_tasks, -1), dscores.squeeze(2)
            )
            if head_dscores is not None:
                self._backward_heads(head_dscores, parameters=True, inputs=False)
            return rows
        return self._jacobian.rows(self.representation_gradient(dscores, head_dscores))

    @property
    def has_trunk(self) -> bool:
        """Whether anything is below the heads that learns."""
        return bool(self._trunk or self._embeddings.width)

    def representation_gradient(
        self, dscores: Tensor, head_dscores: Tensor | None = None
    ) -> Tensor:
        """Return the gradient of every task's loss in what its head sees, (E, T, width, B);
        arguments as in :meth:`trunk_jacobian`.
        """
        if head_dscores is not None and head_dscores is not dscores:
            own = dscores.clone() if dscores is self.score_gradient else dscores
            self._backward_heads(head_dscores, parameters=True, inputs=False)
            dscores = own
        self._backward_heads(dscores, parameters=head_dscores is dscores, inputs=True)
        return self._dhead_input.view(self.n_members, self.n_tasks, -1, self._dhead_input.shape[2])

    def representation_gramian(self, dscores: Tensor) -> Tensor:
        r"""Return inner products, (E, T, T) in double precision, of the task gradients in what
        heads that share rows see.

        For linear heads W the gradient is a product, :math:`W_i^\top D_i`, and the inner products
        are those of the factors,
        :math:`\langle W_i W_j^\top, D_i D_j^\top \rangle`: no gradient is written out.
        """
        e, t, k, n_rows = dscores.shape
        if len(self._heads) > 1:
            rows = self.representation_gradient(dscores).flatten(2).double()
            return rows @ rows.mT
        weight = self._heads[0].way_back.reshape(e, t * k, -1).double()
        scores = dscores.reshape(e, t * k, n_rows).double()
        return ((weight @ weight.mT) * (scores @ scores.mT)).view(e, t, k, t, k).sum((2, 4))

    def clip_trunk_gradient(self, max_norm: float | None, scale: float = 1.0) -> None:
        """Multiply the trunk's gradients by ``scale``, then shorten those of every network to at
        most ``max_norm``.
        """
        gradients = self.gradients[: self._split]
        factors = torch.full(
            (self.n_members,), scale, dtype=torch.float64, device=gradients[0].device
        )
        if max_norm is not None:
            norms = torch.linalg.vector_norm(
                torch.cat([part.flatten(1) for part in gradients], 1), dim=1, dtype=torch.float64
            )
            factors = factors * (max_norm / (scale * norms)).clamp(max=1.0)
        for part in gradients:
            part.mul_(factors.to(part.dtype).view(-1, *[1] * (part.ndim - 1)))

    def scale_head_gradients(self, weights: Tensor) -> None:
        """Multiply the gradients of every task's head by its weight, (E, T)."""
        for part in self.gradients[self._split :]:
            part.mul_(weights.view(*weights.shape, *[1] * (part.ndim - 2)))

    def set_trunk_gradient(self, direction: Tensor) -> None:
        """Write a direction of shape (E, P), in the order of :meth:`trunk_jacobian`'s columns, into
        the trunk's gradients.
        """
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
