"""The equation that Nash-MTL, FairGrad, PIVRG and SVFair share.

A step solves it from the solution of the last step.
"""

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
# From Gramian, cosines and norms of the task gradients to the priorities of the tasks, (..., T).
Priorities: TypeAlias = Callable[[Tensor, Array, Array], Array]


class EquationWeighting(GradientWeighting):
    """Gradient weighting whose weights solve :math:`(G w)^{power} = p / w`.

    Each step starts from the weights of the step before.
    """

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return weights that are not known yet.

        Parameters
        ----------
        n_networks, n_tasks : int
            Numbers E and T.
        device : torch.device or str, default=None
            Where the tensors lie; None = the CPU.

        Returns
        -------
        dict of str to Tensor
            "start", of shape (E, T), and "unsolved", (E,): whether the last equation had no
            solution.
        """
        start = torch.full((n_networks, n_tasks), torch.nan, dtype=torch.float64, device=device)
        return {"start": start, "unsolved": torch.zeros_like(start[:, 0])}


def solve_step(
    gramian: Tensor, state: State, priorities: Priorities, power: float
) -> tuple[Tensor, State]:
    """Return the weights, (..., T), and the state that the next step starts from."""
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
