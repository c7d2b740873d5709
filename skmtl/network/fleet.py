"""The one training loop: many networks of one architecture, trained at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning

from skmtl.base import Aggregator, FairnessTerm, GradientWeighting, JacobianAggregator
from skmtl.network.architecture import Architecture
from skmtl.network.batches import DeviceData, batch_shape
from skmtl.network.members import FleetData, Member, TrainedMember, Training, any_rows
from skmtl.network.numerics import members_that_fit, numeric_mode, resolve_device
from skmtl.network.stack import OnPass, Stack

# Numbers that a term of the loss takes, way back included, for each row and task: a fairness
# penalty's waves or shares of groups.
_COLUMNS_OF_A_TERM = 160
# Products a step below which one thread beats two: waking the second thread costs more than it
# takes over.
_SMALL_STEP = 4_000_000
# Members below which a group is not cut in two: towards the end of a part few lanes are in use.
_WORTH_A_WORKER = 64
# Products below which starting processes costs more than they win (about five seconds' work), at
# this many passes.
_WORTH_PROCESSES, _USUAL_PASSES = 20_000_000_000, 100


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
    on_pass: OnPass | None = None,
) -> list[TrainedMember]:
    """Train every member; what one becomes does not depend on the others.

    Members that take the same number of steps over the same number of tasks, all with validation
    rows or all without, train in one stack. Stacks are sized to the memory that is there. Where the
    work is worth it, they are spread over joblib's processes with one torch thread each (threads
    would wait for each other between the many short operations).

    Parameters
    ----------
    architecture : Architecture
        Shape of all members; the number of heads follows from each member's tasks.
    data : FleetData
        Table that the members' rows refer to.
    members : sequence of Member
        What to train.
    training : Training
        Settings that all members share.
    aggregator : Aggregator, optional
        How the tasks' losses or gradients become one step; None = weighted mean of the losses.
    terms : sequence of FairnessTerm
        Terms added to the loss.
    n_workers : int, optional
        Most processes to use, or threads for one large network; by default as many as torch may use
        threads. One device other than the CPU is driven by one process.
    progress : callable, optional
        Called with the number of members that a stack has finished.
    together : bool, default=False
        All members belong to one ensemble, whatever their ``ensemble`` says: all take as many steps
        a pass as the largest of them.
    on_pass : callable, optional
        Called in this process after every pass, with the number of passes made and a function that
        returns all members as they would be if training ended now; True ends training. For members
        that train together.

    Returns
    -------
    list of TrainedMember
        In the order of ``members``.

    Warns
    -----
    ConvergenceWarning
        Names the members whose loss or weights became infinite or NaN; they keep their last good
        weights.

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
    _check_aggregator(aggregator, data, members)
    device = resolve_device(training.device)
    by_gradients = isinstance(aggregator, (GradientWeighting, JacobianAggregator))
    workers = (
        1
        if device.type != "cpu"
        else max(1, torch.get_num_threads() if n_workers is None else n_workers)
    )
    how = (architecture, data, members, training, device, workers)
    parts = _parts(
        *how,
        together=together,
        all_at_once=on_pass is not None,
        by_gradients=by_gradients,
        n_terms=len(terms),
    )
    shared = (architecture, data, training, aggregator, terms)
    advance = progress or _ignore
    trained: dict[int, TrainedMember] = {}
    if (
        on_pass is not None
        or min(workers, len(parts)) == 1
        or sum(part.cost for part in parts) * min(training.max_iter, _USUAL_PASSES)
        < _WORTH_PROCESSES
    ):
        on_device = _on_device(architecture, data, training)
        for part in parts:
            n_threads = workers if part.products_a_step > _SMALL_STEP else 1
            trained.update(
                _train_part(
                    *shared,
                    part,
                    [members[i] for i in part.positions],
                    n_threads,
                    on_device,
                    advance,
                    on_pass,
                )
            )
    else:
        tasks = (
            delayed(_train_part)(*shared, part, [members[i] for i in part.positions])
            for part in parts
        )
        for result in Parallel(
            n_jobs=min(workers, len(parts)),
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch="all",
        )(tasks):
            trained.update(result)
            advance(len(result))
    _warn_of_divergence(members[i].label for i in sorted(trained) if trained[i].diverged)
    return [trained[i] for i in range(len(members))]


@dataclass(frozen=True)
class _Part:
    """Members that go through one stack."""

    positions: list[int]
    shape: tuple[int, int]
    n_lanes: int
    products_a_step: int

    @property
    def cost(self) -> int:
        """Products of a pass of all members."""
        return self.products_a_step * self.shape[0] * len(self.positions) // self.n_lanes


