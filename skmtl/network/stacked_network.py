"""Scores and gradients of many networks of one architecture."""

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

# Number of tasks from which on one product computes the sum of the heads' derivatives.
_JOINED_FROM = 4


class StackedNetwork:
    """E networks of one architecture with T heads each, as stacked tensors.

    Activations are stored feature-major, (E, width, rows): batched products of small matrices are
    then two to four times faster than row-major, because their long axis is contiguous. The reverse
    pass is written out instead of recorded. It writes into buffers that are allocated once (on the
    CPU, page faults of new buffers cost more than the products), it can send different gradients to
    trunk and heads, and it computes the trunk's Jacobian over tasks with one product per layer. All
    views are created once for each shape of batch, so a step costs little more than its products.

    Parameters
    ----------
    architecture : Architecture
        Shape of the networks.
    parameters : list of Tensor
        Stacked parameters in the order of :meth:`Architecture.member_shapes`, each with a leading
        axis of length E.
    gradients : list of Tensor, optional
        Buffers that :meth:`backward` writes to, in the order and shapes of ``parameters``;
        allocated if None.
    shared_rows : bool
        True: every head reads every row of the batch, inputs are (E, p, B). False: every row
        belongs to one task, inputs are (E, p, T * B), sorted by task.
    dropout : callable, optional
        Called in every forward pass to fill the factors of a hidden layer's outputs in place: a
        contiguous tensor of shape (E, width, rows) in the trunk, or with (T, width, rows) per
        network in the heads. None = no dropout.

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
        # One product over all heads computes the sum of their derivatives, but is slower for few
        # tasks.
        self._joined = shared_rows and self.n_tasks >= _JOINED_FROM
        self._embeddings = Embeddings(architecture, self.parameters, self.gradients)
        self._activate, self._activate_backward = IN_PLACE[architecture.activation]
        self._views: _Views | None = None

    def for_inference(self) -> StackedNetwork:
        """Return networks with the same parameters, other buffers and no dropout."""
        return StackedNetwork(
            self.architecture, self.parameters, self.gradients, shared_rows=self.shared_rows
        )

    # ------------------------------------------------------------------ forward
    def forward(self, x: Tensor, codes: Tensor | None = None, *, draw: bool = True) -> Tensor:
        """Return the scores, (E, T, k, B), of inputs (E, p, rows) and category codes (E, c, rows).

        Columns of the inputs after the numeric ones are overwritten with the embeddings. The result
        is a buffer that the next call overwrites. Passing the same tensor object with new contents
        reuses the views. ``draw=False`` drops the same units as the last call.
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
        """Return the trunk's output, (E, width, rows), for inputs as in :meth:`forward`.

        The result is a buffer that the next call overwrites.
        """
        self.forward(x, codes)
        return self._laid_out.layout.trunk_output

    @property
    def score_gradient(self) -> Tensor:
        """Buffer for the derivative of the scores, (E, T, k, B), for the last shape of batch."""
        return self._laid_out.layout.score_gradient

    @property
    def _laid_out(self) -> _Views:
        if self._views is None:
            raise RuntimeError("Call forward before computing gradients of these networks.")
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
        """Create all views for this shape of batch."""
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
        """Compute :attr:`gradients` from the derivative of the loss with respect to the scores.

        Parameters
        ----------
        dscores : Tensor of shape (E, T, k, B)
            Derivative for the heads; it is not copied if it is ``score_gradient``.
        trunk_dscores : Tensor of shape (E, T, k, B), optional
            Derivative for the trunk, if it differs from that for the heads.
        trunk : bool, default=True
            False leaves the trunk's gradients unchanged (for a frozen trunk, or if they are set
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
        """Return the gradients of all task losses with respect to the trunk's parameters.

        Call :meth:`forward` first. Row t depends only on ``dscores[:, t]``. One batched product per
        layer serves all tasks; if every row belongs to one task, the products are no larger than
        those of :meth:`backward`.

        Parameters
        ----------
        dscores : Tensor of shape (E, T, k, B)
            Derivative of every task's loss with respect to its scores.
        head_dscores : Tensor of shape (E, T, k, B), optional
            Derivative for the heads, whose gradients are computed too; None leaves them unchanged.

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
        """Whether the networks have shared parameters."""
        return self.architecture.n_trunk_layers > 0 or self._embeddings.width > 0

    def representation_gradient(
        self, dscores: Tensor, head_dscores: Tensor | None = None
    ) -> Tensor:
        """Return the derivative of every task's loss in its head's input, (E, T, width, B).

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
        r"""Return the Gramian of the task gradients of the trunk's output, (E, T, T) in float64.

        The tasks must share rows. For linear heads W the gradient of task i is a product,
        :math:`W_i^\top D_i`. The inner products,
        :math:`\langle W_i W_j^\top, D_i D_j^\top \rangle`, are computed from the factors.
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

        Columns are in the order of :meth:`trunk_jacobian`.
        """
        start = 0
        for gradient in self.gradients[: self._split]:
            size = gradient[0].numel()
            gradient.copy_(direction[:, start : start + size].view_as(gradient))
            start += size


@dataclass(frozen=True)
class _Views:
    """Buffers of one shape of batch, and the computations on them."""

    layout: Layout
    reverse: ReversePass
    jacobian: TrunkJacobian
