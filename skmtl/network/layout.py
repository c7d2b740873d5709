"""Buffers and views of stacked networks for one shape of batch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from skmtl.network.architecture import Architecture
from skmtl.network.embeddings import Embeddings
from skmtl.network.layers import Layer


@dataclass(frozen=True)
class Layout:
    """All tensors that forward and reverse pass read and write, for one shape of batch.

    Attributes
    ----------
    inputs : Tensor of shape (E, p, rows)
        Tensor object that the views refer to.
    trunk, heads : tuple of Layer
        Layers from the inputs to the scores.
    trunk_output, trunk_output_gradient : Tensor of shape (E, width, rows)
        Output of the trunk and its derivative.
    trunk_output_by_task : Tensor of shape (E, 1 or T, width, B)
        The same output as a view by task.
    head_input : Tensor of shape (E, T, width, B) or None
        Copy of the output that heads read if every row belongs to one task.
    head_input_gradient : Tensor of shape (E * T or E, width, B)
        Derivative with respect to each head's input.
    embedded_gradient : Tensor of shape (E, embedded, rows)
        Derivative with respect to the embedded columns of the inputs.
    scores, score_gradient : Tensor of shape (E, T, k, B)
        Scores and their derivative.
    """

    inputs: Tensor
    trunk: tuple[Layer, ...]
    heads: tuple[Layer, ...]
    trunk_output: Tensor
    trunk_output_gradient: Tensor
    trunk_output_by_task: Tensor
    head_input: Tensor | None
    head_input_gradient: Tensor
    embedded_gradient: Tensor
    scores: Tensor
    score_gradient: Tensor


@dataclass(frozen=True)
class NetworkTensors:
    """Parameters and gradients of stacked networks.

    Attributes
    ----------
    architecture : Architecture
        Shape of the networks.
    parameters, gradients : list of Tensor
        In the order of :meth:`Architecture.member_shapes`, with a leading axis of length E.
    embeddings : Embeddings
        Embeddings in the last columns of the inputs.
    shared_rows : bool
        Whether every head reads every row of the batch.
    with_dropout : bool
        Whether hidden layers get buffers for dropout.
    """

    architecture: Architecture
    parameters: list[Tensor]
    gradients: list[Tensor]
    embeddings: Embeddings
    shared_rows: bool
    with_dropout: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Number of networks E and of tasks T."""
        e, t = self.parameters[self.architecture.n_trunk_parameters].shape[:2]
        return e, t

    def layer(self, i: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return weight, bias and their gradients for layer i, counting heads after the trunk."""
        first = len(self.architecture.embeddings) + 2 * i
        weight, bias = self.parameters[first : first + 2]
        dweight, dbias = self.gradients[first : first + 2]
        return weight, bias, dweight, dbias


def lay_out(tensors: NetworkTensors, x: Tensor) -> Layout:
    """Allocate buffers and create all views for inputs of this shape, (E, p, rows)."""
    embedded_gradient = x.new_empty(len(x), tensors.embeddings.width, x.shape[2])
    trunk, source, dsource = _trunk(tensors, x, embedded_gradient)
    by_task = view_by_task(source, 1 if tensors.shared_rows else tensors.shape[1])
    head_input, head_source, head_dsource = _head_inputs(tensors, source, dsource, by_task)
    heads, scores, score_gradient = _heads(
        tensors, head_source, head_dsource, n_rows=by_task.shape[3], below_inputs=not trunk
    )
    return Layout(
        inputs=x,
        trunk=trunk,
        heads=heads,
        trunk_output=source,
        trunk_output_gradient=dsource,
        trunk_output_by_task=by_task,
        head_input=head_input,
        head_input_gradient=head_dsource,
        embedded_gradient=embedded_gradient,
        scores=scores,
        score_gradient=score_gradient,
    )


def view_by_task(activation: Tensor, n_slots: int) -> Tensor:
    """View (E, width, slots * B) as (E, slots, width, B)."""
    if n_slots == 1:
        return activation.unsqueeze(1)
    e, width, n_rows = activation.shape
    return activation.view(e, width, n_slots, n_rows // n_slots).transpose(1, 2)


def _trunk(
    tensors: NetworkTensors, x: Tensor, embedded_gradient: Tensor
) -> tuple[tuple[Layer, ...], Tensor, Tensor]:
    """Return the layers of the trunk, its output, and the derivative in its output."""
    e, n_rows = len(x), x.shape[2]
    source, dsource = x, embedded_gradient
    layers: list[Layer] = []
    for i in range(tensors.architecture.n_trunk_layers):
        weight, bias, dweight, dbias = tensors.layer(i)
        out, dout = (x.new_empty(e, weight.shape[1], n_rows) for _ in range(2))
        # The derivative of the inputs is needed only in their embedded columns.
        way_back = weight[:, :, tensors.architecture.n_inputs :] if i == 0 else weight
        layer = Layer(
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
        layers.append(_with_dropout(tensors, layer))
        source, dsource = _output(layers[-1], out), dout
    return tuple(layers), source, dsource


def _head_inputs(
    tensors: NetworkTensors, source: Tensor, dsource: Tensor, by_task: Tensor
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Return a copy buffer of the trunk's output or None, the heads' input, and its derivative.

    The heads' input has shape (E, width, B) if tasks share rows, else (E * T, width, B).
    """
    (e, t), n_rows = tensors.shape, by_task.shape[3]
    width, back_width = tensors.architecture.trunk_sizes[-1], dsource.shape[1]
    if tensors.shared_rows:
        return None, source, dsource if t == 1 else source.new_empty(e * t, back_width, n_rows)
    if t == 1 and source.is_contiguous():
        return None, source.view(e, width, n_rows), dsource.view(e, back_width, n_rows)
    copy = source.new_empty(e, t, width, n_rows)
    return copy, copy.view(e * t, width, n_rows), source.new_empty(e * t, back_width, n_rows)


def _heads(
    tensors: NetworkTensors, source: Tensor, dsource: Tensor, *, n_rows: int, below_inputs: bool
) -> tuple[tuple[Layer, ...], Tensor, Tensor]:
    """Return the layers of the heads, the scores, and the derivative in the scores."""
    e, t = tensors.shape
    architecture = tensors.architecture
    layers: list[Layer] = []
    out = dout = source
    for i in range(architecture.n_head_layers):
        weight, bias, dweight, dbias = tensors.layer(architecture.n_trunk_layers + i)
        width = weight.shape[2]
        joined = (e, t * width) if tensors.shared_rows and i == 0 else (e * t, width)
        way_back = weight.reshape(e * t, width, -1)
        if i == 0 and below_inputs:
            way_back = way_back[:, :, architecture.n_inputs :]
        weight, bias, dweight, dbias = (
            part.view(*joined, -1) for part in (weight, bias, dweight, dbias)
        )
        out, dout = (source.new_empty(e, t, width, n_rows) for _ in range(2))
        layer = Layer(
            weight,
            bias,
            source if i == 0 else source.view(e * t, -1, n_rows),
            out.view(*joined, n_rows),
            dweight,
            dbias,
            dout.view(*joined, n_rows),
            dsource,
            activated=i < architecture.n_head_layers - 1,
            way_back=way_back,
        )
        layers.append(_with_dropout(tensors, layer))
        source, dsource = _output(layers[-1], out), dout.view(e * t, width, n_rows)
    return tuple(layers), out, dout


def _with_dropout(tensors: NetworkTensors, layer: Layer) -> Layer:
    """Add buffers for dropout to a hidden layer, if dropout is used."""
    if not tensors.with_dropout or not layer.activated:
        return layer
    return replace(layer, mask=torch.ones_like(layer.out), dropped=torch.empty_like(layer.out))


def _output(layer: Layer, out: Tensor) -> Tensor:
    """Return the input of the next layer."""
    return out if layer.dropped is None else layer.dropped
