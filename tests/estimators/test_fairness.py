"""Fairness terms and sensitive features in the classifier."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import MultiTaskClassifier
from skmtl.base import FairnessTerm
from skmtl.data import group_codes
from skmtl.fairness import MTAF, PerTaskFairness
from skmtl.metrics import group_rate_gap

FAST = {"hidden_layer_sizes": (8,), "n_members": 2, "max_iter": 5, "random_state": 0}


@pytest.fixture
def people(rng):
    """Inputs of which one tells the group, labels that lean on it, and the group."""
    group = rng.integers(0, 2, 400)
    x = rng.normal(size=(400, 4)) + group[:, None] * [1.0, 0.0, 0.0, 0.0]
    labels = (x[:, [0, 0]] + x[:, 1:3] + 0.5 * rng.normal(size=(400, 2)) > 0.5).astype(float)
    return (
        pd.DataFrame(x, columns=list("abcd")).assign(sex=np.where(group, "m", "f")),
        labels,
        group,
    )


def probabilities(model, X):
    return np.hstack([p[:, 1:] for p in model.predict_proba(X)])


# ---------------------------------------------------------------- groups
def test_combinations_of_columns_are_groups_and_a_missing_value_is_no_group():
    table = pd.DataFrame({"sex": ["f", "m", "f", None], "old": [True, False, True, True]})
    codes, groups = group_codes(None, table, 4)
    assert codes.tolist() == [0, 1, 0, -1]
    assert groups == [("f", True), ("m", False)]
    assert group_codes(table.assign(x=1.0), ["sex", "old"], 4)[0].tolist() == [0, 1, 0, -1]
    assert group_codes(table, "sex", 4)[1] == ["f", "m"]


def test_arrays_frames_and_names_of_columns_are_the_same_groups(people):
    X, Y, group = people
    named = MultiTaskClassifier(fairness=MTAF(), **FAST).fit(X, Y, sensitive_features="sex")
    inputs = X.drop(columns="sex")
    for given in (group, X["sex"], X[["sex"]], ["m" if one else "f" for one in group]):
        other = MultiTaskClassifier(fairness=MTAF(), **FAST).fit(
            inputs, Y, sensitive_features=given
        )
        np.testing.assert_array_equal(probabilities(other, inputs), probabilities(named, X))


def test_a_named_column_is_no_input_and_may_be_absent_in_predict(people):
    X, Y, _ = people
    model = MultiTaskClassifier(fairness=MTAF(), **FAST).fit(X, Y, sensitive_features="sex")
    np.testing.assert_array_equal(model.predict(X), model.predict(X.drop(columns="sex")))
    assert list(model.feature_names_in_) == list("abcd")
    kept = MultiTaskClassifier(fairness=MTAF(), sensitive_as_input=True, **FAST).fit(
        X.astype({"sex": "category"}), Y, sensitive_features="sex"
    )
    assert "sex" in kept.feature_names_in_


# ---------------------------------------------------------------- training
def test_weight_zero_is_no_term_to_the_bit(people):
    X, Y, _group = people
    plain = MultiTaskClassifier(**FAST).fit(X, Y, sensitive_features="sex")
    for term in (MTAF(weight=0.0), PerTaskFairness(weight=0.0)):
        with_term = MultiTaskClassifier(fairness=term, **FAST).fit(X, Y, sensitive_features="sex")
        np.testing.assert_array_equal(probabilities(with_term, X), probabilities(plain, X))


@pytest.mark.parametrize("loss", ["mmd", "gap", "correlation"])
def test_a_term_narrows_the_gap_between_groups(people, loss):
    X, Y, group = people
    settings = FAST | {"max_iter": 60, "early_stopping": False, "learning_rate_init": 0.01}
    gaps = []
    for term in (None, PerTaskFairness(loss, weight=5.0)):
        scores = probabilities(
            MultiTaskClassifier(fairness=term, **settings).fit(X, Y, sensitive_features="sex"), X
        )
        negative = Y == 0
        gaps.append(
            np.mean(
                [
                    abs(
                        scores[negative[:, t] & (group == 1), t].mean()
                        - scores[negative[:, t] & (group == 0), t].mean()
                    )
                    for t in (0, 1)
                ]
            )
        )
    assert gaps[1] < 0.5 * gaps[0]


def test_long_form_and_missing_labels_train_with_a_term(people):
    X, Y, _group = people
    Y[::3, 1] = np.nan
    assert np.isfinite(
        probabilities(
            MultiTaskClassifier(fairness=MTAF(), **FAST).fit(X, Y, sensitive_features="sex"), X
        )
    ).all()
    table = X.assign(task=np.where(np.arange(400) % 2, "first", "second"))
    long = MultiTaskClassifier(fairness=PerTaskFairness(), task_column="task", **FAST).fit(
        table, Y[:, 0], sensitive_features="sex"
    )
    assert np.isfinite(long.predict_proba(table.drop(columns="sex"))).all()


def test_what_is_given_is_not_changed_and_copies_keep_it(people):
    X, Y, _ = people
    term = MTAF(weight=[1.0, 2.0])
    before = dict(vars(term))
    model = clone(MultiTaskClassifier(fairness=term, **FAST)).fit(X, Y, sensitive_features="sex")
    assert vars(term) == before
    assert clone(model).get_params()["fairness__weight"] == [1.0, 2.0]


# ---------------------------------------------------------------- routing
def test_groups_reach_the_classifier_through_a_pipeline_in_a_grid(people):
    X, Y, group = people
    seen = []

    class Seen(FairnessTerm):
        def values(self, scores, labels, weights, groups):
            seen.append(groups)
            return scores.sum((1, 2, 3)) * 0, scores.sum((1, 2, 3)) * 0

    pipeline = make_pipeline(StandardScaler(), MultiTaskClassifier(fairness=Seen(), **FAST))
    with sklearn.config_context(enable_metadata_routing=True):
        GridSearchCV(pipeline, {"multitaskclassifier__alpha": [0.1, 1.0]}, cv=2).fit(
            X.drop(columns="sex"), Y, sensitive_features=group
        )
    assert seen
    assert all(groups is not None for groups in seen)
    seen.clear()
    pipeline.fit(X.drop(columns="sex"), Y, multitaskclassifier__sensitive_features=group)
    assert seen


# ---------------------------------------------------------------- bad input
def test_what_leaves_a_term_without_effect_is_said(people):
    X, Y, group = people
    inputs, model = X.drop(columns="sex"), MultiTaskClassifier(fairness=MTAF(), **FAST)
    with pytest.raises(ValueError, match="needs sensitive_features"):
        model.fit(inputs, Y)
    with pytest.raises(
        ValueError,
        match="sensitive_features must have one entry per row of X: 400 are needed. Got 399",
    ):
        model.fit(inputs, Y, sensitive_features=group[:-1])
    with pytest.warns(UserWarning, match="one group only, 'f'"):
        model.fit(inputs, Y, sensitive_features=np.full(400, "f"))
    with pytest.warns(UserWarning, match="all sensitive_features are missing"):
        model.fit(inputs, Y, sensitive_features=np.full(400, np.nan))
    one_sided = Y.copy()
    one_sided[group == 1, 1] = np.nan
    with pytest.warns(
        UserWarning,
        match="Task '1' has no labeled row of the group 1; the fairness term has no effect on the "
        "task",
    ):
        model.fit(inputs, one_sided, sensitive_features=group)
    with pytest.raises(ValueError, match="weight"):
        MultiTaskClassifier(fairness=MTAF(weight=[1.0, -1.0]), **FAST).fit(
            inputs, Y, sensitive_features=group
        )


def test_without_a_term_groups_change_nothing(people):
    X, Y, group = people
    inputs = X.drop(columns="sex")
    plain = MultiTaskClassifier(**FAST).fit(inputs, Y)
    for data, given in ((inputs, group), (X, "sex")):
        np.testing.assert_array_equal(
            probabilities(
                MultiTaskClassifier(**FAST).fit(data, Y, sensitive_features=given), inputs
            ),
            probabilities(plain, inputs),
        )


def test_a_column_that_is_named_but_not_there_is_an_error(people):
    X, Y, _ = people
    with pytest.raises(ValueError, match="sensitive_features='age' is not a column of X"):
        MultiTaskClassifier(fairness=MTAF(), **FAST).fit(X, Y, sensitive_features="age")
    with pytest.raises(
        ValueError, match="sensitive_features='sex' names a column, but X is not a DataFrame"
    ):
        MultiTaskClassifier(fairness=MTAF(), **FAST).fit(
            X[["a", "b"]].to_numpy(), Y, sensitive_features="sex"
        )


def test_a_column_whose_values_are_given_stays_an_input(people):
    X, Y, group = people
    table = X.drop(columns="sex").assign(sex=group.astype(float))
    given = MultiTaskClassifier(fairness=MTAF(), **FAST).fit(
        table, Y, sensitive_features=table["sex"]
    )
    kept = MultiTaskClassifier(fairness=MTAF(), sensitive_as_input=True, **FAST).fit(
        table, Y, sensitive_features="sex"
    )
    assert list(given.feature_names_in_) == [*"abcd", "sex"]
    np.testing.assert_array_equal(probabilities(given, table), probabilities(kept, table))


def test_one_class_of_several_is_held_against_the_rest_by_its_position(people, rng):
    X, _, group = people
    settings = FAST | {
        "n_members": 1,
        "max_iter": 60,
        "early_stopping": False,
        "learning_rate_init": 0.02,
    }
    inputs = X.drop(columns="sex")
    grades = np.where(
        inputs["a"] + rng.normal(size=400) > 0.5,
        "good",
        np.where(inputs["b"] > 0, "bad", "middling"),
    )
    negative, gaps = grades != "good", []
    for weight in (0.0, 5.0):  # sorted classes: bad, good, middling
        model = MultiTaskClassifier(
            fairness=PerTaskFairness("gap", weight=weight, positive_class=1), **settings
        ).fit(inputs, grades, sensitive_features=group)
        good = model.predict_proba(inputs)[:, 1]
        gaps.append(
            abs(good[negative & (group == 1)].mean() - good[negative & (group == 0)].mean())
        )
    assert gaps[1] < 0.5 * gaps[0]
    with pytest.raises(ValueError, match="positive_class.* is 3, but"):
        MultiTaskClassifier(fairness=MTAF(positive_class=3), **settings).fit(
            inputs, grades, sensitive_features=group
        )


def test_labels_may_be_words_and_missing(people):
    X, Y, _ = people
    Y[::4, 0] = np.nan
    words = pd.DataFrame(Y, columns=["loan", "card"]).replace({0.0: "no", 1.0: "yes"})
    of_words, of_numbers = (
        MultiTaskClassifier(fairness=MTAF("gap"), **FAST).fit(X, labels, sensitive_features="sex")
        for labels in (words, Y)
    )
    np.testing.assert_array_equal(probabilities(of_words, X), probabilities(of_numbers, X))


def test_gaps_can_be_measured_on_predictions(people):
    X, Y, group = people
    model = MultiTaskClassifier(fairness=MTAF(), **FAST).fit(X, Y, sensitive_features="sex")
    assert group_rate_gap(Y, model.predict(X), group).shape == (2,)
