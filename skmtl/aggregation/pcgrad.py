"""PCGrad: projection of conflicting task gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.drawing import Generators, draws
from skmtl.aggregation.gramians import nan_unless, settled, unit_diagonal
from skmtl.aggregation.kinds import GradientWeighting, State
from skmtl.base import Signals


class PCGrad(GradientWeighting):
    r"""PCGrad: remove from each task gradient the components that conflict with other tasks.

    For each task i, start from :math:`c = g_i`. For the other tasks j in random order,

    .. math:: c \leftarrow c - \frac{\langle c, g_j \rangle}{\|g_j\|^2} g_j
        \quad\text{if } \langle c, g_j \rangle < 0.

    The direction is the sum of the results.

    Notes
    -----
    With three or more tasks, the result depends on the order and may still conflict with a task.
    Every task and network draws its own order from the generator. Without a generator, tasks are
    visited in their order, so that the result depends on the Gramian alone.

    References
    ----------
    .. [1] Yu et al., "Gradient surgery for multi-task learning", NeurIPS 2020.

    Examples
    --------
    Each of two conflicting gradients of length 1 loses its component along the other:

    >>> import torch
    >>> from skmtl.aggregation import PCGrad
    >>> PCGrad().weights(torch.tensor([[1.0, -0.5], [-0.5, 1.0]]))
    tensor([1.5000, 1.5000], dtype=torch.float64)
    """

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        gramian, finite = settled(signals.gramian)
        order = random_order(gramian, signals.generators)
        return nan_unless(finite, project_conflicts(gramian, order)), state


def random_order(gramian: Tensor, generator: Generators) -> Tensor:
    """Return the order in which each task visits the others, (..., T, T).

    Each row also holds the index of the task itself, which is skipped.
    """
    if generator is None:
        return torch.arange(gramian.shape[-1], device=gramian.device).expand(gramian.shape)
    return draws(tuple(gramian.shape), generator, gramian, normal=False).argsort(dim=-1)


def project_conflicts(gramian: Tensor, order: Tensor) -> Tensor:
    """Return the weights of the sum of the projected gradients, (..., T), for a given order."""
    cosines, norms = unit_diagonal(gramian)
    # Row i holds the coefficients of task i's projected gradient in the gradients of length one.
    eye = torch.eye(gramian.shape[-1], dtype=gramian.dtype, device=gramian.device)
    rows = eye.expand(gramian.shape).clone()
    own = torch.arange(gramian.shape[-1], device=gramian.device)[:, None]
    for visited in order[..., None].unbind(-2):
        others = cosines.gather(-2, visited.expand(gramian.shape))
        product = (rows * others).sum(-1, keepdim=True)
        conflict = torch.where(visited == own, 0.0, product.clamp(max=0.0))
        rows = rows.scatter_add(-1, visited, -conflict)
    return (rows * norms[..., :, None]).sum(-2) / norms
