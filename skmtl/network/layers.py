"""One layer of stacked networks, as views for one shape of batch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Layer:
    """Tensors of one layer for one shape of batch, (items, width, rows).

    All are views of parameters, gradients or buffers.
    """

    weight: Tensor
    bias: Tensor
    source: Tensor
    out: Tensor
    dweight: Tensor | None
    dbias: Tensor | None
    dout: Tensor
    dsource: Tensor
    activated: bool
    # Part of the weight for which the derivative of the source is needed.
    way_back: Tensor
    # Dropout: factors of the outputs, and the outputs times these.
    mask: Tensor | None = None
    dropped: Tensor | None = None
