"""MinMax: the worst task counts."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import Device, LossWeighting, State
from skmtl.aggregation.loss_batch import LossBatch, task_softmax, zeros
from skmtl.aggregation.parameter_checks import checked_number
from skmtl.base import Signals


class MinMax(LossWeighting):
    r"""Minimize the largest loss.

    .. math:: \min \max_i L_i = \min \max_{q \in \Delta} \sum_i q_i L_i, \qquad w = q

    Parameters
    ----------
    step_size : float or None, default=None
        None puts all weight on the task whose loss is largest in the batch. A number :math:`\eta`
        plays the game between network and weights online, :math:`q_i \propto q_i e^{\eta L_i}` in
        every step, which follows losses summed over time instead of the last batch.

    See Also
    --------
    STCH : A smooth maximum, without a history.

    Notes
    -----
    The online form is that of group DRO [1]_. Losses are compared as they are: bring them to one
    scale first. Tasks that share the largest loss share the weight.

    References
    ----------
    .. [1] Sagawa et al., "Distributionally robust neural networks for group shifts", ICLR 2020,
       algorithm 1.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import MinMax
    >>> from skmtl.base import Signals
    >>> MinMax().step(Signals(losses=torch.tensor([0.2, 0.7, 0.5])), {})[0]
    tensor([0., 1., 0.], dtype=torch.float64)
    """

    def __init__(self, step_size: float | None = None) -> None:
        self.step_size = step_size

    def check(self, n_tasks: int) -> None:
        """Raise ValueError where a parameter cannot be used."""
        if self.step_size is not None:
            checked_number(self, "step_size", self.step_size, 0.0)

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state before the first step, see the base class."""
        return {} if self.step_size is None else {"exponent": zeros(n_networks, n_tasks, device)}

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state, nonnegative=False)
        losses, present = batch.losses, batch.present
        if self.step_size is not None:
            exponent = state["exponent"] + self.step_size * losses
            weights = batch.weights(task_softmax(exponent, present))
            return weights, batch.advanced(state, {"exponent": exponent})
        largest = losses.masked_fill(~present, -torch.inf).amax(-1, keepdim=True)
        worst = present & (losses == largest)
        return batch.weights(worst / worst.sum(-1, keepdim=True).clamp(min=1).to(losses)), state
