"""DWA: tasks whose losses decrease slowest get the largest weights."""

from __future__ import annotations

from torch import Tensor

from skmtl.aggregation.kinds import Device, LossWeighting, State
from skmtl.aggregation.loss_batch import LossBatch, balanced, ratio, unknown
from skmtl.aggregation.parameter_checks import checked_number
from skmtl.base import Signals


class DWA(LossWeighting):
    r"""Dynamic weight average (DWA): larger weights for tasks whose losses decrease slowly.

    .. math:: w = T \operatorname{softmax}(r / \tau), \qquad
        r_i = \bar L_i^{(p - 1)} / \bar L_i^{(p - 2)}

    where :math:`\bar L^{(p)}` are the mean losses of epoch p; w = 1 in the first two epochs.

    Parameters
    ----------
    temperature : float, default=2.0
        Temperature :math:`\tau`. Small values favor slow tasks; large values make all weights
        alike.

    Notes
    -----
    Only relative changes of the losses count [1]_: multiplying a loss by a constant leaves the
    weights as they are, so DWA does not balance tasks of different scales. A task without labels in
    an epoch keeps the losses of the epochs before.

    References
    ----------
    .. [1] Liu, Johns and Davison, "End-to-end multi-task learning with attention", CVPR 2019.

    Examples
    --------
    The loss of the first task fell to a quarter, and that of the second did not fall:

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
        """Raise ValueError if a parameter is out of range."""
        checked_number(self, "temperature", self.temperature, 0.0, strict=True)

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state before the first step."""
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
