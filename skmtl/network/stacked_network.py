"""Scores and gradients of many networks of one architecture at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from skmtl.network.activations import IN_PLACE
from skmtl.network.architecture import Architecture
from skmtl.network.embeddings import Embeddings
from skmtl.network.jacobian import TrunkJacobian
from skmtl.network.layers import Layer
from skmtl.network.layout import Layout, NetworkTensors, lay_out
from skmtl.network.reverse_pass import ReversePass

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
        self._split = architecture.n_trunk_parameters
        self.n_members, self.n_tasks = parameters[self._split].shape[:2]
        # One product over all tasks' heads gives the sum of their derivatives, but is the slower
        # way for few of them.
        self._joined = shared_rows and self.n_tasks >= _JOINED_FROM
        self._embeddings = Embeddings(architecture, self.parameters, self.gradients)
        self._activate, self._activate_backward = IN_PLACE[architecture.activation]
        self._views: _Views | None = None

    def for_inference(self) -> StackedNetwork:
        """Return a network over the same parameters with its own buffers and without dropout."""
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
        if self._views is None or x is not self._views.layout.inputs:
            self._views = self._lay_out(x)
        layout = self._views.layout
        if self._embeddings.width:
            self._embeddings.fill(x, codes)
        for layer in layout.trunk:
            self._advance(layer, draw=draw)
        if layout.head_input is not None:
            layout.head_input.copy_(layout.trunk_output_by_task)
        for layer in layout.heads:
            self._advance(layer, draw=draw)
        return layout.scores

    def representation(self, x: Tensor, codes: Tensor | None = None) -> Tensor:
        """Return the trunk's output, (E, width, rows), in a buffer that the next call overwrites.

        Inputs are those of :meth:`forward`.
        """
        self.forward(x, codes)
        return self._laid_out.layout.trunk_output

    @property
    def score_gradient(self) -> Tensor:
        """Buffer for the derivative in the scores, (E, T, k, B), of the last batch's shape."""
        return self._laid_out.layout.score_gradient

    @property
    def _laid_out(self) -> _Views:
        if self._views is None:
            raise RuntimeError("Gradients of these networks need a call of forward first.")
        return self._views

    def _advance(self, layer: Layer, *, draw: bool) -> None:
        torch.baddbmm(layer.bias, layer.weight, layer.source, out=layer.out)
        if layer.activated:
            self._activate(layer.out)
        if layer.mask is not None and self.dropout is not None:
            if draw:
                self.dropout(layer.mask)
            torch.mul(layer.out, layer.mask, out=layer.dropped)

    def _lay_out(self, x: Tensor) -> _Views:
        """Take all views for this shape of batch."""
        tensors = NetworkTensors(
            self.architecture,
            self.parameters,
            self.gradients,
            self._embeddings,
            shared_rows=self.shared_rows,
            with_dropout=self.dropout is not None,
        )
        layout = lay_out(tensors, x)
        reverse = ReversePass(
            layout,
            self._activate_backward,
            self.n_tasks,
            shared_rows=self.shared_rows,
            joined=self._joined,
            with_embeddings=self._embeddings.width > 0,
        )
        jacobian = TrunkJacobian(
            layout.trunk,
            self._embeddings,
            self.architecture.activation,
            self.n_tasks,
            shared_rows=self.shared_rows,
        )
        return _Views(layout, reverse, jacobian)

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
        views, trunk = self._laid_out, trunk and self.has_trunk
        reverse = views.reverse
        reverse.heads(
            dscores, parameters=True, inputs=trunk and trunk_dscores is None, joined=self._joined
        )
        if not trunk:
            return
        if trunk_dscores is not None:
            reverse.heads(trunk_dscores, parameters=False, inputs=True, joined=self._joined)
        reverse.trunk()
        if self._embeddings.width:
            self._embeddings.backward(views.layout.embedded_gradient)

    # ------------------------------------------------------------------ Jacobian
    def trunk_jacobian(self, dscores: Tensor, head_dscores: Tensor | None = None) -> Tensor:
        """Return the gradient of every task's loss in the trunk's parameters, (E, T, P), after
        :meth:`forward`.

        Row t follows from ``dscores[:, t]`` alone. One batched product per layer serves all tasks;
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
            One row per task.
        """
        if not self.has_trunk:
            return dscores.new_zeros(self.n_members, self.n_tasks, 0)
        views = self._laid_out
        trunk, heads = views.layout.trunk, views.layout.heads
        if trunk and self.shared_rows and len(heads) == 1 and dscores.shape[2] == 1:
            rows = views.jacobian.rows_below_linear_heads(
                heads[0].way_back.view(self.n_members, self.n_tasks, -1), dscores.squeeze(2)
            )
            if head_dscores is not None:
                views.reverse.heads(head_dscores, parameters=True, inputs=False)
            return rows
        return views.jacobian.rows(self.representation_gradient(dscores, head_dscores))

    @property
    def has_trunk(self) -> bool:
        """Whether anything is below the heads that learns."""
        return self.architecture.n_trunk_layers > 0 or self._embeddings.width > 0

    def representation_gradient(
        self, dscores: Tensor, head_dscores: Tensor | None = None
    ) -> Tensor:
        """Return the gradient of every task's loss in its head's input, (E, T, width, B).

        Arguments are those of :meth:`trunk_jacobian`.
        """
        views = self._laid_out
        if head_dscores is not None and head_dscores is not dscores:
            own = dscores.clone() if dscores is views.layout.score_gradient else dscores
            views.reverse.heads(head_dscores, parameters=True, inputs=False)
            dscores = own
        views.reverse.heads(dscores, parameters=head_dscores is dscores, inputs=True)
        gradient = views.layout.head_input_gradient
        return gradient.view(self.n_members, self.n_tasks, -1, gradient.shape[2])

    def representation_gramian(self, dscores: Tensor) -> Tensor:
        r"""Return the Gramian, (E, T, T) in float64, of the task gradients in the trunk's output.

        The heads share rows.

        For linear heads W the gradient is a product, :math:`W_i^\top D_i`, and the inner products
        are those of the factors,
        :math:`\langle W_i W_j^\top, D_i D_j^\top \rangle`: no gradient is written out.
        """
        e, t, k, n_rows = dscores.shape
        heads = self._laid_out.layout.heads
        if len(heads) > 1:
            rows = self.representation_gradient(dscores).flatten(2).double()
            return rows @ rows.mT
        weight = heads[0].way_back.reshape(e, t * k, -1).double()
        scores = dscores.reshape(e, t * k, n_rows).double()
        return ((weight @ weight.mT) * (scores @ scores.mT)).view(e, t, k, t, k).sum((2, 4))

    def clip_trunk_gradient(self, max_norm: float | None, scale: float = 1.0) -> None:
        """Multiply the trunk's gradients by ``scale``, then clip each network's to ``max_norm``."""
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
        """Write a direction, (E, P), into the trunk's gradients.

        Columns are ordered as those of :meth:`trunk_jacobian`.
        """
        start = 0
        for gradient in self.gradients[: self._split]:
            size = gradient[0].numel()
            gradient.copy_(direction[:, start : start + size].view_as(gradient))
            start += size


@dataclass(frozen=True)
class _Views:
    """What works on the buffers of one shape of batch."""

    layout: Layout
    reverse: ReversePass
    jacobian: TrunkJacobian
