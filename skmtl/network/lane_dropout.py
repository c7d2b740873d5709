"""Dropout with one random generator per lane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class LaneDropout:
    """Draws the factors of a hidden layer: 0 for units that are dropped, else 1 / (1 - share).

    Parameters
    ----------
    share : float
        Fraction of the units that are dropped.
    device : torch.device
        Device of the networks.
    seeds : sequence of int
        Seed of every lane.
    """

    def __init__(self, share: float, device: torch.device, seeds: Sequence[int]):
        self.share, self.device = share, device
        self.generators = [self._generator(seed) for seed in seeds]

    def __call__(self, mask: Tensor) -> None:
        """Draw the factors of one layer in place; every lane draws from its own generator."""
        keep = 1 - self.share
        rows = mask.view(len(self.generators), -1)
        for generator, own in zip(self.generators, rows, strict=True):
            own.bernoulli_(keep, generator=generator).div_(keep)

    def enter(self, lanes: NDArray[np.intp], seeds: Sequence[int]) -> None:
        """Reset lanes that new networks enter."""
        for lane, seed in zip(lanes, seeds, strict=True):
            self.generators[lane] = self._generator(seed)

    def select(self, keep: NDArray[np.intp]) -> None:
        """Keep only these lanes."""
        self.generators = [self.generators[lane] for lane in keep]

    def _generator(self, seed: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(seed)
