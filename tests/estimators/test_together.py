"""Estimators that are fitted together become what their own fit makes of them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.estimators import fit_together

TINY = {"hidden_layer_sizes": (4,), "max_iter": 4, "n_members": 2, "dtype": "float64", "random_state": 0}
LEARNT = ("task_loss_curve_", "loss_curve_", "aggregation_weights_", "n_iter_", "best_iteration_", "n_outputs_", "n_features_in_")


def assert_same_fit(model, reference):
    for name in LEARNT:
        np.testing.assert_allclose(getattr(model, name), getattr(reference, name), rtol=0, atol=1e-9, err_msg=name)
    assert model.task_names_ == reference.task_names_
    assert set(vars(model)) == set(vars(reference))
    for own, other in zip(model.members_, reference.members_, strict=True):
        for part, expected in zip(own, other, strict=True):
            np.testing.assert_allclose(part, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("fitted_before", [False, True])
def test_estimators_on_data_of_their_own_become_what_fit_makes_of_them(fitted_before, X, Y, labels, long_form):
    X_long, y_long, _ = long_form
    frame, weight = pd.DataFrame(X, columns=list("abcd")), np.linspace(0, 2, len(X))
    models = [
        MultiTaskRegressor(**TINY),
        MultiTaskRegressor(**{**TINY, "random_state": 3, "alpha": 0.1, "validation_fraction": 0.3}),
        MultiTaskRegressor(**TINY),
        MultiTaskRegressor(**{**TINY, "learning_rate_init": 0.1}),
        MultiTaskClassifier(**TINY),
        MultiTaskRegressor(**{**TINY, "task_column": 4}),
    ]
    data = [(X, Y, None), (X, Y, None), (frame, Y, weight), (X[:30], Y[:30], None), (X, labels, None), (X_long, y_long, None)]
    expected = [clone(model).fit(*given[:2], sample_weight=given[2]) for model, given in zip(models, data, strict=True)]
    if fitted_before:  # what was there leaves no trace
        models[0].fit(pd.DataFrame(X, columns=list("stuv")), Y)
        models[1].fit(pd.DataFrame(X, columns=list("stuv")), Y[:, 0])
    assert [outcome.error for outcome in fit_together(models, data)] == [None] * len(models)
    for model, reference in zip(models, expected, strict=True):
        assert_same_fit(model, reference)


def test_estimators_that_differ_in_how_they_read_rows_share_no_table(X, Y):
    shifted = 100 * X + 50
    models = [MultiTaskRegressor(**TINY, standardize=standardize) for standardize in (True, False)]
    fit_together(models, [(shifted, Y, None)] * 2)
    for model in models:
        assert_same_fit(model, clone(model).fit(shifted, Y))


def test_what_one_fit_raises_is_reported_for_it_alone(X, Y):
    bad = Y.copy()
    bad[0, 0] = np.inf
    models = [MultiTaskRegressor(**TINY) for _ in range(2)] + [MultiTaskRegressor(**TINY, task_weights=[1, 2])]
    outcomes = fit_together(models, [(X, bad, None), (X, Y, None), (X, Y, None)])
    assert "infin" in str(outcomes[0].error)
    assert outcomes[1].error is None
    assert "task_weights must hold 3" in str(outcomes[2].error)
    assert all(outcome.seconds > 0 for outcome in outcomes)
    assert_same_fit(models[1], MultiTaskRegressor(**TINY).fit(X, Y))


def test_aggregators_that_differ_train_apart(X, Y):
    models = [MultiTaskRegressor(**TINY, aggregator=aggregator) for aggregator in ("mean", "mgda", "uw", "pcgrad", "mgda")]
    fit_together(models, [(X, Y, None)] * len(models))
    for model in models:
        assert_same_fit(model, clone(model).fit(X, Y))
