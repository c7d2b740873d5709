"""Fixtures for all tests: fresh random inputs whose seed a failure prints, one torch thread a
process, the folder of larger data sets.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

SEED = pytest.StashKey[int]()
DATA_HOME = Path(__file__).resolve().parents[2] / "shared" / "data"

hypothesis.settings.register_profile(
    "skmtl", derandomize=True, deadline=None, max_examples=40, database=None
)
hypothesis.settings.load_profile("skmtl")


# Folders and files of whole fits, searches and contracts: `make check` leaves them out.
SLOW = (
    "affinity/test_gain_regressor.py",
    "affinity/test_measure.py",
    "cli",
    "data/test_one_reading.py",
    "estimators/test_aggregators.py",
    "estimators/test_fairness.py",
    "estimators/test_labels.py",
    "estimators/test_scikit_learn.py",
    "estimators/test_training.py",
    "fairness/test_terms.py",
    "grouping",
    "metrics/test_gap_scorers.py",
    "model_selection",
    "network/test_embeddings.py",
    "network/test_fleet.py",
    "network/test_planning.py",
    "network/test_steering.py",
    "plotting",
    "representation/test_low_rank.py",
    "spurious",
    "test_benchmarks.py",
    "test_ecosystem.py",
    "test_fair_ecosystem.py",
    "utils/test_contract.py",
)


def pytest_collection_modifyitems(items):
    folder = Path(__file__).parent
    for item in items:
        if any(item.path.is_relative_to(folder / slow) for slow in SLOW):
            item.add_marker("slow")


def pytest_configure(config):
    # Several test processes share the cores; torch's threads in each would fight over them.
    torch.set_num_threads(1)


@pytest.fixture
def rng(request):
    """A generator with a new seed every time, or that of SKMTL_TEST_SEED; the seed is shown when
    the test fails.
    """
    given = os.environ.get("SKMTL_TEST_SEED")
    seed = int(given) if given else secrets.randbits(32)
    request.node.stash[SEED] = seed
    return np.random.default_rng(seed)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and SEED in item.stash:
        report.sections.append(("Random inputs", f"repeat with SKMTL_TEST_SEED={item.stash[SEED]}"))
    return report


@pytest.fixture(scope="session")
def data_home():
    """Folder of the larger data sets: $SKMTL_DATA, else ../shared/data beside the repository; the
    test is skipped where neither exists.
    """
    folder = Path(os.environ.get("SKMTL_DATA") or DATA_HOME)
    if not folder.is_dir():
        pytest.skip(
            f"needs the larger data sets; {folder} does not exist (set SKMTL_DATA to their folder)"
        )
    return folder
