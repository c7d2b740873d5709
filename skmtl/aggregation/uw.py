"""UW: weights by a learnt noise of every task."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from skmtl.aggregation.kinds import checked_number
from skmtl.aggregation.losses import LossBasedWeighting, State, adam_step, learnt, per_task
from skmtl.aggregation.numerics import Generators


class UW(LossBasedWeighting):
    r"""Learn the variance of every task's noise along with the network.

    .. math:: \min_{\theta, s} \sum_i \tfrac12 e^{-s_i} L_i + \tfrac12 s_i, \qquad w_i = \tfrac12
        e^{-s_i}

    Parameters
    ----------
    learning_rate : float, default=1e-3
        Of the log variances s, which take a step of Adam after every step of the network.
    initial : float or array-like of shape (T,), default=0.0
        Log variances before the first step.

    Notes
    -----
    Uncertainty weighting [1]_ in its usual form, which takes the same formula for regression and
    classification. At rest
    :math:`s_i = \log L_i`, where the direction is that of :class:`SI`. Adam moves s by about the
    learning rate a step, so that losses of very different size need many steps, or another
    `initial`.

    References
    ----------
    .. [1] Kendall, Gal and Cipolla, "Multi-task learning using uncertainty to weigh losses for
       scene geometry and semantics", CVPR 2018.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import UW
    >>> method, losses = UW(learning_rate=0.1), torch.tensor([0.5, 4.0])
    >>> state = method.advance(losses, method.initial_state(1, 2))
    >>> method.loss_weights(losses, state)
    tensor([0.5526, 0.4524], dtype=torch.float64)
    """

    nonnegative = False

    def __init__(self, learning_rate: float = 1e-3, *, initial: Any = 0.0) -> None:
        self.learning_rate = learning_rate
        self.initial = initial

    def _start(self, zeros: Tensor) -> State:
        state = learnt(zeros)
        return {**state, "value": zeros + per_task(self, "initial", self.initial, zeros)}

    def _weights(
        self, losses: Tensor, state: State, present: Tensor, generator: Generators
    ) -> Tensor:
        return 0.5 * (-state["value"]).exp()

    def _advance(self, losses: Tensor, state: State, present: Tensor, **signals: Tensor) -> State:
        gradient = 0.5 - 0.5 * (-state["value"]).exp() * losses
        return adam_step(
            state, gradient, checked_number(self, "learning_rate", self.learning_rate, 0.0)
        )