def _train_part(
    architecture: Architecture,
    data: FleetData,
    training: Training,
    aggregator: Aggregator | None,
    terms: Sequence[FairnessTerm],
    part: _Part,
    members: Sequence[Member],
    n_threads: int = 1,
    on_device: DeviceData | None = None,
    advance: Callable[[int], None] | None = None,
    on_pass: OnPass | None = None,
) -> dict[int, TrainedMember]:
    """Train the members of a part, in this process; results by position."""
    with numeric_mode(n_threads):
        if on_device is None:
            on_device = _on_device(architecture, data, training)
        stack = Stack(
            architecture,
            on_device,
            training,
            part.shape,
            part.n_lanes,
            aggregator,
            terms,
            advance or _ignore,
            on_pass,
        )
        return dict(zip(part.positions, stack.train(members), strict=True))


def _on_device(architecture: Architecture, data: FleetData, training: Training) -> DeviceData:
    return DeviceData(
        data,
        getattr(torch, training.dtype),
        resolve_device(training.device),
        architecture.trunk_sizes[0] - architecture.n_inputs,
    )


def _parts(
    architecture: Architecture,
    data: FleetData,
    members: Sequence[Member],
    training: Training,
    device: torch.device,
    workers: int,
    *,
    together: bool,
    all_at_once: bool,
    by_gradients: bool,
    n_terms: int,
) -> list[_Part]:
    """Group members by (watched or not, tasks, steps, rows a step) and cut large groups into one
    part a worker, the costliest first.
    """
    shapes = [batch_shape(member.train, training.batch_size) for member in members]
    ensembles = [0 if together else member.ensemble for member in members]
    largest: dict[int | None, tuple[int, int]] = {}
    for number, shape in zip(ensembles, shapes, strict=True):
        largest[number] = max(shape, largest.get(number, shape))
    shapes = [
        shape if number is None else largest[number]
        for number, shape in zip(ensembles, shapes, strict=True)
    ]
    groups: dict[tuple[bool, int, int, int], list[int]] = {}
    for position, (member, shape) in enumerate(zip(members, shapes, strict=True)):
        n_tasks = data.y.shape[1] if data.shared_rows else len(member.train)
        groups.setdefault((any_rows([member.validation]), n_tasks, *shape), []).append(position)
    parts = []
    for (_, n_tasks, n_steps, n_rows), positions in groups.items():
        rows = n_rows * (1 if data.shared_rows else n_tasks)
        widths = sum(architecture.trunk_sizes) + sum(architecture.head_sizes) * (
            n_tasks if data.shared_rows else 1
        )
        lane = np.dtype(training.dtype).itemsize * (
            2 * rows * widths + 6 * architecture.n_parameters(n_tasks)
        )
        # every task's derivatives in the trunk's outputs, and its gradient, also in double
        # precision
        if by_gradients:
            lane += n_tasks * (
                np.dtype(training.dtype).itemsize * rows * sum(architecture.trunk_sizes)
                + 16 * architecture.n_parameters(1)
            )
        passing = (
            n_terms * _COLUMNS_OF_A_TERM * np.dtype(training.dtype).itemsize * n_rows * n_tasks
        )
        n_parts = 1 if all_at_once else max(1, min(workers, len(positions) // _WORTH_A_WORKER))
        for start in range(n_parts):
            own = positions[start::n_parts]
            n_lanes = (
                len(own) if all_at_once else min(members_that_fit(lane, device, passing), len(own))
            )
            products = (
                n_lanes
                * rows
                * architecture.n_parameters(1)
                * (n_tasks if by_gradients and data.shared_rows else 1)
            )
            parts.append(_Part(own, (n_steps, n_rows), n_lanes, products))
    return sorted(parts, key=lambda part: -part.cost)


def _check_aggregator(
    aggregator: Aggregator | None, data: FleetData, members: Sequence[Member]
) -> None:
    """Raise where an aggregator cannot be used with these data."""
    at = aggregator.use().at if isinstance(aggregator, GradientWeighting) else None
    if (
        at == "representation"
        and not data.shared_rows
        and any(len(member.train) > 1 for member in members)
    ):
        raise ValueError(
            f"{aggregator} weighs gradients at the representation, which only tasks that share "
            "rows have in common; "
            'here each task has rows of its own. Set at="parameters".'
        )


def _ignore(count: int) -> None:
    """Take no note of progress."""


def _warn_of_divergence(labels: Iterable[str]) -> None:
    names = list(labels)
    if names:
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        warnings.warn(
            "Training diverged (infinite or NaN loss or weights) and ended with the last good "
            f"weights: {shown}. "
            "Lower learning_rate_init or alpha, or check the scale of inputs and targets.",
            ConvergenceWarning,
            stacklevel=3,
        )
