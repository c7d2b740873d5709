"""DWA: tasks whose losses fall slowest get more."""

from __future__ import annotations

from torch import Tensor

from skmtl.aggregation.kinds import Device, LossWeighting, State
from skmtl.aggregation.loss_batch import LossBatch, balanced, ratio, unknown
from skmtl.aggregation.parameter_checks import checked_number
from skmtl.base import Signals


class DWA(LossWeighting):
    r"""Weigh tasks by how little their losses fell over the last two epochs.

    .. math:: w = T \operatorname{softmax}(r / \tau), \qquad r_i = \bar L_i^{(p - 1)} / \bar L_i^{(p
        - 2)}

    with the mean losses of epoch p, and w = 1 in the first two epochs.

    Parameters
    ----------
    temperature : float, default=2.0
        Small values favor slow tasks, large ones make all alike.

    Notes
    -----
    Dynamic weight average [1]_. Only relative changes count: multiplying a loss by a constant
    changes nothing, so that tasks of different scale stay so. A task that was absent in an
    epoch keeps the losses of the epochs before.

    References
    ----------
    .. [1] Liu, Johns and Davison, "End-to-end multi-task learning with attention", CVPR 2019.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import DWA
    >>> from skmtl.base import Signals
    >>> method = DWA()
    >>> state = method.init(1, 2)
    >>> for losses in [[[4.0, 4.0]], [[1.0, 4.0]]]:
    ...     state = method.end_epoch(Signals(losses=torch.tensor(losses)), state)
    >>> method.step(Signals(losses=torch.ones(1, 2)), state)[0]
    tensor([[0.8147, 1.1853]], dtype=torch.float64)
    """

    def __init__(self, temperature: float = 2.0) -> None:
        self.temperature = temperature

    def check(self, n_tasks: int) -> None:
        """Raise ValueError where a parameter cannot be used."""
        checked_number(self, "temperature", self.temperature, 0.0, strict=True)

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state before the first step, see the base class."""
        shape = n_networks, n_tasks, device
        return {"last": unknown(*shape), "before_last": unknown(*shape)}

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state)
        fall = ratio(state["last"].nan_to_num(1.0), state["before_last"])
        return batch.weights(balanced(fall / self.temperature, batch.present)), state

    def end_epoch(self, signals: Signals, state: State) -> State:
        """Return the next state, from the mean losses of the epoch."""
        batch = LossBatch(self, signals, state)
        return batch.advanced(state, {"last": batch.losses, "before_last": state["last"]})
