"""Which networks train side by side, how many at once, and on how many processes and threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import joblib
import numpy as np
import torch

from skmtl.network.batches import batch_shape
from skmtl.network.devices import free_bytes
from skmtl.network.members import Member, any_rows
from skmtl.network.training_problem import TrainingProblem

# Numbers per row and task that a term of the loss takes, with its derivative: a fairness penalty's
# random features or shares of groups.
_NUMBERS_PER_TERM = 160
# Products per step from which on one batch uses several torch threads. Threads of one operation
# wait for each other. On a busy machine such a wait takes as long as a time slice (milliseconds),
# so an operation must take much longer than that.
_LARGE_STEP = 400_000_000
# Networks per process below which a group is not cut: towards the end few lanes are in use.
_WORTH_A_PROCESS = 64
# Products below which starting processes costs more than it saves (about five seconds' work), at
# this many epochs.
_WORTH_PROCESSES, _USUAL_EPOCHS = 20_000_000_000, 100


@dataclass(frozen=True)
class BatchPlan:
    """Networks that train side by side.

    Attributes
    ----------
    positions : tuple of int
        Which of the networks of a call.
    n_steps, n_rows : int
        Steps per epoch, and rows of every task per step.
    n_lanes : int
        Networks that train at once; the others wait for a free lane.
    products_per_step : int
        Multiplications of one step of all lanes.
    n_threads : int
        Threads that torch may use within one operation.
    """

    positions: tuple[int, ...]
    n_steps: int
    n_rows: int
    n_lanes: int
    products_per_step: int
    n_threads: int = 1

    @property
    def cost(self) -> int:
        """Products per epoch of all networks."""
        return self.products_per_step * self.n_steps * len(self.positions) // self.n_lanes


@dataclass(frozen=True)
class FleetPlan:
    """Batches of networks, the most expensive first, and the processes that train them."""

    batches: tuple[BatchPlan, ...]
    n_processes: int


def plan_fleet(
    problem: TrainingProblem,
    members: Sequence[Member],
    device: torch.device,
    n_workers: int | None = None,
    *,
    one_ensemble: bool = False,
    at_once: bool = False,
) -> FleetPlan:
    """Group networks by shape and cut large groups into one batch per process.

    Networks train side by side if they take equally many steps of equally many rows over equally
    many tasks, all with validation rows or all without.

    Parameters
    ----------
    problem : TrainingProblem
        What the networks share.
    members : sequence of Member
        The networks.
    device : torch.device
        Where they train.
    n_workers : int, optional
        Largest number of processes or threads; None = torch's number of threads. Never more than
        the processors that this process may use. Another device than the CPU takes one.
    one_ensemble : bool, default=False
        Whether all networks take as many steps per epoch as the largest.
    at_once : bool, default=False
        Whether every network needs a lane from the start, in this process.
    """
    workers = _n_workers(device, n_workers)
    groups = _groups(problem, members, one_ensemble=one_ensemble)
    work = sum(
        len(positions) * n_steps * _products_per_step(problem, n_tasks, n_rows)
        for (_, n_tasks, n_steps, n_rows), positions in groups.items()
    ) * min(problem.training.max_iter, _USUAL_EPOCHS)
    n_processes = 1 if at_once or work < _WORTH_PROCESSES else workers
    batches = []
    for (_, n_tasks, n_steps, n_rows), positions in groups.items():
        n_parts = max(1, min(n_processes, len(positions) // _WORTH_A_PROCESS))
        for start in range(n_parts):
            own = tuple(positions[start::n_parts])
            fitting = len(own)
            if not at_once:
                memory = _bytes_per_network(problem, n_tasks, n_rows)
                fitting = members_that_fit(memory[0], device, memory[1])
            n_lanes = min(fitting, len(own))
            products = n_lanes * _products_per_step(problem, n_tasks, n_rows)
            n_threads = workers if products > _LARGE_STEP else 1
            batches.append(BatchPlan(own, n_steps, n_rows, n_lanes, products, n_threads))
    batches.sort(key=lambda batch: -batch.cost)
    return FleetPlan(tuple(batches), max(1, min(n_processes, len(batches))))


def _n_workers(device: torch.device, n_workers: int | None) -> int:
    if device.type != "cpu":
        return 1
    wanted = torch.get_num_threads() if n_workers is None else n_workers
    return max(1, min(wanted, joblib.cpu_count()))


def _groups(
    problem: TrainingProblem, members: Sequence[Member], *, one_ensemble: bool
) -> dict[tuple[bool, int, int, int], list[int]]:
    """Return positions by (with validation rows or not, tasks, steps per epoch, rows per step)."""
    shapes = [batch_shape(member.train, problem.training.batch_size) for member in members]
    ensembles = [0 if one_ensemble else member.ensemble for member in members]
    largest: dict[int | None, tuple[int, int]] = {}
    for number, shape in zip(ensembles, shapes, strict=True):
        largest[number] = max(shape, largest.get(number, shape))
    groups: dict[tuple[bool, int, int, int], list[int]] = {}
    for position, (member, number, own) in enumerate(zip(members, ensembles, shapes, strict=True)):
        shape = own if number is None else largest[number]
        key = (any_rows([member.validation]), problem.n_tasks_of(member), *shape)
        groups.setdefault(key, []).append(position)
    return groups


def _reads_task_gradients(problem: TrainingProblem) -> bool:
    return problem.aggregator is not None and problem.aggregator.kind != "loss_weights"


def _products_per_step(problem: TrainingProblem, n_tasks: int, n_rows: int) -> int:
    """Return the multiplications of one network in one step."""
    rows = n_rows * (1 if problem.data.shared_rows else n_tasks)
    by_task = _reads_task_gradients(problem) and problem.data.shared_rows
    return rows * problem.architecture.n_parameters(1) * (n_tasks if by_task else 1)


def _bytes_per_network(problem: TrainingProblem, n_tasks: int, n_rows: int) -> tuple[int, int]:
    """Return the memory of a network throughout training, and that for a moment of every step."""
    architecture, shared_rows = problem.architecture, problem.data.shared_rows
    itemsize = np.dtype(problem.training.dtype).itemsize
    rows = n_rows * (1 if shared_rows else n_tasks)
    widths = sum(architecture.trunk_sizes) + sum(architecture.head_sizes) * (
        n_tasks if shared_rows else 1
    )
    lasting = itemsize * (2 * rows * widths + 6 * architecture.n_parameters(n_tasks))
    if _reads_task_gradients(problem):
        # Every task's derivatives in the trunk's outputs, and its gradient, also in float64.
        lasting += n_tasks * (
            itemsize * rows * sum(architecture.trunk_sizes) + 16 * architecture.n_parameters(1)
        )
    return lasting, len(problem.terms) * _NUMBERS_PER_TERM * itemsize * n_rows * n_tasks


def members_that_fit(bytes_per_member: int, device: torch.device, passing: int = 0) -> int:
    """Return how many networks train side by side.

    They take at most a quarter of the free memory, with what each needs for a moment of every step
    (``passing``). On CPU their activations should also stay within the processor's last cache
    (about 8 MB was fastest, with little between 4 and 16), as long as that leaves eight networks.
    """
    fitting = free_bytes(device) // 4 // max(bytes_per_member + passing, 1)
    cached = (
        4096 if device.type == "cuda" else max(8, min(512, 8_000_000 // max(bytes_per_member, 1)))
    )
    return int(max(1, min(fitting, cached)))
