"""Losses, gradients and other quantities of a training step, computed when first read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Generators = torch.Generator | Sequence[torch.Generator] | None
    Source = Tensor | Callable[[], Tensor]

Positions = NDArray[np.intp]

# Number of axes of each signal, after that of the networks, that run over the tasks.
_TASK_AXES = {
    "losses": 1,
    "present": 1,
    "gramian": 2,
    "representation_gramian": 2,
    "jacobian": 1,
    "gradient_norms": 1,
    "scores": 1,
    "losses_after": 1,
    "steps": 0,
}


class Signals:
    """Quantities that an aggregator may read in a step, computed only if they are read.

    E networks train side by side; T is the number of tasks in the signals. Unless
    :attr:`Aggregator.sees_absent_tasks` is set, these are the tasks with a label in the batch.

    Parameters
    ----------
    generators : torch.Generator, sequence of torch.Generator or None, default=None
        Source of randomness: one generator per network in training, or one for all.
    tasks : ndarray of int or None, default=None
        Positions, among all tasks, of the tasks in the signals; None = all.
    **sources : Tensor or callable
        The signals by name: tensors, or functions that return them and are called at first use.

    Attributes
    ----------
    losses : Tensor of shape (E, T)
        Mean losses of the batch times the estimator's task weights; in ``end_epoch``, means over
        the epoch. Float64.
    present : Tensor of bool of shape (E, T)
        Whether the batch (in ``end_epoch``: the epoch) has a label for the task.
    gramian : Tensor of shape (E, T, T)
        Inner products of the task gradients with respect to the trunk's parameters. Float64.
    representation_gramian : Tensor of shape (E, T, T)
        The same for gradients with respect to the trunk's outputs; only for tasks that share rows
        (wide form). Float64.
    jacobian : Tensor of shape (E, T, P)
        Task gradients with respect to the trunk's P parameters.
    gradient_norms : Tensor of shape (E, T)
        Norms of the task gradients. Float64.
    scores : Tensor of shape (E, T)
        Percentage by which validation losses exceed those of single-task networks; 0 if unknown.
        See :attr:`Aggregator.needs_baselines`.
    losses_after : Tensor of shape (E, T)
        Losses of the same batch after the step; in ``after_step`` only.
    steps : Tensor of int of shape (E,)
        Number of steps that each network has taken before this one.

    Examples
    --------
    >>> import torch
    >>> from skmtl.base import Signals
    >>> rows = torch.tensor([[[1.0, 0.0], [1.0, 2.0]]])
    >>> Signals(jacobian=rows, gramian=lambda: rows @ rows.mT).gramian
    tensor([[[1., 1.],
             [1., 5.]]])
    """

    def __init__(
        self, *, generators: Generators = None, tasks: Positions | None = None, **sources: Source
    ):
        unknown = set(sources) - set(_TASK_AXES)
        if unknown:
            raise TypeError(
                f"Signals has no {', '.join(sorted(unknown))}. There are {', '.join(_TASK_AXES)}."
            )
        self.generators = generators
        self.tasks = tasks
        self.sources = sources

    def read(self, name: str) -> Tensor:
        """Return a signal by name.

        Parameters
        ----------
        name : str
            One of the attributes.

        Returns
        -------
        Tensor
            Its value, computed once.
        """
        if name not in self.sources:
            raise ValueError(
                f"There is no signal {name!r} here. Given: {', '.join(self.sources) or 'none'}. "
                "Losses after the step are available only in after_step, gradients only in step."
            )
        source = self.sources[name]
        if callable(source):
            source = self.sources[name] = source()
        return source

    def was_read(self, name: str) -> bool:
        """Return whether the value of a signal has been computed.

        Parameters
        ----------
        name : str
            One of the attributes.

        Returns
        -------
        bool
            False for signals that do not exist here or have not been read.
        """
        return name in self.sources and not callable(self.sources[name])

    def part(self, networks: Positions, tasks: Positions | None = None) -> Signals:
        """Return the signals of some networks and tasks.

        Parameters
        ----------
        networks : ndarray of int
            Their positions.
        tasks : ndarray of int or None, default=None
            Their positions among the tasks in these signals; None = all.

        Returns
        -------
        Signals
            Signals that are computed here, for all networks at once, when they are first read.
        """
        generators = self.generators
        if isinstance(generators, Sequence):
            generators = [generators[e] for e in networks]
        shown = self.tasks if tasks is None else tasks
        if tasks is not None and self.tasks is not None:
            shown = self.tasks[tasks]

        def one(name: str) -> Callable[[], Tensor]:
            return lambda: part_of(self.read(name), networks, tasks, _TASK_AXES[name])

        return Signals(
            generators=generators, tasks=shown, **{name: one(name) for name in self.sources}
        )

    def replaced(self, **sources: Source) -> Signals:
        """Return the signals with some replaced.

        Parameters
        ----------
        **sources : Tensor or callable
            New signals, as in the constructor.

        Returns
        -------
        Signals
            The other signals are those of this object.
        """

        def one(name: str) -> Callable[[], Tensor]:
            return lambda: self.read(name)

        kept = {name: one(name) for name in self.sources}
        return Signals(generators=self.generators, tasks=self.tasks, **{**kept, **sources})

    @property
    def losses(self) -> Tensor:
        """Mean losses of the batch, (E, T)."""
        return self.read("losses")

    @property
    def present(self) -> Tensor:
        """Whether the batch has a label for the task, (E, T)."""
        return self.read("present")

    @property
    def gramian(self) -> Tensor:
        """Inner products of the task gradients of the trunk's parameters, (E, T, T)."""
        return self.read("gramian")

    @property
    def representation_gramian(self) -> Tensor:
        """Inner products of the task gradients of the trunk's outputs, (E, T, T)."""
        return self.read("representation_gramian")

    @property
    def jacobian(self) -> Tensor:
        """Task gradients of the trunk's parameters, (E, T, P)."""
        return self.read("jacobian")

    @property
    def gradient_norms(self) -> Tensor:
        """Norms of the task gradients of the trunk's parameters, (E, T)."""
        return self.read("gradient_norms")

    @property
    def scores(self) -> Tensor:
        """Percentage by which validation losses exceed those of single-task networks, (E, T)."""
        return self.read("scores")

    @property
    def losses_after(self) -> Tensor:
        """Losses of the same batch after the step, (E, T)."""
        return self.read("losses_after")

    @property
    def steps(self) -> Tensor:
        """Number of steps that each network has taken, (E,)."""
        return self.read("steps")


def part_of(
    values: Tensor, networks: Positions, tasks: Positions | None, n_task_axes: int
) -> Tensor:
    """Return a copy of the entries of some networks and, along the task axes, some tasks."""
    if tasks is None or n_task_axes == 0:
        return values[networks]
    return values[np.ix_(networks, *[tasks] * n_task_axes)]
