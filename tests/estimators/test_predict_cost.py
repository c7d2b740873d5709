"""What a prediction costs: only the tasks and threads that it needs."""

import multiprocessing

import numpy as np
import pandas as pd
import pytest
import torch

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.estimators import fitted_networks

TINY = {"hidden_layer_sizes": (4,), "n_members": 2, "max_iter": 2, "random_state": 0}


@pytest.fixture
def shops(rng):
    X = pd.DataFrame(rng.normal(size=(240, 3)), columns=list("abc"))
    return X.assign(shop=np.arange(240) % 40)


def test_predict_in_long_form_visits_only_the_tasks_that_are_there(shops, monkeypatch):
    model = MultiTaskRegressor(**TINY, task_column="shop").fit(shops, shops["a"])
    expected = model.predict(shops)
    visited = []

    class Watched(fitted_networks.Predictor):
        def scores(self, numeric, codes, task=None):
            visited.append(task)
            return super().scores(numeric, codes, task)

    monkeypatch.setattr(fitted_networks, "Predictor", Watched)
    rows = [7, 3, 47]
    np.testing.assert_array_equal(model.predict(shops.iloc[rows]), expected[rows])
    assert visited == [3, 7]


def test_probabilities_and_representation_of_some_rows_are_those_of_all(shops):
    labels = (shops["a"] > shops["b"]).astype(int)
    model = MultiTaskClassifier(**TINY, task_column="shop").fit(shops, labels)
    rows = np.array([200, 5, 80])
    for method in (model.predict_proba, model.transform):
        np.testing.assert_allclose(method(shops.iloc[rows]), method(shops)[rows], rtol=1e-12)


def test_a_small_predict_uses_one_thread_and_gives_the_caller_s_back(rng, monkeypatch):
    X = rng.normal(size=(50, 3))
    model = MultiTaskRegressor(**TINY).fit(X, X)
    seen = []
    network = torch.set_num_threads
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        monkeypatch.setattr(torch, "set_num_threads", lambda n: (seen.append(n), network(n))[1])
        model.predict(X)
        assert torch.get_num_threads() == 2
        assert seen == [1, 2]
    finally:
        network(before)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_predict_in_a_forked_process_does_not_hang(rng):
    X = rng.normal(size=(300, 5))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model = MultiTaskRegressor(**TINY).fit(X, X[:, :2])
        expected = model.predict(X)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            found = pool.apply_async(model.predict, (X,)).get(timeout=60)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(found, expected)
