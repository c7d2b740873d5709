import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.metrics import (
    group_rate_gap,
    make_multitask_scorer,
    multitask_accuracy,
    multitask_log_loss,
    multitask_mse,
    multitask_r2,
    multitask_roc_auc,
    multitask_scorers,
)

TINY = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def wide(rng):
    X = rng.normal(size=(60, 3))
    Y = pd.DataFrame(X[:, :2] + 0.1 * rng.normal(size=(60, 2)), columns=["left", "right"])
    Y.iloc[::5, 0] = np.nan
    return X, Y


@pytest.fixture
def long(rng):
    frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=["u", "v"])
    frame.insert(1, "school", np.tile([7.0, 9.0, 8.0], 20))
    return frame, frame["u"] * np.tile([1, -1, 2], 20)


def gap(y, prediction, sensitive_features):
    """A metric that needs metadata: difference of mean predictions of two groups, per task."""
    a = np.asarray(sensitive_features) == 1
    return np.atleast_1d(
        np.asarray(prediction, dtype=float)[a].mean(axis=0)
        - np.asarray(prediction, dtype=float)[~a].mean(axis=0)
    )


# ---------------------------------------------------------------------- values
def test_a_scorer_is_the_metric_of_the_predictions_and_less_is_negated(wide):
    X, Y = wide
    model = Ridge().fit(X, Y.fillna(0))
    assert make_multitask_scorer(multitask_r2)(model, X, Y) == multitask_r2(Y, model.predict(X))
    assert make_multitask_scorer(multitask_mse, greater_is_better=False)(
        model, X, Y
    ) == -multitask_mse(Y, model.predict(X))


def test_per_task_gives_every_task_by_its_name_and_their_mean(wide):
    X, Y = wide
    model = MultiTaskRegressor(**TINY).fit(X, Y)
    scores = make_multitask_scorer(multitask_mse, greater_is_better=False, per_task=True)(
        model, X, Y.to_numpy()
    )
    each = -multitask_mse(Y, model.predict(X), average=None)
    assert scores == {"left": each[0], "right": each[1], "mean": each.mean()}


def test_the_first_response_method_that_the_estimator_has_is_called(rng):
    X, Y = rng.normal(size=(40, 2)), rng.integers(0, 2, size=(40, 2))
    forest = RandomForestClassifier(3, random_state=0).fit(X, Y)
    scorer = make_multitask_scorer(
        multitask_roc_auc, response_method=["decision_function", "predict_proba"]
    )
    assert scorer(forest, X, Y) == multitask_roc_auc(Y, forest.predict_proba(X))
    with pytest.raises(
        AttributeError, match="Ridge has none of the methods.*decision_function, predict_proba"
    ):
        scorer(Ridge().fit(X, Y), X, Y)


def test_values_of_several_tasks_are_averaged_without_nan():
    scorer = make_multitask_scorer(lambda y, p: np.array([1.0, np.nan, 4.0]))
    model = DummyRegressor().fit([[0.0]], [0.0])
    assert scorer(model, [[0.0]], [0.0]) == 2.5


def test_a_score_that_no_task_has_is_nan_and_said():
    model = DummyRegressor().fit([[0.0]], [0.0])
    with pytest.warns(UndefinedMetricWarning, match="is NaN for every task, and so is the score"):
        assert np.isnan(
            make_multitask_scorer(lambda y, p: np.full(2, np.nan))(model, [[0.0]], [0.0])
        )


def test_further_arguments_reach_the_metric(wide):
    X, Y = wide
    model = Ridge().fit(X, Y.fillna(0))
    scorer = make_multitask_scorer(
        lambda y, p, power, **more: power + more["shift"], power=2.0, shift=1.0
    )
    assert scorer(model, X, Y) == 3.0
    with pytest.raises(TypeError, match="multitask_r2 takes no argument 'power'"):
        make_multitask_scorer(multitask_r2, power=2.0)


def test_classes_of_the_estimator_explain_columns_that_test_labels_do_not(rng):
    X = rng.normal(size=(60, 2))
    Y = np.column_stack([np.arange(60) % 3, np.arange(60) % 2])
    model = MultiTaskClassifier(**TINY).fit(X, Y)
    rows = np.flatnonzero(Y[:, 0] > 0)
    P = model.predict_proba(X[rows])
    expected = [-np.log(P[t][np.arange(len(rows)), Y[rows, t]]).mean() for t in (0, 1)]
    assert multitask_scorers["neg_log_loss"](model, X[rows], Y[rows]) == pytest.approx(
        -np.mean(expected)
    )


# ---------------------------------------------------------------------- long form
@pytest.mark.parametrize("column", ["school", 1, -2])
@pytest.mark.parametrize(
    "wrap",
    [lambda model: model, lambda model: make_pipeline("passthrough", model)],
    ids=["alone", "pipeline"],
)
def test_the_task_column_reaches_the_metric(column, wrap, long):
    X, y = long
    model = wrap(MultiTaskRegressor(task_column=column, **TINY)).fit(X, y)
    scores = make_multitask_scorer(multitask_mse, per_task=True)(model, X, y)
    error = (y - model.predict(X)) ** 2
    expected = {
        str(int(school)): own.mean() for school, own in error.groupby(X["school"], sort=False)
    }
    assert scores == pytest.approx({**expected, "mean": np.mean(list(expected.values()))})


