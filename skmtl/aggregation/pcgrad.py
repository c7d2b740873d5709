"""PCGrad: projecting conflicting gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skmtl.aggregation.kinds import GramianWeighting, solve_finite
from skmtl.aggregation.numerics import Generators, draws, unit_diagonal


class PCGrad(GramianWeighting):
    r"""Take out of each task gradient, one after the other, what conflicts with the other tasks;
    add up what is left.

    For each task i, starting from :math:`c = g_i`, for the other tasks j in random order:

    .. math:: c \leftarrow c - \frac{\langle c, g_j \rangle}{\|g_j\|^2} g_j \quad\text{if } \langle
        c, g_j \rangle < 0

    Notes
    -----
    With three tasks or more the result depends on the order and may still conflict. The order is
    drawn from `generator`, one for each task and fleet member; without a generator the tasks are
    visited as they are numbered, so that the method stays a function of its input. All tasks are
    projected at once.

    References
    ----------
    .. [1] Yu et al., "Gradient surgery for multi-task learning", NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import PCGrad
    >>> PCGrad().weights(torch.tensor([[1.0, -0.5], [-0.5, 1.0]]))
    tensor([1.5000, 1.5000], dtype=torch.float64)
    """

    random = True

    def weights(self, gramian: Tensor, *, generator: Generators = None) -> Tensor:
        """Weigh the task gradients by their inner products.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients; leading axes are fleet members. Never changed.
        generator : torch.Generator or sequence of torch.Generator, default=None
            Draws the order of the projections: one for all members, or one for each of the first
            axis; None = the order of the tasks.

        Returns
        -------
        Tensor of shape (..., T)
            One weight a task, at least 1, float64; NaN for a member whose Gramian is not finite.
        """
        return solve_finite(self, gramian, order=random_order(gramian, generator))

    def _weights(self, gramian: Tensor, **options: Any) -> Tensor:
        return project_conflicts(gramian, options["order"])


def random_order(gramian: Tensor, generator: Generators) -> Tensor:
    """Return, for each task, the order in which the others are visited, (..., T, T); each row holds
    its own index too, which is skipped.
    """
    matrix = torch.as_tensor(gramian)
    if generator is None:
        return torch.arange(matrix.shape[-1], device=matrix.device).expand(matrix.shape)
    return draws(tuple(matrix.shape), generator, matrix, normal=False).argsort(dim=-1)


def project_conflicts(gramian: Tensor, order: Tensor) -> Tensor:
    """Return the weights of the sum of the projected gradients, (..., T), for a given order."""
    cosines, norms = unit_diagonal(gramian)
    # Row i holds the coefficients of task i's projected gradient, in gradients of length one.
    rows = (
        torch.eye(gramian.shape[-1], dtype=gramian.dtype, device=gramian.device)
        .expand(gramian.shape)
        .clone()
    )
    own = torch.arange(gramian.shape[-1], device=gramian.device)[:, None]
    for visited in order[..., None].unbind(-2):
        others = cosines.gather(-2, visited.expand(gramian.shape))
        product = (rows * others).sum(-1, keepdim=True)
        conflict = torch.where(visited == own, 0.0, product.clamp(max=0.0))
        rows = rows.scatter_add(-1, visited, -conflict)
    return (rows * norms[..., :, None]).sum(-2) / norms
