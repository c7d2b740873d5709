"""FleetSearchCV gives the same results as GridSearchCV, fit by fit."""

import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import FitFailedWarning, UndefinedMetricWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.fairness import MTAF, PerTaskFairness
from skmtl.metrics import (
    group_rate_gap,
    make_multitask_scorer,
    multitask_accuracy,
    multitask_mse,
    multitask_scorers,
)
from skmtl.model_selection import FleetSearchCV, MultiTaskKFold

TINY = {
    "hidden_layer_sizes": (5,),
    "max_iter": 5,
    "n_members": 2,
    "dtype": "float64",
    "random_state": 0,
}
RATES = {"alpha": [0.1, 1.0], "learning_rate_init": [0.003, 0.05]}
FOLDS = MultiTaskKFold(2, random_state=0)


@pytest.fixture
def wide(rng):
    X = rng.normal(size=(60, 4))
    Y = np.column_stack([X[:, 0], X[:, 0] - X[:, 1], X[:, 2]]) + 0.3 * rng.normal(size=(60, 3))
    Y[rng.random(Y.shape) < 0.2] = np.nan
    return X, Y


@pytest.fixture
def long(rng):
    frame = pd.DataFrame(rng.normal(size=(120, 3)), columns=["u", "v", "w"]).assign(
        task=rng.permutation(np.repeat(["a", "b", "c"], [60, 35, 25]))
    )
    return frame, frame["u"] * frame["task"].map({"a": 1, "b": 2, "c": -1}) + 0.3 * rng.normal(
        size=120
    )


@pytest.fixture
def labels(wide):
    X, Y = wide
    return X, np.where(np.isnan(Y), np.nan, Y > 0)


def fleets_of(monkeypatch):
    """Sizes of the fleets that searches train from now on; separate fits are not counted."""
    from skmtl.estimators import many_fits, train_jobs

    sizes, train, train_fleet = [], many_fits.train, train_jobs.train_fleet

    def counted(architecture, data, members, *rest, **named):
        sizes.append(len(members))
        return train_fleet(architecture, data, members, *rest, **named)

    def train_and_count(*jobs, **named):
        with monkeypatch.context() as patched:
            patched.setattr(train_jobs, "train_fleet", counted)
            return train(*jobs, **named)

    monkeypatch.setattr(many_fits, "train", train_and_count)
    return sizes


def assert_same_results(search, reference, tol=1e-8):
    """All columns but times are alike, and so is what was chosen."""
    ours, theirs = search.cv_results_, reference.cv_results_
    assert list(ours) == list(theirs)
    for name, values in theirs.items():
        if name == "params" or name.startswith("param_"):
            assert list(map(str, ours[name])) == list(map(str, values)), name
        elif "_time" in name:
            assert (ours[name] >= 0).all()
        else:
            np.testing.assert_allclose(ours[name], values, rtol=0, atol=tol, err_msg=name)
    assert getattr(search, "best_index_", None) == getattr(reference, "best_index_", None)


def both(estimator, grid, X, y, fit_params=None, **settings):
    settings = {"cv": FOLDS, **settings}
    fitted = [
        kind(estimator, grid, **settings).fit(X, y, **(fit_params or {}))
        for kind in (FleetSearchCV, GridSearchCV)
    ]
    assert_same_results(*fitted)
    return fitted[0]


# ---------------------------------------------------------------------- same scores
def test_wide_targets_with_gaps_score_as_in_a_grid_search(wide, monkeypatch):
    sizes = fleets_of(monkeypatch)
    search = both(MultiTaskRegressor(**TINY), RATES, *wide, return_train_score=True)
    assert sum(sizes) == 4 * 2 * 2
    X, Y = wide
    refitted = MultiTaskRegressor(**TINY).set_params(**search.best_params_).fit(X, Y)
    assert np.array_equal(search.predict(X), refitted.predict(X))
    assert search.score(X, Y) == refitted.score(X, Y)


def test_long_form_scores_as_in_a_grid_search(long):
    model = MultiTaskRegressor(task_column="task", **TINY)
    both(
        model,
        RATES,
        *long,
        cv=MultiTaskKFold(2, task_column="task", random_state=0),
        scoring=multitask_scorers["neg_mse"],
    )


def test_classes_with_gaps_score_as_in_a_grid_search(labels):
    scoring = {name: multitask_scorers[name] for name in ("accuracy", "neg_log_loss")}
    both(MultiTaskClassifier(**TINY), RATES, *labels, scoring=scoring, refit="neg_log_loss")


