"""Results that a folder keeps."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from skmtl import MultiTaskRegressor, TaskGroupedRegressor, TaskSet, collect_pairwise_gains

NETWORK = MultiTaskRegressor((4,), n_members=1, max_iter=1, early_stopping=False)


@pytest.mark.parametrize("form", [str, Path])
@pytest.mark.parametrize("seed", [None, 0])
def test_a_memory_without_a_seed_warns_that_nothing_is_found_again(rng, tmp_path, seed, form):
    folder = form(tmp_path)
    X = rng.normal(size=(40, 3))
    Y = X[:, :2] + 0.1
    tasks = TaskSet.from_wide(X, Y)
    grouped = TaskGroupedRegressor(NETWORK, n_repeats=1, memory=folder, random_state=seed)
    for call in (
        lambda: collect_pairwise_gains(tasks, NETWORK, memory=folder, random_state=seed),
        lambda: grouped.fit(np.asarray(X), Y),
    ):
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            call()
        told = [one for one in heard if "random_state=None: seeds" in str(one.message)]
        assert len(told) == (seed is None)
