"""Shape of a shared-trunk network and how its parameters start."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

ACTIVATIONS = ("relu", "tanh", "logistic", "identity")


@dataclass(frozen=True)
class Architecture:
    r"""A trunk that all tasks share and one head for every task.

    .. math:: s_t(x) = h_t(f(x)), \qquad f = \phi(W_L \cdots \phi(W_1 x + b_1) \cdots + b_L)

    Attributes
    ----------
    n_inputs : int
        Number of input columns p.
    hidden : tuple of int
        Widths of the trunk's layers; empty = heads see the inputs.
    head_hidden : tuple of int
        Widths of every head's hidden layers; empty = linear heads.
    n_outputs : int
        Scores of every head: 1, or the largest number of classes.
    activation : {"relu", "tanh", "logistic", "identity"}
        Activation of all hidden layers.

    Examples
    --------
    >>> from skmtl.network import Architecture
    >>> architecture = Architecture(n_inputs=27, hidden=(20, 10, 32))
    >>> architecture.n_parameters(n_tasks=2)
    1188
    """

    n_inputs: int
    hidden: tuple[int, ...] = (64,)
    head_hidden: tuple[int, ...] = ()
    n_outputs: int = 1
    activation: str = "relu"

    @property
    def n_trunk_layers(self) -> int:
        """Number of layers that all tasks share."""
        return len(self.hidden)

    @property
    def n_head_layers(self) -> int:
        """Number of layers of a head, its output layer included."""
        return len(self.head_hidden) + 1

    @property
    def trunk_sizes(self) -> tuple[int, ...]:
        """Widths from the inputs to the last shared layer."""
        return (self.n_inputs, *self.hidden)

    @property
    def head_sizes(self) -> tuple[int, ...]:
        """Widths from a head's inputs to its scores."""
        return (self.trunk_sizes[-1], *self.head_hidden, self.n_outputs)

    def member_shapes(self, n_tasks: int) -> list[tuple[int, ...]]:
        """Return the shapes of one member's parameters: (weight, bias) of every trunk layer, then of every head layer, tasks first."""
        trunk = [shape for i, o in pairwise(self.trunk_sizes) for shape in ((o, i), (o, 1))]
        heads = [shape for i, o in pairwise(self.head_sizes) for shape in ((n_tasks, o, i), (n_tasks, o, 1))]
        return [*trunk, *heads]

    def n_parameters(self, n_tasks: int) -> int:
        """Return the number of parameters of one member."""
        return sum(int(np.prod(shape)) for shape in self.member_shapes(n_tasks))

    def initial_parameters(self, seed: int, n_tasks: int) -> list[NDArray[np.float64]]:
        """Draw one member's parameters: Glorot's uniform, as in scikit-learn's MLP.

        All heads of a member start from the same draw, so that neither the order of the tasks nor their number changes
        where a task starts: networks with one seed are comparable across task sets.
        """
        rng = np.random.default_rng(seed)
        factor = 2.0 if self.activation == "logistic" else 6.0
        trunk = [draw for i, o in pairwise(self.trunk_sizes) for draw in _glorot(rng, i, o, factor)]
        heads = [draw for i, o in pairwise(self.head_sizes) for draw in _glorot(rng, i, o, factor)]
        return trunk + [np.broadcast_to(draw, (n_tasks, *draw.shape)) for draw in heads]


def _glorot(rng: np.random.Generator, n_in: int, n_out: int, factor: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    bound = np.sqrt(factor / (n_in + n_out))
    return rng.uniform(-bound, bound, (n_out, n_in)), rng.uniform(-bound, bound, (n_out, 1))