def test_strings_as_classes_of_one_task_score_as_in_a_grid_search(rng):
    X = rng.normal(size=(60, 3))
    both(
        MultiTaskClassifier(**TINY),
        RATES,
        X,
        np.array(["low", "mid", "high"])[np.digitize(X[:, 0], [-0.4, 0.4])],
        cv=3,
    )


def test_single_precision_scores_as_in_a_grid_search(wide):
    X, Y = wide
    pair = [
        kind(MultiTaskRegressor(**{**TINY, "dtype": "float32"}), RATES, cv=FOLDS).fit(X, Y)
        for kind in (FleetSearchCV, GridSearchCV)
    ]
    assert_same_results(*pair, tol=1e-4)


@pytest.mark.parametrize("aggregator", ["mgda", "rlw", "famo", "graddrop"])
def test_aggregators_score_as_in_a_grid_search(aggregator, wide):
    both(
        MultiTaskRegressor(**{**TINY, "aggregator": aggregator, "max_iter": 4}),
        {"alpha": [0.1, 1.0]},
        *wide,
    )


def test_settings_that_cannot_share_a_fleet_train_several(wide, monkeypatch):
    sizes = fleets_of(monkeypatch)
    grid = {
        "hidden_layer_sizes": [(3,), (4, 2)],
        "solver": ["adamw", "sgd"],
        "standardize": [True, False],
    }
    both(MultiTaskRegressor(**{**TINY, "batch_size": 16}), grid, *wide)
    assert sizes == [8] * 4  # standardize does not need a separate fleet


@pytest.mark.parametrize(
    "changed",
    [
        {"n_members": [1, 3]},
        {"early_stopping": [False, "auto"]},
        {"task_weights": [None, [1, 2, 0]]},
        {"aggregator": ["mean", "mgda"]},
    ],
)
def test_any_parameter_may_be_searched(changed, wide):
    both(MultiTaskRegressor(**{**TINY, "max_iter": 4}), changed, *wide)


def test_members_of_an_ensemble_take_equally_many_steps_beside_other_ensembles(rng):
    X = rng.normal(size=(60, 4))
    Y = np.where(
        rng.random((60, 3)) < 0.5, np.nan, X[:, :3]
    )  # validation splits of many sizes, which small batches cut into many numbers of steps
    both(
        MultiTaskRegressor(**{**TINY, "n_members": 6, "batch_size": 4, "max_iter": 3}),
        {"validation_fraction": [0.1, 0.4]},
        X,
        Y,
    )


# ---------------------------------------------------------------------- pipelines
def mixed_frame(X, rng):
    return pd.DataFrame(X, columns=list("abcd")).assign(
        kind=pd.Categorical(rng.choice(["x", "y"], size=len(X)))
    )


def test_a_pipeline_fits_its_earlier_steps_once_a_fold_and_setting(wide, rng, monkeypatch):
    X, Y = wide
    frame = mixed_frame(X, rng)
    columns = ColumnTransformer(
        [("scale", StandardScaler(), ["a", "b"]), ("power", PolynomialFeatures(2), ["c"])]
    )
    pipeline = Pipeline([("columns", columns), ("network", MultiTaskRegressor(**TINY))])
    grid = {
        "columns__power__degree": [1, 2],
        "network__alpha": [0.1, 1.0],
        "network__learning_rate_init": [0.01],
    }
    search = both(pipeline, grid, frame, Y)
    assert search.best_estimator_.predict(frame).shape == Y.shape
    fits = []
    fit = ColumnTransformer.fit_transform
    monkeypatch.setattr(
        ColumnTransformer,
        "fit_transform",
        lambda self, *args, **named: (fits.append(1), fit(self, *args, **named))[1],
    )
    FleetSearchCV(pipeline, grid, cv=FOLDS, refit=False).fit(frame, Y)
    assert len(fits) == 2 * 2


