"""Sweeps: each run equals a separate fit, evaluated by the public metrics."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import MultiTaskClassifier
from skmtl.data import wide_columns
from skmtl.fairness import MTAF, PerTaskFairness
from skmtl.metrics import (
    average_relative_error,
    average_relative_fairness_gap,
    error_rate,
    group_rate_gap,
    pareto_mask,
)
from skmtl.model_selection import fairness_sweep
from skmtl.model_selection.thresholds import least_error_threshold, quantile_threshold
from skmtl.support import progress_to

SETTINGS = {
    "hidden_layer_sizes": (5,),
    "n_members": 1,
    "max_iter": 6,
    "early_stopping": False,
    "dtype": "float64",
    "learning_rate_init": 0.03,
}
NETWORK = MultiTaskClassifier(**SETTINGS, fairness=MTAF("gap"))
BASELINE = {"error_pass": 0.2, "error_grade": 0.3, "gap_pass": 0.1, "gap_grade": 0.2}


@pytest.fixture
def people(rng):
    """Rows to learn from and rows to test, as the arguments of a sweep."""

    def draw(n):
        group = np.where(rng.random(n) < 0.4, "f", "m")
        X = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc")).assign(
            d=(group == "m") + 0.5 * rng.normal(size=n)
        )
        Y = pd.DataFrame(
            {
                "pass": X["a"] + X["d"] + rng.normal(size=n) > 0.5,
                "grade": X["b"] + X["d"] + rng.normal(size=n) > 0.5,
            }
        ).astype(float)
        return X, Y.mask(rng.random(Y.shape) < 0.1), group

    X, Y, group = draw(240)
    X_test, Y_test, group_test = draw(120)
    return {
        "X": X,
        "Y": Y,
        "sensitive_features": group,
        "X_test": X_test,
        "Y_test": Y_test,
        "sensitive_features_test": group_test,
    }


def probabilities(model, X):
    return np.column_stack([own[:, 1] for own in model.predict_proba(X)])


def decided(values, Y, cuts):
    """Decisions at each task's threshold."""
    return np.column_stack([values[:, t] >= cut for t, cut in enumerate(cuts)]).astype(float)


@pytest.mark.parametrize("threshold", ["quantile", "validation", 0.4])
@pytest.mark.parametrize(
    "term", [MTAF("gap", criterion="equalized_odds"), PerTaskFairness("mmd"), None]
)
def test_a_run_is_an_ordinary_fit_judged_by_the_metrics(people, threshold, term):
    network = clone(NETWORK).set_params(fairness=term)
    runs = fairness_sweep(
        network, **people, n_runs=3, threshold=threshold, baseline=BASELINE, random_state=5
    )
    rate = "equalized_odds" if isinstance(term, MTAF) else "fpr"
    train, held = rows_of_sweep(people, 5)
    for _, run in runs.iterrows():
        one = clone(network).set_params(
            random_state=int(run["seed"]),
            task_weights=[run["task_weight_pass"], run["task_weight_grade"]],
        )
        if term is not None:
            one.fairness.set_params(weight=[run["weight_pass"], run["weight_grade"]])
        one.fit(train["X"], train["Y"], sensitive_features=train["group"])
        shares = train["Y"].mean().to_numpy()
        seen = {
            "": (people["X_test"], people["Y_test"], people["sensitive_features_test"]),
            "val_": (held["X"], held["Y"], held["group"]),
        }
        for prefix, (X, Y, group) in seen.items():
            values = probabilities(one, X)
            known = Y.notna().to_numpy()
            if threshold == "quantile":
                cuts = [quantile_threshold(values[known[:, t], t], shares[t]) for t in range(2)]
            elif threshold == "validation":
                own, labels = probabilities(one, held["X"]), held["Y"].to_numpy()
                cuts = [
                    least_error_threshold(
                        own[~np.isnan(labels[:, t]), t], labels[~np.isnan(labels[:, t]), t] == 1
                    )
                    for t in range(2)
                ]
            else:
                cuts = [0.4, 0.4]
            decisions = decided(values, Y, cuts)
            found = run[
                [
                    f"{prefix}error_pass",
                    f"{prefix}error_grade",
                    f"{prefix}gap_pass",
                    f"{prefix}gap_grade",
                ]
            ].to_numpy(dtype=float)
            expected = np.concatenate(
                [error_rate(Y, decisions), group_rate_gap(Y, decisions, group, rate=rate)]
            )
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def rows_of_sweep(people, seed):
    """The rows that a sweep trains on and those that it holds out, watched on the way."""
    from skmtl.model_selection import sweep_rows

    original = sweep_rows.SweepRows.split
    parts = {}

    def split(self, fraction, split_seed):
        parts["train"], parts["held"] = original(self, fraction, split_seed)
        return parts["train"], parts["held"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_rows.SweepRows, "split", split)
        fairness_sweep(NETWORK, **people, n_runs=1, baseline=BASELINE, random_state=seed)
    return [{"X": part.X, "Y": part.Y, "group": part.sensitive} for part in parts.values()]


