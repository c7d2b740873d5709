"""Splitter and scorers in scikit-learn's searches and cross-validation, with missing labels."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, cross_validate

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.metrics import (
    make_multitask_scorer,
    multitask_accuracy,
    multitask_mse,
    multitask_r2,
    multitask_roc_auc,
    multitask_scorers,
)
from skmtl.model_selection import MultiTaskKFold

TINY = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}


@pytest.fixture(params=[False, True], ids=["routing off", "routing on"], autouse=True)
def _routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield


@pytest.fixture
def wide(rng):
    X = rng.normal(size=(60, 3))
    Y = pd.DataFrame(
        (X[:, :2] + rng.normal(size=(60, 2)) > 0).astype(float), columns=["left", "right"]
    )
    Y.iloc[rng.permutation(60)[:20], 0] = np.nan
    return X, Y


@pytest.fixture
def long(rng):
    frame = pd.DataFrame(
        {"u": rng.normal(size=60), "task": np.repeat(["a", "b", "c"], [40, 15, 5])}
    )
    return frame, frame["u"] + rng.normal(size=60)


def test_a_classifier_with_gaps_is_searched_by_the_mean_of_the_tasks(wide):
    X, Y = wide
    scorer, cv = (
        make_multitask_scorer(multitask_accuracy, per_task=True),
        MultiTaskKFold(3, random_state=0),
    )
    search = GridSearchCV(
        MultiTaskClassifier(**TINY), {"alpha": [1e-4, 1.0]}, scoring=scorer, refit="mean", cv=cv
    ).fit(X, Y)
    table = pd.DataFrame(search.cv_results_)
    np.testing.assert_allclose(
        table["mean_test_mean"], (table["mean_test_left"] + table["mean_test_right"]) / 2
    )
    train, test = next(cv.split(X, Y))
    model = MultiTaskClassifier(alpha=1e-4, **TINY).fit(X[train], Y.iloc[train])
    assert (
        table["split0_test_right"][0]
        == multitask_accuracy(Y.iloc[test], model.predict(X[test]), average=None)[1]
    )


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "neg_log_loss"])
def test_ready_scorers_of_classification_score_every_fold(name, wide):
    X, Y = wide
    scores = cross_val_score(
        MultiTaskClassifier(**TINY),
        X,
        Y,
        scoring=multitask_scorers[name],
        cv=MultiTaskKFold(3, random_state=0),
    )
    assert np.isfinite(scores).all()


def test_auc_of_a_fold_is_the_metric_of_its_probabilities(wide):
    X, Y = wide
    cv = MultiTaskKFold(3, random_state=0)
    scores = cross_val_score(
        MultiTaskClassifier(**TINY), X, Y, scoring=multitask_scorers["roc_auc"], cv=cv
    )
    expected = []
    for train, test in cv.split(X, Y):
        P = MultiTaskClassifier(**TINY).fit(X[train], Y.iloc[train]).predict_proba(X[test])
        expected.append(multitask_roc_auc(Y.iloc[test], P))
    np.testing.assert_allclose(scores, expected)


@pytest.mark.parametrize("name", ["r2", "neg_mse"])
def test_a_regressor_with_gaps_is_scored_wide_and_long(name, wide, long):
    X, Y = wide
    assert np.isfinite(
        cross_val_score(
            MultiTaskRegressor(**TINY), X, Y, scoring=multitask_scorers[name], cv=MultiTaskKFold(3)
        )
    ).all()
    frame, y = long
    model, cv = (
        MultiTaskRegressor(task_column="task", **TINY),
        MultiTaskKFold(2, task_column="task"),
    )
    assert np.isfinite(
        cross_val_score(model, frame, y, scoring=multitask_scorers[name], cv=cv)
    ).all()


def test_several_scorers_are_one_table(long):
    frame, y = long
    scoring = {
        "r2": multitask_scorers["r2"],
        "mse": make_multitask_scorer(multitask_mse, greater_is_better=False),
    }
    cv = MultiTaskKFold(2, task_column="task", random_state=0)
    results = cross_validate(
        MultiTaskRegressor(task_column="task", **TINY), frame, y, scoring=scoring, cv=cv
    )
    train, test = next(cv.split(frame, y))
    model = MultiTaskRegressor(task_column="task", **TINY).fit(frame.iloc[train], y.iloc[train])
    task = frame["task"].iloc[test]
    assert results["test_r2"][0] == pytest.approx(
        multitask_r2(y.iloc[test], model.predict(frame.iloc[test]), task=task)
    )
    assert results["test_mse"][0] == pytest.approx(
        -multitask_mse(y.iloc[test], model.predict(frame.iloc[test]), task=task)
    )


def test_scores_per_task_keep_their_columns_where_a_fold_misses_a_task(long):
    frame, y = long
    scorer, cv = (
        make_multitask_scorer(multitask_mse, per_task=True),
        MultiTaskKFold(6, task_column="task", random_state=0),
    )
    results = cross_validate(
        MultiTaskRegressor(task_column="task", **TINY), frame, y, scoring=scorer, cv=cv
    )
    assert np.isnan(results["test_c"]).sum() == 1
    assert np.isfinite(results["test_mean"]).all()


def test_out_of_fold_predictions_cover_every_row(wide, long):
    X, Y = wide
    P = cross_val_predict(MultiTaskClassifier(**TINY), X, Y, cv=MultiTaskKFold(3, random_state=0))
    assert P.shape == (60, 2)
    assert 0 <= multitask_accuracy(Y, P) <= 1
    frame, y = long
    p = cross_val_predict(
        MultiTaskRegressor(task_column="task", **TINY),
        frame,
        y,
        cv=MultiTaskKFold(3, task_column="task", random_state=0),
    )
    assert np.isfinite(p).all()


def test_weights_reach_fit_and_score_once_routing_is_on(wide):
    sklearn.set_config(enable_metadata_routing=True)  # the fixture restores it
    X, Y = wide
    weight, cv = np.linspace(0.1, 2, 60), MultiTaskKFold(3, random_state=0)
    scorer = make_multitask_scorer(multitask_accuracy, needs=("sample_weight",))
    model = MultiTaskClassifier(**TINY).set_fit_request(sample_weight=True)
    scores = cross_val_score(model, X, Y, scoring=scorer, cv=cv, params={"sample_weight": weight})
    train, test = next(cv.split(X, Y))
    P = (
        MultiTaskClassifier(**TINY)
        .fit(X[train], Y.iloc[train], sample_weight=weight[train])
        .predict(X[test])
    )
    assert scores[0] == multitask_accuracy(Y.iloc[test], P, sample_weight=weight[test])
