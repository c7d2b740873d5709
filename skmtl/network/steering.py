"""Gradients of networks from the scores and labels of a batch: the mean of the losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.base import Aggregator, Signals
from skmtl.network.epoch_losses import EpochLosses
from skmtl.network.epoch_notes import EpochNotes
from skmtl.network.lane_memory import LaneMemory, Lanes, State
from skmtl.network.plugin_checks import checked_init, checked_step
from skmtl.network.steps import Step, gramian_of, norms_of

# Prefix of the entries of a saved state that belong to the loop, not to the aggregator.
_OWN = "_"


class Steering:
    """Gradients of the mean of the losses, and the base class for aggregators.

    Parameters
    ----------
    aggregator : Aggregator or None
        How the tasks' losses or gradients become one step; None = mean of the losses.
    n_tasks : int
        Number of tasks.
    device : torch.device
        Device of the networks.
    """

    def __init__(self, aggregator: Aggregator | None, n_tasks: int, device: torch.device):
        self.aggregator = Aggregator() if aggregator is None else aggregator
        self.name = str(aggregator)
        self.n_tasks, self.device = n_tasks, device
        self.memory = LaneMemory(self._fresh)  # of the aggregator
        self.own = LaneMemory(self.fresh_own)  # of the loop for it
        self.generators: list[torch.Generator] = []
        self.epoch = EpochNotes(0, n_tasks, device)
        kind = type(self.aggregator)
        self.learns_after_step = kind.after_step is not Aggregator.after_step
        self.learns_from_epochs = kind.end_epoch is not Aggregator.end_epoch
        self.epoch_losses = EpochLosses(0, n_tasks, device)
        self.signals: Signals | None = None  # of the last step
        self._constant = torch.zeros(0)

    # ------------------------------------------------------------------ lanes
    def open(self, order_seeds: Sequence[int]) -> None:
        """Create one lane per order seed."""
        self.memory.open(len(order_seeds))
        self.own.open(len(order_seeds))
        self.generators = [_generator(seed) for seed in order_seeds]

    def enter(self, lanes: NDArray[np.intp], order_seeds: Sequence[int]) -> None:
        """Reset lanes that new networks enter."""
        self.memory.enter(lanes)
        self.own.enter(lanes)
        for lane, seed in zip(lanes, order_seeds, strict=True):
            self.generators[lane] = _generator(seed)

    def select(self, keep: NDArray[np.intp]) -> None:
        """Keep only these lanes."""
        self.memory.select(keep)
        self.own.select(keep)
        self.generators = [self.generators[lane] for lane in keep]

    def state_of(self, lane: int) -> dict[str, NDArray[np.generic]]:
        """Return the state of a lane as numpy arrays; entries that are not tensors are left out."""
        own = {f"{_OWN}{name}": values for name, values in self.own.of(lane).items()}
        return {**self.memory.of(lane), **own}

    def resume(self, lane: int, name: str, state: dict[str, NDArray[np.generic]]) -> None:
        """Restore the state of a lane from :meth:`state_of`, unless the aggregator differs."""
        if name != self.name:
            return
        for key, saved in state.items():
            memory = self.own if key.startswith(_OWN) else self.memory
            memory.resume(lane, key.removeprefix(_OWN), saved)

    def fresh_own(self, n_lanes: int) -> State:
        """Return the state of new lanes that the loop keeps for the aggregator."""
        return {}

    def _fresh(self, n_lanes: int) -> State:
        state = self.aggregator.init(n_lanes, self.n_tasks, device=self.device)
        return checked_init(self.aggregator, state, n_lanes, self.n_tasks)

    # ------------------------------------------------------------------ steps
    def begin_epoch(self, n_members: int) -> None:
        """Start recording an epoch."""
        self.epoch = EpochNotes(n_members, self.n_tasks, self.device)
        if self.learns_from_epochs:
            self.epoch_losses = EpochLosses(n_members, self.n_tasks, self.device)

    def gradients(self, step: Step) -> None:
        """Compute the networks' gradients."""
        derivative = step.derivative()
        if self.n_tasks > 1:
            derivative *= step.task_weights[..., None, None]
        step.backward(derivative, step.task_weights if self.n_tasks > 1 else None)
        self._constant = step.task_weights

    def after_step(self, step: Step, scores_after: Callable[[], Tensor]) -> None:
        """Update the aggregator's state after a step."""
        signals = self.signals
        if signals is None:
            return
        if self.learns_from_epochs:
            self.epoch_losses.add(signals.losses, *step.presence)
        if self.learns_after_step:
            known = Signals(
                generators=self.generators,
                losses=signals.losses,  # read before the scores after the step replace these
                present=signals.present,
                scores=signals.scores,
                steps=signals.steps,
                losses_after=lambda: step.mean_losses(scores_after()),
            )
            self._learn(self.aggregator.after_step, known)

    def end_epoch(self, scores: Tensor | None) -> None:
        """Update the aggregator's state after an epoch.

        ``scores``, (E, T), is the percentage by which validation losses exceed the baselines.
        """
        own = self.own.state
        if not own:
            return
        if scores is not None:
            own["scores"] = torch.where(scores.isfinite(), scores.double(), 0.0)
        if self.learns_from_epochs:
            losses, present = self.epoch_losses.means()
            known = Signals(
                generators=self.generators, losses=losses, present=present, scores=own["scores"]
            )
            self._learn(self.aggregator.end_epoch, known)

    def notes(self) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
        """Return mean weights of the epoch, (E, T), NaN if none, and diagnostics, (E,)."""
        if self._constant.numel():
            return self._constant.double().cpu().numpy(), {}
        notes = self.epoch.diagnostics(self.aggregator)
        if self.epoch.gramian is not None and "unsolved" in self.memory.state:
            notes["unsolved"] = self.epoch.unsolved_share()
        return self.epoch.mean_weights(), notes

    # ------------------------------------------------------------------ calls of the aggregator
    def signals_of(self, step: Step, derivative: Tensor, heads: Tensor | None = None) -> Signals:
        """Return the signals of a step, given the derivative of the task losses.

        Reading the Jacobian also computes the heads' gradients, from the derivative ``heads``.
        """
        network, own = step.network, self.own.state

        def representation_gramian() -> Tensor:
            if not network.shared_rows:
                raise ValueError(
                    f"{self.aggregator} uses gradients at the representation, which requires that "
                    "tasks share rows (wide form). In long form every row belongs to one task. "
                    'Set at="parameters".'
                )
            return network.representation_gramian(derivative)

        self.signals = signals = Signals(
            generators=self.generators,
            losses=step.mean_losses,
            present=step.presence[1],
            jacobian=lambda: network.trunk_jacobian(derivative, heads),
            gramian=lambda: gramian_of(signals.jacobian),
            gradient_norms=lambda: norms_of(signals.gramian),
            representation_gramian=representation_gramian,
            scores=own["scores"],
            steps=own["steps"],
        )
        own["steps"] = own["steps"] + 1
        return signals

    def calls(
        self, signals: Signals, n_columns: int | None = None
    ) -> Iterator[tuple[Lanes, Lanes, Tensor]]:
        """Call the aggregator; yield lanes, tasks and its result for them, and store its state.

        Its result has one column per task, or as many as are given.
        """
        for lanes, tasks, shown, own in self._shown(signals):
            shape = len(lanes), len(tasks) if n_columns is None else n_columns
            result, new = checked_step(self.aggregator, self.aggregator.step(shown, own), shape)
            if "unsolved" in new:
                self.epoch.solve(new["unsolved"], lanes)
            self._keep(new, own, lanes, tasks)
            yield lanes, tasks, result

    def _learn(self, learn: Callable[[Signals, State], State], signals: Signals) -> None:
        for lanes, tasks, shown, own in self._shown(signals):
            self._keep(learn(shown, own), own, lanes, tasks)

    def _shown(self, signals: Signals) -> Iterator[tuple[Lanes, Lanes, Signals, State]]:
        """Yield lanes and tasks with their signals and state, grouped by present tasks."""
        present = signals.present
        all_lanes_and_tasks = np.arange(present.shape[0]), np.arange(present.shape[1])
        if self.aggregator.sees_absent_tasks or bool(present.all()):
            yield *all_lanes_and_tasks, signals, self.memory.state
            return
        for lanes, tasks in _patterns(present):
            yield lanes, tasks, signals.part(lanes, tasks), self.memory.part(lanes, tasks)

    def _keep(self, new: State, own: State, lanes: Lanes, tasks: Lanes) -> None:
        if own is self.memory.state:
            self.memory.state = {**own, **new}
        else:
            self.memory.put(new, lanes, tasks)


def _generator(order_seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(order_seed)


def _patterns(present: Tensor) -> list[tuple[Lanes, Lanes]]:
    """Return lanes grouped by the tasks in their batch, without lanes that have none."""
    patterns, which = np.unique(present.cpu().numpy(), axis=0, return_inverse=True)
    groups = [
        (np.flatnonzero(which.reshape(-1) == k), np.flatnonzero(pattern))
        for k, pattern in enumerate(patterns)
    ]
    return [(lanes, tasks) for lanes, tasks in groups if len(tasks)]
