"""What loss weightings have in common: history kept outside the object, absent and diverged
members, float64, two methods to fill in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from skmtl.aggregation.kinds import checked_number
from skmtl.aggregation.numerics import Generators
from skmtl.base import Aggregator, LossWeighting

State = dict[str, Tensor]

SOLVED = 1e-30  # a loss below this share of the member's largest is zero
LARGEST_RATIO = 1e30  # losses that grew more than that would overflow


class LossBasedWeighting(LossWeighting):
    """A loss weighting whose history is a dictionary of tensors that the caller keeps.

    A caller asks for weights, takes its step, and advances the state, after every step or at the
    end of every pass over the data::

        state = method.initial_state(n_members, n_tasks)
        weights = method.loss_weights(
            losses, state, present=present
        )  # then a step along the gradient of sum(weights * losses)
        state = method.advance(
            losses, state, present=present
        )  # with the signals that `needs` names

    The tensors of a state are float64 and of shape (E, T) or (E,), member first: indexing them
    selects and reorders members, and rows of a fresh state reset them. A subclass fills in
    ``_weights``, and ``_start`` and ``_advance`` if it has a history.

    Attributes
    ----------
    nonnegative : bool
        Whether a negative loss is an error.
    """

    nonnegative: bool = True

    def initial_state(self, n_members: int, n_tasks: int, *, device: Any = None) -> State:
        """Return the state before the first step.

        Parameters
        ----------
        n_members : int
            Size E of the first axis: networks that train side by side.
        n_tasks : int
            Number T of tasks.
        device : torch.device or str, default=None
            Where the tensors lie; None = the CPU.

        Returns
        -------
        dict of str to Tensor
            Float64, of shape (E, T) or (E,); empty for a method without history.
        """
        return self._start(torch.zeros((n_members, n_tasks), dtype=torch.float64, device=device))

    def loss_weights(
        self,
        losses: Tensor,
        state: State | None = None,
        *,
        present: Tensor | None = None,
        generator: Generators = None,
    ) -> Tensor:
        """Weigh the task losses.

        Parameters
        ----------
        losses : Tensor of shape (..., T)
            Task losses of the batch; leading axes are fleet members. Never changed.
        state : dict of str to Tensor, default=None
            The history; None = that before the first step. Never changed.
        present : Tensor of bool of shape (..., T), default=None
            Whether the batch has a labelled row for the task; None = all. The weights are those
            without the absent tasks.
        generator : torch.Generator or sequence of torch.Generator, default=None
            For methods that draw: one for all members, or one for each, which makes a member's
            draws independent of its neighbours. None = the mean of the draws.

        Returns
        -------
        Tensor of shape (..., T)
            What the losses are multiplied by, float64: 0 for an absent task, NaN for a member with
            a loss that is not finite.
        """
        batch = self._batch(losses, state, present)
        return batch.weights(self._weights(batch.losses, batch.state, batch.present, generator))

    def advance(
        self,
        losses: Tensor,
        state: State | None = None,
        *,
        present: Tensor | None = None,
        **signals: Tensor,
    ) -> State:
        """Return the state of the next step.

        Parameters
        ----------
        losses : Tensor of shape (..., T)
            Task losses before the step, or their means over the pass, as `advances` says. Never
            changed.
        state : dict of str to Tensor, default=None
            The history; None = that before the first step. Never changed.
        present : Tensor of bool of shape (..., T), default=None
            Whether the batch, or the pass, has a labelled row for the task; None = all.
        **signals : Tensor of shape (..., T)
            What `needs` names.

        Returns
        -------
        dict of str to Tensor
            New tensors. Absent tasks, and members with a loss or signal that is not finite, keep
            what they had.
        """
        if set(signals) != set(self.needs):
            needed = ", ".join(self.needs) or "nothing besides losses and state"
            raise TypeError(
                f"{type(self).__name__}.advance needs {needed}. Got "
                f"{', '.join(signals) or 'nothing else'}."
            )
        batch = self._batch(losses, state, present)
        new = self._advance(
            batch.losses,
            batch.state,
            batch.present,
            **{name: batch.read(name, value) for name, value in signals.items()},
        )
        return {name: batch.advanced(old, new.get(name, old)) for name, old in batch.state.items()}

    def weights(self, gramian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Raise TypeError: the method needs losses, not gradients.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Not read.
        generator : torch.Generator, default=None
            Not used.

        Returns
        -------
        Tensor of shape (..., T)
            Nothing: it always raises.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(
            f"{type(self).__name__} is a loss weighting: it weighs tasks by their losses and "
            "history, which a Gramian does not hold. Call "
            "loss_weights(losses, state), or give it to an estimator as aggregator=. Of gradients "
            "alone, take a gradient weighting such as UPGrad()."
        )

    def aggregate(self, jacobian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Raise TypeError, as `weights` does.

        Parameters
        ----------
        jacobian : Tensor of shape (..., T, P)
            Not read.
        generator : torch.Generator, default=None
            Not used.

        Returns
        -------
        Tensor of shape (..., P)
            Nothing: it always raises.
        """
        return self.weights(jacobian, generator=generator)

    def _start(self, zeros: Tensor) -> State:
        return {}

    def _weights(
        self, losses: Tensor, state: State, present: Tensor, generator: Generators
    ) -> Tensor:
        """Return weights, (E, T), from finite losses, (E, T); those of absent tasks are
        overwritten.
        """
        raise NotImplementedError

    def _advance(self, losses: Tensor, state: State, present: Tensor, **signals: Tensor) -> State:
        """Return the entries that change; those of absent tasks and diverged members are
        overwritten.
        """
        return state

    def _batch(self, losses: Tensor, state: State | None, present: Tensor | None) -> Batch:
        values = torch.as_tensor(losses).detach()
        if values.ndim < 1 or values.shape[-1] == 0:
            raise ValueError(
                f"{type(self).__name__} needs losses of shape (..., T), one a task. Got shape "
                f"{tuple(values.shape)}."
            )
        rows = values.to(torch.float64).reshape(-1, values.shape[-1])
        here = (
            torch.ones_like(rows, dtype=torch.bool)
            if present is None
            else _as_rows("present", present, values.shape).to(rows.device, torch.bool)
        )
        finite = (rows.isfinite() | ~here).all(-1)
        rows = torch.where(here & finite[:, None], rows, 1.0)
        if self.nonnegative and bool((rows < 0).any()):
            member, task = torch.nonzero(rows < 0)[0].tolist()
            raise ValueError(
                f"{type(self).__name__} needs losses of at least 0. Got "
                f"{rows[member, task].item():g} for the task at position {task}."
            )
        if state is None:
            state = self.initial_state(*rows.shape, device=rows.device)
        for name, tensor in state.items():
            if tensor.shape not in (rows.shape, rows.shape[:1]):
                raise ValueError(
                    f"The state of {type(self).__name__} must be of {rows.shape[0]} members and "
                    f"{rows.shape[1]} tasks, as the losses are. "
                    f"Got {name!r} of shape {tuple(tensor.shape)}."
                )
        return Batch(rows, state, here, finite, values.shape)


