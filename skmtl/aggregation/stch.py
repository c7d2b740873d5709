"""STCH: a smooth maximum of the losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skmtl.aggregation.kinds import checked_number
from skmtl.aggregation.losses import (
    LossBasedWeighting,
    State,
    balanced,
    filled,
    inverse,
    per_task,
    ratio,
    task_softmax,
    unsolved,
)
from skmtl.aggregation.numerics import Generators


class STCH(LossBasedWeighting):
    r"""Minimise a smooth maximum of the losses (smooth Tchebycheff scalarisation).

    With ``form="log"``, from the pass after the warm-up on,

    .. math:: \min T \mu \log \sum_i \exp\!\Big(\frac1\mu \log \frac{L_i}{n_i}\Big), \qquad
        w_i = \frac{T}{L_i} \operatorname{softmax}\!\Big(\frac1\mu \log \frac{L_j}{n_j}\Big)_i

    where :math:`n_i` is the mean loss of the last pass of the warm-up; up to its end the sum of the
    logarithms, :class:`SI`. With ``form="raw"``

    .. math:: \min \mu \log \sum_i \exp(p_i (L_i - z_i) / \mu), \qquad w_i = p_i
        \operatorname{softmax}(p_j (L_j - z_j) / \mu)_i

    Parameters
    ----------
    mu : float, default=1.0
        Smoothness; towards 0 the step follows the worst task alone. In the unit of the losses where
        ``form="raw"``.
    form : {"log", "raw"}, default="log"
        "log" is the form of the authors' multi-task experiments, in which no scale of a loss
        matters; "raw" that of the paper's theory.
    warmup : int, default=4
        With "log": n is taken from the pass of this index, counted from 0.
    preferences : float or array-like of shape (T,), default=1.0
        With "raw": positive factors p of the tasks.
    ideal : float or array-like of shape (T,), default=0.0
        With "raw": losses z that cannot be reached.

    See Also
    --------
    MinMax : The maximum itself.

    Notes
    -----
    Both forms are those of [1]_ and its programs. A task without a loss in the last pass of the
    warm-up is compared with its first later pass. In the "log" form, a task whose loss is zero is
    left out, with weight 0.

    References
    ----------
    .. [1] Lin et al., "Smooth Tchebycheff scalarization for multi-objective optimization", ICML
       2024.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import STCH
    >>> STCH(mu=0.5, form="raw").loss_weights(torch.tensor([1.0, 2.0]))
    tensor([0.1192, 0.8808], dtype=torch.float64)
    >>> method = STCH(warmup=0)
    >>> state = method.advance(torch.tensor([1.0, 10.0]))
    >>> method.loss_weights(torch.tensor([0.5, 10.0]), state)
    tensor([1.3333, 0.1333], dtype=torch.float64)
    """

    advances = "pass"

    def __init__(
        self,
        mu: float = 1.0,
        *,
        form: str = "log",
        warmup: int = 4,
        preferences: Any = 1.0,
        ideal: Any = 0.0,
    ) -> None:
        self.mu = mu
        self.form = form
        self.warmup = warmup
        self.preferences = preferences
        self.ideal = ideal

    @property
    def nonnegative(self) -> bool:  # type: ignore[override]
        """Whether a negative loss is an error: where logarithms are taken."""
        return self._logarithmic()

    def _start(self, zeros: Tensor) -> State:
        return (
            {"nadir": zeros + torch.nan, "passes": zeros[:, 0].clone()}
            if self._logarithmic()
            else {}
        )

    def _weights(
        self, losses: Tensor, state: State, present: Tensor, generator: Generators
    ) -> Tensor:
        mu = checked_number(self, "mu", self.mu, 0.0, strict=True)
        if not self._logarithmic():
            preferences = per_task(self, "preferences", self.preferences, losses)
            return preferences * task_softmax(
                preferences * (losses - per_task(self, "ideal", self.ideal, losses)) / mu, present
            )
        active = unsolved(losses, present)
        relative = ratio(losses, state["nadir"])
        shares = balanced(torch.where(active, relative, 1.0).log() / mu, active)
        return shares * inverse(
            losses, active
        )  # up to the end of the warm-up nothing is known of the nadir, and all shares are 1

    def _advance(self, losses: Tensor, state: State, present: Tensor, **signals: Tensor) -> State:
        if not state:
            return state
        reached = (state["passes"] >= checked_number(self, "warmup", self.warmup, 0.0))[:, None]
        return {
            "nadir": torch.where(reached, filled(state["nadir"], losses), state["nadir"]),
            "passes": state["passes"] + 1,
        }

    def _logarithmic(self) -> bool:
        if self.form not in ("log", "raw"):
            raise ValueError(
                f"The 'form' parameter of STCH must be 'log' or 'raw'. Got {self.form!r} instead."
            )
        return self.form == "log"