def test_a_step_that_fails_fails_its_own_candidates_alone(wide):
    pipeline = Pipeline([("power", PolynomialFeatures(1)), ("network", MultiTaskRegressor(**TINY))])
    grid = {"power__degree": [1, -1], "network__alpha": [0.1, 1.0]}
    with (
        pytest.warns(FitFailedWarning, match="4 fits failed out of a total of 8"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        both(pipeline, grid, *wide)


def test_last_steps_of_several_kinds_are_searched(wide, monkeypatch):
    X, Y = wide[0], np.nan_to_num(wide[1])
    sizes = fleets_of(monkeypatch)
    pipeline = Pipeline([("scale", StandardScaler()), ("model", Ridge())])
    network = MultiTaskRegressor(**TINY)
    grid = [
        {"model": [Ridge()], "model__alpha": [0.1, 10.0]},
        {"model": [network, clone(network).set_params(alpha=3.0)]},
        {"scale": ["passthrough"], "model": [network]},
    ]
    both(pipeline, grid, X, Y)
    assert sum(sizes) == 3 * 2 * 2


# ---------------------------------------------------------------------- failures
def test_a_bad_value_does_not_lose_the_other_candidates(wide):
    with (
        pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 6"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search = both(
            MultiTaskRegressor(**TINY),
            {"alpha": [-1.0, 0.1, 1.0]},
            *wide,
            scoring={"r2": multitask_scorers["r2"]},
            refit="r2",
            error_score=np.nan,
        )
    assert np.isnan(search.cv_results_["mean_test_r2"]).tolist() == [True, False, False]


def test_error_score_stands_for_what_failed_or_the_error_is_raised(wide):
    model, grid = MultiTaskRegressor(**TINY), {"alpha": [0.1, -1.0]}
    with pytest.warns(FitFailedWarning):
        assert both(model, grid, *wide, error_score=-7.0).cv_results_["mean_test_score"][1] == -7
    with pytest.raises(ValueError, match="'alpha' parameter of MultiTaskRegressor"):
        FleetSearchCV(model, grid, cv=FOLDS, error_score="raise").fit(*wide)
    with pytest.raises(ValueError, match="All the 2 fits failed"):
        FleetSearchCV(model, {"alpha": [-1.0]}, cv=FOLDS).fit(*wide)


def test_a_fleet_that_fails_is_fitted_one_by_one(wide, monkeypatch):
    from skmtl.estimators import train_jobs

    train = train_jobs.train_fleet
    reference = GridSearchCV(MultiTaskRegressor(**TINY), RATES, cv=FOLDS).fit(*wide)

    def fail(architecture, data, members, *rest, **named):
        if len(members) > TINY["n_members"]:
            raise RuntimeError("no fleet today")
        return train(architecture, data, members, *rest, **named)

    monkeypatch.setattr(train_jobs, "train_fleet", fail)
    assert_same_results(
        FleetSearchCV(MultiTaskRegressor(**TINY), RATES, cv=FOLDS).fit(*wide), reference, tol=0
    )


def test_a_diverging_candidate_is_named_and_leaves_the_others_alone(wide):
    model = MultiTaskRegressor(
        **{
            **TINY,
            "solver": "sgd",
            "early_stopping": False,
            "activation": "identity",
            "max_iter": 60,
        }
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search = FleetSearchCV(
            model, {"learning_rate_init": [1e-3, 1e6]}, cv=FOLDS, refit=False
        ).fit(*wide)
    assert any(
        "diverged" in str(warning.message) and "candidate 1 on fold 0" in str(warning.message)
        for warning in caught
    )
    reference = GridSearchCV(model, {"learning_rate_init": [1e-3]}, cv=FOLDS, refit=False).fit(
        *wide
    )
    assert search.cv_results_["mean_test_score"][0] == pytest.approx(
        reference.cv_results_["mean_test_score"][0], abs=1e-8
    )


def test_gaps_in_classes_need_a_splitter_that_bears_them(labels):
    with pytest.raises(ValueError, match=r"y, which has missing labels.*MultiTaskKFold"):
        FleetSearchCV(MultiTaskClassifier(**TINY), RATES, cv=3).fit(*labels)


def test_an_unknown_parameter_is_named(wide):
    with pytest.raises(ValueError, match="Invalid parameter 'beta'"):
        FleetSearchCV(MultiTaskRegressor(**TINY), {"beta": [1]}, cv=FOLDS).fit(*wide)


# ---------------------------------------------------------------------- scoring, refit, metadata
def test_scores_of_every_task_have_columns_of_their_own(labels):
    scorer = make_multitask_scorer(multitask_accuracy, per_task=True)
    search = both(MultiTaskClassifier(**TINY), RATES, *labels, scoring=scorer, refit="mean")
    assert {"mean_test_0", "mean_test_2", "mean_test_mean"} <= set(search.cv_results_)
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        both(
            MultiTaskClassifier(**TINY),
            {"alpha": [0.1, -1.0]},
            *labels,
            scoring=scorer,
            refit="mean",
        )


def test_refit_may_be_a_function_or_left_out(wide):
    X, Y = wide
    search = both(MultiTaskRegressor(**TINY), RATES, X, Y, refit=lambda results: 2)
    assert search.best_params_ == search.cv_results_["params"][2]
    assert not hasattr(search, "best_score_")
    bare = both(MultiTaskRegressor(**TINY), RATES, X, Y, refit=False)
    assert not hasattr(bare, "best_estimator_")
    assert not hasattr(bare, "predict")


@pytest.mark.parametrize("routing", [False, True])
def test_weights_reach_fits_and_scores(routing, wide):
    X, Y = wide
    weight = np.linspace(0, 2, len(X))
    scorer = make_multitask_scorer(
        multitask_mse, greater_is_better=False, needs=("sample_weight",) if routing else ()
    )
    model = MultiTaskRegressor(**TINY)
    with sklearn.config_context(enable_metadata_routing=routing):
        if routing:
            model.set_fit_request(sample_weight=True)
        weighted = both(model, RATES, X, Y, {"sample_weight": weight}, scoring=scorer)
    plain = FleetSearchCV(MultiTaskRegressor(**TINY), RATES, cv=FOLDS, refit=False).fit(X, Y)
    assert not np.allclose(
        weighted.cv_results_["mean_test_score"], -plain.cv_results_["mean_test_score"]
    )


@pytest.mark.parametrize("routing", [False, True])
def test_weights_reach_the_last_step_of_a_pipeline(routing, wide):
    X, Y = wide
    weight = np.linspace(0.1, 2, len(X))
    with sklearn.config_context(enable_metadata_routing=routing):
        scale, network = StandardScaler(), MultiTaskRegressor(**TINY)
        if routing:
            scale.set_fit_request(sample_weight=False)
            network.set_fit_request(sample_weight=True)
            network.set_score_request(sample_weight=False)
        pipeline = Pipeline([("scale", scale), ("network", network)])
        scorer = make_multitask_scorer(multitask_mse, greater_is_better=False)
        both(
            pipeline,
            {"network__alpha": [0.1, 1.0]},
            X,
            Y,
            {"sample_weight" if routing else "network__sample_weight": weight},
            scoring=scorer,
        )


# ---------------------------------------------------------------------- fairness
@pytest.fixture
def people(labels, rng):
    group = np.where(labels[0][:, 0] + rng.normal(size=60) > 0, "f", "m")
    return *labels, group


@pytest.mark.parametrize(
    "term", [MTAF("mmd", head_ratio=0.5), PerTaskFairness("gap", criterion="equalized_odds")]
)
def test_fairness_terms_of_different_weights_score_as_in_a_grid_search_and_share_a_fleet(
    term, people, monkeypatch
):
    X, Y, group = people
    sizes = fleets_of(monkeypatch)
    scorer = make_multitask_scorer(
        group_rate_gap, greater_is_better=False, needs=("sensitive_features",)
    )
    with sklearn.config_context(enable_metadata_routing=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)  # folds of a few rows
        warnings.simplefilter("ignore", UserWarning)
        both(
            MultiTaskClassifier(**TINY, fairness=term),
            {"fairness__weight": [0.5, 2.0, [1.0, 0.0, 3.0]]},
            X,
            Y,
            {"sensitive_features": group},
            scoring=scorer,
        )
    assert sizes == [3 * 2 * 2]


@pytest.mark.filterwarnings("ignore:Task .* has no (negative|labell?ed) row of the group")
def test_weight_zero_is_searched_as_the_network_without_a_term(people, monkeypatch):
    X, Y, group = people
    sizes = fleets_of(monkeypatch)
    with sklearn.config_context(enable_metadata_routing=True):
        grid = {"fairness": [None, MTAF("gap", weight=0.0), MTAF("gap", weight=5.0)]}
        search = both(MultiTaskClassifier(**TINY), grid, X, Y, {"sensitive_features": group})
    assert sorted(sizes) == [4, 8]
    assert search.cv_results_["mean_test_score"][0] == search.cv_results_["mean_test_score"][1]


@pytest.mark.filterwarnings(
    "ignore:Task .* has no (negative|labell?ed) row of the group"
)  # folds of 30 rows
@pytest.mark.parametrize("routing", [False, True])
def test_sensitive_features_reach_the_last_step_of_a_pipeline(routing, people):
    X, Y, group = people
    with sklearn.config_context(enable_metadata_routing=routing):
        pipeline = Pipeline(
            [
                ("scale", StandardScaler()),
                ("network", MultiTaskClassifier(**TINY, fairness=MTAF("gap"))),
            ]
        )
        given = {"sensitive_features" if routing else "network__sensitive_features": group}
        grid = {"network__fairness__weight": [0.1, 3.0], "scale__with_mean": [True, False]}
        both(pipeline, grid, X, Y, given)


# ---------------------------------------------------------------------- anything else
def test_a_foreign_estimator_is_searched_in_the_ordinary_way(wide, monkeypatch):
    sizes = fleets_of(monkeypatch)
    X, Y = wide[0], np.nan_to_num(wide[1])
    both(Ridge(), {"alpha": [0.1, 1.0, 10.0]}, X, Y, cv=KFold(4))
    assert sizes == []


def test_a_subclass_with_its_own_fit_is_fitted_by_it(wide):
    class Halved(MultiTaskRegressor):
        def fit(self, X, y, *, sample_weight=None):
            return super().fit(X[::2], y[::2], sample_weight=sample_weight)

    both(Halved(**TINY), {"alpha": [0.1, 1.0]}, *wide)


def test_jobs_change_no_score(wide):
    pipeline = Pipeline([("scale", StandardScaler()), ("model", Ridge())])
    grid = [
        {"model": [Ridge(), Ridge(5.0)]},
        {"model": [MultiTaskRegressor(**TINY)], "model__alpha": [0.1, 1.0]},
    ]
    X, Y = wide[0], np.nan_to_num(wide[1])
    with joblib.parallel_config(backend="threading"):
        many = FleetSearchCV(pipeline, grid, cv=FOLDS, n_jobs=2).fit(X, Y)
    assert_same_results(many, FleetSearchCV(pipeline, grid, cv=FOLDS).fit(X, Y), tol=0)


def test_a_second_fit_gives_the_same_and_leaves_the_estimator_alone(wide):
    model = MultiTaskRegressor(**TINY)
    search = FleetSearchCV(model, RATES, cv=FOLDS)
    first = dict(search.fit(*wide).cv_results_)
    assert not hasattr(model, "members_")
    assert model.get_params() == MultiTaskRegressor(**TINY).get_params()
    again = clone(search).fit(*wide)
    for name in first:
        if name.startswith(("split", "rank")):
            assert np.array_equal(first[name], again.cv_results_[name])


def test_parameters_are_those_of_a_grid_search():
    search = FleetSearchCV(MultiTaskRegressor(alpha=0.5), {"alpha": [1.0]}, cv=4)
    assert set(search.get_params(deep=False)) == set(
        GridSearchCV(Ridge(), {}).get_params(deep=False)
    )
    assert search.get_params()["estimator__alpha"] == 0.5
    assert repr(clone(search)) == repr(search)
    assert repr(search).startswith("FleetSearchCV(cv=4, estimator=MultiTaskRegressor(alpha=0.5)")


def test_callbacks_of_the_search_are_not_called_and_that_is_said(wide):
    pytest.importorskip("sklearn.callback")
    from sklearn.callback import ScoringMonitor

    search = FleetSearchCV(MultiTaskRegressor(**TINY), {"alpha": [0.1]}, cv=FOLDS)
    search.set_callbacks(ScoringMonitor(scoring="r2"))
    with pytest.warns(UserWarning, match="does not call the callbacks"):
        search.fit(*wide)


def test_verbose_reports_fits(wide, capsys):
    FleetSearchCV(
        MultiTaskRegressor(**TINY), {"alpha": [0.1, 1.0]}, cv=FOLDS, verbose=3, refit=False
    ).fit(*wide)
    shown = capsys.readouterr().out
    assert "Fitting 2 folds for each of 2 candidates, totalling 4 fits" in shown
    assert shown.count("END") == 4
    assert "alpha=0.1" in shown


@pytest.mark.parametrize("cv", [2, MultiTaskKFold(2)])
def test_a_search_is_stored_with_types_of_skmtl_only(cv):
    skops = pytest.importorskip("skops.io")
    X = np.random.default_rng(0).normal(size=(60, 3))
    Y = (X[:, :2] > 0).astype(int)
    network = MultiTaskClassifier((4,), n_members=1, max_iter=2, random_state=0)
    search = FleetSearchCV(network, {"alpha": [0.0, 1.0]}, cv=cv).fit(X, Y)
    stored = skops.dumps(search)
    foreign = skops.get_untrusted_types(data=stored)
    assert [name for name in foreign if not name.startswith("skmtl.")] == []
    loaded = skops.loads(stored, trusted=foreign)
    np.testing.assert_array_equal(loaded.predict(X), search.predict(X))
    assert loaded.score(X, Y) == search.score(X, Y) == search.best_estimator_.score(X, Y)