@dataclass
class Batch:
    """Losses as rows, (E, T), in which those of absent tasks and of members with a loss that is not
    finite are 1.
    """

    losses: Tensor
    state: State
    present: Tensor
    finite: Tensor
    shape: torch.Size

    def read(self, name: str, signal: Tensor) -> Tensor:
        """Return a signal as rows, and count members where it is not finite among the diverged."""
        rows = _as_rows(name, signal, self.shape).to(self.losses)
        self.finite = self.finite & (rows.isfinite() | ~self.present).all(-1)
        return torch.where(self.present & self.finite[:, None], rows, 1.0)

    def weights(self, values: Tensor) -> Tensor:
        """Return weights in the shape that the losses came in."""
        return torch.where(
            self.finite[:, None], torch.where(self.present, values, 0.0), torch.nan
        ).reshape(self.shape)

    def advanced(self, old: Tensor, new: Tensor) -> Tensor:
        """Return an entry of the next state."""
        return torch.where(
            self.finite if old.ndim == 1 else self.present & self.finite[:, None], new, old
        )


def _as_rows(name: str, values: Tensor, shape: torch.Size) -> Tensor:
    tensor = torch.as_tensor(values).detach()
    if tensor.shape != shape:
        raise ValueError(
            f"{name} must have the shape of losses, {tuple(shape)}. Got {tuple(tensor.shape)}."
        )
    return tensor.reshape(-1, shape[-1])


