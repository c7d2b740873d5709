"""DWA: tasks whose losses fall slowest get more."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import checked_number
from skmtl.aggregation.losses import LossBasedWeighting, State, balanced, ratio
from skmtl.aggregation.numerics import Generators


class DWA(LossBasedWeighting):
    r"""Weigh tasks by how little their losses fell from the last pass but one to the last.

    .. math:: w = T \operatorname{softmax}(r / \tau), \qquad r_i = \bar L_i^{(p - 1)} / \bar L_i^{(p
        - 2)}

    with the mean losses of pass p over the data, and w = 1 in the first two passes.

    Parameters
    ----------
    temperature : float, default=2.0
        Small values favour slow tasks, large ones make all alike.

    Notes
    -----
    Dynamic weight average [1]_. Only relative changes count: multiplying a loss by a constant
    changes nothing, so that tasks of different scale stay so. A task that was absent in a pass
    keeps the losses of the passes before.

    References
    ----------
    .. [1] Liu, Johns and Davison, "End-to-end multi-task learning with attention", CVPR 2019.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import DWA
    >>> method, state = DWA(), None
    >>> for losses in [[4.0, 4.0], [1.0, 4.0]]:
    ...     state = method.advance(torch.tensor(losses), state)
    >>> method.loss_weights(torch.ones(2), state)
    tensor([0.8147, 1.1853], dtype=torch.float64)
    """

    advances = "pass"

    def __init__(self, temperature: float = 2.0) -> None:
        self.temperature = temperature

    def _start(self, zeros: Tensor) -> State:
        return {"last": zeros + torch.nan, "before_last": zeros + torch.nan}

    def _weights(
        self, losses: Tensor, state: State, present: Tensor, generator: Generators
    ) -> Tensor:
        temperature = checked_number(self, "temperature", self.temperature, 0.0, strict=True)
        return balanced(
            ratio(state["last"].nan_to_num(1.0), state["before_last"]) / temperature, present
        )

    def _advance(self, losses: Tensor, state: State, present: Tensor, **signals: Tensor) -> State:
        return {"last": losses, "before_last": state["last"]}
