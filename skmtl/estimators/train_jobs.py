"""Training of jobs; compatible jobs train as one batch of networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

from skmtl.estimators.fit_job import FitJob
from skmtl.network import FleetData, Member, TrainedMember, train_fleet

# Called with the number of epochs and a function that returns the networks in their present state;
# returning True ends training.
OnEpoch = Callable[[int, Callable[[], list[TrainedMember]]], bool]


@dataclass(frozen=True)
class JobOutcome:
    """Outcome of a job.

    Attributes
    ----------
    networks : list of TrainedMember
        The trained networks; empty after an error.
    error : Exception or None
        Exception that training raised.
    seconds : float
        The job's share of the time, by epochs of its networks.
    """

    networks: list[TrainedMember] = field(default_factory=list)
    error: Exception | None = None
    seconds: float = 0.0


def train_job(
    job: FitJob,
    *,
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[TrainedMember]:
    """Train one job.

    Parameters
    ----------
    job : FitJob
        What to train.
    n_workers : int, optional
        Largest number of processes, by default torch's number of threads.
    progress : callable, optional
        Called with the number of networks that have just finished.
    on_epoch : callable, optional
        Called after every epoch; returning True ends training.

    Returns
    -------
    list of TrainedMember
        In the order of the job's networks.
    """
    return _train_fleet([job], n_workers, progress, on_epoch)[0]


def train(jobs: Sequence[FitJob], *, n_workers: int | None = None) -> list[JobOutcome]:
    """Train many jobs; compatible ones train as one batch.

    If a batch fails, its jobs train one by one, so that an error affects only its job.

    Parameters
    ----------
    jobs : sequence of FitJob
        What to train.
    n_workers : int, optional
        As in :func:`train_job`.

    Returns
    -------
    list of JobOutcome
        In the order of the jobs.
    """
    fleets: dict[Hashable, list[int]] = {}
    for position, job in enumerate(jobs):
        fleets.setdefault(job.fleet, []).append(position)
    outcomes: dict[int, JobOutcome] = {}
    for positions in fleets.values():
        own = [jobs[position] for position in positions]
        outcomes.update(zip(positions, _outcomes(own, n_workers), strict=True))
    return [outcomes[position] for position in range(len(jobs))]


def _outcomes(jobs: Sequence[FitJob], n_workers: int | None) -> list[JobOutcome]:
    """Train jobs as one batch or, if that fails, one by one."""
    start = time.perf_counter()
    try:
        trained = _train_fleet(jobs, n_workers)
    except Exception as error:  # the failing job raises again below
        seconds = time.perf_counter() - start
        if len(jobs) == 1:
            return [JobOutcome(error=error, seconds=seconds)]
        return [outcome for job in jobs for outcome in _outcomes([job], n_workers)]
    n_epochs = [sum(network.n_iter for network in networks) for networks in trained]
    each = (time.perf_counter() - start) / sum(n_epochs)
    return [
        JobOutcome(networks, seconds=each * n)
        for networks, n in zip(trained, n_epochs, strict=True)
    ]


def _train_fleet(
    jobs: Sequence[FitJob],
    n_workers: int | None = None,
    progress: Callable[[int], None] | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[list[TrainedMember]]:
    data, members = _one_table(jobs)
    first = jobs[0]
    trained = iter(
        train_fleet(
            first.architecture,
            data,
            members,
            first.training,
            aggregator=first.aggregator,
            terms=first.terms,
            n_workers=n_workers,
            progress=progress,
            on_epoch=on_epoch,
        )
    )
    return [[next(trained) for _ in job.networks] for job in jobs]


def _one_table(jobs: Sequence[FitJob]) -> tuple[FleetData, list[Member]]:
    """Concatenate the distinct tables of the jobs, and shift the rows of their networks."""
    tables = {id(job.data): job.data for job in jobs}
    offsets, n_rows = {}, 0
    for key, table in tables.items():
        offsets[key] = n_rows
        n_rows += len(table.X)
    members = []
    for number, job in enumerate(jobs):
        own = [network.moved(offsets[id(job.data)]) for network in job.networks]
        members += [replace(one, ensemble=number) for one in own] if job.together else own
    return FleetData.joined(list(tables.values())), members
