"""GradNorm: task gradients of equal length, longer for tasks that learn slowly."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import Device, LossWeighting, State
from skmtl.aggregation.loss_batch import (
    LossBatch,
    adam_step,
    balanced,
    filled,
    learned,
    mean_over,
    ratio,
    task_softmax,
    unknown,
)
from skmtl.aggregation.parameter_checks import checked_number
from skmtl.base import Signals


class GradNorm(LossWeighting):
    r"""GradNorm: weighted task gradients of equal length, longer for tasks that learn slowly.

    .. math:: w = T \operatorname{softmax}(s), \qquad
        \min_s \sum_i \Big| w_i \|g_i\| - \bar N \rho_i^{\alpha} \Big|, \qquad
        \rho_i = \frac{L_i / L_i^{(0)}}{\operatorname{mean}_j L_j / L_j^{(0)}}

    where :math:`\bar N` is the mean of the weighted lengths. The target :math:`\bar N \rho^\alpha`
    is treated as a constant, and s takes an Adam step after every step of the network.

    Parameters
    ----------
    alpha : float, default=1.5
        Exponent of the relative training speed; a larger value gives slow tasks longer gradients. 0
        makes all gradients equally long.
    learning_rate : float, default=0.025
        Learning rate of the logits s.

    Notes
    -----
    The lengths are those of the gradients of the whole trunk; the paper [1]_ takes its last layer.
    The softmax keeps the weights positive with the sum T; the paper rescales them after each step.
    The objective is divided by :math:`\bar N`, so that the scales of losses and gradients do not
    matter. :math:`L^{(0)}` is the loss in the first step in which the task has labels.

    References
    ----------
    .. [1] Chen et al., "GradNorm: gradient normalization for adaptive loss balancing in deep
       multitask networks", ICML 2018.

    Examples
    --------
    The second gradient is shorter, and its weight rises:

    >>> import torch
    >>> from skmtl.aggregation import GradNorm
    >>> from skmtl.base import Signals
    >>> method, losses = GradNorm(), torch.tensor([[1.0, 1.0]])
    >>> signals = Signals(losses=losses, gradient_norms=torch.tensor([[10.0, 0.1]]))
    >>> _, state = method.step(signals, method.init(1, 2))
    >>> method.step(signals, state)[0]
    tensor([[0.9750, 1.0250]], dtype=torch.float64)
    """

    def __init__(self, alpha: float = 1.5, *, learning_rate: float = 0.025) -> None:
        self.alpha = alpha
        self.learning_rate = learning_rate

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        checked_number(self, "alpha", self.alpha, 0.0)
        checked_number(self, "learning_rate", self.learning_rate, 0.0)

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state before the first step."""
        shape = n_networks, n_tasks, device
        return {**learned(*shape), "first": unknown(*shape)}

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state)
        weights = balanced(state["value"], batch.present)
        result = batch.weights(weights)
        norms = batch.rows("gradient_norms", signals.gradient_norms)
        first = filled(state["first"], batch.losses)
        progress = ratio(batch.losses, first)
        rate = ratio(progress, mean_over(progress, batch.present).expand_as(progress))
        mean = mean_over(weights * norms, batch.present)
        relative = torch.where(mean > 0, norms / torch.where(mean > 0, mean, 1.0), 0.0)
        gap = (weights * relative - rate ** float(self.alpha)).sign()
        slopes = torch.where(batch.present, gap * relative, 0.0)
        gradient = weights * (
            slopes - (task_softmax(state["value"], batch.present) * slopes).sum(-1, keepdim=True)
        )
        new = adam_step(state, gradient, self.learning_rate)
        return result, batch.advanced(state, {**new, "first": first})