def test_the_task_column_of_an_array_is_found_by_position(long):
    X, y = long
    model = MultiTaskRegressor(task_column=1, **TINY).fit(X.to_numpy(), y)
    assert make_multitask_scorer(multitask_r2)(model, X.to_numpy(), y) == pytest.approx(
        model.score(X.to_numpy(), y)
    )


def test_the_task_column_is_taken_from_what_reaches_the_last_step_of_a_pipeline(long):
    X, y = long
    moved = make_column_transformer((StandardScaler(), ["u", "v"]), ("passthrough", ["school"]))
    model = make_pipeline(moved, MultiTaskRegressor(task_column=2, **TINY)).fit(X, y)
    expected = multitask_mse(y, model.predict(X), task=X["school"])
    assert make_multitask_scorer(multitask_mse)(model, X, y) == pytest.approx(expected)
    search = GridSearchCV(
        model,
        {"multitaskregressor__alpha": [0.1]},
        scoring=multitask_scorers["r2"],
        cv=KFold(3, shuffle=True, random_state=0),
    ).fit(X, y)
    assert search.score(X, y) == pytest.approx(multitask_r2(y, search.predict(X), task=X["school"]))


def test_a_task_without_rows_in_the_test_part_is_nan_and_keeps_its_column(long):
    X, y = long
    model = MultiTaskRegressor(task_column="school", **TINY).fit(X, y)
    rows = X["school"] != 9
    scores = make_multitask_scorer(multitask_mse, per_task=True)(model, X[rows], y[rows])
    assert list(scores) == ["7", "9", "8", "mean"]
    assert np.isnan(scores["9"])
    assert scores["mean"] == pytest.approx((scores["7"] + scores["8"]) / 2)


def test_a_task_column_that_cannot_be_found_raises(long):
    X, y = long
    model = MultiTaskRegressor(task_column="school", **TINY).fit(X, y)
    scorer = make_multitask_scorer(multitask_mse)
    with pytest.raises(ValueError, match="task_column='school' names a column, but X is not"):
        scorer(model, X.to_numpy(), y)
    with pytest.raises(ValueError, match="task_column='school' is not a column of X"):
        scorer(model, X.rename(columns={"school": "class"}), y)
    with pytest.raises(ValueError, match="task_column=9 is out of range"):
        scorer(clone(model).set_params(task_column=9), X, y)


def test_a_metric_that_knows_no_tasks_is_refused_in_long_form(long):
    X, y = long
    model = MultiTaskClassifier(task_column="school", **TINY).fit(X, y > 0)
    with pytest.raises(ValueError, match="accuracy_score takes no argument 'task'"):
        make_multitask_scorer(accuracy_score)(model, X, y > 0)


# ---------------------------------------------------------------------- an object among others
SCORERS = {
    **multitask_scorers,
    "with needs": make_multitask_scorer(gap, per_task=True, needs=["sensitive_features"]),
    "with arguments": make_multitask_scorer(
        group_rate_gap, needs=["sensitive_features"], pos_label={"left": "yes", "right": 1}
    ),
}
METRICS = (
    gap,
    group_rate_gap,
    multitask_accuracy,
    multitask_log_loss,
    multitask_mse,
    multitask_r2,
    multitask_roc_auc,
)


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS.keys())
def test_a_scorer_pickles_clones_and_says_how_it_was_made(scorer):
    assert pickle.loads(pickle.dumps(scorer)) == scorer == clone(scorer)
    assert len({scorer, pickle.loads(pickle.dumps(scorer))}) == 1
    names = {function.__name__: function for function in METRICS}
    assert eval(repr(scorer), {"make_multitask_scorer": make_multitask_scorer, **names}) == scorer
    assert clone(GridSearchCV(Ridge(), {}, scoring=scorer)).scoring == scorer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "r2"}, "metric must be callable"),
        ({"metric": multitask_r2, "response_method": 3}, "response_method must be"),
        ({"metric": multitask_r2, "response_method": ()}, "response_method"),
        ({"metric": multitask_r2, "needs": "sample_weight"}, "needs must be a tuple"),
    ],
)
def test_arguments_of_the_wrong_kind_raise(arguments, message):
    with pytest.raises(TypeError, match=message):
        make_multitask_scorer(**arguments)


def test_a_task_named_mean_cannot_have_a_column(wide):
    X, Y = wide
    Y = Y.rename(columns={"left": "mean"})
    with pytest.raises(ValueError, match="named 'mean'"):
        make_multitask_scorer(multitask_r2, per_task=True)(
            MultiTaskRegressor(**TINY).fit(X, Y), X, Y
        )


