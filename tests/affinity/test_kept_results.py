"""Kept measurements survive interruption and notice damage."""

import random

import numpy as np
import pytest
from joblib import Memory
from sklearn.linear_model import Ridge

from skmtl import MultiTaskRegressor, collect_pairwise_gains
from skmtl.affinity import measure as measure_module
from skmtl.affinity.kept_results import KeptNumbers
from skmtl.datasets import make_grouped_tasks

NETWORK = MultiTaskRegressor((4,), n_members=1, max_iter=2, early_stopping=False, random_state=0)


def squares(numbers, note=None):
    """Return squares; ``note`` is called."""
    note.append(1)
    return np.square(numbers)


def test_every_flipped_bit_of_a_kept_result_leads_to_the_right_numbers(tmp_path):
    calls, numbers = [], np.arange(4.0)
    kept = KeptNumbers(squares, str(tmp_path), ignore=["note"])
    right = kept(numbers, note=calls)
    (file,) = tmp_path.rglob("output.pkl")
    content, draw = file.read_bytes(), random.Random(0)
    for _ in range(100):
        at = draw.randrange(len(content))
        flipped = content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :]
        file.write_bytes(flipped)
        np.testing.assert_array_equal(kept(numbers, note=calls), right)
    assert len(calls) > 10
    file.write_bytes(content)
    done = len(calls)
    np.testing.assert_array_equal(kept(numbers, note=calls), right)
    assert len(calls) == done


def test_an_interrupted_repeat_goes_on_from_the_parts_that_are_done(tmp_path, monkeypatch):
    tasks = make_grouped_tasks(16, 2, n_samples=12, n_features=2, random_state=0).task_set
    original, calls = measure_module.measure_groups, []

    def interrupted(estimator, train, test, groups, **settings):
        calls.append(len(groups))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(estimator, train, test, groups, **settings)

    monkeypatch.setattr(measure_module, "measure_groups", interrupted)
    with pytest.raises(KeyboardInterrupt):
        collect_pairwise_gains(tasks, NETWORK, memory=str(tmp_path), random_state=0)
    again = collect_pairwise_gains(tasks, NETWORK, memory=str(tmp_path), random_state=0)
    assert calls == [32, 32, 32, 32, 32, 8]
    plain = collect_pairwise_gains(tasks, NETWORK, random_state=0)
    np.testing.assert_allclose(again.values, plain.values, rtol=1e-6, atol=1e-9)


def test_a_path_is_a_folder_as_its_text_is(tmp_path):
    tasks = make_grouped_tasks(n_tasks=4, n_groups=2, random_state=0).task_set
    found = [
        collect_pairwise_gains(tasks, Ridge(), random_state=0, memory=memory).values
        for memory in (None, tmp_path, str(tmp_path), Memory(str(tmp_path), verbose=0))
    ]
    for values in found[1:]:
        np.testing.assert_array_equal(values, found[0])
    assert len(list(tmp_path.rglob("output.pkl"))) == 1
