"""The training loop for networks of one shape that train side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.network.batches import BatchStream, DeviceData
from skmtl.network.bookkeeping import Book
from skmtl.network.lanes import Lanes
from skmtl.network.members import Member, TrainedMember
from skmtl.network.planning import BatchPlan
from skmtl.network.training_problem import TrainingProblem
from skmtl.network.watching import (
    evaluation_scores,
    percent_above_baselines,
    validation_losses,
    watched_loss,
)

# Called after an epoch with the number of epochs and a function that returns the networks in their
# present state; returning True ends training.
OnEpoch = Callable[[int, Callable[[], list[TrainedMember]]], bool]

# Fraction of idle lanes above which waiting networks enter, or the other lanes are compacted.
_IDLE_SHARE = 0.1


def train_batch(
    problem: TrainingProblem,
    data: DeviceData,
    plan: BatchPlan,
    members: Sequence[Member],
    *,
    on_finish: Callable[[int], None] = lambda count: None,
    on_epoch: OnEpoch | None = None,
) -> list[TrainedMember]:
    """Train networks that take the same number of steps per epoch, and return them in order.

    A network enters a lane and trains until it stops; the next network in the queue then takes the
    lane. When the queue is empty, the lanes in use are compacted.

    Parameters
    ----------
    problem : TrainingProblem
        Settings that the networks share.
    data : DeviceData
        The problem's table, on its device.
    plan : BatchPlan
        Steps per epoch, rows per step, and number of lanes.
    members : sequence of Member
        The networks.
    on_finish : callable
        Called with the number of networks that have just finished.
    on_epoch : callable, optional
        As in :func:`skmtl.network.train_fleet`; every network needs a lane from the start.
    """
    queue = deque(range(len(members)))
    entering = [queue.popleft() for _ in range(min(plan.n_lanes, len(members)))]
    lanes = Lanes(problem, data, members, plan.n_steps * plan.n_rows, entering)
    book = Book(members, lanes.n_tasks, problem.training)
    stream = BatchStream(data, plan.n_steps)
    while True:
        task_losses = _train_epoch(lanes, stream, book.stopping.n_iter[lanes.ids])
        validation = validation_losses(lanes)
        watched = watched_loss(lanes.settings, task_losses, validation)
        book.record(lanes, task_losses, watched)
        lanes.steering.end_epoch(percent_above_baselines(lanes.settings, validation))
        lanes.keep_parameters(book.stopping.update(lanes.ids, watched, lanes.finite()))
        if on_epoch is not None and on_epoch(book.n_epochs, lambda: book.as_of_now(lanes)):
            book.stopping.finished[lanes.ids] = True

        finished = book.stopping.finished[lanes.ids]
        book.keep_states(lanes, finished)
        if finished.mean() <= _IDLE_SHARE and not finished.all():
            continue
        new = book.unfiled(lanes, finished)
        book.file(lanes, new, evaluation_scores(lanes, new))
        on_finish(len(new))
        if queue:
            free = np.flatnonzero(finished)[: len(queue)]
            lanes.enter(free, [queue.popleft() for _ in free])
        elif finished.all():
            return [network for network in book.results if network is not None]
        else:
            lanes.move_together(~finished)


def _train_epoch(
    lanes: Lanes, stream: BatchStream, epochs: NDArray[np.integer]
) -> NDArray[np.float64] | None:
    """Train for one epoch; return the task losses, (E, T), if they are recorded.

    ``epochs`` counts the epochs that each network has trained before.
    """
    losses: list[Tensor] = []
    orders = [(m.order_seed, int(k)) for m, k in zip(lanes.inside, epochs, strict=True)]
    lanes.steering.begin_epoch(len(orders))
    for batch in stream.batches(lanes.table, orders):
        step = lanes.forward(batch)
        lanes.steering.gradients(step)
        lanes.decay()
        lanes.solver.step()
        lanes.steering.after_step(step, lanes.scores_after(batch))
        if step.record and step.sums is not None:
            losses.append(step.sums)
    if not lanes.problem.training.record:
        return None
    return torch.stack(losses).double().mean(0).cpu().numpy()
