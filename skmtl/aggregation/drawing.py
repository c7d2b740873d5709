"""Random numbers for networks that train in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Generators: TypeAlias = torch.Generator | Sequence[torch.Generator] | None


def draws(
    shape: tuple[int, ...],
    generator: torch.Generator | Sequence[torch.Generator],
    like: Tensor,
    *,
    normal: bool,
) -> Tensor:
    """Draw standard normal or uniform numbers; the first axis is that of the networks.

    They come from one generator, or from one generator per network.
    """
    draw = torch.randn if normal else torch.rand
    if isinstance(generator, torch.Generator):
        return draw(shape, generator=generator, device=generator.device, dtype=torch.float64).to(
            like.device
        )
    if len(generator) != shape[0]:
        raise ValueError(
            f"generator must be one torch.Generator, or one for each of the {shape[0]} networks. "
            f"Got {len(generator)} generators."
        )
    return torch.stack(
        [
            draw(shape[1:], generator=own, device=own.device, dtype=torch.float64).to(like.device)
            for own in generator
        ]
    )
