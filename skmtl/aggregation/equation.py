"""Base class of Nash-MTL, FairGrad, PIVRG and SVFair, whose weights solve the same equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.aggregation.gramians import cosines_and_norms, nan_unless, settled
from skmtl.aggregation.kinds import Device, GradientWeighting, State
from skmtl.aggregation.newton import solve_equation

Array: TypeAlias = NDArray[np.float64]
# Maps the Gramian, cosines and norms of the task gradients to the task priorities, (..., T).
Priorities: TypeAlias = Callable[[Tensor, Array, Array], Array]


class EquationWeighting(GradientWeighting):
    """Gradient weighting whose weights solve :math:`(G w)^{power} = p / w`.

    The solver of each step starts from the weights of the step before.
    """

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state before the first step, without known weights.

        Parameters
        ----------
        n_networks, n_tasks : int
            Numbers E and T.
        device : torch.device or str, default=None
            Device of the tensors; None = the CPU.

        Returns
        -------
        dict of str to Tensor
            "start", of shape (E, T): the last weights, NaN before the first step; "unsolved", of
            shape (E,): whether the last equation had no solution.
        """
        start = torch.full((n_networks, n_tasks), torch.nan, dtype=torch.float64, device=device)
        return {"start": start, "unsolved": torch.zeros_like(start[:, 0])}


def solve_step(
    gramian: Tensor, state: State, priorities: Priorities, power: float
) -> tuple[Tensor, State]:
    """Return the weights, (..., T), and the state from which the next step starts."""
    matrix, finite = settled(gramian)
    cosines, norms = cosines_and_norms(matrix.cpu().numpy())
    solution, solved = solve_equation(
        cosines, norms, priorities(matrix, cosines, norms), power, state["start"].cpu().numpy()
    )
    weights = nan_unless(finite, torch.as_tensor(solution, device=matrix.device))
    unsolved = torch.as_tensor(~solved, dtype=torch.float64, device=matrix.device)
    return weights, {"start": weights, "unsolved": unsolved}


def equal_priorities(gramian: Tensor, cosines: Array, norms: Array) -> Array:
    """Return priorities of 1."""
    return np.ones_like(norms)
