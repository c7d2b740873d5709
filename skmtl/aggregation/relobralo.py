"""ReLoBRaLo: tasks whose losses fell least since a step before get more."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import checked_number
from skmtl.aggregation.losses import (
    LossBasedWeighting,
    State,
    balanced,
    checked_share,
    filled,
    ratio,
)
from skmtl.aggregation.numerics import Generators, draws


class ReLoBRaLo(LossBasedWeighting):
    r"""Weigh tasks by how little their losses fell since the last step, averaged over time, with a
    random look back at the first step.

    .. math:: b(t, t') = T \operatorname{softmax}\!\Big(\frac{L_i(t)}{\tau L_i(t')}\Big), \qquad
        w(t) = \alpha \big(\rho_t w(t - 1) + (1 - \rho_t) b(t, 0)\big) + (1 - \alpha) b(t, t - 1)

    with :math:`\rho_t` 1 with probability `rho` and else 0. The first step has w = 1, the second
    b(1, 0).

    Parameters
    ----------
    alpha : float, default=0.999
        Weight of the past, between 0 and 1.
    temperature : float, default=1.0
        Small values favour slow tasks, large ones make all alike.
    rho : float, default=1.0
        Probability to go on from the last weights, instead of from what the first step's losses
        say; 1 draws nothing.

    Notes
    -----
    Relative loss balancing with random lookback [1]_, made for physics-informed networks.
    Multiplying a loss by a constant changes nothing. Without a generator, :math:`\rho_t` is its
    mean, `rho`. The published program adds 1e-12 to :math:`\tau L_i(t')`; here a loss of zero in
    the past counts as no change.

    References
    ----------
    .. [1] Bischof and Kraus, "Multi-objective loss balancing for physics-informed deep learning",
       2021, arXiv:2110.09813.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import ReLoBRaLo
    >>> method, state = ReLoBRaLo(), None
    >>> for losses in [torch.tensor([2.0, 2.0]), torch.tensor([1.0, 2.0])]:
    ...     weights = method.loss_weights(losses, state)
    ...     state = method.advance(losses, state, weights=weights)
    >>> weights
    tensor([0.7551, 1.2449], dtype=torch.float64)
    """

    random = True
    needs = ("weights",)

    def __init__(self, alpha: float = 0.999, *, temperature: float = 1.0, rho: float = 1.0) -> None:
        self.alpha = alpha
        self.temperature = temperature
        self.rho = rho

    def _start(self, zeros: Tensor) -> State:
        return {
            "weights": zeros + 1.0,
            "first": zeros + torch.nan,
            "last": zeros + torch.nan,
            "steps": zeros.clone(),
        }

    def _weights(
        self, losses: Tensor, state: State, present: Tensor, generator: Generators
    ) -> Tensor:
        temperature = checked_number(self, "temperature", self.temperature, 0.0, strict=True)
        alpha, rho = checked_share(self, "alpha", self.alpha), checked_share(self, "rho", self.rho)
        keep = torch.full_like(losses[:, :1], rho)
        if generator is not None and 0 < rho < 1:
            keep = (draws((len(losses), 1), generator, losses, normal=False) < rho).to(losses.dtype)
        since_first = balanced(ratio(losses, state["first"]) / temperature, present)
        since_last = balanced(ratio(losses, state["last"]) / temperature, present)
        past = keep * state["weights"] + (1.0 - keep) * since_first
        weights = alpha * past + (1.0 - alpha) * since_last
        return torch.where(
            state["steps"] == 0, 1.0, torch.where(state["steps"] == 1, since_last, weights)
        )

    def _advance(self, losses: Tensor, state: State, present: Tensor, **signals: Tensor) -> State:
        return {
            "weights": signals["weights"],
            "first": filled(state["first"], losses),
            "last": losses,
            "steps": state["steps"] + 1,
        }
