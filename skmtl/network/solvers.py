"""First-order solvers over stacked parameters, with a learning rate and step count per network.

PyTorch's optimizers count steps once per tensor, so networks could not enter a batch during
training. These solvers use the same formulas for every lane (Adam in the efficient order of Kingma
and Ba, as in scikit-learn's MLP).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SOLVERS = ("adam", "adamw", "adagrad", "sgd")

# At least as many numbers as a vector instruction processes at once.
_MULTIPLE = 64
_BETA1, _BETA2, _EPSILON, _MOMENTUM, _ACCUMULATOR = 0.9, 0.999, 1e-8, 0.9, 0.1


class ParameterBlock:
    """One flat buffer cut into contiguous tensors of given shapes.

    A solver updates all of them at once. The buffer is padded with zeros to a multiple of 64
    numbers: kernels process a remainder with other instructions, which round differently, and the
    result of a network must not depend on its position in the buffer.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], dtype: torch.dtype, device: torch.device):
        sizes = [torch.Size(shape).numel() for shape in shapes]
        self.flat = torch.zeros(-(-sum(sizes) // _MULTIPLE) * _MULTIPLE, dtype=dtype, device=device)
        parts = torch.split(self.flat[: sum(sizes)], sizes)
        self.tensors = [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]

    def like(self) -> ParameterBlock:
        """Return a block of zeros of the same shapes."""
        return ParameterBlock(
            [tuple(tensor.shape) for tensor in self.tensors], self.flat.dtype, self.flat.device
        )

    def select(self, keep: Tensor) -> ParameterBlock:
        """Return a block of the networks ``keep``."""
        rest = ParameterBlock(
            [(len(keep), *tensor.shape[1:]) for tensor in self.tensors],
            self.flat.dtype,
            self.flat.device,
        )
        for target, source in zip(rest.tensors, self.tensors, strict=True):
            torch.index_select(source, 0, keep, out=target)
        return rest


class StackedSolver:
    """Base class of solvers for stacked networks.

    Parameters and gradients are in blocks; learning rates and step counts have shape (E,), float64.
    """

    n_states = 1
    state_start = 0.0

    def __init__(
        self, parameters: ParameterBlock, gradients: ParameterBlock, learning_rates: Tensor
    ):
        self.parameters, self.gradients = parameters, gradients
        self.learning_rates = learning_rates.double().cpu().numpy()
        self.states = [parameters.like() for _ in range(self.n_states)]
        self.steps = np.zeros(len(self.learning_rates))
        self._in_step: bool | None = None
        self._scratch = parameters.like()
        for state in self.states:
            state.flat.fill_(self.state_start)

    def restart(self, lanes: Tensor, learning_rates: Tensor) -> None:
        """Reset the state of lanes that new networks enter."""
        positions = lanes.cpu().numpy()
        self.learning_rates[positions] = learning_rates.double().cpu().numpy()
        self.steps[positions] = 0
        self._in_step = None
        for state in self.states:
            for tensor in state.tensors:
                tensor[lanes] = self.state_start

    def resume(
        self, lane: int, n_steps: int, states: Sequence[Sequence[NDArray[np.floating]]]
    ) -> None:
        """Restore the state of a lane from :meth:`state_of`.

        A state with another number of entries belongs to another solver and is ignored.
        """
        if len(states) == self.n_states:
            self.steps[lane] = n_steps
            self._in_step = None
            for state, saved in zip(self.states, states, strict=True):
                for tensor, values in zip(state.tensors, saved, strict=True):
                    tensor[lane] = torch.tensor(values).to(tensor)

    def state_of(self, lane: int) -> list[list[NDArray[np.floating]]]:
        """Return the state of a lane as numpy arrays."""
        return [
            [tensor[lane].cpu().numpy().copy() for tensor in state.tensors] for state in self.states
        ]

    def select(
        self, keep: Tensor, parameters: ParameterBlock, gradients: ParameterBlock
    ) -> StackedSolver:
        """Return a solver of the networks ``keep``, with their state.

        ``parameters`` and ``gradients`` are those of these networks.
        """
        positions = keep.cpu().numpy()
        rest = type(self)(parameters, gradients, torch.as_tensor(self.learning_rates[positions]))
        rest.states = [state.select(keep) for state in self.states]
        rest.steps = self.steps[positions]
        return rest

    def step(self) -> None:
        """Take one step along the current gradients."""
        raise NotImplementedError

    @property
    def in_step(self) -> bool:
        """Whether all lanes have the same number of steps and the same learning rate."""
        if self._in_step is None:
            self._in_step = bool(
                (self.steps == self.steps[0]).all()
                and (self.learning_rates == self.learning_rates[0]).all()
            )
        return self._in_step

    def _move(self, rates: NDArray[np.float64]) -> None:
        """Subtract the direction in the scratch block, times learning rates of shape (E,)."""
        if (rates == rates[0]).all():
            self.parameters.flat.add_(self._scratch.flat, alpha=-float(rates[0]))
            return
        lanes = torch.as_tensor(-rates).to(self.parameters.flat)
        for tensor, direction in zip(self.parameters.tensors, self._scratch.tensors, strict=True):
            tensor.addcmul_(direction, lanes.view(-1, *[1] * (tensor.ndim - 1)))


class Adam(StackedSolver):
    r"""Adam, with bias correction in the learning rate.

    .. math:: \theta \leftarrow \theta
        - \eta \frac{\sqrt{1-\beta_2^k}}{1-\beta_1^k} \frac{m}{\sqrt{v} + \epsilon}
    """

    n_states = 2

    def __init__(
        self, parameters: ParameterBlock, gradients: ParameterBlock, learning_rates: Tensor
    ):
        super().__init__(parameters, gradients, learning_rates)
        self._count = torch.zeros((), device=parameters.flat.device)

    def step(self) -> None:  # noqa: D102
        gradient, (first, second) = self.gradients.flat, (state.flat for state in self.states)
        scratch = self._scratch.flat
        self.steps += 1
        if self.in_step:
            self._fused_step(first, second)
            return
        first.lerp_(gradient, 1 - _BETA1)
        second.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
        torch.sqrt(second, out=scratch).add_(_EPSILON)
        torch.div(first, scratch, out=scratch)
        self._move(self.learning_rates * np.sqrt(1 - _BETA2**self.steps) / (1 - _BETA1**self.steps))

    def _fused_step(self, first: Tensor, second: Tensor) -> None:
        """Take the step with PyTorch's fused kernel.

        The kernel adds epsilon to the bias-corrected root, so epsilon is rescaled here.
        """
        k = float(self.steps[0])
        self._count.fill_(k)
        torch._fused_adam_(
            [self.parameters.flat],
            [self.gradients.flat],
            [first],
            [second],
            [],
            [self._count],
            lr=float(self.learning_rates[0]),
            beta1=_BETA1,
            beta2=_BETA2,
            weight_decay=0.0,
            eps=_EPSILON / np.sqrt(1 - _BETA2**k),
            amsgrad=False,
            maximize=False,
        )


class Adagrad(StackedSolver):
    r"""Adagrad, with the sum of squares starting at 0.1.

    .. math:: \theta \leftarrow \theta - \eta g / (\sqrt{0.1 + \sum g^2} + \epsilon)
    """

    state_start = _ACCUMULATOR

    def step(self) -> None:  # noqa: D102
        gradient, total = self.gradients.flat, self.states[0].flat
        total.addcmul_(gradient, gradient)
        scratch = self._scratch.flat
        torch.sqrt(total, out=scratch).add_(_EPSILON)
        torch.div(gradient, scratch, out=scratch)
        self._move(self.learning_rates)


class SGD(StackedSolver):
    """Stochastic gradient descent with Nesterov momentum 0.9, as in scikit-learn's MLP."""

    def step(self) -> None:  # noqa: D102
        gradient, momentum = self.gradients.flat, self.states[0].flat
        momentum.mul_(_MOMENTUM).add_(gradient)
        torch.add(gradient, momentum, alpha=_MOMENTUM, out=self._scratch.flat)
        self._move(self.learning_rates)


def build_solver(
    name: str, parameters: ParameterBlock, gradients: ParameterBlock, learning_rates: Tensor
) -> StackedSolver:
    """Return the solver with a given name.

    The decoupled weight decay of adamw is applied by the lanes, to weights only.
    """
    kinds: dict[str, type[StackedSolver]] = {
        "adam": Adam,
        "adamw": Adam,
        "adagrad": Adagrad,
        "sgd": SGD,
    }
    return kinds[name](parameters, gradients, learning_rates)
