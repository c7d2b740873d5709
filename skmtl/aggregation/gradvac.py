"""Gradient Vaccine: gradients are moved towards a wanted similarity."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skmtl.aggregation.kinds import GramianWeighting, checked_number, solve_finite
from skmtl.aggregation.numerics import Generators, unit_diagonal
from skmtl.aggregation.pcgrad import random_order


class GradVac(GramianWeighting):
    r"""Turn each task gradient towards the others until it is as similar to each as it used to be;
    add up the result.

    For each task i, starting from :math:`c = g_i`, for the other tasks j in random order, with
    :math:`\phi = \cos(c, g_j)` and the target :math:`\hat\phi_{ij}`:

    .. math:: c \leftarrow c + \frac{\|c\| (\hat\phi \sqrt{1 - \phi^2} - \phi \sqrt{1 -
        \hat\phi^2})}{\|g_j\| \sqrt{1 - \hat\phi^2}} g_j
        \quad\text{if } \phi < \hat\phi

    Targets are a moving average of the similarities seen,
    :math:`\hat\phi \leftarrow (1 - \beta) \hat\phi + \beta \phi`, from zero on: the first step is
    that of `PCGrad`.

    Parameters
    ----------
    beta : float, default=0.5
        Weight of the newest similarities in the moving average, between 0 and 1. The paper uses
        0.01 for language models, published multi-task code 0.5.

    Notes
    -----
    The object holds no state: `weights_and_targets` takes the targets and returns the next ones,
    and a network in training keeps them.

    References
    ----------
    .. [1] Wang et al., "Gradient Vaccine: investigating and improving multi-task optimization in
       massively multilingual models", ICLR 2021.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import GradVac
    >>> GradVac().weights(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), targets=torch.full((2, 2), 0.6))
    tensor([1.7500, 1.7500], dtype=torch.float64)
    """

    random = True

    def __init__(self, beta: float = 0.5) -> None:
        self.beta = beta

    def weights(
        self, gramian: Tensor, *, targets: Tensor | None = None, generator: Generators = None
    ) -> Tensor:
        """Weigh the task gradients by their inner products.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients; leading axes are fleet members. Never changed.
        targets : Tensor of shape (..., T, T), default=None
            Wanted cosine of task i (row) with task j (column), below 1; None = zeros, as in the
            first step.
        generator : torch.Generator or sequence of torch.Generator, default=None
            Draws the order in which the tasks are visited: one for all members, or one for each of
            the first axis; None = the order of the tasks.

        Returns
        -------
        Tensor of shape (..., T)
            One weight a task, float64; NaN for a member whose Gramian is not finite.
        """
        return self.weights_and_targets(gramian, targets, generator=generator)[0]

    def weights_and_targets(
        self, gramian: Tensor, targets: Tensor | None = None, *, generator: Generators = None
    ) -> tuple[Tensor, Tensor]:
        """Return the weights of this step and the targets of the next.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients; leading axes are fleet members. Never changed.
        targets : Tensor of shape (..., T, T), default=None
            Targets of this step; None = zeros. Never changed.
        generator : torch.Generator or sequence of torch.Generator, default=None
            Draws the order in which the tasks are visited: one for all members, or one for each of
            the first axis; None = the order of the tasks.

        Returns
        -------
        weights : Tensor of shape (..., T)
            One weight a task, float64.
        targets : Tensor of shape (..., T, T)
            Targets of the next step, float64; the diagonal has no meaning. Those of a member whose
            Gramian is not finite are NaN.
        """
        matrix = torch.as_tensor(gramian)
        wanted = (
            torch.zeros(matrix.shape, device=matrix.device)
            if targets is None
            else torch.as_tensor(targets).detach()
        )
        if wanted.shape[-2:] != matrix.shape[-2:]:
            raise ValueError(
                f"targets must hold a cosine for every pair of tasks, shape {tuple(matrix.shape)}. "
                f"Got shape {tuple(wanted.shape)}."
            )
        packed = solve_finite(
            self,
            gramian,
            order=random_order(gramian, generator),
            targets=wanted.to(torch.float64).expand(matrix.shape),
        )
        return packed[..., 0, :], packed[..., 1:, :]

    def initial_state(
        self, n_members: int, n_tasks: int, *, device: Any = None
    ) -> dict[str, Tensor]:
        """Return targets of zero.

        Parameters
        ----------
        n_members, n_tasks : int
            Numbers E and T.
        device : torch.device or str, default=None
            Where the tensor lies; None = the CPU.

        Returns
        -------
        dict of str to Tensor
            "targets", of shape (E, T, T).
        """
        return {
            "targets": torch.zeros(
                (n_members, n_tasks, n_tasks), dtype=torch.float64, device=device
            )
        }

    def weights_and_state(
        self, gramian: Tensor, state: dict[str, Tensor], **options: Any
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weights of this step and the state of the next; see `weights_and_targets`.

        Parameters
        ----------
        gramian : Tensor of shape (E, T, T)
            Inner products of the task gradients.
        state : dict of str to Tensor
            As from `initial_state`. Never changed.
        **options : object
            As for `weights`.

        Returns
        -------
        weights : Tensor of shape (E, T)
            One weight a task, float64.
        state : dict of str to Tensor
            New tensors.
        """
        weights, targets = self.weights_and_targets(gramian, state["targets"], **options)
        return weights, {"targets": targets}

    def _weights(self, gramian: Tensor, **options: Any) -> Tensor:
        beta = checked_number(self, "beta", self.beta, 0.0)
        if beta > 1:
            raise ValueError(
                f"The 'beta' parameter of GradVac must be between 0 and 1. Got {self.beta!r} "
                "instead."
            )
        weights, similarities = vaccinate(gramian, options["targets"], options["order"])
        return torch.cat(
            [weights[..., None, :], (1.0 - beta) * options["targets"] + beta * similarities], dim=-2
        )


def vaccinate(gramian: Tensor, targets: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights, (..., T), and the cosine that each pair had when it was visited, (..., T,
    T), for a given order.
    """
    cosines, norms = unit_diagonal(gramian)
    rows = (
        torch.eye(gramian.shape[-1], dtype=gramian.dtype, device=gramian.device)
        .expand(gramian.shape)
        .clone()
    )
    own = torch.arange(gramian.shape[-1], device=gramian.device)[:, None]
    seen = torch.zeros_like(rows)
    for visited in order[..., None].unbind(-2):
        products = rows @ cosines
        length = (products * rows).sum(-1, keepdim=True).clamp(min=0.0).sqrt()
        cosine = torch.where(length > 0, products.gather(-1, visited) / length, 0.0).clamp(
            -1.0, 1.0
        )
        wanted = targets.gather(-1, visited)
        change = length * (
            wanted * (1.0 - cosine**2).sqrt() / (1.0 - wanted**2).clamp(min=1e-12).sqrt() - cosine
        )
        change = torch.where((cosine < wanted) & (visited != own), change, 0.0)
        rows = rows.scatter_add(-1, visited, change)
        seen = seen.scatter(-1, visited, torch.where(visited == own, 0.0, cosine))
    return (rows * norms[..., :, None]).sum(-2) / norms, seen
