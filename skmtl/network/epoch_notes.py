"""Records of an aggregator in an epoch: mean weights, gradient conflict, unsolved equations."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.base import Aggregator


class EpochNotes:
    """Sums over the steps of an epoch, for E lanes of T tasks.

    Parameters
    ----------
    n_lanes, n_tasks : int
        Numbers E and T.
    device : torch.device
        Device of the networks.
    """

    def __init__(self, n_lanes: int, n_tasks: int, device: torch.device):
        self.weight_sums = torch.zeros((n_lanes, n_tasks), dtype=torch.float64, device=device)
        self.weight_counts = torch.zeros_like(self.weight_sums)
        self.unsolved = torch.zeros_like(self.weight_sums[:, 0])
        self.asked = torch.zeros_like(self.unsolved)
        self.gramian: Tensor | None = None  # the last one that was read

    def weigh(self, weights: Tensor, present: Tensor) -> None:
        """Add the weights of a step."""
        self.weight_sums += torch.where(present, weights, 0.0)
        self.weight_counts += present

    def solve(self, unsolved: Tensor, lanes: NDArray[np.intp]) -> None:
        """Record the lanes whose equation had no solution; NaN = no equation in this step."""
        self.unsolved[lanes] += unsolved.nan_to_num().to(self.unsolved)
        self.asked[lanes] += (~unsolved.isnan()).to(self.asked)

    def mean_weights(self) -> NDArray[np.float64]:
        """Return the mean weights of the epoch, (E, T), NaN where there were none."""
        counts = self.weight_counts
        means = torch.where(counts > 0, self.weight_sums / counts.clamp(min=1), torch.nan)
        weights: NDArray[np.float64] = means.cpu().numpy()
        return weights

    def diagnostics(self, aggregator: Aggregator) -> dict[str, NDArray[np.float64]]:
        """Return the aggregator's diagnostics of the last Gramian of the epoch, (E,)."""
        if self.gramian is None:
            return {}
        return {
            name: values.double().cpu().numpy()
            for name, values in aggregator.diagnostics(self.gramian).items()
        }

    def unsolved_share(self) -> NDArray[np.float64]:
        """Return the share of steps without a solution, (E,)."""
        share: NDArray[np.float64] = (self.unsolved / self.asked.clamp(min=1)).cpu().numpy()
        return share
