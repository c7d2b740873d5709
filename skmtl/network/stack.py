"""One stack of members in training: lanes that members enter, train in, and leave."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from skmtl.base import Aggregator, LossTerm
from skmtl.network.architecture import Architecture
from skmtl.network.batches import BatchStream, DeviceData, build_table
from skmtl.network.by_gradients import build_steering
from skmtl.network.lane_loss import LaneLoss
from skmtl.network.members import Member, TrainedMember, Training, any_rows
from skmtl.network.solvers import ParameterBlock, build_solver
from skmtl.network.stacked import StackedNetwork
from skmtl.network.steps import Step
from skmtl.network.stopping import Watch

# Called after a pass with the passes made and the members as they are now; True ends training.
OnPass = Callable[[int, Callable[[], list[TrainedMember]]], bool]

# Share of the lanes that may stand idle before others are let in or the rest moves together.
_IDLE_SHARE = 0.1
# Rows of every task that are scored at once outside of training.
_SCORED_AT_ONCE = 4096


class Stack:
    """Lanes in which members that take the same number of steps a pass train side by side.

    A member enters a lane, trains until it stops, and leaves the lane to the next in the queue;
    when the queue is empty the lanes in use move together. What a member becomes depends neither on
    its lane nor on its neighbours.

    Parameters
    ----------
    architecture, data, training, aggregator, terms
        As in :func:`skmtl.network.train_fleet`.
    shape : (int, int)
        Steps of a pass and rows of every task in a step.
    n_lanes : int
        Largest number of members that train at once.
    on_leave : callable
        Called with the number of members that have just left.
    on_pass : callable, optional
        As in :func:`skmtl.network.train_fleet`; all members must fit into the lanes.
    """

    def __init__(
        self,
        architecture: Architecture,
        data: DeviceData,
        training: Training,
        shape: tuple[int, int],
        n_lanes: int,
        aggregator: Aggregator | None = None,
        terms: Sequence[LossTerm] = (),
        on_leave: Callable[[int], None] = lambda count: None,
        on_pass: OnPass | None = None,
    ):
        self.architecture, self.data, self.training = architecture, data, training
        self.aggregator, self.terms, self.on_leave, self.on_pass = (
            aggregator,
            terms,
            on_leave,
            on_pass,
        )
        self.n_rows, self.n_lanes = shape[0] * shape[1], n_lanes
        self.stream = BatchStream(data, shape[0])

    # ------------------------------------------------------------------ the loop
    def train(self, members: Sequence[Member]) -> list[TrainedMember]:
        """Train all members and return them in order."""
        self.members = members
        self.n_tasks = self.data.labels.shape[0] if self.data.shared_rows else len(members[0].train)
        watching = any_rows(member.validation for member in members)
        self.watch = Watch(
            len(members),
            self.training.tol,
            self.training.n_iter_no_change,
            self.training.max_iter,
            keep_best=watching,
        )
        self.task_curves: list[list[NDArray[np.float64]]] = [[] for _ in members]
        self.weight_curves: list[list[NDArray[np.float64]]] = [[] for _ in members]
        self.diagnostics: list[list[dict[str, float]]] = [[] for _ in members]
        self.watched_curves: list[list[float]] = [[] for _ in members]
        self.trained: list[TrainedMember | None] = [None] * len(members)
        self.final_states: dict[int, dict[str, Any]] = {}
        self.steering = build_steering(self.aggregator, self.n_tasks, self.data.x.device)
        self.generators: dict[int, torch.Generator] = {}
        queue = deque(range(len(members)))
        self._open([queue.popleft() for _ in range(min(self.n_lanes, len(members)))])
        while True:
            task_losses = self._pass()
            validation = self._validation_losses()
            watched = self._watched_loss(task_losses, validation)
            self._record(task_losses, watched)
            self.steering.end_pass(self._scores(validation))
            self._keep(self.watch.update(self.lanes, watched, self._finite()))
            if self.on_pass is not None and self.on_pass(
                int(self.watch.n_iter.max()), self._as_of_now
            ):
                self.watch.finished[self.lanes] = True
            finished = self.watch.finished[self.lanes]
            if self.training.keep_solver_state:
                for lane in np.flatnonzero(finished):
                    self.final_states.setdefault(
                        int(self.lanes[lane]), self._final_state(int(lane))
                    )
            if finished.mean() > _IDLE_SHARE or finished.all():
                self._leave(
                    np.flatnonzero(finished & [self.trained[e] is None for e in self.lanes])
                )
                if queue:
                    free = np.flatnonzero(finished)[: len(queue)]
                    self._enter(free, [queue.popleft() for _ in free])
                elif finished.all():
                    return [member for member in self.trained if member is not None]
                else:
                    self._close_up(~finished)

    def _pass(self) -> NDArray[np.float64] | None:
        """Take the steps of one pass; return the tasks' training losses, (E, T), where they are
        recorded.
        """
        losses: list[Tensor] = []
        orders = [(self.members[e].order_seed, int(self.watch.n_iter[e])) for e in self.lanes]
        self.steering.begin_pass(len(self.lanes))
        settings = (
            self.task_weights,
            self.importance,
            self.term_weights,
            self.training.train_trunk,
            self.training.record,
        )
        for batch in self.stream.batches(self.table, orders):
            step = Step(
                self.network,
                self.loss,
                self.terms,
                batch,
                self.network.forward(batch.x, batch.codes),
                *settings,
            )
            self.steering.gradients(step)
            self._penalise()
            self.solver.step()
            self.steering.after_step(
                step,
                lambda x=batch.x, codes=batch.codes: self.network.forward(  # type: ignore[misc]
                    x, codes, draw=False
                ),
            )
            if step.record and step.sums is not None:
                losses.append(step.sums)
        return torch.stack(losses).double().mean(0).cpu().numpy() if self.training.record else None

    def _penalise(self) -> None:
        """Apply alpha to the weights: as a gradient, or for adamw straight to the weights."""
        if self.decay is None:
            return
        if self.training.solver == "adamw":
            self.parameters.flat.addcmul_(self.parameters.flat, self.decay.flat, value=-1)
        else:
            self.gradients.flat.addcmul_(self.parameters.flat, self.decay.flat)

    def _decay(self) -> ParameterBlock | None:
        """Rate at which every parameter decays: alpha for weights that are trained, times the step
        size for adamw; else 0.
        """
        rates = self._of_members(
            lambda m: (
                min(m.alpha * m.learning_rate, 1.0) if self.training.solver == "adamw" else m.alpha
            )
        )
        if not rates.any():
            return None
        decay = self.parameters.like()
        for position in self.architecture.weight_positions(trunk=self.training.train_trunk):
            tensor = decay.tensors[position]
            tensor.copy_(rates.view(-1, *[1] * (tensor.ndim - 1)).expand_as(tensor))
        return decay

    # ------------------------------------------------------------------ watching
    def _validation_losses(self) -> Tensor | None:
        """Return every task's mean loss over its validation rows, (E, T), where there are any."""
        if self.watched is None:
            return None
        batch = self.watched
        values = self.loss.values(self.watching.forward(batch.x, batch.codes), batch.labels)
        return (values.double() * batch.weights).sum(2)

    def _watched_loss(
        self, task_losses: NDArray[np.float64] | None, validation: Tensor | None
    ) -> NDArray[np.float64] | None:
        """Return the validation loss where there are validation rows, else the recorded training
        loss, else nothing.
        """
        if validation is not None and self.watched is not None:
            per_task, weights = validation, self.task_weights * (self.watched.weights.sum(2) > 0)
        elif task_losses is not None:
            per_task, weights = (
                torch.as_tensor(task_losses, device=self.task_weights.device),
                self.task_weights,
            )
        else:
            return None
        total = weights.sum(1, keepdim=True)
        weights = torch.where(
            total > 0, weights, 1.0
        )  # nothing that is watched has weight: watch all tasks alike
        watched: NDArray[np.float64] = ((per_task * weights).sum(1) / weights.sum(1)).cpu().numpy()
        return watched

    def _scores(self, validation: Tensor | None) -> Tensor | None:
        """Return how far validation losses are above the members' baselines, (E, T), in percent; 0
        for a task without a baseline.
        """
        if validation is None or self.baselines is None:
            return None
        known = self.baselines > 0
        return torch.where(
            known, 100 * (validation / torch.where(known, self.baselines, 1.0) - 1), 0.0
        )

    def _finite(self) -> NDArray[np.bool_]:
        """Whether all weights of a lane are finite; a saturated unit may hide an infinite one from
        the loss.
        """
        if torch.isfinite(self.parameters.flat.sum()):
            return np.ones(len(self.lanes), dtype=bool)
        sums = torch.stack([parameter.flatten(1).sum(1) for parameter in self.parameters.tensors])
        finite: NDArray[np.bool_] = torch.isfinite(sums).all(0).cpu().numpy()
        return finite

    def _record(
        self, task_losses: NDArray[np.float64] | None, watched: NDArray[np.float64] | None
    ) -> None:
        if task_losses is not None:
            weights, diagnostics = self.steering.notes()
        for lane, e in enumerate(self.lanes):
            if self.watch.finished[e]:
                continue
            if task_losses is not None:
                self.task_curves[e].append(task_losses[lane])
                self.weight_curves[e].append(weights[lane])
                self.diagnostics[e].append(
                    {name: float(values[lane]) for name, values in diagnostics.items()}
                )
            if self.watched is not None and watched is not None:
                self.watched_curves[e].append(float(watched[lane]))

    def _keep(self, keep: NDArray[np.bool_]) -> None:
        """Copy the present weights of these lanes to the side."""
        if keep.all():
            self.kept.flat.copy_(self.parameters.flat)
        elif keep.any():
            lanes = self._index(np.flatnonzero(keep))
            for kept, parameter in zip(self.kept.tensors, self.parameters.tensors, strict=True):
                kept.index_copy_(0, lanes, parameter.index_select(0, lanes))

    # ------------------------------------------------------------------ entering and leaving
    def _open(self, entering: list[int]) -> None:
        """Lay out as many lanes as members enter."""
        self.lanes = np.array(entering, dtype=np.intp)
        shapes = [
            (len(entering), *shape) for shape in self.architecture.member_shapes(self.n_tasks)
        ]
        self.parameters = ParameterBlock(shapes, self.data.x.dtype, self.data.x.device)
        self.gradients, self.kept = self.parameters.like(), self.parameters.like()
        self.solver = build_solver(
            self.training.solver,
            self.parameters,
            self.gradients,
            self._of_members(lambda m: m.learning_rate),
        )
        self._lay_network_out()
        self.table = build_table(self.data, [self.members[e].train for e in entering], self.n_rows)
        self.steering.open([self.members[e].order_seed for e in entering])
        self._start(np.arange(len(entering)))
        self._refresh()

    def _lay_network_out(self) -> None:
        dropout = self._drop if self.training.dropout else None
        self.network = StackedNetwork(
            self.architecture,
            self.parameters.tensors,
            self.gradients.tensors,
            shared_rows=self.data.shared_rows,
            dropout=dropout,
        )
        self.watching = self.network.for_inference()

    def _enter(self, free: NDArray[np.intp], entering: list[int]) -> None:
        """Let members into lanes that have become free."""
        self.lanes[free] = entering
        lanes = self._index(free)
        self.table = self.table.replace(
            lanes, build_table(self.data, [self.members[e].train for e in entering], self.n_rows)
        )
        self.solver.restart(lanes, self._of_members(lambda m: m.learning_rate)[lanes])
        self.steering.enter(free, [self.members[e].order_seed for e in entering])
        self._start(free)
        self._refresh()

    def _start(self, lanes: NDArray[np.intp]) -> None:
        """Set lanes to the weights that their members start from."""
        members = [self.members[self.lanes[lane]] for lane in lanes]
        drawn = {
            seed: self.architecture.initial_parameters(seed, self.n_tasks)
            for seed in {m.seed for m in members if m.start is None}
        }
        draws = zip(
            *(drawn[m.seed] if m.start is None else m.start.parameters for m in members),
            strict=True,
        )
        for draw, parameter, kept in zip(
            draws, self.parameters.tensors, self.kept.tensors, strict=True
        ):
            parameter[self._index(lanes)] = kept[self._index(lanes)] = self._tensor(np.stack(draw))
        for lane, member in zip(lanes, members, strict=True):
            if member.start is not None and member.start.solver == self.training.solver:
                self.solver.resume(int(lane), member.start.n_steps, member.start.solver_state)
            if member.start is not None:
                self.steering.resume(
                    int(lane), member.start.aggregator, member.start.aggregator_state
                )
            if self.training.dropout:
                self.generators[self.lanes[lane]] = torch.Generator(self.data.x.device).manual_seed(
                    member.order_seed
                )

    def _close_up(self, stay: NDArray[np.bool_]) -> None:
        """Go on with these lanes alone."""
        keep = self._index(np.flatnonzero(stay))
        self.lanes = self.lanes[stay]
        self.parameters, self.gradients, self.kept = (
            block.select(keep) for block in (self.parameters, self.gradients, self.kept)
        )
        self.solver = self.solver.select(keep, self.parameters, self.gradients)
        self._lay_network_out()
        self.table = self.table.select(keep)
        self.steering.select(np.flatnonzero(stay))
        self._refresh()

    def _refresh(self) -> None:
        """Collect what depends on which members are in which lanes."""
        members = [self.members[e] for e in self.lanes]
        ones = np.ones(self.n_tasks)
        weights = np.stack(
            [
                ones if m.task_weights is None else np.asarray(m.task_weights, dtype=float)
                for m in members
            ]
        )
        self.task_weights = self._tensor(weights / weights.sum(1, keepdims=True))
        self.importance = (
            None
            if (weights == weights[:, :1]).all()
            else self._tensor(weights / weights.mean(1, keepdims=True))
        )
        given, ones = [m.term_weights for m in members], np.ones((2, self.n_tasks))
        self.term_weights = (
            None
            if all(own is None for own in given)
            else self._tensor(np.stack([ones if own is None else own for own in given]))
        )
        baselines = [m.baselines for m in members if m.baselines is not None]
        self.baselines = (
            self._tensor(np.stack(baselines)) if len(baselines) == len(members) else None
        )
        self.decay = self._decay()
        self.loss = self._loss(members)
        self.watched = None
        if self.watch.keep_best:
            table = build_table(self.data, [member.validation for member in members])
            self.watched = self.data.gather(table.index, table.weights)

    def _leave(self, lanes: NDArray[np.intp]) -> None:
        """Turn the members of these lanes into results."""
        scores = self._evaluation_scores(lanes)
        for lane in lanes:
            self.trained[self.lanes[lane]] = self._result(int(lane), scores.get(int(lane), []))
        self.on_leave(len(lanes))

    def _result(self, lane: int, scores: list[NDArray[np.float64]]) -> TrainedMember:
        """Return the member of a lane as it is now."""
        e = self.lanes[lane]
        return TrainedMember(
            parameters=[kept[lane].cpu().numpy().copy() for kept in self.kept.tensors],
            n_iter=int(self.watch.n_iter[e]),
            best_iteration=int(self.watch.kept_iteration[e]),
            task_loss_curve=np.array(self.task_curves[e]).reshape(-1, self.n_tasks),
            validation_curve=np.array(self.watched_curves[e]),
            scores=scores,
            aggregation_weights=np.array(self.weight_curves[e]).reshape(-1, self.n_tasks),
            diagnostics=self.diagnostics[e],
            diverged=bool(self.watch.diverged[e]),
            solver=self.training.solver,
            **(self.final_states.get(int(e)) or self._final_state(lane)),
        )

    def _final_state(self, lane: int) -> dict[str, Any]:
        """Return the solver's steps in a lane and, where wanted, what solver and aggregator
        remember.
        """
        state: dict[str, Any] = {"n_steps": int(self.solver.steps[lane])}
        if self.training.keep_solver_state:
            state |= {
                "solver_state": self.solver.state_of(lane),
                "aggregator_state": self.steering.state_of(lane),
                "aggregator": self.steering.name,
            }
        return state

    def _as_of_now(self) -> list[TrainedMember]:
        """Return all members that have entered, as they would be if training ended now."""
        lane_of = {int(e): lane for lane, e in enumerate(self.lanes)}
        return [
            done if done is not None else self._result(lane_of[e], [])
            for e, done in enumerate(self.trained)
            if done is not None or e in lane_of
        ]

    def _drop(self, mask: Tensor) -> None:
        """Fill a layer's factors: 0 for units left out, else what keeps their mean; every member
        draws from a generator of its own.
        """
        keep = 1 - self.training.dropout
        for lane, own in zip(self.lanes, mask.view(len(self.lanes), -1), strict=True):
            own.bernoulli_(keep, generator=self.generators[lane]).div_(keep)

    def _evaluation_scores(self, lanes: NDArray[np.intp]) -> dict[int, list[NDArray[np.float64]]]:
        """Scores of the evaluation rows of these lanes' members under the weights that were kept,
        by lane; none without rows.
        """
        rows = {int(lane): self.members[self.lanes[lane]].evaluation for lane in lanes}
        rows = {lane: own for lane, own in rows.items() if any_rows([own])}
        if not rows:
            return {}
        table = build_table(self.data, list(rows.values()))
        kept = self.kept.select(self._index(np.array(list(rows), dtype=np.intp))).tensors
        network = StackedNetwork(self.architecture, kept, kept, shared_rows=self.data.shared_rows)
        length = table.index.shape[2]
        scores = np.empty((len(rows), self.n_tasks, length, self.architecture.n_outputs))
        for start in range(0, length, _SCORED_AT_ONCE):
            part = slice(start, start + _SCORED_AT_ONCE)
            batch = self.data.gather(table.index[..., part], table.weights[..., part])
            scores[:, :, part] = network.forward(batch.x, batch.codes).transpose(2, 3).cpu().numpy()
        slots = [0] * self.n_tasks if self.data.shared_rows else range(self.n_tasks)
        return {
            lane: [own[t, : len(rows[lane][slot])].copy() for t, slot in enumerate(slots)]
            for lane, own in zip(rows, scores, strict=True)
        }

    # ------------------------------------------------------------------ helpers
    def _loss(self, members: Sequence[Member]) -> LaneLoss:
        used = [np.asarray(m.n_scores) for m in members if m.n_scores is not None]
        n_scores = self._tensor(np.stack(used)) if len(used) == len(members) else None
        return LaneLoss(self.training.loss, n_scores, self.architecture.n_outputs)

    def _of_members(self, value: Callable[[Member], float]) -> Tensor:
        return self._tensor([value(self.members[e]) for e in self.lanes])

    def _tensor(self, values: ArrayLike) -> Tensor:
        return torch.tensor(np.asarray(values), dtype=self.data.x.dtype, device=self.data.x.device)

    def _index(self, positions: NDArray[np.intp]) -> Tensor:
        return torch.as_tensor(positions, dtype=torch.int64, device=self.data.x.device)
