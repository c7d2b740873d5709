"""The estimators as members of scikit-learn's family."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.metrics import multitask_r2

STRICT = {
    "n_members": 1,
    "dtype": "float64",
    "batch_size": "full",
    "early_stopping": False,
    "max_iter": 30,
    "hidden_layer_sizes": (16,),
    "learning_rate_init": 0.05,
    "random_state": 0,
}
FAST = {"hidden_layer_sizes": (6,), "learning_rate_init": 0.02, "max_iter": 6, "random_state": 0}
BOTH = [MultiTaskRegressor, MultiTaskClassifier]


def waived(estimator):
    reason = (
        "a row that stands twice falls into other minibatches and validation rows than a row "
        "of weight two"
    )
    return (
        {}
        if estimator.batch_size == "full"
        else {"check_sample_weight_equivalence_on_dense_data": reason}
    )


@pytest.mark.filterwarnings("ignore:Skipping check:UserWarning")
@parametrize_with_checks(
    [kind(**settings) for kind in BOTH for settings in (STRICT, {})],
    expected_failed_checks=waived,
    xfail_strict=True,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def targets(Y, labels):
    return {MultiTaskRegressor: Y, MultiTaskClassifier: labels}


def test_the_kinds_are_told_apart():
    assert is_regressor(MultiTaskRegressor())
    assert is_classifier(MultiTaskClassifier())
    assert is_classifier(make_pipeline(StandardScaler(), MultiTaskClassifier()))


@pytest.mark.parametrize("kind", BOTH)
def test_the_public_signature_holds_its_parameters_in_their_order(kind):
    first = list(kind().get_params(deep=False))
    assert {
        "hidden_layer_sizes",
        "head_hidden_layer_sizes",
        "n_members",
        "task_column",
        "task_weights",
        "dtype",
        "device",
    } <= set(first)
    assert kind((3,), (2,)).get_params()["head_hidden_layer_sizes"] == (2,)
    with pytest.raises(TypeError, match="positional"):
        kind((3,), (2,), "relu")


@pytest.mark.parametrize("kind", BOTH)
def test_an_estimator_that_is_not_fitted_says_so(kind, X):
    with pytest.raises(NotFittedError, match=kind.__name__):
        kind().predict(X)


@pytest.mark.parametrize("kind", BOTH)
def test_a_clone_has_the_parameters_and_nothing_learned(kind, X, targets):
    model = kind(**FAST, task_weights={"0": 2.0}).fit(X, targets[kind])
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)


@pytest.mark.parametrize("kind", BOTH)
def test_a_pickle_predicts_the_same(kind, X, targets, tmp_path):
    model = kind(**FAST, n_members=2).fit(X, targets[kind])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    joblib.dump(model, tmp_path / "model.joblib")
    np.testing.assert_array_equal(
        joblib.load(tmp_path / "model.joblib", mmap_mode="r").predict(X), model.predict(X)
    )


@pytest.mark.parametrize("kind", BOTH)
def test_the_fitted_state_is_numpy_and_plain_values(kind, X, targets):
    assert b"torch" not in pickle.dumps(vars(kind(**FAST).fit(X, targets[kind])))


@pytest.mark.parametrize("kind", BOTH)
def test_threads_of_joblib_fit_the_same_networks(kind, X, targets):
    def fitted(seed):
        return kind(**FAST | {"random_state": seed}).fit(X, targets[kind]).predict(X)

    parallel = joblib.Parallel(n_jobs=2, backend="threading")(
        joblib.delayed(fitted)(seed) for seed in range(4)
    )
    for seed, predicted in enumerate(parallel):
        np.testing.assert_array_equal(predicted, fitted(seed))


@pytest.mark.parametrize("kind", BOTH)
def test_a_pipeline_scales_and_predicts(kind, X, targets):
    model = make_pipeline(StandardScaler(), kind(**FAST)).fit(X, targets[kind])
    assert model.predict(X).shape == (48, 3)
    assert np.isfinite(model.score(X, targets[kind]))


@pytest.mark.parametrize("kind", BOTH)
def test_a_grid_search_over_labels_with_nan_has_no_nan_scores(kind, X, targets):
    search = GridSearchCV(
        kind(**FAST),
        {"alpha": [0.0, 1.0], "hidden_layer_sizes": [(4,), ()]},
        cv=KFold(3),
        error_score="raise",
    ).fit(X, targets[kind])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.predict(X).shape == (48, 3)


def test_cross_validation_bears_nan_in_the_targets_of_a_regressor(X, Y):
    scores = cross_val_score(MultiTaskRegressor(**FAST), X, Y, cv=4, error_score="raise")
    model = MultiTaskRegressor(**FAST).fit(X[12:], Y[12:])
    assert scores[0] == pytest.approx(model.score(X[:12], Y[:12]))


@pytest.mark.parametrize("kind", BOTH)
def test_the_long_form_passes_through_search_and_cross_validation(kind, long_form):
    X, y, _ = long_form
    y = (y > 0).astype(int) if kind is MultiTaskClassifier else y
    cv = KFold(3, shuffle=True, random_state=0)
    assert np.isfinite(
        cross_val_score(kind(**FAST, task_column=-1), X, y, cv=cv, error_score="raise")
    ).all()
    assert cross_val_predict(kind(**FAST, task_column=-1), X, y, cv=cv).shape == (48,)


def test_a_scorer_of_ours_goes_into_a_search(X, Y):
    search = GridSearchCV(
        MultiTaskRegressor(**FAST),
        {"alpha": [0.0]},
        cv=2,
        scoring=lambda model, X, Y: multitask_r2(Y, model.predict(X)),
    )
    plain = GridSearchCV(MultiTaskRegressor(**FAST), {"alpha": [0.0]}, cv=2)
    assert search.fit(X, Y).best_score_ == pytest.approx(plain.fit(X, Y).best_score_)


@pytest.mark.parametrize("form", ["wide", "long"])
def test_the_score_of_a_regressor_is_the_mean_r2_of_the_tasks_without_nan(form, X, Y, long_form):
    if form == "wide":
        model = MultiTaskRegressor(**FAST).fit(X, Y)
        parts = [(Y[k, t], model.predict(X)[k, t]) for t, k in enumerate(~np.isnan(Y.T))]
        score = model.score(X, Y)
    else:
        X, y, task = long_form
        model = MultiTaskRegressor(**FAST, task_column=-1).fit(X, y)
        parts = [
            (y[task == t], model.predict(X)[task == t])
            for t in np.unique(task)
            if (task == t).sum() > 1
        ]
        score = model.score(X, y)
    assert score == pytest.approx(
        np.mean([1 - ((a - b) ** 2).sum() / ((a - a.mean()) ** 2).sum() for a, b in parts])
    )


@pytest.mark.parametrize("kind", BOTH)
def test_predictions_stay_arrays_when_transformers_give_frames(kind, X, targets):
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = (
        make_pipeline(StandardScaler(), kind(**FAST))
        .set_output(transform="pandas")
        .fit(frame, pd.DataFrame(targets[kind], columns=list("uvw")))
    )
    assert isinstance(model.predict(frame), np.ndarray)
    assert model[-1].task_names_ == list("uvw")
    assert model[-1].feature_names_in_.tolist() == list("abcd")


def test_sample_weights_reach_the_network_through_a_pipeline(X, Y, rng):
    weight = rng.uniform(0.1, 2, size=48)
    piped = make_pipeline(StandardScaler(), MultiTaskRegressor(**FAST)).fit(
        X, Y, multitaskregressor__sample_weight=weight
    )
    direct = MultiTaskRegressor(**FAST).fit(
        StandardScaler().fit_transform(X), Y, sample_weight=weight
    )
    np.testing.assert_allclose(piped.predict(X), direct.predict(StandardScaler().fit_transform(X)))