def test_validation_rows_hold_the_fraction_of_every_combination_of_labels_and_groups(people):
    train, held = rows_of_sweep(people, 0)
    table = pd.concat(
        [people["Y"], pd.Series(people["sensitive_features"], name="group")], axis=1
    ).astype(str)
    sizes = table.value_counts()
    of_held = (
        pd.concat([held["Y"].reset_index(drop=True), held["group"].reset_index(drop=True)], axis=1)
        .astype(str)
        .set_axis(table.columns, axis=1)
        .value_counts()
    )
    assert len(train["X"]) + len(held["X"]) == len(people["X"])
    assert not set(train["X"].index) & set(held["X"].index)
    assert np.abs(of_held.reindex(sizes.index, fill_value=0) - 0.2 * sizes).max() <= 1


def test_ratios_and_fronts_follow_from_errors_and_gaps(people):
    runs = fairness_sweep(NETWORK, **people, n_runs=8, random_state=0)
    base = runs.attrs["baseline"]
    for prefix in ("", "val_"):
        for what, mean_of, name in (
            ("error", average_relative_error, "are"),
            ("gap", average_relative_fairness_gap, "arfg"),
        ):
            columns = [f"{prefix}{what}_pass", f"{prefix}{what}_grade"]
            np.testing.assert_allclose(
                runs[f"{prefix}{name}"],
                mean_of(runs[columns].to_numpy(), [base[column] for column in columns]),
            )
        assert (
            runs[f"{prefix}pareto"].tolist()
            == pareto_mask(runs[[f"{prefix}are", f"{prefix}arfg"]].to_numpy()).tolist()
        )


def test_the_baseline_is_the_mean_of_single_task_networks_without_a_term(people):
    people = {
        name: part.fillna(0.0) if name.startswith("Y") else part for name, part in people.items()
    }
    base = fairness_sweep(NETWORK, **people, n_runs=1, random_state=3, threshold=0.5).attrs[
        "baseline"
    ]
    train, _ = rows_of_sweep(people, 3)
    seeds = np.random.RandomState(
        np.random.RandomState(3).randint(np.iinfo(np.int32).max, size=2)[1]
    ).randint(np.iinfo(np.int32).max, size=5)
    errors = []
    for seed in seeds:
        one = (
            clone(NETWORK)
            .set_params(fairness=None, random_state=int(seed))
            .fit(train["X"], train["Y"]["grade"])
        )
        errors.append(error_rate(people["Y_test"]["grade"], one.predict(people["X_test"])))
    assert base["error_grade"] == pytest.approx(np.mean(errors), abs=1e-12)


def test_settings_are_drawn_from_their_ranges(people):
    ranges = {"weight": [(1, 2), (0, 0.5)], "task_weight": (0.3, 0.7), "head_ratio": (2, 3)}
    runs = fairness_sweep(NETWORK, **people, **ranges, n_runs=40, baseline=BASELINE, random_state=0)
    for column, (low, high) in {
        "weight_pass": (1, 2),
        "weight_grade": (0, 0.5),
        "task_weight_pass": (0.3, 0.7),
        "head_ratio_grade": (2, 3),
    }.items():
        assert low <= runs[column].min() < low + 0.2 * (high - low)
        assert high - 0.2 * (high - low) < runs[column].max() <= high
    np.testing.assert_allclose(runs["task_weight_pass"] + runs["task_weight_grade"], 1)
    assert runs["seed"].is_unique


