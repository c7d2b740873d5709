"""STCH: smooth maximum of the losses."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import Device, LossWeighting, State
from skmtl.aggregation.loss_batch import (
    LossBatch,
    balanced,
    filled,
    inverse,
    ratio,
    task_softmax,
    unknown,
    unsolved,
)
from skmtl.aggregation.parameter_checks import (
    PerTask,
    checked_choice,
    checked_count,
    checked_number,
    checked_per_task,
)
from skmtl.base import Signals


class STCH(LossWeighting):
    r"""Smooth Tchebycheff scalarization (STCH): minimize a smooth maximum of the losses.

    With ``form="log"``, after the warm-up,

    .. math:: \min T \mu \log \sum_i \exp\!\Big(\frac1\mu \log \frac{L_i}{n_i}\Big), \qquad
        w_i = \frac{T}{L_i} \operatorname{softmax}\!\Big(\frac1\mu \log \frac{L_j}{n_j}\Big)_i

    where :math:`n_i` is the mean loss in the last epoch of the warm-up. During the warm-up, the sum
    of the logarithms is minimized, as in :class:`SI`. With ``form="raw"``,

    .. math:: \min \mu \log \sum_i \exp(p_i (L_i - z_i) / \mu), \qquad
        w_i = p_i \operatorname{softmax}(p_j (L_j - z_j) / \mu)_i

    Parameters
    ----------
    mu : float, default=1.0
        Smoothness; as it approaches 0, the step follows the worst task alone. In units of the
        losses if ``form="raw"``.
    form : {"log", "raw"}, default="log"
        "log" is the form of the paper's multi-task experiments, which does not depend on the scales
        of the losses. "raw" is the form of its theory.
    warmup : int, default=4
        With "log": index, counted from 0, of the epoch whose mean losses are n.
    preferences : float or array-like of shape (T,), default=1.0
        With "raw": positive factors p of the tasks; a larger factor favors the task.
    ideal : float or array-like of shape (T,), default=0.0
        With "raw": ideal losses z, which are lower bounds of the losses.

    See Also
    --------
    MinMax : The maximum itself.

    Notes
    -----
    Both forms follow [1]_ and its published code. A task without labels in the last epoch of the
    warm-up is compared with its first later epoch. In the "log" form, a task whose loss is zero
    gets weight 0.

    References
    ----------
    .. [1] Lin et al., "Smooth Tchebycheff scalarization for multi-objective optimization", ICML
       2024.

    Examples
    --------
    "raw" compares the losses, and "log" compares each loss with that after the warm-up:

    >>> import torch
    >>> from skmtl.aggregation import STCH
    >>> from skmtl.base import Signals
    >>> STCH(mu=0.5, form="raw").step(Signals(losses=torch.tensor([1.0, 2.0])), {})[0]
    tensor([0.1192, 0.8808], dtype=torch.float64)
    >>> method = STCH(warmup=0)
    >>> epoch = Signals(losses=torch.tensor([[1.0, 10.0]]))
    >>> state = method.end_epoch(epoch, method.init(1, 2))
    >>> method.step(Signals(losses=torch.tensor([[0.5, 10.0]])), state)[0]
    tensor([[1.3333, 0.1333]], dtype=torch.float64)
    """

    def __init__(
        self,
        mu: float = 1.0,
        *,
        form: str = "log",
        warmup: int = 4,
        preferences: PerTask = 1.0,
        ideal: PerTask = 0.0,
    ) -> None:
        self.mu = mu
        self.form = form
        self.warmup = warmup
        self.preferences = preferences
        self.ideal = ideal

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        checked_choice(self, "form", self.form, ("log", "raw"))
        checked_number(self, "mu", self.mu, 0.0, strict=True)
        checked_count(self, "warmup", self.warmup, 0)
        checked_per_task(self, "preferences", self.preferences, n_tasks, 0.0, strict=True)
        checked_per_task(self, "ideal", self.ideal, n_tasks)

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state before the first step."""
        if self.form == "raw":
            return {}
        nadir = unknown(n_networks, n_tasks, device)
        return {"nadir": nadir, "epochs": torch.zeros_like(nadir[:, 0])}

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the next state."""
        batch = LossBatch(self, signals, state, nonnegative=self.form == "log")
        losses, present, n_tasks = batch.losses, batch.present, batch.losses.shape[-1]
        if self.form == "raw":
            preferences = checked_per_task(self, "preferences", self.preferences, n_tasks)
            preferences = preferences.to(losses)
            gaps = losses - checked_per_task(self, "ideal", self.ideal, n_tasks).to(losses)
            shares = task_softmax(preferences * gaps / self.mu, present)
            return batch.weights(preferences * shares), state
        active = unsolved(losses, present)
        # Until the end of the warm-up the nadir is unknown, and all shares are 1.
        relative = ratio(losses, state["nadir"])
        shares = balanced(torch.where(active, relative, 1.0).log() / self.mu, active)
        return batch.weights(shares * inverse(losses, active)), state

    def end_epoch(self, signals: Signals, state: State) -> State:
        """Return the next state, from the mean losses of the epoch."""
        batch = LossBatch(self, signals, state, nonnegative=self.form == "log")
        if self.form == "raw":
            return state
        reached = (state["epochs"] >= self.warmup)[:, None]
        nadir = torch.where(reached, filled(state["nadir"], batch.losses), state["nadir"])
        return batch.advanced(state, {"nadir": nadir, "epochs": state["epochs"] + 1})