def test_a_metric_that_gives_one_number_has_no_values_per_task(wide):
    X, Y = wide
    with pytest.raises(ValueError, match="one value per task: <lambda> returned 1 for 2 tasks"):
        make_multitask_scorer(lambda y, p: 0.5, per_task=True)(
            MultiTaskRegressor(**TINY).fit(X, Y), X, Y
        )


# ---------------------------------------------------------------------- metadata
def test_a_scorer_asks_for_what_it_needs_and_for_nothing_else():
    assert make_multitask_scorer(multitask_r2).get_metadata_routing().score.requests == {}
    scorer = make_multitask_scorer(gap, needs=("sensitive_features", "sample_weight"))
    assert scorer.get_metadata_routing().score.requests == {
        "sensitive_features": True,
        "sample_weight": True,
    }


def test_missing_metadata_raises_and_says_how_to_pass_it(wide):
    X, Y = wide
    model = Ridge().fit(X, Y.fillna(0))
    scorer = make_multitask_scorer(gap, needs=("sensitive_features",))
    with pytest.raises(ValueError, match=r"needs sensitive_features.*enable_metadata_routing=True"):
        scorer(model, X, Y)
    groups = np.arange(60) % 2
    assert scorer(model, X, Y, sensitive_features=groups) == gap(Y, model.predict(X), groups).mean()


def test_metadata_may_be_named_columns_of_X(wide):
    X, Y = wide
    frame = pd.DataFrame(X, columns=list("abc")).assign(sex=np.arange(60) % 2)
    model = Ridge().fit(frame, Y.fillna(0))
    scorer = make_multitask_scorer(gap, needs=("sensitive_features",))
    assert scorer(model, frame, Y, sensitive_features="sex") == scorer(
        model, frame, Y, sensitive_features=frame["sex"]
    )
    seen = []
    make_multitask_scorer(lambda y, p, sensitive_features: seen.append(sensitive_features) or 0.0)(
        model, frame, Y, sensitive_features=["sex", "a"]
    )
    pd.testing.assert_frame_equal(seen[0], frame[["sex", "a"]])
    with pytest.raises(ValueError, match="'age' is not a column of the X"):
        scorer(model, frame, Y, sensitive_features="age")


@pytest.mark.usefixtures("routing")
def test_sensitive_features_and_weights_are_routed_through_searches_without_a_request_by_the_user(
    wide,
):
    X, Y = wide
    groups, weight = np.arange(60) % 2, np.linspace(0.1, 2, 60)
    scoring = {
        "gap": make_multitask_scorer(gap, needs=("sensitive_features",)),
        "r2": multitask_scorers["r2"],
        "weighted": make_multitask_scorer(multitask_r2, needs=("sample_weight",)),
    }
    cv, model = KFold(3), Ridge().set_fit_request(sample_weight=False)
    params = {"sensitive_features": groups, "sample_weight": weight}
    results = cross_validate(model, X, Y.fillna(0), scoring=scoring, cv=cv, params=params)
    search = GridSearchCV(model, {"alpha": [1.0]}, scoring=scoring, refit="r2", cv=cv).fit(
        X, Y.fillna(0), **params
    )
    for k, (train, test) in enumerate(cv.split(X)):
        fitted = Ridge().fit(X[train], Y.fillna(0).iloc[train])
        P, true = fitted.predict(X[test]), Y.fillna(0).iloc[test]
        expected = {
            "gap": gap(true, P, groups[test]).mean(),
            "r2": multitask_r2(true, P),
            "weighted": multitask_r2(true, P, sample_weight=weight[test]),
        }
        for name, value in expected.items():
            assert results[f"test_{name}"][k] == pytest.approx(value)
            assert search.cv_results_[f"split{k}_test_{name}"][0] == pytest.approx(value)


@pytest.mark.usefixtures("routing")
def test_a_single_scorer_is_routed_to_as_well(wide):
    X, Y = wide
    scorer, groups = (
        make_multitask_scorer(gap, per_task=True, needs=("sensitive_features",)),
        np.arange(60) % 2,
    )
    results = cross_validate(
        Ridge(), X, Y.fillna(0), scoring=scorer, cv=KFold(3), params={"sensitive_features": groups}
    )
    assert {name for name in results if name.startswith("test_")} == {
        "test_left",
        "test_right",
        "test_mean",
    }


def test_without_routing_searches_pass_weights_as_they_do_to_scorers_of_scikit_learn(wide):
    X, Y = wide
    weight = np.linspace(0.1, 2, 60)
    search = GridSearchCV(
        Ridge(), {"alpha": [1.0]}, scoring=multitask_scorers["r2"], cv=KFold(3)
    ).fit(X, Y.fillna(0), sample_weight=weight)
    train, test = next(KFold(3).split(X))
    P = Ridge().fit(X[train], Y.fillna(0).iloc[train], sample_weight=weight[train]).predict(X[test])
    assert search.cv_results_["split0_test_score"][0] == pytest.approx(
        multitask_r2(Y.fillna(0).iloc[test], P, sample_weight=weight[test])
    )
