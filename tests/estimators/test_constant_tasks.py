"""A task whose targets are all alike takes no part in the weighting of tasks."""

import warnings

import numpy as np
import pandas as pd
import pytest

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.aggregation import PIVRG

SMALL = {
    "hidden_layer_sizes": (16,),
    "n_members": 2,
    "max_iter": 30,
    "learning_rate_init": 0.01,
    "random_state": 0,
}
NAMES = ["famo", "gls", "mgda", "imtlg", "alignedmtl", "nash", "pcgrad"]


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    return X, np.column_stack([X[:, 0] + X[:, 1], X[:, 0] - X[:, 2]])


def explained(model, X, y):
    return 1 - np.mean((model.predict(X)[:, 0] - y) ** 2) / y.var()


@pytest.mark.parametrize("aggregator", NAMES)
def test_a_constant_task_does_not_stall_the_others(table, aggregator):
    X, Y = table
    alone = MultiTaskRegressor(**SMALL, aggregator=aggregator).fit(X, Y)
    model = MultiTaskRegressor(**SMALL, aggregator=aggregator)
    with pytest.warns(UserWarning, match="alike in '2'"):
        model.fit(X, np.column_stack([Y, np.full(200, 3.0)]))
    assert explained(model, X, Y[:, 0]) > explained(alone, X, Y[:, 0]) - 0.05
    np.testing.assert_array_equal(model.predict(X)[:, 2], 3.0)
    assert np.isnan(model.task_loss_curve_[:, 2]).all()
    assert np.isfinite(model.loss_curve_).all()


def test_a_constant_task_in_long_form_does_not_stall_the_others(table):
    X, Y = table
    long = np.column_stack([np.tile(X, (3, 1)), np.repeat([0.0, 1.0, 2.0], 200)])
    y = np.concatenate([Y[:, 0], Y[:, 1], np.full(200, 3.0)])
    model = MultiTaskRegressor(**SMALL, task_column=-1, aggregator="mgda", task_embedding_dim=0)
    with pytest.warns(UserWarning, match="alike in '2'"):
        model.fit(long, y)
    assert 1 - np.mean((model.predict(long[:200]) - Y[:, 0]) ** 2) / Y[:, 0].var() > 0.9
    np.testing.assert_array_equal(model.predict(long[400:]), 3.0)


def test_a_task_with_one_class_does_not_stall_the_others(table):
    X, Y = table
    labels = np.column_stack([Y > 0, np.ones(200)]).astype(int)
    model = MultiTaskClassifier(**SMALL, aggregator="famo")
    with pytest.warns(UserWarning, match="alike in '2'"):
        model.fit(X, labels)
    assert (model.predict(X)[:, 0] == labels[:, 0]).mean() > 0.9


def test_scores_are_taken_with_a_constant_task(table):
    X, Y = table
    model = MultiTaskRegressor(**SMALL | {"max_iter": 5}, aggregator=PIVRG())
    with pytest.warns(UserWarning, match="alike in '2'"):
        model.fit(X, np.column_stack([Y, np.full(200, 3.0)]))
    assert np.isfinite(model.predict(X)).all()


def test_the_mean_of_the_losses_keeps_a_constant_task_and_does_not_warn(table):
    X, Y = table
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = MultiTaskRegressor(**SMALL).fit(X, np.column_stack([Y, np.full(200, 3.0)]))
        MultiTaskRegressor(**SMALL | {"max_iter": 2}, aggregator="mgda").fit(X, np.ones((200, 2)))
    assert np.isfinite(model.task_loss_curve_).all()


def test_the_warning_of_constant_tasks_with_long_names_stays_short():
    rng = np.random.default_rng(0)
    names = [f"{k} {'long name ' * 30}" for k in range(30)]
    Y = pd.DataFrame(np.ones((40, 30)), columns=names)
    Y[names[0]] = rng.normal(size=40)
    network = MultiTaskRegressor((3,), max_iter=1, n_members=1, aggregator="mgda")
    with pytest.warns(UserWarning, match=r"All targets are alike.*\(29 in all\)") as told:
        network.fit(rng.normal(size=(40, 2)), Y)
    assert max(len(str(one.message)) for one in told) < 500
