"""The estimators among the tools of others: searches, pipelines, inspection, fairlearn, skrub,
skops; on targets with gaps.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.metrics import multitask_accuracy, multitask_mse, multitask_r2

try:
    from skmtl.model_selection import MultiTaskKFold
except ImportError:
    MultiTaskKFold = None

KINDS = [MultiTaskRegressor, MultiTaskClassifier]
FAST = {"hidden_layer_sizes": (4,), "learning_rate_init": 0.02, "max_iter": 4, "random_state": 0}
N = 72
TOWNS = np.array(["north", "south", "west"])


def splits(kind, n_splits=3, **options):
    """Folds that bear gaps in the labels; a number of folds is enough for a regressor."""
    if kind is MultiTaskRegressor and not options:
        return n_splits
    return (
        KFold(n_splits, shuffle=True, random_state=0)
        if MultiTaskKFold is None
        else MultiTaskKFold(n_splits, random_state=0, **options)
    )


def targets(kind, X):
    Y = np.column_stack([X["age"] + X["income"], X["age"] - X["income"]])
    return (Y > 0).astype(int) if kind is MultiTaskClassifier else Y


@pytest.fixture
def people(rng):
    """A frame of two numbers and a town."""
    frame = pd.DataFrame(rng.normal(size=(N, 2)), columns=["age", "income"])
    return frame.assign(town=TOWNS[rng.permutation(np.arange(N) % 3)])


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def wide(request, people, rng):
    """(kind, numeric inputs, targets of two named tasks with a quarter missing)."""
    Y = pd.DataFrame(targets(request.param, people), columns=["risk", "grade"]).astype(float)
    for t in range(2):
        Y.iloc[rng.permutation(N)[: N // 4], t] = np.nan
    return request.param, people[["age", "income"]], Y


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def long(request, people):
    """(kind, inputs with a task column of words, 1-D targets)."""
    task = np.arange(N) % 2
    y = targets(request.param, people)[np.arange(N), task]
    return request.param, people.assign(school=np.array(["elm", "oak"])[task]), y


def model(kind, **parameters):
    return kind(**FAST | parameters)


# ---------------------------------------------------------------------- searches and
# cross-validation
@pytest.mark.parametrize(
    "search",
    [GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV],
    ids=lambda search: search.__name__,
)
def test_a_search_ranks_candidates_by_finite_scores(search, wide):
    kind, X, Y = wide
    options = {"n_iter": 2, "random_state": 0} if search is RandomizedSearchCV else {}
    options |= (
        {"min_resources": N // 2, "factor": 2, "random_state": 0}
        if search is HalvingGridSearchCV
        else {}
    )
    found = search(
        model(kind), {"alpha": [0.0, 0.1]}, cv=splits(kind), error_score="raise", **options
    ).fit(X, Y)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    assert found.best_estimator_.task_names_ == ["risk", "grade"]
    assert found.predict(X).shape == (N, 2)
    assert np.isfinite(found.score(X, Y))


def test_cross_validation_gives_the_scores_of_fits_by_hand(wide):
    kind, X, Y = wide
    folds = list(KFold(3, shuffle=True, random_state=1).split(X))
    metric = multitask_accuracy if kind is MultiTaskClassifier else multitask_r2
    found = cross_validate(
        model(kind), X, Y, cv=folds, return_train_score=True, error_score="raise"
    )
    for (train, test), score, train_score in zip(
        folds, found["test_score"], found["train_score"], strict=True
    ):
        fitted = model(kind).fit(X.iloc[train], Y.iloc[train])
        assert score == pytest.approx(metric(Y.iloc[test], fitted.predict(X.iloc[test])))
        assert train_score == pytest.approx(metric(Y.iloc[train], fitted.predict(X.iloc[train])))


def test_several_scorers_at_once_see_the_gaps(wide):
    kind, X, Y = wide
    scoring = {
        "own": lambda fitted, X, Y: fitted.score(X, Y),
        "error": lambda fitted, X, Y: multitask_mse(Y, fitted.predict(X)),
    }
    found = GridSearchCV(
        model(kind),
        {"alpha": [0.0, 0.1]},
        cv=splits(kind),
        scoring=scoring,
        refit="own",
        error_score="raise",
    ).fit(X, Y)
    assert np.isfinite([found.cv_results_[f"mean_test_{name}"] for name in scoring]).all()


def test_every_row_gets_a_prediction_from_a_fit_without_it(wide):
    kind, X, Y = wide
    folds = list(KFold(3, shuffle=True, random_state=1).split(X))
    found = cross_val_predict(model(kind), X, Y, cv=folds)
    for train, test in folds:
        np.testing.assert_allclose(
            found[test],
            model(kind).fit(X.iloc[train], Y.iloc[train]).predict(X.iloc[test]),
            atol=1e-9,
        )


def test_a_learning_curve_has_finite_scores(wide):
    kind, X, Y = wide
    sizes, train, test = learning_curve(
        model(kind), X, Y, cv=splits(kind), train_sizes=[0.5, 1.0], error_score="raise"
    )
    assert sizes.shape == (2,)
    assert np.isfinite([train, test]).all()


def test_permutation_importance_finds_the_inputs_that_matter(rng):
    X = pd.DataFrame(rng.normal(size=(200, 3)), columns=["much", "little", "nothing"])
    Y = np.column_stack([X["much"], X["much"] + 0.3 * X["little"]])
    Y[:50, 0] = np.nan
    fitted = MultiTaskRegressor(
        hidden_layer_sizes=(), learning_rate_init=0.1, max_iter=60, random_state=0
    ).fit(X, Y)
    found = permutation_importance(fitted, X, Y, n_repeats=3, random_state=0).importances_mean
    assert found[0] > found[1] > abs(found[2])


def test_the_long_form_passes_through_search_and_cross_validation(long):
    kind, X, y = long
    X = X[["age", "income", "school"]]
    folds = (
        splits(kind, task_column="school")
        if MultiTaskKFold
        else KFold(3, shuffle=True, random_state=0)
    )
    found = GridSearchCV(
        model(kind, task_column="school"), {"alpha": [0.0, 0.1]}, cv=folds, error_score="raise"
    ).fit(X, y)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    assert cross_val_predict(model(kind, task_column="school"), X, y, cv=folds).shape == (N,)


# ---------------------------------------------------------------------- pipelines
def test_a_pipeline_is_its_steps_one_after_the_other(wide):
    kind, X, Y = wide
    piped = make_pipeline(StandardScaler(), FunctionTransformer(np.tanh), model(kind)).fit(X, Y)
    scaler = StandardScaler().fit(X)
    by_hand = model(kind).fit(np.tanh(scaler.transform(X)), Y)
    np.testing.assert_allclose(piped.predict(X), by_hand.predict(np.tanh(scaler.transform(X))))
    assert piped.score(X, Y) == pytest.approx(by_hand.score(np.tanh(scaler.transform(X)), Y))


def columns(*passed):
    return make_column_transformer(
        (StandardScaler(), ["age", "income"]),
        (OneHotEncoder(sparse_output=False), ["town"]),
        *([("passthrough", list(passed))] if passed else []),
        verbose_feature_names_out=False,
    )


def test_a_column_transformer_scales_and_encodes_for_wide_targets(wide, people):
    kind, _, Y = wide
    for output in ("default", "pandas"):
        piped = make_pipeline(columns().set_output(transform=output), model(kind)).fit(people, Y)
        assert piped.predict(people).shape == (N, 2)
        assert piped[-1].n_features_in_ == 5
        assert np.isfinite(piped.score(people, Y))


def test_the_task_column_passes_a_column_transformer_by_name_and_as_the_last_of_an_array(long):
    kind, X, y = long
    by_name = make_pipeline(
        columns("school").set_output(transform="pandas"), model(kind, task_column="school")
    ).fit(X, y)
    by_place = make_pipeline(columns("school"), model(kind, task_column=-1)).fit(X, y)
    assert by_name[-1].task_names_ == by_place[-1].task_names_ == ["elm", "oak"]
    np.testing.assert_allclose(
        by_name.predict(X).astype(float), by_place.predict(X).astype(float), atol=1e-9
    )
    search = GridSearchCV(
        by_name,
        {f"{kind.__name__.lower()}__alpha": [0.0, 0.1]},
        cv=KFold(3, shuffle=True, random_state=0),
        error_score="raise",
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_fitted_pipeline_names_a_task_that_it_never_saw(long):
    kind, X, y = long
    piped = make_pipeline(
        columns("school").set_output(transform="pandas"), model(kind, task_column="school")
    ).fit(X, y)
    with pytest.raises(ValueError, match="Task 'ash' was not in fit"):
        piped.predict(X.assign(school="ash"))


# ---------------------------------------------------------------------- other packages
@pytest.mark.parametrize("wide", [MultiTaskClassifier], indirect=True)
def test_fairlearn_judges_the_labelled_rows_of_a_task_by_group(wide, people):
    metrics = pytest.importorskip(
        "fairlearn.metrics", reason="needs fairlearn, which the test extra installs"
    )
    kind, X, Y = wide
    fitted = model(kind).fit(X, Y)
    known = Y["risk"].notna()
    true, predicted, town = Y["risk"][known], fitted.predict(X[known])[:, 0], people["town"][known]
    found = metrics.MetricFrame(
        metrics={"accuracy": accuracy_score, "rate": metrics.selection_rate},
        y_true=true,
        y_pred=predicted,
        sensitive_features=town,
    )
    assert found.overall["accuracy"] == pytest.approx((predicted == true).mean())
    for name, group in found.by_group.iterrows():
        assert group["accuracy"] == pytest.approx((predicted == true)[town == name].mean())
        assert group["rate"] == pytest.approx(predicted[town == name].mean())


def test_skrub_prepares_a_table_for_the_network(wide, people):
    skrub = pytest.importorskip("skrub", reason="needs skrub, which the test extra installs")
    kind, _, Y = wide
    people = people.assign(
        since=pd.date_range("2020-01-01", periods=N),
        income=people["income"].where(people["age"] < 1),
    )
    piped = skrub.tabular_pipeline(model(kind)).fit(people, Y)
    predicted = piped.predict(people)
    assert predicted.shape == (N, 2)
    assert np.isfinite(predicted).all()
    assert np.isfinite(piped.score(people, Y))


def test_skops_saves_a_pipeline_that_predicts_the_same(wide):
    io = pytest.importorskip("skops.io", reason="needs skops, which the test extra installs")
    kind, X, Y = wide
    piped = make_pipeline(StandardScaler(), model(kind)).fit(X, Y)
    saved = io.dumps(piped)
    unknown = io.get_untrusted_types(data=saved)
    assert all(name.startswith("skmtl.") for name in unknown)
    np.testing.assert_array_equal(io.loads(saved, trusted=unknown).predict(X), piped.predict(X))
