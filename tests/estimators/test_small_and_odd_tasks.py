"""Tasks of few rows, constant targets and other corners of ordinary data."""

import numpy as np
import pandas as pd
import pytest

from skmtl import MultiTaskClassifier, MultiTaskRegressor, TaskGroupedRegressor
from skmtl.estimators import read_settings, read_training_rows
from skmtl.estimators.problem_building import fit_problem

FAST = {"hidden_layer_sizes": (6,), "max_iter": 5, "n_members": 2, "random_state": 0}


def test_a_constant_task_is_predicted_exactly_whatever_its_unit(X):
    for value in (0.1, 1e-6, 3e5):
        predicted = (
            MultiTaskRegressor(**FAST)
            .fit(X, np.column_stack([X[:, 0], np.full(48, value)]))
            .predict(X)
        )
        np.testing.assert_array_equal(predicted[:, 1], value)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_a_task_of_one_row_is_predicted_in_the_unit_of_the_others(X, unit):
    task = np.r_[np.zeros(47), 1]
    target = X[:, 0] * unit
    frame = pd.DataFrame(X, columns=list("abcd")).assign(task=task)
    plain, scaled = (
        MultiTaskRegressor(**FAST, task_column="task").fit(frame, y).predict(frame.assign(task=1.0))
        for y in (X[:, 0], target)
    )
    np.testing.assert_allclose(scaled, plain * unit, rtol=1e-5)


def test_a_first_chunk_of_constant_targets_does_not_fix_them(X):
    model = MultiTaskRegressor(**FAST | {"n_members": 1, "learning_rate_init": 0.02}).partial_fit(
        X[:8], np.full(8, 5.0)
    )
    for _ in range(150):
        model.partial_fit(X, X[:, 0] + 5)
    assert model.score(X, X[:, 0] + 5) > 0.8


def test_no_row_of_a_task_that_is_too_small_is_held_out(X, rng):
    Y = np.column_stack([X[:, 0], X[:, 1], np.full(48, np.nan)])
    Y[rng.permutation(48)[:4], 2] = 1.0
    for seed in range(20):
        settings = read_settings(MultiTaskRegressor(validation_fraction=0.4))
        rows = read_training_rows(settings, X, Y)
        train, validation = fit_problem(settings, rows, split_seed=seed).rows(0)[""]
        assert set(np.flatnonzero(~np.isnan(Y[:, 2]))) <= set(train)
        assert len(validation) > 0


def test_a_decay_beyond_one_a_step_shrinks_weights_and_never_flips_them(X):
    model = MultiTaskRegressor(**FAST | {"alpha": 2000.0, "max_iter": 20}).fit(X, X[:, :2])
    assert -0.5 < model.score(X, X[:, :2]) < 0.5


def test_frames_tell_their_tasks_by_name_when_training_goes_on(X):
    Y = pd.DataFrame({"a": X[:, 0], "b": 100 + X[:, 1], "c": -100 + X[:, 2]})
    model = MultiTaskRegressor(**FAST).partial_fit(X, Y)
    model.partial_fit(X, Y[["c", "b", "a"]].assign(b=np.nan))
    assert model.task_names_ == ["a", "b", "c"]
    assert np.isnan(model.task_loss_curve_[-1, 1])
    assert (model.task_loss_curve_[-1, [0, 2]] < 10).all()


def test_an_array_may_follow_a_frame_and_an_unnamed_target_a_named_one(X):
    Y = pd.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    assert MultiTaskRegressor(**FAST).partial_fit(X, Y).partial_fit(
        X, Y.to_numpy()
    ).task_names_ == ["a", "b"]
    assert MultiTaskRegressor(**FAST).partial_fit(X, Y["a"].rename("price")).partial_fit(
        X, X[:, 0]
    ).predict(X).shape == (48,)


def test_whole_numbers_in_one_task_and_their_strings_in_another_are_different_labels(X):
    labels = pd.DataFrame({"a": (X[:, 0] > 0).astype(int), "b": np.where(X[:, 1] > 0, "1", "0")})
    model = MultiTaskClassifier(**FAST).fit(X, labels)
    assert [classes.tolist() for classes in model.classes_] == [[0, 1], ["0", "1"]]


def test_float_labels_become_whole_numbers_in_long_form_too(long_form):
    X, y, _ = long_form
    assert (
        MultiTaskClassifier(**FAST, task_column=-1)
        .fit(X, (y > 0).astype(float))
        .classes_.dtype.kind
        == "i"
    )


def test_a_grouped_estimator_reads_categories_as_its_network_does(rng):
    code = rng.integers(0, 5, size=120)
    effect = np.array([5.0, -3.0, 0.0, 4.0, -6.0])[code]
    X = pd.DataFrame({"x": rng.normal(size=120), "city": np.array(list("vwxyz"))[code]})
    Y = np.column_stack([effect, effect, -effect]) + 0.1 * rng.normal(size=(120, 3))
    network = MultiTaskRegressor(
        (16,),
        learning_rate_init=0.02,
        max_iter=60,
        n_members=1,
        categorical_features=["city"],
        random_state=0,
    )
    assert TaskGroupedRegressor(network, n_repeats=1, random_state=0).fit(X, Y).score(X, Y) > 0.9


def test_an_estimator_whose_fit_was_interrupted_is_not_fitted(X, monkeypatch):
    from sklearn.exceptions import NotFittedError

    def interrupt(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr("skmtl.estimators.train_jobs.train_fleet", interrupt)
    model = MultiTaskRegressor(**FAST)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, X[:, :2])
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.parametrize("device", ["mps", "meta", "xpu"])
def test_a_device_that_is_neither_cpu_nor_cuda_is_refused_by_name(X, device):
    with pytest.raises(ValueError, match="device"):
        MultiTaskRegressor(**FAST, device=device).fit(X, X[:, 0])
