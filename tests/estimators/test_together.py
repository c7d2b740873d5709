"""Estimators that are fitted together become what their own fit makes of them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.estimators import fit_together, probabilities_together
from skmtl.fairness import MTAF, PerTaskFairness

TINY = {
    "hidden_layer_sizes": (4,),
    "max_iter": 4,
    "n_members": 2,
    "dtype": "float64",
    "random_state": 0,
}
LEARNT = (
    "task_loss_curve_",
    "loss_curve_",
    "aggregation_weights_",
    "n_iter_",
    "best_iteration_",
    "n_outputs_",
    "n_features_in_",
)


def assert_same_fit(model, reference):
    for name in LEARNT:
        np.testing.assert_allclose(
            getattr(model, name), getattr(reference, name), rtol=0, atol=1e-9, err_msg=name
        )
    assert model.task_names_ == reference.task_names_
    assert set(vars(model)) == set(vars(reference))
    for own, other in zip(model.members_, reference.members_, strict=True):
        for part, expected in zip(own, other, strict=True):
            np.testing.assert_allclose(part, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("fitted_before", [False, True])
def test_estimators_on_data_of_their_own_become_what_fit_makes_of_them(
    fitted_before, X, Y, labels, long_form
):
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
    data = [
        (X, Y, {}),
        (X, Y, {}),
        (frame, Y, {"sample_weight": weight}),
        (X[:30], Y[:30], {}),
        (X, labels, {}),
        (X_long, y_long, {}),
    ]
    expected = [
        clone(model).fit(*given[:2], **given[2]) for model, given in zip(models, data, strict=True)
    ]
    if fitted_before:  # what was there leaves no trace
        models[0].fit(pd.DataFrame(X, columns=list("stuv")), Y)
        models[1].fit(pd.DataFrame(X, columns=list("stuv")), Y[:, 0])
    assert [outcome.error for outcome in fit_together(models, data)] == [None] * len(models)
    for model, reference in zip(models, expected, strict=True):
        assert_same_fit(model, reference)


def test_estimators_that_differ_in_how_they_read_rows_share_no_table(X, Y):
    shifted = 100 * X + 50
    models = [MultiTaskRegressor(**TINY, standardize=standardize) for standardize in (True, False)]
    fit_together(models, [(shifted, Y, {})] * 2)
    for model in models:
        assert_same_fit(model, clone(model).fit(shifted, Y))


def test_what_one_fit_raises_is_reported_for_it_alone(X, Y):
    bad = Y.copy()
    bad[0, 0] = np.inf
    models = [MultiTaskRegressor(**TINY) for _ in range(2)] + [
        MultiTaskRegressor(**TINY, task_weights=[1, 2])
    ]
    outcomes = fit_together(models, [(X, bad, {}), (X, Y, {}), (X, Y, {})])
    assert "infin" in str(outcomes[0].error)
    assert outcomes[1].error is None
    assert "task_weights must hold 3" in str(outcomes[2].error)
    assert all(outcome.seconds > 0 for outcome in outcomes)
    assert_same_fit(models[1], MultiTaskRegressor(**TINY).fit(X, Y))


def test_aggregators_that_differ_train_apart(X, Y):
    models = [
        MultiTaskRegressor(**TINY, aggregator=aggregator)
        for aggregator in ("mean", "mgda", "uw", "pcgrad", "mgda")
    ]
    fit_together(models, [(X, Y, {})] * len(models))
    for model in models:
        assert_same_fit(model, clone(model).fit(X, Y))


def test_terms_that_differ_in_weights_train_as_by_themselves(X, labels, rng):
    groups = rng.choice(["f", "m", "x"], len(X))
    frame = pd.DataFrame(X, columns=list("abcd")).assign(sex=groups)
    terms = [
        MTAF("gap", weight=2.0),
        MTAF("gap", weight=[0.5, 1.0, 0.0], head_ratio=3.0),
        PerTaskFairness("mmd"),
        None,
        MTAF("gap", form="released"),
    ]
    models = [MultiTaskClassifier(**TINY, fairness=term) for term in (*terms, *terms)]
    named, given = {"sensitive_features": "sex"}, {"sensitive_features": groups}
    data = [(frame, labels, named)] * len(terms) + [(X, labels, given)] * len(terms)
    models[1].fit(X, labels, sensitive_features=groups)  # what was there leaves no trace
    assert [outcome.error for outcome in fit_together(models, data)] == [None] * len(models)
    for model, (inputs, y, params) in zip(models, data, strict=True):
        reference = clone(model).fit(inputs, y, **params)
        assert_same_fit(model, reference)
        own, other = model.model_.intake.layout, reference.model_.intake.layout
        assert own.sensitive_columns == other.sensitive_columns


def test_a_term_without_groups_and_a_term_that_does_not_fit_are_errors_of_their_own(X, labels, rng):
    groups = rng.choice(["f", "m"], len(X))
    models = [
        MultiTaskClassifier(**TINY, fairness=MTAF("gap", weight=weight))
        for weight in (1.0, [1.0, 2.0], -1.0, 1.0)
    ]
    outcomes = fit_together(
        models, [(X, labels, {"sensitive_features": groups})] * 3 + [(X, labels, {})]
    )
    assert outcomes[0].error is None
    for outcome, message in zip(
        outcomes[1:], ["weight", "weight", "needs sensitive_features"], strict=True
    ):
        assert message in str(outcome.error)


def test_many_estimators_asked_together_say_what_each_says(X, labels, rng):
    models = [
        MultiTaskClassifier(**TINY),
        MultiTaskClassifier(**{**TINY, "n_members": 3}),
        MultiTaskClassifier(**{**TINY, "alpha": 0.5}),
    ]
    fit_together(models, [(X, labels, {})] * 3)
    models.append(MultiTaskClassifier(**TINY).fit(X[:30], labels[:30, 0]))
    asked = rng.normal(size=(40, 4))
    for model, told in zip(models, probabilities_together(models, asked), strict=True):
        expected = model.predict_proba(asked)
        for own, other in zip(
            told, expected if isinstance(expected, list) else [expected], strict=True
        ):
            np.testing.assert_allclose(own, other, rtol=0, atol=1e-12)


def test_estimators_in_long_form_are_not_asked_together(long_form):
    X_long, y_long, _ = long_form
    model = MultiTaskClassifier(**{**TINY, "task_column": 4}).fit(X_long, y_long > 0)
    with pytest.raises(ValueError, match="wide form"):
        probabilities_together([model], X_long)


def test_what_fit_does_not_take_is_refused_as_by_fit(X, Y):
    model = MultiTaskRegressor((4,), max_iter=2, n_members=1)
    groups = np.arange(len(X)) % 2
    (outcome,) = fit_together([model], [(X, Y, {"sensitive_features": groups})])
    assert isinstance(outcome.error, TypeError)
    assert "unexpected keyword argument 'sensitive_features'" in str(outcome.error)
