"""Plan of a training: batches of networks, lanes, processes and threads."""

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

# Numbers per row and task that a fairness term stores for itself and its derivative: random
# features or shares of groups.
_NUMBERS_PER_TERM = 160
# Products per step above which a batch uses several torch threads. Threads of one operation wait
# for each other. On a busy machine such a wait takes as long as a time slice (milliseconds), so an
# operation must take much longer than that.
_LARGE_STEP = 400_000_000
# Fewest networks per process when a batch is split: towards the end few lanes are in use.
_WORTH_A_PROCESS = 64
# Products below which starting processes costs more than it saves (about five seconds of work),
# and the number of epochs for which they are estimated.
_WORTH_PROCESSES, _USUAL_EPOCHS = 20_000_000_000, 100


@dataclass(frozen=True)
class BatchPlan:
    """Networks that train side by side.

    Attributes
    ----------
    positions : tuple of int
        Positions of the networks among those of the call.
    n_steps, n_rows : int
        Steps per epoch, and rows of every task per step.
    n_lanes : int
        Number of networks that train at the same time; the others wait for a free lane.
    products_per_step : int
        Multiplications per step of all lanes.
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
    """Batches of networks, the most expensive first, and the number of processes."""

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
    """Batch networks by shape, and split large batches between processes.

    Networks are in the same batch if their numbers of steps, rows per step and tasks are equal, and
    all of them have validation rows or none.

    Parameters
    ----------
    problem : TrainingProblem
        Settings that the networks share.
    members : sequence of Member
        The networks.
    device : torch.device
        Device to train on.
    n_workers : int, optional
        Largest number of processes or threads, at most the number of available processors; None =
        torch's number of threads. A device other than the CPU uses one process.
    one_ensemble : bool, default=False
        Whether all networks take as many steps per epoch as the largest.
    at_once : bool, default=False
        Whether all networks must train at the same time, in this process.
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
    """Return positions by (has validation rows, tasks, steps per epoch, rows per step)."""
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
    """Return the multiplications per step of one network."""
    rows = n_rows * (1 if problem.data.shared_rows else n_tasks)
    by_task = _reads_task_gradients(problem) and problem.data.shared_rows
    return rows * problem.architecture.n_parameters(1) * (n_tasks if by_task else 1)


def _bytes_per_network(problem: TrainingProblem, n_tasks: int, n_rows: int) -> tuple[int, int]:
    """Return the permanent memory of a network, and its temporary memory in every step."""
    architecture, shared_rows = problem.architecture, problem.data.shared_rows
    itemsize = np.dtype(problem.training.dtype).itemsize
    rows = n_rows * (1 if shared_rows else n_tasks)
    widths = sum(architecture.trunk_sizes) + sum(architecture.head_sizes) * (
        n_tasks if shared_rows else 1
    )
    lasting = itemsize * (2 * rows * widths + 6 * architecture.n_parameters(n_tasks))
    if _reads_task_gradients(problem):
        # Every task's derivatives of the trunk's outputs, and its gradient, also in float64.
        lasting += n_tasks * (
            itemsize * rows * sum(architecture.trunk_sizes) + 16 * architecture.n_parameters(1)
        )
    return lasting, len(problem.terms) * _NUMBERS_PER_TERM * itemsize * n_rows * n_tasks


def members_that_fit(bytes_per_member: int, device: torch.device, temporary: int = 0) -> int:
    """Return the number of networks that train side by side.

    They use at most a quarter of the free memory, including temporary memory (``temporary``, in
    bytes per network). On the CPU their activations should also fit into the last cache (about 8 MB
    was fastest, with small differences between 4 and 16 MB), if this allows eight networks.
    """
    fitting = free_bytes(device) // 4 // max(bytes_per_member + temporary, 1)
    cached = (
        4096 if device.type == "cuda" else max(8, min(512, 8_000_000 // max(bytes_per_member, 1)))
    )
    return int(max(1, min(fitting, cached)))
