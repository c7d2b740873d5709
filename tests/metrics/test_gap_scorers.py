"""Scorers of the rate gap in searches and cross-validation, with missing labels, wide and long."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import MultiTaskClassifier
from skmtl.fairness import MTAF
from skmtl.metrics import group_rate_gap, make_multitask_scorer, multitask_scorers

TINY = {
    "hidden_layer_sizes": (4,),
    "n_members": 1,
    "learning_rate_init": 0.05,
    "max_iter": 4,
    "random_state": 0,
}
CV = KFold(3, shuffle=True, random_state=0)
GAPS = {"neg_fpr_gap": "fpr", "neg_tpr_gap": "tpr", "neg_equalized_odds_gap": "equalized_odds"}
PER_TASK = make_multitask_scorer(
    group_rate_gap, greater_is_better=False, needs=("sensitive_features",), per_task=True
)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def people(rng):
    """Inputs, incomplete labels of two tasks, and two sensitive columns, of which the first moves
    inputs and labels.
    """
    groups = pd.DataFrame({"sex": rng.choice(["f", "m"], 360), "old": rng.random(360) < 0.5})
    X = pd.DataFrame(rng.normal(size=(360, 3)), columns=list("abc"))
    X["a"] += groups["sex"] == "m"
    Y = (X[["a", "a"]].to_numpy() + rng.normal(size=(360, 2)) > 0.5).astype(float)
    Y[rng.random((360, 2)) < 0.2] = np.nan
    return X, pd.DataFrame(Y, columns=["loan", "card"]), groups


def by_hand(model, X, Y, groups, fit_groups, **options):
    """The metric of every fold, one row per fold."""
    values = []
    for train, test in CV.split(X):
        fitted = sklearn.clone(model).fit(
            X.iloc[train], Y.iloc[train], sensitive_features=fit_groups.iloc[train]
        )
        values.append(
            group_rate_gap(Y.iloc[test], fitted.predict(X.iloc[test]), groups.iloc[test], **options)
        )
    return np.array(values)


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("columns", [["sex"], ["sex", "old"]], ids=["one column", "two columns"])
@pytest.mark.parametrize("name", GAPS)
def test_ready_scorers_are_the_mean_gap_of_the_folds_without_a_request_by_the_user(
    people, name, columns
):
    X, Y, groups = people
    groups, model = groups[columns], MultiTaskClassifier(fairness=MTAF("gap"), **TINY)
    scoring = {"gap": multitask_scorers[name], "accuracy": multitask_scorers["accuracy"]}
    found = cross_validate(
        model,
        X,
        Y,
        scoring=scoring,
        cv=CV,
        params={"sensitive_features": groups},
        error_score="raise",
    )
    expected = -by_hand(model, X, Y, groups, groups, rate=GAPS[name]).mean(axis=1)
    np.testing.assert_allclose(found["test_gap"], expected)


@pytest.mark.usefixtures("routing")
def test_a_search_shows_the_gap_of_every_task_and_chooses_by_their_mean(people):
    X, Y, groups = people
    pipeline = make_pipeline(
        StandardScaler().set_output(transform="pandas"),
        MultiTaskClassifier(fairness=MTAF("gap"), **TINY),
    )
    grid = {"multitaskclassifier__fairness__weight": [0.0, 5.0]}
    search = GridSearchCV(
        pipeline, grid, scoring=PER_TASK, refit="mean", cv=CV, error_score="raise"
    ).fit(X, Y, sensitive_features=groups["sex"])
    for k, weight in enumerate((0.0, 5.0)):
        model = MultiTaskClassifier(fairness=MTAF("gap", weight=weight), **TINY)
        each = []
        for train, test in CV.split(X):
            scaler = StandardScaler().fit(X.iloc[train])
            fitted = model.fit(
                scaler.transform(X.iloc[train]),
                Y.iloc[train],
                sensitive_features=groups["sex"].iloc[train],
            )
            each.append(
                group_rate_gap(
                    Y.iloc[test],
                    fitted.predict(scaler.transform(X.iloc[test])),
                    groups["sex"].iloc[test],
                )
            )
        for t, task in enumerate(("loan", "card")):
            np.testing.assert_allclose(
                [search.cv_results_[f"split{f}_test_{task}"][k] for f in range(3)],
                [-own[t] for own in each],
            )
        assert search.cv_results_["mean_test_mean"][k] == pytest.approx(-np.mean(each))
    assert search.best_index_ == np.argmax(search.cv_results_["mean_test_mean"])


@pytest.mark.usefixtures("routing")
def test_names_of_columns_are_routed_as_well_as_values(people):
    X, Y, groups = people
    table, model = X.join(groups), MultiTaskClassifier(fairness=MTAF("gap"), **TINY)
    options = {"scoring": multitask_scorers["neg_fpr_gap"], "cv": CV, "error_score": "raise"}
    named = cross_validate(
        model, table, Y, params={"sensitive_features": ["sex", "old"]}, **options
    )
    given = cross_validate(model, X, Y, params={"sensitive_features": groups}, **options)
    np.testing.assert_array_equal(named["test_score"], given["test_score"])


@pytest.mark.usefixtures("routing")
def test_in_long_form_every_task_is_judged_on_its_own_rows(people, rng):
    X, Y, groups = people
    task = rng.choice(["loan", "card"], 360)
    y = Y.fillna(0).to_numpy()[np.arange(360), (task == "card").astype(int)]
    table, model = (
        X.assign(task=task),
        MultiTaskClassifier(fairness=MTAF("gap"), task_column="task", **TINY),
    )
    found = cross_validate(
        model,
        table,
        y,
        scoring=PER_TASK,
        cv=CV,
        params={"sensitive_features": groups["sex"]},
        error_score="raise",
    )
    for k, (train, test) in enumerate(CV.split(table)):
        fitted = model.fit(
            table.iloc[train], y[train], sensitive_features=groups["sex"].iloc[train]
        )
        predicted = fitted.predict(table.iloc[test])
        for name in ("loan", "card"):
            rows = task[test] == name
            assert found[f"test_{name}"][k] == pytest.approx(
                -group_rate_gap(y[test][rows], predicted[rows], groups["sex"].iloc[test][rows])
            )


# ---------------------------------------------------------------------- classes
@pytest.mark.usefixtures("routing")
def test_the_positive_class_may_be_any_label_of_each_task(people):
    X, Y, groups = people
    words = pd.DataFrame(
        {"loan": Y["loan"].map({0: "bad", 1: "good"}), "card": Y["card"].map({0: "no", 1: "yes"})}
    )
    scorer = make_multitask_scorer(
        group_rate_gap,
        greater_is_better=False,
        needs=("sensitive_features",),
        pos_label={"loan": "good", "card": "yes"},
    )
    options = {"cv": CV, "params": {"sensitive_features": groups["sex"]}, "error_score": "raise"}
    of_words = cross_validate(MultiTaskClassifier(**TINY), X, words, scoring=scorer, **options)
    of_numbers = cross_validate(
        MultiTaskClassifier(**TINY), X, Y, scoring=multitask_scorers["neg_fpr_gap"], **options
    )
    np.testing.assert_allclose(of_words["test_score"], of_numbers["test_score"])


def test_labels_other_than_0_and_1_need_a_positive_class(people):
    X, Y, groups = people
    model = MultiTaskClassifier(**TINY).fit(X, Y.replace({0.0: "bad", 1.0: "good"}))
    with pytest.raises(
        ValueError,
        match="y_true of task 'loan' contains 'bad', 'good': without pos_label, .* Set pos_label "
        "to the positive class",
    ):
        multitask_scorers["neg_fpr_gap"](
            model, X, Y.replace({0.0: "bad", 1.0: "good"}), sensitive_features=groups
        )
    with pytest.raises(
        ValueError, match="pos_label has no positive class for task 'card'; it has 'loan'"
    ):
        group_rate_gap(Y, model.predict(X) == "good", groups, pos_label={"loan": 1})


def test_a_positive_class_that_no_row_has_is_named():
    with pytest.warns(
        UndefinedMetricWarning,
        match="Task '0' has no label and no prediction of the class pos_label='Yes'; its labels in "
        "y_true are 'no', 'yes'",
    ):
        assert (
            group_rate_gap(
                ["no", "no", "yes"], ["no", "yes", "no"], ["f", "m", "m"], pos_label="Yes"
            )
            == 0
        )


# ---------------------------------------------------------------------- groups that a fold lacks
@pytest.mark.usefixtures("routing")
def test_a_fold_without_one_of_two_groups_scores_nan_and_says_why(people):
    X, Y, _ = people
    groups = pd.Series(
        np.where(np.arange(360) < 120, "f", "m")
    )  # the first of three folds without shuffling
    options = {
        "scoring": PER_TASK,
        "cv": KFold(3),
        "params": {"sensitive_features": groups},
        "error_score": "raise",
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = cross_validate(MultiTaskClassifier(**TINY), X, Y, **options)
    assert np.isnan([found["test_loan"], found["test_card"], found["test_mean"]]).all()
    messages = [
        str(warning.message) for warning in caught if warning.category is UndefinedMetricWarning
    ]
    assert "The rate gap of task 'loan' is undefined: only group 'f' has negative rows." in messages
    assert "group_rate_gap is NaN for every task, and so is the score." in messages


def test_a_task_without_a_gap_is_left_out_of_the_mean(people):
    X, Y, groups = people
    Y.loc[groups["sex"] == "m", "card"] = np.nan
    model = MultiTaskClassifier(**TINY).fit(X, Y)
    with pytest.warns(
        UndefinedMetricWarning,
        match="gap of task 'card' is undefined: only group 'f' has negative rows",
    ):
        scores = PER_TASK(model, X, Y, sensitive_features=groups["sex"])
    assert np.isnan(scores["card"])
    assert (
        scores["mean"]
        == scores["loan"]
        == pytest.approx(-group_rate_gap(Y["loan"], model.predict(X)[:, 0], groups["sex"]))
    )


def test_without_routing_the_missing_groups_are_asked_for(people):
    X, Y, _ = people
    with pytest.raises(ValueError, match=r"needs sensitive_features.*enable_metadata_routing=True"):
        cross_validate(
            MultiTaskClassifier(**TINY),
            X,
            Y,
            scoring=multitask_scorers["neg_fpr_gap"],
            cv=CV,
            error_score="raise",
        )
