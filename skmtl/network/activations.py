"""In-place activations, and their derivatives computed from the outputs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def _relu_backward(gradient: Tensor, output: Tensor) -> Tensor:
    result: Tensor = torch.ops.aten.threshold_backward.grad_input(
        gradient, output, 0, grad_input=gradient
    )
    return result


def _tanh_backward(gradient: Tensor, output: Tensor) -> Tensor:
    result: Tensor = torch.ops.aten.tanh_backward.grad_input(gradient, output, grad_input=gradient)
    return result


def _logistic_backward(gradient: Tensor, output: Tensor) -> Tensor:
    result: Tensor = torch.ops.aten.sigmoid_backward.grad_input(
        gradient, output, grad_input=gradient
    )
    return result


def _unchanged(value: Tensor, _: Tensor | None = None) -> Tensor:
    return value


# By name: the activation, and the function that turns the derivative with respect to its output
# into the derivative with respect to its input.
IN_PLACE: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "relu": (torch.relu_, _relu_backward),
    "tanh": (torch.tanh_, _tanh_backward),
    "logistic": (torch.sigmoid_, _logistic_backward),
    "identity": (_unchanged, _unchanged),
}