def test_task_weights_are_uniform_among_those_that_sum_to_one(rng):
    from skmtl.model_selection.sweep_runs import draw_shares

    drawn = draw_shares((0, 1), 4000, 3, np.random.RandomState(rng.integers(2**31)))
    np.testing.assert_allclose(drawn.mean(0), 1 / 3, atol=0.02)
    np.testing.assert_allclose((drawn < 0.5).mean(0), 0.75, atol=0.03)  # the share of the triangle


def test_a_repeated_call_trains_nothing_and_a_longer_one_goes_on(people, tmp_path, monkeypatch):
    from skmtl.model_selection import sweep
    from skmtl.model_selection import sweep_evaluation as module

    monkeypatch.setattr(sweep, "_AT_ONCE", 4)
    trained, original = [], module.fit_together
    monkeypatch.setattr(
        module,
        "fit_together",
        lambda networks, *a, **k: (trained.append(len(networks)), original(networks, *a, **k))[1],
    )
    arguments = {
        **people,
        "n_runs": 8,
        "baseline": BASELINE,
        "random_state": 0,
        "memory": str(tmp_path),
    }
    first = fairness_sweep(NETWORK, **arguments)
    assert trained == [4, 4]
    pd.testing.assert_frame_equal(fairness_sweep(NETWORK, **arguments), first)
    assert trained == [4, 4]


def test_results_depend_neither_on_the_parts_nor_on_the_estimator_that_is_given(
    people, monkeypatch
):
    from skmtl.model_selection import sweep as module

    network = clone(NETWORK)
    first = fairness_sweep(network, **people, n_runs=6, baseline=BASELINE, random_state=0)
    assert not hasattr(network, "members_")
    assert network.fairness.weight == 1.0
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    pd.testing.assert_frame_equal(
        fairness_sweep(network, **people, n_runs=6, baseline=BASELINE, random_state=0), first
    )


def test_progress_is_told(people, monkeypatch):
    from skmtl.model_selection import sweep as module

    monkeypatch.setattr(module, "_AT_ONCE", 2)
    told = []
    with progress_to(lambda stage, done, total: told.append((stage, done, total))):
        fairness_sweep(NETWORK, **people, n_runs=5, baseline=BASELINE, random_state=0)
    assert told == [("Runs of the sweep", done, 5) for done in (2, 4, 5)]


def test_a_pipeline_fits_its_steps_on_the_training_rows_once(people):
    pipeline = make_pipeline(StandardScaler(), NETWORK)
    runs = fairness_sweep(pipeline, **people, n_runs=2, baseline=BASELINE, random_state=0)
    train, _ = rows_of_sweep(people, 0)
    scaler = StandardScaler().fit(train["X"])
    scaled = {
        name: scaler.transform(part) if name.startswith("X") else part
        for name, part in people.items()
    }
    by_hand = fairness_sweep(NETWORK, **scaled, n_runs=2, baseline=BASELINE, random_state=0)
    pd.testing.assert_frame_equal(runs, by_hand)


def test_a_named_column_is_the_group_and_no_input(people):
    named = {
        **people,
        "X": people["X"].assign(sex=people["sensitive_features"]),
        "X_test": people["X_test"].assign(sex=people["sensitive_features_test"]),
        "sensitive_features": "sex",
        "sensitive_features_test": "sex",
    }
    runs = fairness_sweep(NETWORK, **named, n_runs=2, baseline=BASELINE, random_state=0)
    pd.testing.assert_frame_equal(
        runs, fairness_sweep(NETWORK, **people, n_runs=2, baseline=BASELINE, random_state=0)
    )


def test_labels_of_any_two_classes_are_judged_alike(people):
    words = {
        name: part.replace({0.0: "no", 1.0: "yes"}).astype(object) if name.startswith("Y") else part
        for name, part in people.items()
    }
    runs = fairness_sweep(NETWORK, **words, n_runs=2, baseline=BASELINE, random_state=0)
    pd.testing.assert_frame_equal(
        runs, fairness_sweep(NETWORK, **people, n_runs=2, baseline=BASELINE, random_state=0)
    )


