"""UW: uncertainty weighting with a learned noise variance per task."""

from __future__ import annotations

from torch import Tensor

from skmtl.aggregation.kinds import Device, LossWeighting, State
from skmtl.aggregation.loss_batch import LossBatch, adam_step, learned
from skmtl.aggregation.parameter_checks import PerTask, checked_number, checked_per_task
from skmtl.base import Signals


class UW(LossWeighting):
    r"""Uncertainty weighting (UW): learn the noise variance of each task along with the network.

    .. math:: \min_{\theta, s} \sum_i \tfrac12 e^{-s_i} L_i + \tfrac12 s_i, \qquad
        w_i = \tfrac12 e^{-s_i}

    Parameters
    ----------
    learning_rate : float, default=1e-3
        Learning rate of the log variances s, which take an Adam step after every step of the
        network.
    initial : float or array-like of shape (T,), default=0.0
        Log variances s before the first step.

    Notes
    -----
    This is the common form of [1]_, with the same formula for regression and classification. The
    stationary point is :math:`s_i = \log L_i`, where the direction is that of :class:`SI`. Adam
    changes s by about the learning rate per step, so losses of very different sizes need many
    steps, or another `initial`.

    References
    ----------
    .. [1] Kendall, Gal and Cipolla, "Multi-task learning using uncertainty to weigh losses for
       scene geometry and semantics", CVPR 2018.

    Examples
    --------
    The weight of the smaller loss rises from 1/2, and that of the larger loss falls:

    >>> import torch
    >>> from skmtl.aggregation import UW
    >>> from skmtl.base import Signals
    >>> method, signals = UW(learning_rate=0.1), Signals(losses=torch.tensor([[0.5, 4.0]]))
    >>> _, state = method.step(signals, method.init(1, 2))
    >>> method.step(signals, state)[0]
    tensor([[0.5526, 0.4524]], dtype=torch.float64)
    """

    def __init__(self, learning_rate: float = 1e-3, *, initial: PerTask = 0.0) -> None:
        self.learning_rate = learning_rate
        self.initial = initial

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        checked_number(self, "learning_rate", self.learning_rate, 0.0)
        checked_per_task(self, "initial", self.initial, n_tasks)

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state before the first step."""
        initial = checked_per_task(self, "initial", self.initial, n_tasks).to(device)
        state = learned(n_networks, n_tasks, device)
        return {**state, "value": state["value"] + initial}

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state, nonnegative=False)
        weights = 0.5 * (-state["value"]).exp()
        gradient = 0.5 - weights * batch.losses
        new = adam_step(state, gradient, self.learning_rate)
        return batch.weights(weights), batch.advanced(state, new)
