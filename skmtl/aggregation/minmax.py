"""MinMax: the worst task counts."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import checked_number
from skmtl.aggregation.losses import LossBasedWeighting, State, task_softmax
from skmtl.aggregation.numerics import Generators


class MinMax(LossBasedWeighting):
    r"""Minimise the largest loss.

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
    >>> MinMax().loss_weights(torch.tensor([0.2, 0.7, 0.5]))
    tensor([0., 1., 0.], dtype=torch.float64)
    """

    nonnegative = False

    def __init__(self, step_size: float | None = None) -> None:
        self.step_size = step_size

    def _start(self, zeros: Tensor) -> State:
        return {} if self.step_size is None else {"exponent": zeros.clone()}

    def _weights(
        self, losses: Tensor, state: State, present: Tensor, generator: Generators
    ) -> Tensor:
        if self.step_size is not None:
            return task_softmax(self._exponent(losses, state), present)
        worst = present & (
            losses == losses.masked_fill(~present, -torch.inf).amax(-1, keepdim=True)
        )
        return worst / worst.sum(-1, keepdim=True).clamp(min=1).to(losses.dtype)

    def _advance(self, losses: Tensor, state: State, present: Tensor, **signals: Tensor) -> State:
        return {} if self.step_size is None else {"exponent": self._exponent(losses, state)}

    def _exponent(self, losses: Tensor, state: State) -> Tensor:
        return state["exponent"] + checked_number(self, "step_size", self.step_size, 0.0) * losses
