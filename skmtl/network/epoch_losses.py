"""Mean losses of an epoch."""

from __future__ import annotations

import torch
from torch import Tensor


class EpochLosses:
    """Sums of the losses of E lanes and T tasks over the steps of an epoch.

    Parameters
    ----------
    n_lanes, n_tasks : int
        Numbers E and T.
    device : torch.device
        Device of the networks.
    """

    def __init__(self, n_lanes: int, n_tasks: int, device: torch.device):
        self.sums = torch.zeros((n_lanes, n_tasks), dtype=torch.float64, device=device)
        self.shares = torch.zeros_like(self.sums)

    def add(self, losses: Tensor, shares: Tensor, present: Tensor) -> None:
        """Add the mean losses of a batch, (E, T), with the total weights of its labels."""
        self.sums += torch.where(present, losses * shares, 0.0)
        self.shares += torch.where(present, shares, 0.0)

    def means(self) -> tuple[Tensor, Tensor]:
        """Return the mean losses, (E, T), and which tasks had a label."""
        seen = self.shares > 0
        return torch.where(seen, self.sums / torch.where(seen, self.shares, 1.0), 0.0), seen
