"""First-order solvers over stacked parameters, with a learning rate and a step count for every member.

PyTorch's optimisers count steps once for a whole tensor, so members could not enter a stack that is
under way; these follow the same formulae (Adam in the efficient order of Kingma and Ba, as
scikit-learn's MLP has it) lane by lane.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SOLVERS = ("adam", "adamw", "adagrad", "sgd")

# Numbers that vector instructions take at once, or more.
_MULTIPLE = 64
_BETA1, _BETA2, _EPSILON, _MOMENTUM, _ACCUMULATOR = 0.9, 0.999, 1e-8, 0.9, 0.1


class ParameterBlock:
    """One flat buffer cut into contiguous tensors of given shapes.

    A solver works on all of them at once. The buffer ends in zeros up to a multiple of 64 numbers: kernels treat what is left over by other
    instructions, which round otherwise, and what a network becomes must not depend on where in the
    buffer it lies.
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
        """Return a block of the members ``keep``."""
        rest = ParameterBlock(
            [(len(keep), *tensor.shape[1:]) for tensor in self.tensors],
            self.flat.dtype,
            self.flat.device,
        )
        for target, source in zip(rest.tensors, self.tensors, strict=True):
            torch.index_select(source, 0, keep, out=target)
        return rest


class StackedSolver:
    """Base of the solvers of many networks.

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
        """Forget the state of lanes that new members have entered."""
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
        """Go on in a lane from what :meth:`state_of` gave.

        The state of another kind of solver is ignored.
        """
        if len(states) == self.n_states:
            self.steps[lane] = n_steps
            self._in_step = None
            for state, saved in zip(self.states, states, strict=True):
                for tensor, values in zip(state.tensors, saved, strict=True):
                    tensor[lane] = torch.tensor(values).to(tensor)

    def state_of(self, lane: int) -> list[list[NDArray[np.floating]]]:
        """Return the state of a lane in numpy."""
        return [
            [tensor[lane].cpu().numpy().copy() for tensor in state.tensors] for state in self.states
        ]

    def select(
        self, keep: Tensor, parameters: ParameterBlock, gradients: ParameterBlock
    ) -> StackedSolver:
        """Return a solver of the members ``keep``, with their state.

        ``parameters`` and ``gradients`` are theirs.
        """
        positions = keep.cpu().numpy()
        rest = type(self)(parameters, gradients, torch.as_tensor(self.learning_rates[positions]))
        rest.states = [state.select(keep) for state in self.states]
        rest.steps = self.steps[positions]
        return rest

    def step(self) -> None:
        """Take one step along the present gradients."""
        raise NotImplementedError

    @property
    def in_step(self) -> bool:
        """Whether all lanes have taken equally many steps and have one learning rate."""
        if self._in_step is None:
            self._in_step = bool(
                (self.steps == self.steps[0]).all()
                and (self.learning_rates == self.learning_rates[0]).all()
            )
        return self._in_step

    def _move(self, rates: NDArray[np.float64]) -> None:
        """Subtract rate times the direction in the scratch block, rates of shape (E,)."""
        if (rates == rates[0]).all():
            self.parameters.flat.add_(self._scratch.flat, alpha=-float(rates[0]))
            return
        lanes = torch.as_tensor(-rates).to(self.parameters.flat)
        for tensor, direction in zip(self.parameters.tensors, self._scratch.tensors, strict=True):
            tensor.addcmul_(direction, lanes.view(-1, *[1] * (tensor.ndim - 1)))


class Adam(StackedSolver):
    r"""Adam,
    :math:`\theta \leftarrow \theta - \eta \frac{\sqrt{1-\beta_2^k}}{1-\beta_1^k} \frac{m}{\sqrt{v}
    + \epsilon}`.
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
        """Take the step in one run over the memory.

        PyTorch's kernel has epsilon beside the corrected root, hence its factor.
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
    r"""Adagrad, :math:`\theta \leftarrow \theta - \eta g / (\sqrt{\sum g^2} + \epsilon)`, the sum
    starting at 0.1.
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
    """Return the solver of a name.

    The lanes apply the decoupled decay of adamw, to weights only.
    """
    kinds: dict[str, type[StackedSolver]] = {
        "adam": Adam,
        "adamw": Adam,
        "adagrad": Adagrad,
        "sgd": SGD,
    }
    return kinds[name](parameters, gradients, learning_rates)
