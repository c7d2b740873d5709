"""Losses of a step as loss weightings read them, with absent tasks and diverged networks masked."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import Device, State
from skmtl.base import Aggregator, Signals

SOLVED = 1e-30  # a loss below this share of the network's largest loss counts as zero
LARGEST_RATIO = 1e30  # larger ratios of losses are clipped, because they would overflow


class LossBatch:
    """Losses of shape (E, T), in which those of absent tasks and diverged networks are 1.

    Parameters
    ----------
    owner : Aggregator
        The method, which messages name.
    signals : Signals
        Source of the losses, (..., T), and of the tasks that are present; by default all are.
    state : dict of str to Tensor
        State of the method, tensors of shape (E, T) or (E,).
    nonnegative : bool, default=True
        Whether a negative loss is an error.

    Attributes
    ----------
    losses, present : Tensor of shape (E, T)
        Finite losses in float64, and which tasks are present.
    """

    def __init__(
        self, owner: Aggregator, signals: Signals, state: State, *, nonnegative: bool = True
    ):
        values = signals.losses.detach()
        if values.ndim < 1 or values.shape[-1] == 0:
            raise ValueError(
                f"{type(owner).__name__} needs losses of shape (..., T), one per task. Got shape "
                f"{tuple(values.shape)}."
            )
        self.shape = values.shape
        rows = values.to(torch.float64).reshape(-1, values.shape[-1])
        self.present = (
            self._rows("present", signals.present).to(rows.device, torch.bool)
            if "present" in signals.sources
            else torch.ones_like(rows, dtype=torch.bool)
        )
        self.finite = (rows.isfinite() | ~self.present).all(-1)
        self.losses = rows = torch.where(self.present & self.finite[:, None], rows, 1.0)
        if nonnegative and bool((rows < 0).any()):
            network, task = torch.nonzero(rows < 0)[0].tolist()
            raise ValueError(
                f"{type(owner).__name__} needs losses of at least 0. Got "
                f"{rows[network, task].item():g} for the task at position {task}."
            )
        for name, tensor in state.items():
            if tensor.shape not in (rows.shape, rows.shape[:1]):
                raise ValueError(
                    f"The state of {type(owner).__name__} must be of {rows.shape[0]} networks and "
                    f"{rows.shape[1]} tasks, like the losses. Got {name!r} of shape "
                    f"{tuple(tensor.shape)}."
                )

    def rows(self, name: str, signal: Tensor) -> Tensor:
        """Return a signal of shape (E, T); networks in which it is not finite count as diverged."""
        values = self._rows(name, signal).to(self.losses)
        self.finite = self.finite & (values.isfinite() | ~self.present).all(-1)
        return torch.where(self.present & self.finite[:, None], values, 1.0)

    def weights(self, values: Tensor) -> Tensor:
        """Return weights like the losses: 0 for absent tasks, NaN for diverged networks."""
        weights = torch.where(self.present, values, 0.0)
        return torch.where(self.finite[:, None], weights, torch.nan).reshape(self.shape)

    def advanced(self, state: State, new: State) -> State:
        """Return the next state; absent tasks and diverged networks keep their entries."""
        shown = self.present & self.finite[:, None]
        return {
            name: torch.where(self.finite if old.ndim == 1 else shown, new.get(name, old), old)
            for name, old in state.items()
        }

    def _rows(self, name: str, values: Tensor) -> Tensor:
        tensor = values.detach()
        if tensor.shape != self.shape:
            raise ValueError(
                f"{name} must have the shape of the losses, {tuple(self.shape)}. Got "
                f"{tuple(tensor.shape)}."
            )
        return tensor.reshape(-1, self.shape[-1])


def zeros(n_networks: int, n_tasks: int, device: Device = None) -> Tensor:
    """Return zeros of shape (E, T) in float64."""
    return torch.zeros((n_networks, n_tasks), dtype=torch.float64, device=device)


def unknown(n_networks: int, n_tasks: int, device: Device = None) -> Tensor:
    """Return NaN of shape (E, T) in float64, for values that are not known yet."""
    return torch.full((n_networks, n_tasks), torch.nan, dtype=torch.float64, device=device)


# ---------------------------------------------------------------------- shared formulas
def task_softmax(values: Tensor, present: Tensor) -> Tensor:
    """Return the softmax over the tasks that are present, and 0 for the others."""
    shares = values.masked_fill(~present, -torch.inf).softmax(-1)
    return torch.where(present, shares, 0.0)


def balanced(values: Tensor, present: Tensor) -> Tensor:
    """Return the softmax over the tasks that are present, times their number: 1 on average."""
    return present.sum(-1, keepdim=True) * task_softmax(values, present)


def unsolved(losses: Tensor, present: Tensor) -> Tensor:
    """Return whether a task is present and its loss is positive relative to its network's largest.

    A loss of zero has no gradient and no logarithm.
    """
    largest = losses.masked_fill(~present, 0.0).amax(-1, keepdim=True)
    return present & (losses > 0) & (losses >= SOLVED * largest)


def inverse(losses: Tensor, active: Tensor) -> Tensor:
    """Return 1 / loss, the derivative of its logarithm; 0 for tasks that are not active."""
    return torch.where(active, 1.0 / torch.where(active, losses, 1.0), 0.0)


def ratio(losses: Tensor, reference: Tensor) -> Tensor:
    """Return losses / reference, and 1 where the reference is unknown (NaN) or zero."""
    known = reference > 0
    ratios = torch.where(known, losses / torch.where(known, reference, 1.0), 1.0)
    return ratios.clamp(max=LARGEST_RATIO)


def filled(reference: Tensor, losses: Tensor) -> Tensor:
    """Return the reference, with the losses where it is unknown (NaN)."""
    return torch.where(reference.isnan(), losses, reference)


def mean_over(values: Tensor, present: Tensor) -> Tensor:
    """Return the mean over the tasks that are present, (E, 1); 0 if none is."""
    sums = torch.where(present, values, 0.0).sum(-1, keepdim=True)
    return sums / present.sum(-1, keepdim=True).clamp(min=1)


# ---------------------------------------------------------------------- learned parameters
def learned(n_networks: int, n_tasks: int, device: Device = None) -> State:
    """Return state entries of one parameter per task, "value", and of its Adam optimizer."""
    names = ("value", "momentum", "square", "steps")
    return {name: zeros(n_networks, n_tasks, device) for name in names}


def adam_step(state: State, gradient: Tensor, learning_rate: float) -> State:
    """Return the entries of `learned` after an Adam step with betas 0.9, 0.999 and epsilon 1e-8."""
    steps = state["steps"] + 1
    momentum = 0.9 * state["momentum"] + 0.1 * gradient
    square = 0.999 * state["square"] + 0.001 * gradient**2
    change = (momentum / (1 - 0.9**steps)) / ((square / (1 - 0.999**steps)).sqrt() + 1e-8)
    return {
        "value": state["value"] - learning_rate * change,
        "momentum": momentum,
        "square": square,
        "steps": steps,
    }
