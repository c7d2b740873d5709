import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import joblib
import numpy as np
import pytest
import torch

from skmtl.network import Architecture, FleetData, Member, Training, dispatch, train_fleet
from skmtl.network.planning import plan_fleet
from skmtl.network.training_problem import TrainingProblem

CPU = torch.device("cpu")


def problem_of(n_inputs=10, hidden=(32, 16), n_rows=240, **training):
    data = FleetData(np.zeros((n_rows, n_inputs)), np.zeros(n_rows))
    return TrainingProblem(Architecture(n_inputs, hidden), data, Training(**training))


def pairs(n, n_rows=120):
    rows = np.arange(n_rows)
    return [Member([rows, rows + n_rows], seed=k) for k in range(n)]


@pytest.fixture
def two_processors(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)


def test_a_batch_of_small_products_uses_one_thread_whatever_the_number_of_workers(two_processors):
    plan = plan_fleet(problem_of(max_iter=60, batch_size=32), pairs(300), CPU, 2)
    assert max(batch.products_per_step for batch in plan.batches) > 4_000_000
    assert [batch.n_threads for batch in plan.batches] == [1] * len(plan.batches)


def test_a_batch_of_large_products_uses_all_workers_as_threads(two_processors):
    problem = problem_of(n_inputs=2000, hidden=(2000, 2000), n_rows=400, batch_size=200)
    plan = plan_fleet(problem, [Member([np.arange(400)])], CPU, 2)
    assert [batch.n_threads for batch in plan.batches] == [2]


def test_there_are_never_more_workers_than_processors(two_processors):
    large = problem_of(n_inputs=2000, hidden=(2000, 2000), n_rows=400, batch_size=200)
    assert plan_fleet(large, [Member([np.arange(400)])], CPU, 64).batches[0].n_threads == 2
    many = plan_fleet(problem_of(max_iter=100_000), pairs(5000), CPU, 64)
    assert (many.n_processes, len(many.batches)) == (2, 2)


def test_another_device_than_the_cpu_is_driven_by_one_process(two_processors, monkeypatch):
    monkeypatch.setattr("skmtl.network.planning.free_bytes", lambda device: 1_000_000_000)
    plan = plan_fleet(problem_of(max_iter=100_000), pairs(5000), torch.device("cuda"), 2)
    assert (plan.n_processes, len(plan.batches), plan.batches[0].n_threads) == (1, 1, 1)


def test_a_plan_covers_every_network_once_and_starts_with_the_most_expensive(two_processors):
    members = [*pairs(200, 40), *pairs(90, 100)]
    members[3] = replace(members[3], validation=[np.arange(5), np.arange(40, 45)])
    plan = plan_fleet(problem_of(batch_size=32), members, CPU, 2)
    assert sorted(i for batch in plan.batches for i in batch.positions) == list(range(290))
    assert [batch.cost for batch in plan.batches] == sorted(
        (batch.cost for batch in plan.batches), reverse=True
    )


def test_below_the_price_of_processes_two_workers_train_the_batches_of_one(two_processors):
    problem, members = problem_of(max_iter=60, batch_size=32), pairs(300)
    assert plan_fleet(problem, members, CPU, 2) == plan_fleet(problem, members, CPU, 1)


def test_two_workers_below_the_price_of_processes_leave_torch_one_thread(
    two_processors, monkeypatch, rng
):
    seen, train_batch = [], dispatch.train_batch

    def noted(*arguments, **options):
        seen.append(torch.get_num_threads())
        return train_batch(*arguments, **options)

    monkeypatch.setattr(dispatch, "train_batch", noted)
    data = FleetData(rng.normal(size=(240, 10)), rng.normal(size=240))
    train_fleet(Architecture(10, (32, 16)), data, pairs(150), Training(max_iter=1), n_workers=2)
    assert set(seen) == {1}


WORKER = """
import os
import numpy as np
from skmtl.network import Architecture, FleetData, Member, Training
from skmtl.network import dispatch
from skmtl.network.planning import BatchPlan
from skmtl.network.training_problem import TrainingProblem
data = FleetData(np.random.default_rng(0).normal(size=(40, 4)), np.zeros(40))
training = Training(max_iter=10**8, n_iter_no_change=10**8)
plan = BatchPlan((0,), n_steps=1, n_rows=64, n_lanes=1, products_per_step=1)
train_batch = dispatch.train_batch
def told(*arguments, **options):
    print("ready", flush=True)
    return train_batch(*arguments, **options)
dispatch.train_batch = told
problem = TrainingProblem(Architecture(4, (8,)), data, training)
dispatch.train_for(os.getppid(), problem, plan, [Member([np.arange(40)])])
"""
CALLER = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.skipif(os.name != "posix", reason="the parent of an orphan changes on POSIX only")
def test_a_worker_ends_itself_when_its_caller_is_terminated():
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER, WORKER], stdout=subprocess.PIPE, start_new_session=True
    )
    timer = threading.Timer(120, os.killpg, (caller.pid, signal.SIGKILL))
    timer.start()
    try:
        assert caller.stdout.readline() == b"ready\n"
        os.kill(caller.pid, signal.SIGTERM)
        assert caller.wait() == -signal.SIGTERM
        caller.stdout.read()  # ends when the worker, too, has closed its end
        assert timer.is_alive()
    finally:
        timer.cancel()
        caller.stdout.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(caller.pid, signal.SIGKILL)
