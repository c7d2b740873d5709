"""The mean of the task losses, which is the mean of the task gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.blind import BlindWeighting
from skmtl.aggregation.losses import State
from skmtl.aggregation.numerics import Generators


class Mean(BlindWeighting):
    r"""Weigh all tasks alike.

    .. math:: w_i = 1 / T

    Notes
    -----
    Also called linear scalarisation or equal weighting. It needs neither losses nor gradients, so
    it can be asked for weights by either. A task without a label in a batch does not raise the
    weights of the others.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import Mean
    >>> Mean().weights(torch.eye(2))
    tensor([0.5000, 0.5000], dtype=torch.float64)
    """

    def _weights(
        self, losses: Tensor, state: State, present: Tensor, generator: Generators
    ) -> Tensor:
        return torch.full_like(losses, 1.0 / losses.shape[-1])
