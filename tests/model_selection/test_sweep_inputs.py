"""Inputs of a sweep: missing groups, data frames of other libraries, user-defined terms."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skmtl import MultiTaskClassifier
from skmtl.base import FairnessTerm, TermForTasks
from skmtl.fairness import MMD, MTAF, PerTaskFairness, RateGap, gap_penalty
from skmtl.metrics import group_rate_gap
from skmtl.model_selection import FleetSearchCV, MultiTaskKFold, fairness_sweep

NETWORK = MultiTaskClassifier(
    (5,), n_members=1, max_iter=5, early_stopping=False, dtype="float64", learning_rate_init=0.03
)
BASELINE = {"error_pass": 0.2, "error_grade": 0.3, "gap_pass": 0.1, "gap_grade": 0.2}
FEW = {"n_runs": 3, "baseline": BASELINE, "random_state": 0}


@pytest.fixture
def people(rng):
    """Rows to learn from and rows to test, as the arguments of a sweep."""

    def draw(n):
        group = np.where(rng.random(n) < 0.4, "f", "m").astype(object)
        X = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"))
        X["d"] = (group == "m") + 0.5 * rng.normal(size=n)
        grades = X[["a", "b"]].to_numpy() + X[["d"]].to_numpy() + rng.normal(size=(n, 2))
        return X, pd.DataFrame((grades > 0.5).astype(float), columns=["pass", "grade"]), group

    X, Y, group = draw(200)
    X_test, Y_test, group_test = draw(100)
    return {
        "X": X,
        "Y": Y,
        "sensitive_features": group,
        "X_test": X_test,
        "Y_test": Y_test,
        "sensitive_features_test": group_test,
    }


def with_term(term):
    return clone(NETWORK).set_params(fairness=term)


# ---------------------------------------------------------------------- sensitive features
@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
@pytest.mark.parametrize("table", [False, True], ids=["vector", "frame"])
def test_rows_of_an_unknown_group_take_no_part_in_terms_and_gaps(people, rng, missing, table):
    for name, n in (("sensitive_features", 200), ("sensitive_features_test", 100)):
        values = people[name].copy()
        values[rng.random(n) < 0.2] = missing
        people[name] = pd.DataFrame({"sex": values}) if table else values
    network = with_term(MTAF("gap"))
    runs = fairness_sweep(network, **people, **FEW, threshold=0.5)
    assert runs["gap_pass"].notna().all()
    X, Y = people["X_test"], people["Y_test"]
    known = ~pd.isna(np.asarray(people["sensitive_features_test"], dtype=object).ravel())
    one = clone(network).set_params(
        fairness__weight=runs.loc[0, ["weight_pass", "weight_grade"]].tolist(),
        task_weights=runs.loc[0, ["task_weight_pass", "task_weight_grade"]].tolist(),
        random_state=int(runs.loc[0, "seed"]),
    )
    from skmtl.model_selection import sweep_rows

    rows = sweep_rows.read_training_rows(
        people["X"], people["Y"], people["sensitive_features"], drop=True
    )[0]
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max, size=2)[0]
    train, _ = rows.split(0.2, int(seed))
    assert (train.groups == -1).any()
    one.fit(train.X, train.Y, sensitive_features=train.sensitive)
    groups = np.asarray(people["sensitive_features_test"], dtype=object).ravel()
    expected = group_rate_gap(Y[known], one.predict(X)[known], groups[known])
    np.testing.assert_allclose(runs.loc[0, ["gap_pass", "gap_grade"]].astype(float), expected)


def test_without_any_known_group_gaps_are_nan(people):
    people["sensitive_features_test"] = np.full(100, None)
    with pytest.warns(UserWarning, match="NaN"):
        runs = fairness_sweep(with_term(MTAF("gap")), **people, **FEW)
    assert runs[["gap_pass", "gap_grade"]].isna().all(axis=None)
    assert runs["error_pass"].notna().all()


def test_a_list_with_one_entry_per_row_is_values_though_all_are_names_of_columns(people):
    letters = {"f": "a", "m": "b"}
    lists = {
        name: [letters[value] for value in people[name]]
        for name in ("sensitive_features", "sensitive_features_test")
    }
    network = with_term(PerTaskFairness("gap"))
    pd.testing.assert_frame_equal(
        fairness_sweep(network, **{**people, **lists}, **FEW),
        fairness_sweep(network, **people, **FEW),
    )


def test_a_named_column_that_is_missing_is_named(people):
    with pytest.raises(ValueError, match="sensitive_features='sex' is not a column of X"):
        fairness_sweep(NETWORK, **{**people, "sensitive_features": "sex"}, **FEW)


# ---------------------------------------------------------------------- frames
def translated(people, library):
    module = pytest.importorskip(library)
    frame = module.from_pandas if library == "polars" else module.Table.from_pandas
    sex = {name: pd.DataFrame({"sex": people[name]}) for name in people if "sensitive" in name}
    return {name: frame(part) for name, part in {**people, **sex}.items()}


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
@pytest.mark.parametrize("pipeline", [False, True])
def test_frames_of_other_libraries_are_what_pandas_frames_are(people, library, pipeline):
    network = with_term(MTAF("gap"))
    if pipeline:
        network = make_pipeline(FunctionTransformer(lambda X: X[["a", "d"]]), network)
    pd.testing.assert_frame_equal(
        fairness_sweep(network, **translated(people, library), **FEW),
        fairness_sweep(network, **people, **FEW),
    )


@pytest.mark.parametrize("library", [None, "polars"])
def test_columns_of_test_labels_match_by_name(people, library):
    turned = {**people, "Y_test": people["Y_test"][["grade", "pass"]]}
    expected = fairness_sweep(with_term(MTAF("gap")), **people, **FEW)
    turned = turned if library is None else translated(turned, library)
    pd.testing.assert_frame_equal(fairness_sweep(with_term(MTAF("gap")), **turned, **FEW), expected)
    other = {**people, "Y_test": people["Y_test"].rename(columns={"pass": "exam"})}
    with pytest.raises(
        ValueError, match="The columns of Y_test must have the names of the columns of Y"
    ):
        fairness_sweep(NETWORK, **other, **FEW)


# ---------------------------------------------------------------------- penalties and terms
class OwnGap(BaseEstimator):
    def __init__(self, power=1.0):
        self.power = power

    def __call__(self, scores, groups):
        return (scores[groups == 0].mean() - scores[groups == 1].mean()).abs() ** self.power


class OwnTerm(FairnessTerm):
    """Squared logits of one group, a weight per task; the weights leave the shared term."""

    per_task = True

    def __init__(self, weight=1.0):
        self.weight = weight

    def for_tasks(self, task_names, n_classes=None):
        weight = np.broadcast_to(np.asarray(self.weight, dtype=float), len(task_names))
        return TermForTasks(OwnTerm(), np.stack([weight, weight]))

    def values(self, scores, labels, weights, groups):
        values = (scores.square().squeeze(2) * weights * (groups == 0)).sum(2)
        term = (values * values.new_tensor(self.weight)).sum(1)
        return term, term


class Weightless(FairnessTerm):
    def values(self, scores, labels, weights, groups):
        term = (scores.square().squeeze(2) * weights).sum((1, 2))
        return term, term


@pytest.mark.parametrize("own", [gap_penalty, OwnGap(), RateGap()])
@pytest.mark.parametrize("term", [MTAF, PerTaskFairness])
def test_a_penalty_of_ones_own_is_swept_like_one_that_has_a_name(people, own, term):
    found = fairness_sweep(with_term(term(own)), **people, **FEW)
    expected = fairness_sweep(with_term(term("gap")), **people, **FEW)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=1e-12)


def test_a_term_of_ones_own_is_swept_with_its_weights(people):
    runs = fairness_sweep(with_term(OwnTerm()), **people, **FEW, threshold=0.5)
    from skmtl.model_selection import sweep_rows

    rows, _ = sweep_rows.read_training_rows(
        people["X"], people["Y"], people["sensitive_features"], drop=True
    )
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max, size=2)[0]
    train, _ = rows.split(0.2, int(seed))
    for _, run in runs.iterrows():
        one = with_term(OwnTerm([run["weight_pass"], run["weight_grade"]])).set_params(
            task_weights=[run["task_weight_pass"], run["task_weight_grade"]],
            random_state=int(run["seed"]),
        )
        one.fit(train.X, train.Y, sensitive_features=train.sensitive)
        wrong = (one.predict(people["X_test"]) != people["Y_test"].to_numpy()).mean(0)
        np.testing.assert_allclose(run[["error_pass", "error_grade"]].astype(float), wrong)


def test_a_parameter_that_the_term_does_not_have_is_named(people):
    with pytest.raises(ValueError, match="draws the parameter 'weight' of .* Weightless does not"):
        fairness_sweep(with_term(Weightless()), **people, **FEW)
    with pytest.raises(ValueError, match="'head_ratio' of .* PerTaskFairness does not have"):
        fairness_sweep(with_term(PerTaskFairness()), **people, **FEW, head_ratio=(0, 1))


def test_weight_none_leaves_the_term_as_it_is(people):
    runs = fairness_sweep(with_term(Weightless()), **people, **FEW, weight=None)
    assert not [column for column in runs if column.startswith("weight_")]
    own = fairness_sweep(with_term(MTAF(weight=0.7)), **people, **FEW, weight=None)
    drawn = fairness_sweep(with_term(MTAF()), **people, **FEW, weight=(0.7, 0.7))
    assert not own.filter(like="error").equals(drawn.filter(like="error"))  # other seeds are drawn


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": "dp"}, "rate must be None or one of fpr, tpr, equalized_odds. Got 'dp'"),
        ({"weight": "high"}, "weight must be a pair low <= high"),
        ({"n_runs": True}, "n_runs must be an int >= 1. Got True"),
    ],
)
def test_settings_that_cannot_be_are_named(people, changes, message):
    with pytest.raises(ValueError, match=message):
        fairness_sweep(with_term(MTAF()), **{**people, **FEW, **changes})


def test_a_warning_of_failed_fits_stays_short(people):
    term = PerTaskFairness(lambda scores, groups: "no number " * 100)
    with (
        pytest.warns(FitFailedWarning, match="3 of 3 fits failed") as told,
        pytest.raises(ValueError, match="Every fit of the sweep failed"),
    ):
        fairness_sweep(with_term(term).set_params(alpha=-1.0), **people, **FEW)
    assert max(len(str(one.message)) for one in told) < 500


@pytest.mark.parametrize(
    ("term", "grid"),
    [
        (MTAF(OwnGap()), {"fairness__loss__power": [1.0, 2.0]}),
        (PerTaskFairness(MMD()), {"fairness__loss": [MMD(length=0.05), gap_penalty, "gap"]}),
        (OwnTerm(), {"fairness__weight": [0.0, 5.0, [1.0, 2.0]]}),
    ],
)
def test_own_penalties_and_terms_are_searched_as_if_fitted_one_by_one(people, term, grid):
    from sklearn.model_selection import GridSearchCV

    folds = MultiTaskKFold(2, random_state=0)
    settings = {"cv": folds}
    network = with_term(term).set_params(random_state=0)
    found, expected = (
        search(network, grid, **settings).fit(
            people["X"], people["Y"], sensitive_features=people["sensitive_features"]
        )
        for search in (FleetSearchCV, GridSearchCV)
    )
    for name in ("split0_test_score", "mean_test_score"):
        np.testing.assert_allclose(found.cv_results_[name], expected.cv_results_[name], atol=1e-8)
