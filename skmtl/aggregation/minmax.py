"""MinMax: minimize the largest task loss."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import Device, LossWeighting, State
from skmtl.aggregation.loss_batch import LossBatch, task_softmax, zeros
from skmtl.aggregation.parameter_checks import checked_number
from skmtl.base import Signals


class MinMax(LossWeighting):
    r"""MinMax: minimize the largest task loss.

    .. math:: \min \max_i L_i = \min \max_{q \in \Delta} \sum_i q_i L_i, \qquad w = q

    Parameters
    ----------
    step_size : float or None, default=None
        None puts all weight on the task with the largest loss in the batch. A number :math:`\eta`
        updates the weights by :math:`q_i \propto q_i e^{\eta L_i}` in every step, so that they
        depend on losses summed over time; a larger value reacts faster.

    See Also
    --------
    STCH : A smooth maximum of the losses of one step.

    Notes
    -----
    The online update is that of group DRO [1]_. Losses are compared as they are, so they should be
    on one scale. Tasks that share the largest loss share the weight.

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
        """Raise ValueError if a parameter is out of range."""
        if self.step_size is not None:
            checked_number(self, "step_size", self.step_size, 0.0)

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state before the first step."""
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
