"""Gradient Vaccine: task gradients are turned until they reach target cosines."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.drawing import Generators
from skmtl.aggregation.given import checked_gramian
from skmtl.aggregation.gramians import nan_unless, settled, unit_diagonal
from skmtl.aggregation.kinds import Device, GradientWeighting, State
from skmtl.aggregation.parameter_checks import checked_number
from skmtl.aggregation.pcgrad import random_order
from skmtl.base import Signals


class GradVac(GradientWeighting):
    r"""Gradient Vaccine (GradVac): turn task gradients towards each other up to target cosines.

    For each task i, start from :math:`c = g_i`. For the other tasks j in random order, with
    :math:`\phi = \cos(c, g_j)` and the target :math:`\hat\phi_{ij}`,

    .. math:: c \leftarrow c + \frac{\|c\| (\hat\phi \sqrt{1 - \phi^2} -
        \phi \sqrt{1 - \hat\phi^2})}{\|g_j\| \sqrt{1 - \hat\phi^2}} g_j
        \quad\text{if } \phi < \hat\phi.

    The direction is the sum of the results. The targets are a moving average of the cosines in
    earlier steps, :math:`\hat\phi \leftarrow (1 - \beta) \hat\phi + \beta \phi`. They start at
    zero, so that the first step is that of `PCGrad`.

    Parameters
    ----------
    beta : float, default=0.5
        Weight of the newest cosines in the moving average, between 0 and 1. The paper uses 0.01 for
        language models; published multi-task code uses 0.5.

    Notes
    -----
    The object holds no state: `weights_and_targets` takes the targets of a step and
    returns those of the next one. In training, the state of the network holds them.

    References
    ----------
    .. [1] Wang et al., "Gradient Vaccine: investigating and improving multi-task optimization in
       massively multilingual models", ICLR 2021.

    Examples
    --------
    Two orthogonal gradients are turned until the cosine of each with the other is 0.6:

    >>> import torch
    >>> from skmtl.aggregation import GradVac
    >>> GradVac().weights(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), targets=torch.full((2, 2), 0.6))
    tensor([1.7500, 1.7500], dtype=torch.float64)
    """

    def __init__(self, beta: float = 0.5) -> None:
        self.beta = beta

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        checked_number(self, "beta", self.beta, 0.0, 1.0)

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state before the first step: targets of zero.

        Parameters
        ----------
        n_networks, n_tasks : int
            Numbers E and T.
        device : torch.device or str, default=None
            Device of the tensor; None = the CPU.

        Returns
        -------
        dict of str to Tensor
            "targets", of shape (E, T, T).
        """
        shape = (n_networks, n_tasks, n_tasks)
        return {"targets": torch.zeros(shape, dtype=torch.float64, device=device)}

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights of this step, (..., T), and the targets of the next, (..., T, T)."""
        gramian, finite = settled(signals.gramian)
        order = random_order(gramian, signals.generators)
        weights, similarities = vaccinate(gramian, state["targets"], order)
        targets = (1.0 - self.beta) * state["targets"] + self.beta * similarities
        return nan_unless(finite, weights), {"targets": nan_unless(finite, targets)}

    def weights(
        self, gramian: Tensor, *, targets: Tensor | None = None, generator: Generators = None
    ) -> Tensor:
        """Return the task weights for a Gramian of the task gradients.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients; leading axes are networks. Never changed.
        targets : Tensor of shape (..., T, T), default=None
            Target cosine of task i (row) with task j (column), below 1; None = zeros, as in the
            first step.
        generator : torch.Generator or sequence of torch.Generator, default=None
            Source of the order in which the tasks are visited: one generator for all networks, or
            one per network (first axis). None = the order of the tasks.

        Returns
        -------
        Tensor of shape (..., T)
            One weight per task, float64.
        """
        return self.weights_and_targets(gramian, targets, generator=generator)[0]

    def weights_and_targets(
        self, gramian: Tensor, targets: Tensor | None = None, *, generator: Generators = None
    ) -> tuple[Tensor, Tensor]:
        """Return the weights of this step and the targets of the next.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients; leading axes are networks. Never changed.
        targets : Tensor of shape (..., T, T), default=None
            Targets of this step; None = zeros. Never changed.
        generator : torch.Generator or sequence of torch.Generator, default=None
            Source of the order in which the tasks are visited: one generator for all networks, or
            one per network (first axis). None = the order of the tasks.

        Returns
        -------
        weights : Tensor of shape (..., T)
            One weight per task, float64.
        targets : Tensor of shape (..., T, T)
            Targets of the next step, float64; the diagonal has no meaning.
        """
        matrix = checked_gramian(gramian, "GradVac")
        self.check(matrix.shape[-1])
        wanted = torch.zeros(matrix.shape) if targets is None else torch.as_tensor(targets).detach()
        if wanted.shape[-2:] != matrix.shape[-2:]:
            raise ValueError(
                f"targets must have a cosine for every pair of tasks, shape {tuple(matrix.shape)}. "
                f"Got shape {tuple(wanted.shape)}."
            )
        wanted = wanted.to(matrix.device, torch.float64).expand(matrix.shape)
        signals = Signals(gramian=matrix, generators=generator)
        weights, state = self.step(signals, {"targets": wanted})
        return weights, state["targets"]


def vaccinate(gramian: Tensor, targets: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights, (..., T), and the cosines of the visited pairs, (..., T, T).

    Tasks are visited in the given order; the cosines are those at the time of the visit.
    """
    cosines, norms = unit_diagonal(gramian)
    eye = torch.eye(gramian.shape[-1], dtype=gramian.dtype, device=gramian.device)
    rows = eye.expand(gramian.shape).clone()
    own = torch.arange(gramian.shape[-1], device=gramian.device)[:, None]
    seen = torch.zeros_like(rows)
    for visited in order[..., None].unbind(-2):
        products = rows @ cosines
        length = (products * rows).sum(-1, keepdim=True).clamp(min=0.0).sqrt()
        cosine = torch.where(length > 0, products.gather(-1, visited) / length, 0.0)
        cosine = cosine.clamp(-1.0, 1.0)
        wanted = targets.gather(-1, visited)
        sine, wanted_sine = (1.0 - cosine**2).sqrt(), (1.0 - wanted**2).clamp(min=1e-12).sqrt()
        change = length * (wanted * sine / wanted_sine - cosine)
        change = torch.where((cosine < wanted) & (visited != own), change, 0.0)
        rows = rows.scatter_add(-1, visited, change)
        seen = seen.scatter(-1, visited, torch.where(visited == own, 0.0, cosine))
    return (rows * norms[..., :, None]).sum(-2) / norms, seen
