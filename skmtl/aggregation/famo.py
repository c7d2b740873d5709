"""FAMO: all losses fall at the same rate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skmtl.aggregation.kinds import checked_number
from skmtl.aggregation.losses import (
    LossBasedWeighting,
    State,
    adam_step,
    inverse,
    learnt,
    per_task,
    task_softmax,
    unsolved,
)
from skmtl.aggregation.numerics import Generators


class FAMO(LossBasedWeighting):
    r"""Let the losses fall at the same relative rate, judged by the losses after the step.

    .. math:: w_i = \frac{z_i / D_i}{\sum_j z_j / D_j}, \qquad z = \operatorname{softmax}(\xi),
        \qquad D_i = L_i - b_i

    After the step, :math:`\xi` takes a step of Adam along
    :math:`\sum_j \frac{\partial z_j}{\partial \xi} (\log D_j - \log D_j^{\text{after}}) + \gamma
    \xi`, which takes weight from the tasks that improved most.

    Parameters
    ----------
    min_losses : float or array-like of shape (T,), default=0.0
        Smallest value b that a loss can have.
    learning_rate : float, default=0.025
        Of the logits.
    weight_decay : float, default=1e-3
        :math:`\gamma`; pulls the logits back to equal weights.

    Notes
    -----
    Fast adaptive multitask optimisation [1]_: O(1) gradients a step, for one more evaluation of the
    losses on the same batch, after the step. Multiplying all losses by a constant leaves the
    weights as they are; they sum to 1. The authors' programs also clip the gradient of the trunk to
    length 1. Where they add 1e-8 to D, a task at or below its `min_losses` is left out here: it
    gets weight 0, and the others train on; its logit moves again once it has a loss before and
    after a step.

    References
    ----------
    .. [1] Liu et al., "FAMO: fast adaptive multitask optimization", NeurIPS 2023.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import FAMO
    >>> method, losses = FAMO(), torch.tensor([1.0, 4.0])
    >>> state = method.initial_state(1, 2)
    >>> method.loss_weights(losses, state)
    tensor([0.8000, 0.2000], dtype=torch.float64)
    >>> state = method.advance(losses, state, losses_after=torch.tensor([0.5, 3.9]))
    >>> method.loss_weights(losses, state)  # the second task fell less
    tensor([0.7919, 0.2081], dtype=torch.float64)
    """

    needs = ("losses_after",)
    nonnegative = False

    def __init__(
        self, min_losses: Any = 0.0, *, learning_rate: float = 0.025, weight_decay: float = 1e-3
    ) -> None:
        self.min_losses = min_losses
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay

    def _start(self, zeros: Tensor) -> State:
        return learnt(zeros)

    def _weights(
        self, losses: Tensor, state: State, present: Tensor, generator: Generators
    ) -> Tensor:
        excess = losses - per_task(self, "min_losses", self.min_losses, losses)
        active = unsolved(excess, present)
        shares = task_softmax(state["value"], active) * inverse(excess, active)
        total = shares.sum(-1, keepdim=True)
        return shares / torch.where(total > 0, total, 1.0)

    def _advance(self, losses: Tensor, state: State, present: Tensor, **signals: Tensor) -> State:
        least = per_task(self, "min_losses", self.min_losses, losses)
        before, after = losses - least, signals["losses_after"] - least
        active = unsolved(before, present) & unsolved(after, present)
        fallen = torch.where(
            active,
            torch.where(active, before, 1.0).log() - torch.where(active, after, 1.0).log(),
            0.0,
        )
        shares = task_softmax(state["value"], active)
        gradient = shares * (fallen - (shares * fallen).sum(-1, keepdim=True))
        gradient = (
            gradient + checked_number(self, "weight_decay", self.weight_decay, 0.0) * state["value"]
        )
        new = adam_step(
            state, gradient, checked_number(self, "learning_rate", self.learning_rate, 0.0)
        )
        return {name: torch.where(active, value, state[name]) for name, value in new.items()}
