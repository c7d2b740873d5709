"""Curves, stopping, solver states and results of the networks of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from skmtl.network.lanes import Lanes
from skmtl.network.members import Member, TrainedMember, Training, any_rows
from skmtl.network.stopping import Watch


@dataclass
class Curves:
    """Curves of one network, one entry per epoch."""

    task_losses: list[NDArray[np.float64]] = field(default_factory=list)
    weights: list[NDArray[np.float64]] = field(default_factory=list)
    diagnostics: list[dict[str, float]] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class FinalState:
    """States of solver and aggregator at the end of training."""

    n_steps: int
    solver_state: list[list[NDArray[np.floating]]] = field(default_factory=list)
    aggregator_state: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    aggregator: str = ""


class Book:
    """Curves, stopping and results of a batch of networks, by their position in it.

    Parameters
    ----------
    members : sequence of Member
        The networks.
    n_tasks : int
        Number of tasks of every network.
    training : Training
        Settings of training.
    """

    def __init__(self, members: Sequence[Member], n_tasks: int, training: Training):
        self.n_tasks, self.training = n_tasks, training
        self.stopping = Watch(
            len(members),
            training.tol,
            training.n_iter_no_change,
            training.max_iter,
            keep_best=any_rows(member.validation for member in members),
        )
        self.curves = [Curves() for _ in members]
        self.states: dict[int, FinalState] = {}
        self.results: list[TrainedMember | None] = [None] * len(members)

    @property
    def n_epochs(self) -> int:
        """Largest number of epochs that a network has trained."""
        return int(self.stopping.n_iter.max())

    def record(
        self,
        lanes: Lanes,
        task_losses: NDArray[np.float64] | None,
        watched: NDArray[np.float64] | None,
    ) -> None:
        """Append an epoch to the curves of all networks that are still training."""
        notes = None if task_losses is None else lanes.steering.notes()
        validated = lanes.settings.validation is not None
        for lane, e in enumerate(lanes.ids):
            if self.stopping.finished[e]:
                continue
            curves = self.curves[e]
            if task_losses is not None and notes is not None:
                weights, diagnostics = notes
                curves.task_losses.append(task_losses[lane])
                curves.weights.append(weights[lane])
                curves.diagnostics.append(
                    {name: float(values[lane]) for name, values in diagnostics.items()}
                )
            if validated and watched is not None:
                curves.validation.append(float(watched[lane]))

    def keep_states(self, lanes: Lanes, finished: NDArray[np.bool_]) -> None:
        """Store solver and aggregator states of networks that have just finished, if requested."""
        if self.training.keep_solver_state:
            for lane in np.flatnonzero(finished):
                if int(lanes.ids[lane]) not in self.states:
                    self.states[int(lanes.ids[lane])] = self._state(lanes, int(lane))

    def file(
        self, lanes: Lanes, which: NDArray[np.intp], scores: dict[int, list[NDArray[np.float64]]]
    ) -> None:
        """Store the results of the networks in these lanes, with their scores."""
        for lane in map(int, which):
            self.results[lanes.ids[lane]] = self.result(lanes, lane, scores.get(lane, []))

    def unfiled(self, lanes: Lanes, finished: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the lanes of finished networks without a result."""
        return np.flatnonzero(finished & [self.results[e] is None for e in lanes.ids])

    def result(self, lanes: Lanes, lane: int, scores: list[NDArray[np.float64]]) -> TrainedMember:
        """Return the network in a lane in its present state."""
        e = int(lanes.ids[lane])
        curves, stopping = self.curves[e], self.stopping
        state = self.states.get(e) or self._state(lanes, lane)
        return TrainedMember(
            parameters=lanes.kept_parameters(lane),
            n_iter=int(stopping.n_iter[e]),
            best_iteration=int(stopping.kept_iteration[e]),
            task_loss_curve=np.array(curves.task_losses).reshape(-1, self.n_tasks),
            validation_curve=np.array(curves.validation),
            scores=scores,
            aggregation_weights=np.array(curves.weights).reshape(-1, self.n_tasks),
            diagnostics=curves.diagnostics,
            diverged=bool(stopping.diverged[e]),
            solver_state=state.solver_state,
            n_steps=state.n_steps,
            aggregator_state=state.aggregator_state,
            aggregator=state.aggregator,
            solver=self.training.solver,
        )

    def as_of_now(self, lanes: Lanes) -> list[TrainedMember]:
        """Return all networks that have entered a lane, as if training ended now."""
        lane_of = {int(e): lane for lane, e in enumerate(lanes.ids)}
        return [
            done if done is not None else self.result(lanes, lane_of[e], [])
            for e, done in enumerate(self.results)
            if done is not None or e in lane_of
        ]

    def _state(self, lanes: Lanes, lane: int) -> FinalState:
        n_steps = int(lanes.solver.steps[lane])
        if not self.training.keep_solver_state:
            return FinalState(n_steps)
        steering = lanes.steering
        return FinalState(
            n_steps, lanes.solver.state_of(lane), steering.state_of(lane), steering.name
        )
