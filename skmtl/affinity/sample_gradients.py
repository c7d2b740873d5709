"""Projected gradients of the scores of single rows."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from skmtl.affinity.joint import JointNetworks, Sample
from skmtl.network import StackedNetwork

# Maximum number of gradient entries in memory before they are projected (8 bytes each).
_HELD_AT_ONCE = 4_000_000


class Projection:
    r"""Random projection matrix with entries :math:`\pm 1/\sqrt d` for trunk and heads.

    The rows for a head depend only on the name of its task and the seed.

    Parameters
    ----------
    joint : JointNetworks
        The networks.
    n_dimensions : int
        Number of columns d.
    seed : int
        Random seed.
    """

    def __init__(self, joint: JointNetworks, n_dimensions: int, seed: int):
        first = joint.architecture.n_trunk_parameters
        shapes = joint.architecture.member_shapes(len(joint.names))
        trunk, head = (
            sum(int(np.prod(shape)) for shape in shapes[:first]),
            sum(int(np.prod(shape[1:])) for shape in shapes[first:]),
        )
        self.trunk = _signs(np.random.default_rng(seed), trunk, n_dimensions)
        self.heads = torch.stack(
            [
                _signs(np.random.default_rng((seed, crc32(name.encode()))), head, n_dimensions)
                for name in joint.names
            ]
        )


def projected_gradients(
    joint: JointNetworks, parameters: list[Tensor], sample: Sample, projection: Projection
) -> tuple[Tensor, Tensor]:
    """Return the scores of a sample's rows, (T, B, k), and their gradients, (T, B, k, d).

    Gradients with respect to all parameters are projected to d dimensions. The rows are treated as
    the tasks of a stacked network whose heads are copies of those of the rows' tasks, so that its
    Jacobian over tasks is the Jacobian over rows.
    """
    n_tasks, n_rows = sample.labels.shape[1:]
    first = joint.architecture.n_trunk_parameters
    task = torch.arange(n_tasks).repeat_interleave(n_rows)
    size = sum(part[0].numel() for part in parameters[:first]) + sum(
        part[0, 0].numel() for part in parameters[first:]
    )
    blocks, scores = [], []
    for rows in torch.split(torch.arange(len(task)), max(1, _HELD_AT_ONCE // size)):
        own = [
            *parameters[:first],
            *(part[:, task[rows]].contiguous() for part in parameters[first:]),
        ]
        network = StackedNetwork(joint.architecture, own, shared_rows=False)
        codes = None if sample.codes is None else sample.codes[:, :, rows]
        scores.append(network.forward(sample.x[:, :, rows].contiguous(), codes)[0, :, :, 0].clone())
        block = [
            _of_one_score(network, output, projection, task[rows])
            for output in range(joint.architecture.n_outputs)
        ]
        blocks.append(torch.stack(block, 1))
    shape = (n_tasks, n_rows, joint.architecture.n_outputs)
    return torch.cat(scores).view(shape), torch.cat(blocks).view(*shape, -1)


def _of_one_score(
    network: StackedNetwork, output: int, projection: Projection, task: Tensor
) -> Tensor:
    """Return the projected gradients of one score per row, (R, d)."""
    derivative = torch.zeros(
        1, network.n_tasks, network.architecture.n_outputs, 1, dtype=torch.float64
    )
    derivative[:, :, output] = 1.0
    trunk = network.trunk_jacobian(derivative, derivative)[0]
    heads = torch.cat(
        [
            part[0].flatten(1)
            for part in network.gradients[network.architecture.n_trunk_parameters :]
        ],
        1,
    )
    projected = trunk @ projection.trunk
    for t in range(int(task[0]), int(task[-1]) + 1):  # rows are ordered by task
        projected[task == t] += heads[task == t] @ projection.heads[t]
    return projected


def _signs(rng: np.random.Generator, n_rows: int, n_columns: int) -> Tensor:
    return torch.as_tensor(
        (rng.integers(0, 2, size=(n_rows, n_columns)) * 2.0 - 1.0) / np.sqrt(n_columns)
    )
