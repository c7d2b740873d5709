"""ReLoBRaLo: larger weights for tasks whose losses decreased least since an earlier step."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.drawing import draws
from skmtl.aggregation.kinds import Device, LossWeighting, State
from skmtl.aggregation.loss_batch import LossBatch, balanced, filled, ratio, unknown, zeros
from skmtl.aggregation.parameter_checks import checked_number
from skmtl.base import Signals


class ReLoBRaLo(LossWeighting):
    r"""Relative loss balancing with random lookback (ReLoBRaLo).

    Tasks whose losses decreased least get the largest weights. The weights are averaged over time,
    and the decrease is sometimes measured from the first step instead of the last one.

    .. math:: b(t, t') = T \operatorname{softmax}\!\Big(\frac{L_i(t)}{\tau L_i(t')}\Big), \qquad
        w(t) = \alpha \big(\rho_t w(t - 1) + (1 - \rho_t) b(t, 0)\big) + (1 - \alpha) b(t, t - 1)

    where :math:`\rho_t` is 1 with probability `rho`, and 0 otherwise. The weights of the first step
    are 1, and those of the second are b(1, 0).

    Parameters
    ----------
    alpha : float, default=0.999
        Weight of the past, between 0 and 1; a larger value averages over more steps.
    temperature : float, default=1.0
        Temperature :math:`\tau`. Small values favor slow tasks; large values make all weights
        alike.
    rho : float, default=1.0
        Probability of keeping the last weights as the past, instead of looking back at the first
        step. With 1, nothing is drawn.

    Notes
    -----
    The method was proposed for physics-informed networks [1]_. Multiplying a loss by a constant
    leaves the weights as they are. Without a generator, :math:`\rho_t` is its mean, `rho`. The
    published code adds 1e-12 to :math:`\tau L_i(t')`; here a loss of zero in an earlier step counts
    as unchanged.

    References
    ----------
    .. [1] Bischof and Kraus, "Multi-objective loss balancing for physics-informed deep learning",
       2021, arXiv:2110.09813.

    Examples
    --------
    The first loss has halved, and the second has not changed:

    >>> import torch
    >>> from skmtl.aggregation import ReLoBRaLo
    >>> from skmtl.base import Signals
    >>> method = ReLoBRaLo()
    >>> state = method.init(1, 2)
    >>> for losses in [[[2.0, 2.0]], [[1.0, 2.0]]]:
    ...     weights, state = method.step(Signals(losses=torch.tensor(losses)), state)
    >>> weights
    tensor([[0.7551, 1.2449]], dtype=torch.float64)
    """

    def __init__(self, alpha: float = 0.999, *, temperature: float = 1.0, rho: float = 1.0) -> None:
        self.alpha = alpha
        self.temperature = temperature
        self.rho = rho

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        checked_number(self, "alpha", self.alpha, 0.0, 1.0)
        checked_number(self, "temperature", self.temperature, 0.0, strict=True)
        checked_number(self, "rho", self.rho, 0.0, 1.0)

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state before the first step."""
        shape = n_networks, n_tasks, device
        start = zeros(*shape)
        first, last = unknown(*shape), unknown(*shape)
        return {"weights": start + 1.0, "first": first, "last": last, "steps": start}

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state)
        losses, present = batch.losses, batch.present
        keep = torch.full_like(losses[:, :1], self.rho)
        if signals.generators is not None and 0 < self.rho < 1:
            drawn = draws((len(losses), 1), signals.generators, losses, normal=False)
            keep = (drawn < self.rho).to(losses.dtype)
        since_first = balanced(ratio(losses, state["first"]) / self.temperature, present)
        since_last = balanced(ratio(losses, state["last"]) / self.temperature, present)
        past = keep * state["weights"] + (1.0 - keep) * since_first
        weights = self.alpha * past + (1.0 - self.alpha) * since_last
        weights = torch.where(state["steps"] == 1, since_last, weights)
        weights = torch.where(state["steps"] == 0, 1.0, weights)
        new = {
            "weights": weights,
            "first": filled(state["first"], losses),
            "last": losses,
            "steps": state["steps"] + 1,
        }
        return batch.weights(weights), batch.advanced(state, new)
