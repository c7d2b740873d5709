"""GradNorm: gradients of one length, longer for tasks that lag behind."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import checked_number
from skmtl.aggregation.losses import (
    LossBasedWeighting,
    State,
    adam_step,
    balanced,
    filled,
    learnt,
    mean_over,
    ratio,
    task_softmax,
)
from skmtl.aggregation.numerics import Generators


class GradNorm(LossBasedWeighting):
    r"""Bring the weighted task gradients to a common length, times a power of how slowly the task
    trains.

    .. math:: w = T \operatorname{softmax}(s), \qquad
        \min_s \sum_i \Big| w_i \|g_i\| - \bar N \rho_i^{\alpha} \Big|, \qquad
        \rho_i = \frac{L_i / L_i^{(0)}}{\operatorname{mean}_j L_j / L_j^{(0)}}

    with :math:`\bar N` the mean of the weighted lengths; :math:`\bar N \rho^\alpha` is held
    constant. s takes a step of Adam after every step of the network.

    Parameters
    ----------
    alpha : float, default=1.5
        How much longer the gradients of lagging tasks should be; 0 = all alike.
    learning_rate : float, default=0.025
        Of the logits s.

    Notes
    -----
    The lengths are those of the gradients of the whole trunk; the paper [1]_ takes its last layer.
    The softmax keeps the weights positive and their sum at T, where the paper rescales after each
    step. The objective is divided by :math:`\bar N`, so that no scale of losses or gradients
    matters. Losses are compared with those of the first step in which the task had a label.

    References
    ----------
    .. [1] Chen et al., "GradNorm: gradient normalization for adaptive loss balancing in deep
       multitask networks", ICML 2018.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import GradNorm
    >>> method, losses = GradNorm(), torch.tensor([1.0, 1.0])
    >>> state = method.advance(
    ...     losses, method.initial_state(1, 2), gradient_norms=torch.tensor([10.0, 0.1])
    ... )
    >>> method.loss_weights(losses, state)  # the second gradient is shorter
    tensor([0.9750, 1.0250], dtype=torch.float64)
    """

    needs = ("gradient_norms",)

    def __init__(self, alpha: float = 1.5, *, learning_rate: float = 0.025) -> None:
        self.alpha = alpha
        self.learning_rate = learning_rate

    def _start(self, zeros: Tensor) -> State:
        return {**learnt(zeros), "first": zeros + torch.nan}

    def _weights(
        self, losses: Tensor, state: State, present: Tensor, generator: Generators
    ) -> Tensor:
        return balanced(state["value"], present)

    def _advance(self, losses: Tensor, state: State, present: Tensor, **signals: Tensor) -> State:
        first = filled(state["first"], losses)
        progress = ratio(losses, first)
        rate = ratio(progress, mean_over(progress, present).expand_as(progress))
        norms, weights = signals["gradient_norms"], balanced(state["value"], present)
        mean = mean_over(weights * norms, present)
        relative = torch.where(mean > 0, norms / torch.where(mean > 0, mean, 1.0), 0.0)
        gap = (weights * relative - rate ** checked_number(self, "alpha", self.alpha, 0.0)).sign()
        slopes = torch.where(present, gap * relative, 0.0)
        gradient = weights * (
            slopes - (task_softmax(state["value"], present) * slopes).sum(-1, keepdim=True)
        )
        new = adam_step(
            state, gradient, checked_number(self, "learning_rate", self.learning_rate, 0.0)
        )
        return {**new, "first": first}