# ---------------------------------------------------------------------- what several methods
# compute
def task_softmax(values: Tensor, present: Tensor) -> Tensor:
    """Return the softmax over the tasks that are present, 0 for others."""
    shares = values.masked_fill(~present, -torch.inf).softmax(-1)
    return torch.where(present, shares, 0.0)


def balanced(values: Tensor, present: Tensor) -> Tensor:
    """Return the softmax over the tasks that are present times their number: 1 on average."""
    return present.sum(-1, keepdim=True) * task_softmax(values, present)


def unsolved(losses: Tensor, present: Tensor) -> Tensor:
    """Whether a task is present and has a loss, relative to the largest of its member; a task
    without has no gradient and no logarithm.
    """
    largest = losses.masked_fill(~present, 0.0).amax(-1, keepdim=True)
    return present & (losses > 0) & (losses >= SOLVED * largest)


def inverse(losses: Tensor, active: Tensor) -> Tensor:
    """Return 1 / loss, the derivative of its logarithm; 0 for tasks that are not active."""
    return torch.where(active, 1.0 / torch.where(active, losses, 1.0), 0.0)


def ratio(losses: Tensor, reference: Tensor) -> Tensor:
    """Return losses / reference; 1 where the reference is unknown (NaN) or zero, and therefore says
    nothing.
    """
    known = reference > 0
    return torch.where(known, losses / torch.where(known, reference, 1.0), 1.0).clamp(
        max=LARGEST_RATIO
    )


def filled(reference: Tensor, losses: Tensor) -> Tensor:
    """Return the reference, and the losses where it is unknown (NaN)."""
    return torch.where(reference.isnan(), losses, reference)


def mean_over(values: Tensor, present: Tensor) -> Tensor:
    """Return the mean over the tasks that are present, (E, 1); 0 where none is."""
    return torch.where(present, values, 0.0).sum(-1, keepdim=True) / present.sum(
        -1, keepdim=True
    ).clamp(min=1)


# ---------------------------------------------------------------------- learnt entries
def learnt(zeros: Tensor, start: float = 0.0) -> State:
    """Return the entries of a parameter for each task, "value", and of its Adam optimiser."""
    return {
        "value": zeros + start,
        "momentum": zeros.clone(),
        "square": zeros.clone(),
        "steps": zeros.clone(),
    }


def adam_step(state: State, gradient: Tensor, learning_rate: float) -> State:
    """Return the entries of `learnt` after a step of Adam with its usual constants (0.9, 0.999,
    1e-8).
    """
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


# ---------------------------------------------------------------------- parameters
def checked_share(owner: Aggregator, name: str, value: Any) -> float:
    """Return a parameter between 0 and 1 as a float."""
    number = checked_number(owner, name, value, 0.0)
    if number > 1:
        raise ValueError(
            f"The {name!r} parameter of {type(owner).__name__} must be between 0 and 1. Got "
            f"{value!r} instead."
        )
    return number


def per_task(owner: Aggregator, name: str, value: Any, like: Tensor) -> Tensor:
    """Return a finite number, or one for each task, as a tensor that broadcasts against (E, T)."""
    tensor = torch.as_tensor(value, dtype=torch.float64, device=like.device)
    if (
        tensor.ndim > 1
        or (tensor.ndim == 1 and len(tensor) != like.shape[-1])
        or not bool(tensor.isfinite().all())
    ):
        raise ValueError(
            f"The {name!r} parameter of {type(owner).__name__} must be a finite number, or one for "
            f"each of the {like.shape[-1]} tasks. Got {value!r} instead."
        )
    return tensor