def test_one_task_is_swept_too(people):
    one = {
        name: part["pass"].fillna(0.0) if name.startswith("Y") else part
        for name, part in people.items()
    }
    runs = fairness_sweep(NETWORK, **one, n_runs=2, random_state=0)
    assert (runs["task_weight_pass"] == 1).all()
    assert runs["are"].notna().all()


def test_a_gap_that_is_not_defined_is_nan_and_off_the_front(people):
    X_test, Y_test = people["X_test"], people["Y_test"].copy()
    Y_test.loc[people["sensitive_features_test"] == "f", "pass"] = (
        1.0  # no negative row of that group
    )
    with pytest.warns(UserWarning, match=r"NaN for task 'pass'"):
        runs = fairness_sweep(
            NETWORK,
            **{**people, "X_test": X_test, "Y_test": Y_test},
            n_runs=2,
            baseline=BASELINE,
            random_state=0,
        )
    assert runs["gap_pass"].isna().all()
    assert runs["arfg"].notna().all()  # of the other task


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_runs": 0}, "n_runs must be an int >= 1"),
        ({"weight": (2, 1)}, "weight must be a pair low <= high"),
        (
            {"weight": [(0, 1)] * 3},
            "weight must be a pair low <= high of numbers >= 0, or 2 such pairs",
        ),
        ({"task_weight": (0.6, 1)}, "task_weight must allow 2 weights that sum to 1"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"threshold": "median"}, "threshold must be"),
        ({"baseline": {"error_pass": 0.1}}, "baseline must have a number >= 0 for 'error_grade'"),
        ({"sensitive_features": ["f", "m"]}, "one entry per row of X: 240 are needed. Got 2"),
        ({"sensitive_features": "sex"}, "sensitive_features='sex' (is not|names) a column"),
        (
            {"Y_test": pd.DataFrame({"pass": [1.0] * 120})},
            "The columns of Y_test must have the names of the columns of Y",
        ),
    ],
)
def test_what_cannot_be_is_named(people, changes, message):
    with pytest.raises(ValueError, match=message):
        fairness_sweep(NETWORK, **{**people, "n_runs": 2, "baseline": BASELINE, **changes})


def test_labels_must_be_of_two_classes(people):
    Y = people["Y"].copy()
    Y.loc[Y["grade"].notna().idxmax(), "grade"] = 2.0
    with pytest.raises(ValueError, match=r"two classes per task. Task 'grade' has 3 in Y"):
        fairness_sweep(NETWORK, **{**people, "Y": Y}, n_runs=1)
    Y_test = people["Y_test"].copy()
    Y_test.iloc[0, 0] = 7.0
    with pytest.raises(ValueError, match=r"Task 'pass' has the label 7 in Y_test"):
        fairness_sweep(NETWORK, **{**people, "Y_test": Y_test}, n_runs=1)


def test_other_estimators_are_refused(people):
    with pytest.raises(TypeError, match="MultiTaskClassifier or a Pipeline"):
        fairness_sweep(StandardScaler(), **people)
    with pytest.raises(ValueError, match="wide form"):
        fairness_sweep(clone(NETWORK).set_params(task_column="a"), **people)


def test_fits_that_all_fail_raise_and_say_why(people):
    with (
        pytest.warns(FitFailedWarning, match="2 of 2 fits failed.*alpha"),
        pytest.raises(ValueError, match="Every fit of the sweep failed"),
    ):
        fairness_sweep(clone(NETWORK).set_params(alpha=-1.0), **people, n_runs=2, baseline=BASELINE)


def test_all_names_of_the_contract_are_columns(people):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = fairness_sweep(NETWORK, **people, n_runs=2, random_state=0)
    names, _ = wide_columns(people["Y"])
    expected = {
        f"{prefix}{what}_{name}"
        for prefix in ("", "val_")
        for what in ("error", "gap")
        for name in names
    }
    expected |= {"are", "arfg", "pareto", "val_are", "val_arfg", "val_pareto", "seed"} | {
        f"{what}_{name}" for what in ("weight", "task_weight") for name in names
    }
    assert set(runs.columns) == expected
