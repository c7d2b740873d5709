"""FAMO: all losses decrease at the same relative rate."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import Device, LossWeighting, State
from skmtl.aggregation.loss_batch import (
    LossBatch,
    adam_step,
    inverse,
    learned,
    task_softmax,
    unsolved,
)
from skmtl.aggregation.parameter_checks import PerTask, checked_number, checked_per_task
from skmtl.base import Signals


class FAMO(LossWeighting):
    r"""Fast adaptive multitask optimization (FAMO): the losses decrease at the same relative rate.

    .. math:: w_i = \frac{z_i / D_i}{\sum_j z_j / D_j}, \qquad z = \operatorname{softmax}(\xi),
        \qquad D_i = L_i - b_i

    After each step of the network, :math:`\xi` takes an Adam step with the gradient
    :math:`\sum_j \frac{\partial z_j}{\partial \xi} (\log D_j - \log D_j^{\text{after}}) +
    \gamma \xi`, which reduces the weights of the tasks that improved most.

    Parameters
    ----------
    min_losses : float or array-like of shape (T,), default=0.0
        Lower bound b of the losses, in units of the losses.
    learning_rate : float, default=0.025
        Learning rate of the logits :math:`\xi`.
    weight_decay : float, default=1e-3
        Weight decay :math:`\gamma` of the logits; a larger value keeps the weights more equal.

    Notes
    -----
    A step needs one gradient [1]_, whatever the number of tasks, and evaluates the losses on the
    same batch once more after the step. The weights sum to 1; multiplying all losses by a constant
    leaves them as they are. The published code also clips the gradient of the trunk to length 1,
    and adds 1e-8 to D. Here a task at or below its `min_losses` gets weight 0, and the others
    continue to train; its logit moves again once its losses before and after a step are positive.

    References
    ----------
    .. [1] Liu et al., "FAMO: fast adaptive multitask optimization", NeurIPS 2023.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import FAMO
    >>> from skmtl.base import Signals
    >>> method, losses = FAMO(), torch.tensor([[1.0, 4.0]])
    >>> weights, state = method.step(Signals(losses=losses), method.init(1, 2))
    >>> weights
    tensor([[0.8000, 0.2000]], dtype=torch.float64)
    >>> after = Signals(losses=losses, losses_after=torch.tensor([[0.5, 3.9]]))
    >>> state = method.after_step(after, state)
    >>> method.step(Signals(losses=losses), state)[0]  # the second task fell less
    tensor([[0.7919, 0.2081]], dtype=torch.float64)
    """

    needs = ("losses_after",)

    def __init__(
        self, min_losses: PerTask = 0.0, *, learning_rate: float = 0.025, weight_decay: float = 1e-3
    ) -> None:
        self.min_losses = min_losses
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        checked_per_task(self, "min_losses", self.min_losses, n_tasks)
        checked_number(self, "learning_rate", self.learning_rate, 0.0)
        checked_number(self, "weight_decay", self.weight_decay, 0.0)

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state before the first step."""
        return learned(n_networks, n_tasks, device)

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state, nonnegative=False)
        excess = batch.losses - self._least(batch.losses)
        active = unsolved(excess, batch.present)
        shares = task_softmax(state["value"], active) * inverse(excess, active)
        total = shares.sum(-1, keepdim=True)
        return batch.weights(shares / torch.where(total > 0, total, 1.0)), state

    def after_step(self, signals: Signals, state: State) -> State:
        """Return the next state, from the losses before and after the step."""
        batch = LossBatch(self, signals, state, nonnegative=False)
        least = self._least(batch.losses)
        after = batch.rows("losses_after", signals.losses_after) - least
        before = batch.losses - least
        active = unsolved(before, batch.present) & unsolved(after, batch.present)
        fallen = torch.where(
            active,
            torch.where(active, before, 1.0).log() - torch.where(active, after, 1.0).log(),
            0.0,
        )
        shares = task_softmax(state["value"], active)
        gradient = shares * (fallen - (shares * fallen).sum(-1, keepdim=True))
        gradient = gradient + self.weight_decay * state["value"]
        new = adam_step(state, gradient, self.learning_rate)
        kept = {name: torch.where(active, value, state[name]) for name, value in new.items()}
        return batch.advanced(state, kept)

    def _least(self, losses: Tensor) -> Tensor:
        return checked_per_task(self, "min_losses", self.min_losses, losses.shape[-1]).to(losses)
