"""IGB: tasks with the most left to gain get more."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.losses import (
    LossBasedWeighting,
    State,
    balanced,
    filled,
    inverse,
    ratio,
    unsolved,
)
from skmtl.aggregation.numerics import Generators


class IGB(LossBasedWeighting):
    r"""Weigh the logarithms of the losses by how much of the loss of an early pass is still there.

    .. math:: \min \sum_i v_i \log L_i, \qquad v = T \operatorname{softmax}(L_i / \bar L_i^{(1)}),
        \qquad w_i = v_i / L_i

    with :math:`\bar L^{(1)}` the mean losses of the second pass over the data; v = 1 up to its end,
    and is held constant.

    See Also
    --------
    SI : The same with v = 1 throughout.

    Notes
    -----
    Improvable gap balancing, the first of the two methods of [1]_; the other learns weights by
    reinforcement. Multiplying a loss by a constant changes nothing. A task whose loss is zero is
    left out, with weight 0; one that the second pass lacks is compared with its first later pass.

    References
    ----------
    .. [1] Dai, Fei and Lu, "Improvable gap balancing for multi-task learning", UAI 2023.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import IGB
    >>> method, state = IGB(), None
    >>> for losses in [[4.0, 4.0], [2.0, 2.0]]:
    ...     state = method.advance(torch.tensor(losses), state)
    >>> method.loss_weights(torch.tensor([1.0, 2.0]), state)
    tensor([0.7551, 0.6225], dtype=torch.float64)
    """

    advances = "pass"

    def _start(self, zeros: Tensor) -> State:
        return {"base": zeros + torch.nan, "passes": zeros[:, 0].clone()}

    def _weights(
        self, losses: Tensor, state: State, present: Tensor, generator: Generators
    ) -> Tensor:
        active = unsolved(losses, present)
        return balanced(ratio(losses, state["base"]), active) * inverse(losses, active)

    def _advance(self, losses: Tensor, state: State, present: Tensor, **signals: Tensor) -> State:
        reached = (state["passes"] >= 1)[:, None]
        return {
            "base": torch.where(reached, filled(state["base"], losses), state["base"]),
            "passes": state["passes"] + 1,
        }
