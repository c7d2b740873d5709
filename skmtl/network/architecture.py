"""Shape and initial parameters of networks with a shared trunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

ACTIVATIONS = ("relu", "tanh", "logistic", "identity")


@dataclass(frozen=True)
class Architecture:
    r"""A trunk that all tasks share and one head for every task.

    .. math:: s_t(x) = h_t(f(x, e_t)), \qquad f = \phi(W_L \cdots \phi(W_1 x + b_1) \cdots + b_L)

    The inputs of the trunk are the numeric columns, the embeddings of categories, and the embedding
    :math:`e_t` of the task.

    Attributes
    ----------
    n_inputs : int
        Number of numeric input columns p.
    hidden : tuple of int
        Widths of the trunk's layers; empty = no trunk, heads read the inputs.
    head_hidden : tuple of int
        Widths of every head's hidden layers; empty = linear heads.
    n_outputs : int
        Scores of every head: 1, or the largest number of classes.
    activation : {"relu", "tanh", "logistic", "identity"}
        Activation of all hidden layers.
    embeddings : tuple of (int, int)
        Levels and width of every categorical column's embedding.
    task_embedding_dim : int
        Width of the task's embedding, for long form; 0 = no embedding, tasks differ only in their
        heads.

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
    embeddings: tuple[tuple[int, int], ...] = ()
    task_embedding_dim: int = 0

    @property
    def n_embedded(self) -> int:
        """Number of columns that the embeddings of categories add to the numeric ones."""
        return sum(width for _, width in self.embeddings)

    @property
    def n_trunk_layers(self) -> int:
        """Number of layers that all tasks share."""
        return len(self.hidden)

    @property
    def n_trunk_parameters(self) -> int:
        """Number of shared tensors: embeddings of categories, (weight, bias) of trunk layers."""
        return len(self.embeddings) + 2 * self.n_trunk_layers

    @property
    def n_head_layers(self) -> int:
        """Number of layers of a head, its output layer included."""
        return len(self.head_hidden) + 1

    @property
    def trunk_sizes(self) -> tuple[int, ...]:
        """Widths from the inputs, embeddings included, to the last shared layer."""
        return (self.n_inputs + self.n_embedded + self.task_embedding_dim, *self.hidden)

    @property
    def head_sizes(self) -> tuple[int, ...]:
        """Widths from a head's inputs to its scores."""
        return (self.trunk_sizes[-1], *self.head_hidden, self.n_outputs)

    def member_shapes(self, n_tasks: int) -> list[tuple[int, ...]]:
        """Return the shapes of one network's parameters.

        The order is: embeddings of categories, (weight, bias) of every trunk layer, (weight, bias)
        of every head layer with the task as first axis, embeddings of the tasks.
        """
        trunk = [shape for i, o in pairwise(self.trunk_sizes) for shape in ((o, i), (o, 1))]
        heads = [
            shape
            for i, o in pairwise(self.head_sizes)
            for shape in ((n_tasks, o, i), (n_tasks, o, 1))
        ]
        tasks = [(n_tasks, self.task_embedding_dim)] if self.task_embedding_dim else []
        return [*self.embeddings, *trunk, *heads, *tasks]

    def weight_positions(self, *, trunk: bool = True) -> Sequence[int]:
        """Return the positions, among :meth:`member_shapes`, of all parameters but biases.

        Weight decay applies to these. ``trunk=False`` leaves out those that tasks share.
        """
        first, n_layers = len(self.embeddings), self.n_trunk_layers + self.n_head_layers
        weights = [first + 2 * k for k in range(0 if trunk else self.n_trunk_layers, n_layers)]
        tasks = [first + 2 * n_layers] if self.task_embedding_dim and trunk else []
        return [*range(first if trunk else 0), *weights, *tasks]

    def n_parameters(self, n_tasks: int) -> int:
        """Return the number of parameters of one network."""
        return sum(int(np.prod(shape)) for shape in self.member_shapes(n_tasks))

    def initial_parameters(self, seed: int, n_tasks: int) -> list[NDArray[np.float64]]:
        """Draw the initial parameters of one network.

        Weights and biases are Glorot uniform, as in scikit-learn's MLP; embeddings of categories
        are normal with variance 1 / width. All heads of a network start from the same draw, and the
        embeddings of all tasks at zero. The start of a task therefore depends neither on the order
        of the tasks nor on their number: networks with the same seed are comparable across task
        sets. The embedding of level 0 (missing or unknown) starts at zero, and stays there if the
        level does not occur in training.
        """
        rng = np.random.default_rng(seed)
        factor = 2.0 if self.activation == "logistic" else 6.0
        trunk = [draw for i, o in pairwise(self.trunk_sizes) for draw in _glorot(rng, i, o, factor)]
        heads = [draw for i, o in pairwise(self.head_sizes) for draw in _glorot(rng, i, o, factor)]
        embeddings = [_embedding(rng, levels, width) for levels, width in self.embeddings]
        tasks = [np.zeros((n_tasks, self.task_embedding_dim))] if self.task_embedding_dim else []
        return (
            embeddings
            + trunk
            + [np.broadcast_to(draw, (n_tasks, *draw.shape)) for draw in heads]
            + tasks
        )


def _glorot(
    rng: np.random.Generator, n_in: int, n_out: int, factor: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    bound = np.sqrt(factor / (n_in + n_out))
    return rng.uniform(-bound, bound, (n_out, n_in)), rng.uniform(-bound, bound, (n_out, 1))


def _embedding(rng: np.random.Generator, levels: int, width: int) -> NDArray[np.float64]:
    vectors = rng.normal(scale=1 / np.sqrt(width), size=(levels, width))
    vectors[0] = 0.0
    return vectors
