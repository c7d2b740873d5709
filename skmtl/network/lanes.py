"""Lanes in which networks train side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.network.batches import Batch, DeviceData, RowTable, build_table
from skmtl.network.by_gradients import build_steering
from skmtl.network.lane_dropout import LaneDropout
from skmtl.network.lane_settings import LaneSettings, on_device, per_network, settings_of_lanes
from skmtl.network.members import Member, any_rows
from skmtl.network.solvers import ParameterBlock, build_solver
from skmtl.network.stacked_network import StackedNetwork
from skmtl.network.steps import Step
from skmtl.network.training_problem import TrainingProblem


class Lanes:
    """Parameters, solver, rows and aggregator of the networks that are being trained.

    The result of a network does not depend on its lane or on the networks in other lanes.

    Parameters
    ----------
    problem : TrainingProblem
        Settings that the networks share.
    data : DeviceData
        Rows of all networks, on the device.
    members : sequence of Member
        All networks of the batch, including those without a lane.
    rows_per_epoch : int
        Rows of every task per epoch.
    entering : sequence of int
        Networks, by their position among ``members``, that enter the first lanes.

    Attributes
    ----------
    ids : ndarray of shape (E,)
        The network in every lane, by its position among ``members``.
    """

    def __init__(
        self,
        problem: TrainingProblem,
        data: DeviceData,
        members: Sequence[Member],
        rows_per_epoch: int,
        entering: Sequence[int],
    ):
        self.problem, self.data, self.members = problem, data, members
        self.rows_per_epoch = rows_per_epoch
        self.n_tasks = problem.n_tasks_of(members[0])
        self.with_validation = any_rows(member.validation for member in members)
        self.ids = np.array(entering, dtype=np.intp)
        now, training, device = self.inside, problem.training, data.x.device
        seeds = [member.order_seed for member in now]
        shapes = [(len(now), *shape) for shape in problem.architecture.member_shapes(self.n_tasks)]
        self.parameters = ParameterBlock(shapes, data.x.dtype, device)
        self.gradients, self.kept = self.parameters.like(), self.parameters.like()
        self.solver = build_solver(
            training.solver,
            self.parameters,
            self.gradients,
            per_network(data, now, lambda m: m.learning_rate),
        )
        self.dropout = LaneDropout(training.dropout, device, seeds) if training.dropout else None
        self.network, self.inference = self._networks()
        self.table = self._rows(now)
        self.steering = build_steering(problem.aggregator, self.n_tasks, device)
        self.steering.open(seeds)
        self._start(np.arange(len(now)))
        self.settings = self._settings()

    @property
    def inside(self) -> list[Member]:
        """The networks in the lanes."""
        return [self.members[e] for e in self.ids]

    # ------------------------------------------------------------------ steps
    def forward(self, batch: Batch) -> Step:
        """Return a step with the scores of a batch."""
        now, training = self.settings, self.problem.training
        return Step(
            self.network,
            now.loss,
            self.problem.terms,
            batch,
            self.network.forward(batch.x, batch.codes),
            now.task_weights,
            now.importance,
            now.term_weights,
            training.train_trunk,
            training.record,
        )

    def scores_after(self, batch: Batch) -> Callable[[], Tensor]:
        """Return a function that scores a batch again, with the same dropout."""
        return lambda: self.network.forward(batch.x, batch.codes, draw=False)

    def decay(self) -> None:
        """Apply weight decay: to the gradients or, for adamw, to the weights."""
        decay = self.settings.decay
        if decay is None:
            return
        if self.problem.training.solver == "adamw":
            self.parameters.flat.addcmul_(self.parameters.flat, decay.flat, value=-1)
        else:
            self.gradients.flat.addcmul_(self.parameters.flat, decay.flat)

    # ------------------------------------------------------------------ parameters
    def finite(self) -> NDArray[np.bool_]:
        """Return whether all parameters are finite, for every lane.

        A finite loss does not imply this: a saturated unit may hide an infinite parameter.
        """
        if torch.isfinite(self.parameters.flat.sum()):
            return np.ones(len(self.ids), dtype=bool)
        sums = torch.stack([parameter.flatten(1).sum(1) for parameter in self.parameters.tensors])
        finite: NDArray[np.bool_] = torch.isfinite(sums).all(0).cpu().numpy()
        return finite

    def keep_parameters(self, which: NDArray[np.bool_]) -> None:
        """Store a copy of the current parameters of these lanes."""
        if which.all():
            self.kept.flat.copy_(self.parameters.flat)
        elif which.any():
            lanes = self._index(np.flatnonzero(which))
            for kept, parameter in zip(self.kept.tensors, self.parameters.tensors, strict=True):
                kept.index_copy_(0, lanes, parameter.index_select(0, lanes))

    def kept_parameters(self, lane: int) -> list[NDArray[np.floating]]:
        """Return the stored parameters of a lane."""
        return [kept[lane].cpu().numpy().copy() for kept in self.kept.tensors]

    # ------------------------------------------------------------------ entering and moving
    def enter(self, free: NDArray[np.intp], entering: Sequence[int]) -> None:
        """Place networks in free lanes."""
        self.ids[free] = entering
        lanes, new = self._index(free), [self.members[e] for e in entering]
        seeds = [member.order_seed for member in new]
        self.table = self.table.replace(lanes, self._rows(new))
        self.solver.restart(lanes, per_network(self.data, new, lambda m: m.learning_rate))
        self.steering.enter(free, seeds)
        if self.dropout is not None:
            self.dropout.enter(free, seeds)
        self._start(free)
        self.settings = self._settings()

    def move_together(self, stay: NDArray[np.bool_]) -> None:
        """Keep only these lanes."""
        positions = np.flatnonzero(stay)
        keep = self._index(positions)
        self.ids = self.ids[stay]
        self.parameters, self.gradients, self.kept = (
            block.select(keep) for block in (self.parameters, self.gradients, self.kept)
        )
        self.solver = self.solver.select(keep, self.parameters, self.gradients)
        if self.dropout is not None:
            self.dropout.select(positions)
        self.network, self.inference = self._networks()
        self.table = self.table.select(keep)
        self.steering.select(positions)
        self.settings = self._settings()

    def _start(self, lanes: NDArray[np.intp]) -> None:
        """Initialize the parameters and states of lanes for their networks."""
        members = [self.members[self.ids[lane]] for lane in lanes]
        drawn = {
            seed: self.problem.architecture.initial_parameters(seed, self.n_tasks)
            for seed in {m.seed for m in members if m.start is None}
        }
        draws = zip(
            *(drawn[m.seed] if m.start is None else m.start.parameters for m in members),
            strict=True,
        )
        for draw, parameter, kept in zip(
            draws, self.parameters.tensors, self.kept.tensors, strict=True
        ):
            index, values = self._index(lanes), on_device(self.data, np.stack(draw))
            parameter[index] = kept[index] = values
        for lane, member in zip(lanes, members, strict=True):
            start = member.start
            if start is None:
                continue
            if start.solver == self.problem.training.solver:
                self.solver.resume(int(lane), start.n_steps, start.solver_state)
            self.steering.resume(int(lane), start.aggregator, start.aggregator_state)

    def _networks(self) -> tuple[StackedNetwork, StackedNetwork]:
        """Return the stacked networks over the current parameters, for training and inference."""
        network = StackedNetwork(
            self.problem.architecture,
            self.parameters.tensors,
            self.gradients.tensors,
            shared_rows=self.data.shared_rows,
            dropout=self.dropout,
        )
        return network, network.for_inference()

    def _rows(self, members: Sequence[Member]) -> RowTable:
        return build_table(self.data, [member.train for member in members], self.rows_per_epoch)

    def _settings(self) -> LaneSettings:
        return settings_of_lanes(
            self.problem,
            self.data,
            self.inside,
            self.parameters,
            with_validation=self.with_validation,
        )

    def _index(self, positions: NDArray[np.intp]) -> Tensor:
        return torch.as_tensor(positions, dtype=torch.int64, device=self.data.x.device)
