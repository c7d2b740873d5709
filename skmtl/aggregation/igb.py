"""IGB: tasks that can improve most get the largest weights."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import Device, LossWeighting, State
from skmtl.aggregation.loss_batch import (
    LossBatch,
    balanced,
    filled,
    inverse,
    ratio,
    unknown,
    unsolved,
)
from skmtl.base import Signals


class IGB(LossWeighting):
    r"""Improvable gap balancing (IGB): larger weights for tasks that have improved least so far.

    .. math:: \min \sum_i v_i \log L_i, \qquad v = T \operatorname{softmax}(L_i / \bar L_i^{(1)}),
        \qquad w_i = v_i / L_i

    where :math:`\bar L^{(1)}` are the mean losses of the second epoch; v = 1 until it ends. No
    gradient flows through v.

    See Also
    --------
    SI : The same with v = 1 throughout.

    Notes
    -----
    This is the first of the two methods of [1]_; the second learns the weights by reinforcement
    learning. Multiplying a loss by a constant does not change the direction. A task whose loss is
    zero gets weight 0. A task without labels in the second epoch is compared with its first later
    epoch.

    References
    ----------
    .. [1] Dai, Fei and Lu, "Improvable gap balancing for multi-task learning", UAI 2023.

    Examples
    --------
    Since the second epoch the first loss has halved, and the second has not changed:

    >>> import torch
    >>> from skmtl.aggregation import IGB
    >>> from skmtl.base import Signals
    >>> method = IGB()
    >>> state = method.init(1, 2)
    >>> for losses in [[[4.0, 4.0]], [[2.0, 2.0]]]:
    ...     state = method.end_epoch(Signals(losses=torch.tensor(losses)), state)
    >>> method.step(Signals(losses=torch.tensor([[1.0, 2.0]])), state)[0]
    tensor([[0.7551, 0.6225]], dtype=torch.float64)
    """

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state before the first step."""
        base = unknown(n_networks, n_tasks, device)
        return {"base": base, "epochs": torch.zeros_like(base[:, 0])}

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state)
        active = unsolved(batch.losses, batch.present)
        left = balanced(ratio(batch.losses, state["base"]), active)
        return batch.weights(left * inverse(batch.losses, active)), state

    def end_epoch(self, signals: Signals, state: State) -> State:
        """Return the next state, from the mean losses of the epoch."""
        batch = LossBatch(self, signals, state)
        reached = (state["epochs"] >= 1)[:, None]
        base = torch.where(reached, filled(state["base"], batch.losses), state["base"])
        return batch.advanced(state, {"base": base, "epochs": state["epochs"] + 1})
