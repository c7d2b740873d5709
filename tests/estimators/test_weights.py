"""Weights of rows and of tasks."""

import numpy as np
import pytest

from skmtl import MultiTaskClassifier, MultiTaskRegressor

FULL = {
    "hidden_layer_sizes": (6,),
    "learning_rate_init": 0.01,
    "dtype": "float64",
    "batch_size": "full",
    "early_stopping": False,
    "max_iter": 12,
    "random_state": 3,
}
LINEAR = {
    "solver": "adam",
    "hidden_layer_sizes": (),
    "alpha": 0.0,
    "learning_rate_init": 0.05,
    "batch_size": "full",
    "early_stopping": False,
    "max_iter": 1500,
    "n_iter_no_change": 1500,
    "dtype": "float64",
}
BOTH = [MultiTaskRegressor, MultiTaskClassifier]


def outputs(model, X):
    return (
        np.hstack(model.predict_proba(X))
        if isinstance(model, MultiTaskClassifier)
        else model.predict(X)
    )


@pytest.fixture
def problem(X, Y, labels, long_form):
    """(settings, inputs, targets) in wide or long form, of either kind."""

    def make(kind, form):
        if form == "wide":
            return FULL, X, labels if kind is MultiTaskClassifier else Y
        inputs, y, _ = long_form
        return (
            FULL | {"task_column": -1},
            inputs,
            (y > 0).astype(int) if kind is MultiTaskClassifier else y,
        )

    return make


@pytest.mark.parametrize("form", ["wide", "long"])
@pytest.mark.parametrize("kind", BOTH)
def test_weight_two_is_the_row_twice(kind, form, problem, rng):
    settings, X, y = problem(kind, form)
    times = rng.integers(1, 3, size=len(X))
    twice = np.repeat(np.arange(len(X)), times)
    weighted = kind(**settings).fit(X, y, sample_weight=times)
    np.testing.assert_allclose(
        outputs(weighted, X), outputs(kind(**settings).fit(X[twice], y[twice]), X), atol=1e-6
    )


@pytest.mark.parametrize("form", ["wide", "long"])
@pytest.mark.parametrize("kind", BOTH)
def test_weight_zero_is_the_row_absent_in_minibatches_and_validation_too(kind, form, problem, rng):
    settings, X, y = problem(kind, form)
    settings = settings | {"batch_size": 8, "early_stopping": "auto"}
    kept = np.r_[np.ones(12), rng.random(len(X) - 12) < 0.7].astype(bool)
    weighted = kind(**settings).fit(X, y, sample_weight=kept.astype(float))
    np.testing.assert_allclose(
        outputs(weighted, X), outputs(kind(**settings).fit(X[kept], y[kept]), X), atol=1e-6
    )


@pytest.mark.parametrize("form", ["wide", "long"])
def test_a_class_that_only_rows_of_weight_zero_have_is_not_learned(form, problem):
    settings, X, y = problem(MultiTaskClassifier, form)
    y, weight = y.copy(), np.ones(len(X))
    y[4], weight[4] = 9, 0
    model = MultiTaskClassifier(**settings).fit(X, y, sample_weight=weight)
    assert 9 not in np.concatenate([np.ravel(classes) for classes in model.classes_])


def test_one_factor_for_all_weights_changes_nothing(X, Y, rng):
    weight = rng.uniform(0.1, 1, size=len(X))
    first, second = (
        MultiTaskRegressor(**FULL).fit(X, Y, sample_weight=factor * weight) for factor in (1, 1e6)
    )
    np.testing.assert_allclose(first.predict(X), second.predict(X), atol=1e-6)


def test_equal_weights_are_no_weights(X, Y):
    first, second = (
        MultiTaskRegressor(**FULL).fit(X, Y, sample_weight=np.full(len(X), 3.0)),
        MultiTaskRegressor(**FULL).fit(X, Y),
    )
    np.testing.assert_allclose(first.predict(X), second.predict(X), atol=1e-6)


def test_a_task_of_weight_zero_alone_raises_and_is_named(X):
    Y = X[:, :2].copy()
    Y[5:, 1] = np.nan
    with pytest.raises(ValueError, match="zero for every labeled row of task '1'"):
        MultiTaskRegressor(**FULL).fit(X, Y, sample_weight=np.r_[np.zeros(5), np.ones(len(X) - 5)])


def test_a_weighted_linear_model_is_weighted_least_squares(X, Y, rng):
    y, weight = Y[:, 0], rng.uniform(0.2, 2, size=len(X))
    known = ~np.isnan(y)
    A = np.column_stack([X, np.ones(len(X))])
    root = np.sqrt(weight[known])[:, None]
    coef = np.linalg.lstsq(root * A[known], root[:, 0] * y[known], rcond=None)[0]
    model = MultiTaskRegressor(**LINEAR).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.predict(X), A @ coef, atol=2e-2)


def test_task_weights_by_position_and_by_name_are_the_same(X, Y):
    first = MultiTaskRegressor(**FULL, task_weights=[1, 5, 1]).fit(X, Y)
    second = MultiTaskRegressor(**FULL, task_weights={1: 5.0}).fit(X, Y)
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    assert not np.allclose(first.predict(X), MultiTaskRegressor(**FULL).fit(X, Y).predict(X))


def test_a_common_factor_of_task_weights_changes_nothing(X, Y):
    first, second = (
        MultiTaskRegressor(**FULL, task_weights=factor * np.array([1, 2, 3])).fit(X, Y)
        for factor in (1, 100)
    )
    np.testing.assert_allclose(first.predict(X), second.predict(X), atol=1e-6)


def test_a_task_of_weight_zero_does_not_touch_the_others(X, Y, rng):
    noise = Y.copy()
    noise[~np.isnan(Y[:, 2]), 2] = rng.normal(size=(~np.isnan(Y[:, 2])).sum())
    settings = FULL | {"task_weights": [1, 1, 0], "alpha": 0.0}
    first, second = (
        MultiTaskRegressor(**settings).fit(X, Y),
        MultiTaskRegressor(**settings).fit(X, noise),
    )
    np.testing.assert_allclose(first.predict(X)[:, :2], second.predict(X)[:, :2], atol=1e-6)


def test_the_loss_curve_is_the_weighted_mean_of_the_tasks(X, Y):
    model = MultiTaskRegressor(**FULL, task_weights=[1, 2, 5]).fit(X, Y)
    np.testing.assert_allclose(model.loss_curve_, model.task_loss_curve_ @ [1, 2, 5] / 8)


def test_the_score_takes_weights(X, Y, rng):
    model, kept = MultiTaskRegressor(**FULL).fit(X, Y), np.arange(len(X)) % 2 == 0
    assert model.score(X, Y, sample_weight=kept.astype(float)) == pytest.approx(
        model.score(X[kept], Y[kept])
    )
