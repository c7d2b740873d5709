"""First-order solvers over stacked parameters, with a step size and a step count for every member.

PyTorch's optimisers count steps once for a whole tensor, so members could not enter a stack that is under way; these
follow the same formulae (Adam in the efficient order of Kingma and Ba, as scikit-learn's MLP has it) lane by lane.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SOLVERS = ("adam", "adamw", "adagrad", "sgd")

_BETA1, _BETA2, _EPSILON, _MOMENTUM, _ACCUMULATOR = 0.9, 0.999, 1e-8, 0.9, 0.1


class ParameterBlock:
    """One flat buffer cut into contiguous tensors of given shapes, so that a solver works on all of them at once."""

    def __init__(self, shapes: Sequence[tuple[int, ...]], dtype: torch.dtype, device: torch.device):
        sizes = [torch.Size(shape).numel() for shape in shapes]
        self.flat = torch.zeros(sum(sizes), dtype=dtype, device=device)
        self.tensors = [part.view(shape) for part, shape in zip(torch.split(self.flat, sizes), shapes, strict=True)]

    def like(self) -> ParameterBlock:
        """Return a block of zeros of the same shapes."""
        return ParameterBlock([tuple(tensor.shape) for tensor in self.tensors], self.flat.dtype, self.flat.device)

    def select(self, keep: Tensor) -> ParameterBlock:
        """Return a block of the members ``keep``."""
        rest = ParameterBlock([(len(keep), *tensor.shape[1:]) for tensor in self.tensors], self.flat.dtype, self.flat.device)
        for target, source in zip(rest.tensors, self.tensors, strict=True):
            torch.index_select(source, 0, keep, out=target)
        return rest


class StackedSolver:
    """Base of the solvers: parameters and gradients in blocks, step sizes and step counts of shape (E,)."""

    n_states = 1
    state_start = 0.0

    def __init__(self, parameters: ParameterBlock, gradients: ParameterBlock, learning_rates: Tensor):
        self.parameters, self.gradients, self.learning_rates = parameters, gradients, learning_rates
        self.states = [parameters.like() for _ in range(self.n_states)]
        self.steps = torch.zeros_like(learning_rates, dtype=torch.float64)
        self._scratch = torch.empty_like(parameters.flat)
        for state in self.states:
            state.flat.fill_(self.state_start)

    def restart(self, lanes: Tensor, learning_rates: Tensor) -> None:
        """Forget the state of lanes that new members have entered."""
        self.learning_rates[lanes] = learning_rates
        self.steps[lanes] = 0
        for state in self.states:
            for tensor in state.tensors:
                tensor[lanes] = self.state_start

    def select(self, keep: Tensor, parameters: ParameterBlock, gradients: ParameterBlock) -> StackedSolver:
        """Return a solver of the members ``keep``, whose parameters and gradients are given, with their state."""
        rest = type(self)(parameters, gradients, self.learning_rates[keep])
        rest.states = [state.select(keep) for state in self.states]
        rest.steps = self.steps[keep]
        return rest

    def step(self) -> None:
        """Take one step along the present gradients."""
        raise NotImplementedError

    def _move(self, direction: Tensor, rates: Tensor) -> None:
        """Subtract rate times direction, rates of shape (E,)."""
        start = 0
        for tensor in self.parameters.tensors:
            part = direction[start : start + tensor.numel()].view(tensor.shape)
            tensor.addcmul_(part, rates.view(-1, *[1] * (tensor.ndim - 1)), value=-1)
            start += tensor.numel()


class Adam(StackedSolver):
    r"""Adam, :math:`\theta \leftarrow \theta - \eta \frac{\sqrt{1-\beta_2^k}}{1-\beta_1^k} \frac{m}{\sqrt{v} + \epsilon}`."""

    n_states = 2

    def step(self) -> None:  # noqa: D102
        gradient, (first, second) = self.gradients.flat, (state.flat for state in self.states)
        self.steps += 1
        first.lerp_(gradient, 1 - _BETA1)
        second.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
        torch.sqrt(second, out=self._scratch).add_(_EPSILON)
        torch.div(first, self._scratch, out=self._scratch)
        correction = torch.sqrt(1 - _BETA2**self.steps) / (1 - _BETA1**self.steps)
        self._move(self._scratch, self.learning_rates * correction.to(self.learning_rates.dtype))


class Adagrad(StackedSolver):
    r"""Adagrad, :math:`\theta \leftarrow \theta - \eta g / (\sqrt{\sum g^2} + \epsilon)`, the sum starting at 0.1."""

    state_start = _ACCUMULATOR

    def step(self) -> None:  # noqa: D102
        gradient, total = self.gradients.flat, self.states[0].flat
        total.addcmul_(gradient, gradient)
        torch.sqrt(total, out=self._scratch).add_(_EPSILON)
        torch.div(gradient, self._scratch, out=self._scratch)
        self._move(self._scratch, self.learning_rates)


class SGD(StackedSolver):
    """Stochastic gradient descent with Nesterov momentum 0.9, as in scikit-learn's MLP."""

    def step(self) -> None:  # noqa: D102
        gradient, momentum = self.gradients.flat, self.states[0].flat
        momentum.mul_(_MOMENTUM).add_(gradient)
        torch.add(gradient, momentum, alpha=_MOMENTUM, out=self._scratch)
        self._move(self._scratch, self.learning_rates)


def build_solver(name: str, parameters: ParameterBlock, gradients: ParameterBlock, learning_rates: Tensor) -> StackedSolver:
    """Return the solver of a name; the decoupled decay of adamw is applied by the stack, to weights only."""
    kinds: dict[str, type[StackedSolver]] = {"adam": Adam, "adamw": Adam, "adagrad": Adagrad, "sgd": SGD}
    return kinds[name](parameters, gradients, learning_rates)
