"""Training of many networks, in this process or in several."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Sequence

import torch
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning

from skmtl.base import Aggregator, FairnessTerm
from skmtl.network.architecture import Architecture
from skmtl.network.batches import DeviceData
from skmtl.network.devices import resolve_device
from skmtl.network.loop import OnEpoch, train_batch
from skmtl.network.members import FleetData, Member, TrainedMember, Training
from skmtl.network.planning import BatchPlan, FleetPlan, plan_fleet
from skmtl.network.threads import numeric_mode
from skmtl.network.training_problem import TrainingProblem


def train_fleet(
    architecture: Architecture,
    data: FleetData,
    members: Sequence[Member],
    training: Training,
    *,
    aggregator: Aggregator | None = None,
    terms: Sequence[FairnessTerm] = (),
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
    together: bool = False,
    on_epoch: OnEpoch | None = None,
) -> list[TrainedMember]:
    """Train many networks; the result of each does not depend on the others.

    Networks that take the same number of steps over the same number of tasks, all with validation
    rows or all without, train in one batch. Batches are limited by the free memory. Large amounts
    of work are distributed over joblib processes with one torch thread each, because threads would
    wait for each other between the many short operations.

    Parameters
    ----------
    architecture : Architecture
        Shape of all networks; the number of heads follows from each network's tasks.
    data : FleetData
        Table that the networks' rows refer to.
    members : sequence of Member
        The networks to train.
    training : Training
        Settings that all networks share.
    aggregator : Aggregator, optional
        How the tasks' losses or gradients become one step; None = weighted mean of the losses.
    terms : sequence of FairnessTerm
        Terms added to the loss.
    n_workers : int, optional
        Largest number of processes, or of threads for large networks, at most the number of
        available processors. The default is torch's number of threads. A device other than the CPU
        uses one process.
    progress : callable, optional
        Called with the number of networks that have just finished.
    together : bool, default=False
        Whether all networks belong to one ensemble, whatever their ``ensemble``: all take as many
        steps per epoch as the largest of them.
    on_epoch : callable, optional
        Called in this process after every epoch, with the number of epochs and a function that
        returns all networks as if training ended now; returning True ends training. All networks
        must train in one batch.

    Returns
    -------
    list of TrainedMember
        In the order of ``members``.

    Warns
    -----
    ConvergenceWarning
        If a loss or parameter became infinite or NaN; names the networks, which keep their last
        finite parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.network import Architecture, FleetData, Member, Training, train_fleet
    >>> rng = np.random.default_rng(0)
    >>> data = FleetData(rng.normal(size=(300, 4)), rng.normal(size=300))
    >>> first, second, third = np.split(np.arange(300), 3)
    >>> members = [Member([first]), Member([first, second]), Member([first, second, third])]
    >>> trained = train_fleet(Architecture(4, hidden=(8,)), data, members, Training(max_iter=5))
    >>> [member.parameters[-1].shape for member in trained]
    [(1, 1, 1), (2, 1, 1), (3, 1, 1)]
    """
    problem = TrainingProblem(architecture, data, training, aggregator, terms)
    _check_aggregator(problem, members)
    plan = plan_fleet(
        problem,
        members,
        resolve_device(training.device),
        n_workers,
        one_ensemble=together,
        at_once=on_epoch is not None,
    )
    advance = progress or _ignore
    if plan.n_processes > 1:
        trained = _train_in_processes(problem, plan, members, advance)
    else:
        trained = _train_here(problem, plan, members, advance, on_epoch)
    _warn_of_divergence(members[i].label for i in sorted(trained) if trained[i].diverged)
    return [trained[i] for i in range(len(members))]


def _train_here(
    problem: TrainingProblem,
    plan: FleetPlan,
    members: Sequence[Member],
    advance: Callable[[int], None],
    on_epoch: OnEpoch | None,
) -> dict[int, TrainedMember]:
    """Train the batches in this process, one after the other; return results by position."""
    trained: dict[int, TrainedMember] = {}
    data = _on_device(problem)
    for batch in plan.batches:
        own = [members[i] for i in batch.positions]
        with numeric_mode(batch.n_threads):
            results = train_batch(problem, data, batch, own, on_finish=advance, on_epoch=on_epoch)
        trained.update(zip(batch.positions, results, strict=True))
    return trained


def _train_in_processes(
    problem: TrainingProblem,
    plan: FleetPlan,
    members: Sequence[Member],
    advance: Callable[[int], None],
) -> dict[int, TrainedMember]:
    """Train the batches in joblib processes; return results by position."""
    trained: dict[int, TrainedMember] = {}
    tasks = (
        delayed(train_for)(os.getpid(), problem, batch, [members[i] for i in batch.positions])
        for batch in plan.batches
    )
    for result in Parallel(
        n_jobs=plan.n_processes,
        return_as="generator_unordered",
        batch_size=1,
        pre_dispatch="all",
    )(tasks):
        trained.update(result)
        advance(len(result))
    return trained


def train_for(
    caller: int, problem: TrainingProblem, batch: BatchPlan, members: Sequence[Member]
) -> dict[int, TrainedMember]:
    """Train a batch for the process ``caller``, on one thread; return results by position.

    A child process exits when the caller has ended, because its results are no longer needed.
    """
    is_child = os.getppid() == caller

    def end_if_orphaned(_: int, __: object) -> bool:
        if is_child and os.getppid() != caller:
            os._exit(1)
        return False

    with numeric_mode(1):
        results = train_batch(
            problem, _on_device(problem), batch, members, on_epoch=end_if_orphaned
        )
    return dict(zip(batch.positions, results, strict=True))


def _on_device(problem: TrainingProblem) -> DeviceData:
    architecture, training = problem.architecture, problem.training
    return DeviceData(
        problem.data,
        getattr(torch, training.dtype),
        resolve_device(training.device),
        architecture.trunk_sizes[0] - architecture.n_inputs,
    )


def _check_aggregator(problem: TrainingProblem, members: Sequence[Member]) -> None:
    """Raise if a parameter of the aggregator does not fit the numbers of tasks."""
    if problem.aggregator is not None:
        for n_tasks in {problem.n_tasks_of(member) for member in members}:
            problem.aggregator.check(n_tasks)


def _ignore(count: int) -> None:
    """Ignore progress."""


def _warn_of_divergence(labels: Iterable[str]) -> None:
    names = list(labels)
    if names:
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        warnings.warn(
            "Training diverged (infinite or NaN loss or weights) and ended with the last finite "
            f"weights: {shown}. Lower learning_rate_init or alpha, or check the scale of "
            "inputs and targets.",
            ConvergenceWarning,
            stacklevel=3,
        )
