import warnings
from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    equalized_odds_difference,
    false_positive_rate,
    true_positive_rate,
)
from sklearn.exceptions import UndefinedMetricWarning

from skmtl.metrics import chance_gap, group_rate_gap, make_multitask_scorer

RATES = pytest.mark.parametrize("rate", ["fpr", "tpr", "equalized_odds"])


def gap_by_fairlearn(y, predicted, groups, rate):
    frame = MetricFrame(
        metrics={"fpr": false_positive_rate, "tpr": true_positive_rate},
        y_true=y,
        y_pred=predicted,
        sensitive_features=groups,
    )
    gaps = frame.difference(method="between_groups")
    return gaps.max() if rate == "equalized_odds" else gaps[rate]


@RATES
@pytest.mark.parametrize("n_groups", [2, 4])
def test_gaps_are_those_of_fairlearn(rng, rate, n_groups):
    y, predicted, groups = (
        rng.integers(0, 2, 400),
        rng.integers(0, 2, 400),
        rng.integers(0, n_groups, 400),
    )
    assert group_rate_gap(y, predicted, groups, rate=rate) == pytest.approx(
        gap_by_fairlearn(y, predicted, groups, rate)
    )


def test_equalized_odds_are_fairlearns_worst_case(rng):
    y, predicted, groups = rng.integers(0, 2, 300), rng.integers(0, 2, 300), rng.integers(0, 3, 300)
    expected = equalized_odds_difference(y, predicted, sensitive_features=groups, agg="worst_case")
    assert group_rate_gap(y, predicted, groups, rate="equalized_odds") == pytest.approx(expected)


def test_a_model_that_predicts_one_class_has_no_gap(rng):
    y, groups = rng.integers(0, 2, 50), rng.integers(0, 2, 50)
    for constant in (0, 1):
        assert (
            group_rate_gap(y, np.full(50, constant), groups, rate="equalized_odds")
            == chance_gap(y, np.full(50, constant), groups)
            == 0
        )


def test_a_hand_worked_example():
    y = [0, 0, 0, 0, 0, 1, 1, 1]
    predicted = [1, 0, 0, 1, 0, 1, 0, 1]
    groups = ["a", "a", "a", "b", "b", "a", "a", "b"]
    assert group_rate_gap(y, predicted, groups) == pytest.approx(1 / 2 - 1 / 3)
    assert group_rate_gap(y, predicted, groups, rate="tpr") == pytest.approx(1 - 1 / 2)
    assert group_rate_gap(y, predicted, groups, rate="equalized_odds") == pytest.approx(1 / 2)


@RATES
def test_every_task_is_judged_on_its_labeled_rows(rng, rate):
    Y = np.where(rng.random((300, 3)) < 0.3, np.nan, rng.integers(0, 2, size=(300, 3)))
    predicted, groups = rng.integers(0, 2, size=(300, 3)), rng.integers(0, 2, 300)
    for metric in (group_rate_gap, chance_gap):
        values = metric(Y, predicted, groups, rate=rate)
        known = [~np.isnan(column) for column in Y.T]
        np.testing.assert_allclose(
            values,
            [metric(Y[k, t], predicted[k, t], groups[k], rate=rate) for t, k in enumerate(known)],
        )


def test_rows_of_an_unknown_group_take_no_part(rng):
    y, predicted, groups = (
        rng.integers(0, 2, 200),
        rng.integers(0, 2, 200),
        rng.choice(np.array(["a", "b", None], dtype=object), 200),
    )
    known = np.array([group is not None for group in groups])
    assert group_rate_gap(y, predicted, groups) == group_rate_gap(
        y[known], predicted[known], groups[known]
    )
    assert chance_gap(y, predicted, groups) == chance_gap(y[known], predicted[known], groups[known])


def test_intersections_of_several_columns_are_the_groups(rng):
    y, predicted = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    frame = pd.DataFrame({"sex": rng.choice(["f", "m"], 400), "old": rng.integers(0, 2, 400)})
    joined = frame["sex"] + frame["old"].astype(str)
    assert group_rate_gap(y, predicted, frame) == group_rate_gap(y, predicted, joined)
    assert group_rate_gap(y, predicted, frame.to_numpy()) == group_rate_gap(y, predicted, joined)


def test_long_form_gives_one_value_a_task(rng):
    y, predicted, groups, task = (
        rng.integers(0, 2, 400),
        rng.integers(0, 2, 400),
        rng.integers(0, 2, 400),
        rng.permutation(np.arange(400) % 2),
    )
    order = pd.unique(task)
    expected = [
        group_rate_gap(y[task == t], predicted[task == t], groups[task == t]) for t in order
    ]
    assert group_rate_gap(y, predicted, groups, task=task).tolist() == expected


def test_one_class_is_held_against_the_rest(rng):
    y, predicted, groups = (
        rng.choice(["x", "y", "z"], 300),
        rng.choice(["x", "y", "z"], 300),
        rng.integers(0, 2, 300),
    )
    assert group_rate_gap(y, predicted, groups, pos_label="y") == group_rate_gap(
        y == "y", predicted == "y", groups
    )
    assert group_rate_gap(2 * (y == "y") - 1, 2 * (predicted == "y") - 1, groups) == group_rate_gap(
        y == "y", predicted == "y", groups
    )


# ---------------------------------------------------------------------- what chance gives
@RATES
def test_the_chance_gap_is_the_mean_over_all_ways_to_deal_two_groups(rng, rate):
    y, predicted, groups = (
        np.array([0] * 4 + [1] * 3),
        rng.integers(0, 2, 7),
        np.array([0, 0, 1, 1, 0, 1, 1]),
    )
    gaps = []
    for chosen in combinations(range(4), 2):
        for other in combinations(range(4, 7), 1):
            dealt = np.ones(7, dtype=int)
            dealt[[*chosen, *other]] = 0
            gaps.append(group_rate_gap(y, predicted, dealt, rate=rate))
    assert chance_gap(y, predicted, groups, rate=rate) == pytest.approx(np.mean(gaps))


def test_the_chance_gap_of_three_groups_is_near_the_mean_over_all_ways_to_deal_them():
    y, predicted, groups = (
        np.zeros(7),
        np.array([1, 1, 1, 0, 0, 0, 0]),
        np.array([0, 0, 0, 1, 1, 2, 2]),
    )
    exact = np.mean(
        [group_rate_gap(y, predicted, list(dealt)) for dealt in set(permutations(groups.tolist()))]
    )
    assert chance_gap(y, predicted, groups, n_draws=20_000) == pytest.approx(exact, rel=0.03)
    assert chance_gap(y, predicted, groups) == chance_gap(y, predicted, groups)


@RATES
@pytest.mark.parametrize("n_groups", [2, 3])
def test_the_chance_gap_is_the_mean_gap_of_groups_drawn_at_random(rng, rate, n_groups):
    y, predicted = (rng.random(200) < 0.3).astype(int), (rng.random(200) < 0.4).astype(int)
    groups = np.arange(200) % n_groups
    drawn = []
    for _ in range(600):
        dealt = groups.copy()
        for label in (0, 1):
            dealt[y == label] = rng.permutation(groups[y == label])
        drawn.append(group_rate_gap(y, predicted, dealt, rate=rate))
    error = np.std(drawn) / np.sqrt(600) + np.std(drawn) / np.sqrt(2000) * (n_groups > 2)
    assert abs(chance_gap(y, predicted, groups, rate=rate) - np.mean(drawn)) < 5 * error


def test_the_chance_gap_shrinks_with_the_root_of_the_number_of_rows():
    values = []
    for n in (1000, 4000):
        rows = np.arange(n)
        values.append(chance_gap(np.zeros(n), rows % 5 == 0, rows % 2))
    assert values[0] / values[1] == pytest.approx(2, rel=0.02)
    assert values[0] == pytest.approx(np.sqrt(2 / np.pi) * np.sqrt(0.2 * 0.8 * 2 / 500), rel=0.02)


# ---------------------------------------------------------------------- gaps in the data, errors
def test_a_group_without_such_rows_is_named_and_left_out():
    with pytest.warns(
        UndefinedMetricWarning,
        match="Groups without negative rows are left out of the rate gap of task '0': 'c'",
    ):
        assert group_rate_gap([0, 0, 1], [1, 0, 1], ["a", "b", "c"]) == 1


@RATES
def test_a_task_in_which_one_group_is_left_has_no_gap(rate):
    Y, predicted = pd.DataFrame({"good": [0, 0, 1, 1], "bad": [0, 1, 1, 1]}), np.ones((4, 2))
    groups = ["a", "b", "a", "b"]
    with pytest.warns(UndefinedMetricWarning) if rate != "tpr" else warnings.catch_warnings():
        gap = group_rate_gap(Y, predicted, groups, rate=rate)
    np.testing.assert_array_equal(np.isnan(gap), [False, rate != "tpr"])
    np.testing.assert_array_equal(
        np.isnan(chance_gap(Y, predicted, groups, rate=rate)), np.isnan(gap)
    )


def test_it_serves_as_a_scorer_that_asks_for_the_groups():
    class Constant:
        task_names_ = ["0", "1"]

        def predict(self, X):
            return X

    scorer = make_multitask_scorer(
        group_rate_gap, greater_is_better=False, needs=("sensitive_features",), per_task=True
    )
    X = np.array([[1, 0], [0, 0], [1, 0], [1, 0]])
    assert scorer(Constant(), X, np.zeros((4, 2)), sensitive_features=["a", "a", "b", "b"]) == {
        "0": -0.5,
        "1": 0.0,
        "mean": -0.25,
    }


@pytest.mark.parametrize("metric", [group_rate_gap, chance_gap])
@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            ([0, 1], [0, 1], [0, 1]),
            {"rate": "ppv"},
            "rate must be one of fpr, tpr, equalized_odds. Got 'ppv'",
        ),
        (([0, 1], [0, 1], [0, 1, 1]), {}, "one entry per row of X: 2 are needed. Got 3"),
        (([0, 1], [0, 1], 1), {}, "sensitive_features must have shape"),
        (([1, 2], [1, 2], [0, 1]), {}, "y_true of task '0' contains 1, 2: without pos_label"),
        (
            ([0, 1], [0, 1], [0, 1]),
            {"pos_label": {"b": 1}},
            "no positive class for task '0'; it has 'b'",
        ),
        (
            ([0, 1], [0.2, 0.9], [0, 1]),
            {},
            "y_pred of task '0' contains 0.2, 0.9: without pos_label",
        ),
        (([0, 1], [0, 1, 1], [0, 1]), {}, "2 rows; Y_pred has 1 tasks and 3 rows"),
    ],
)
def test_wrong_arguments_raise(metric, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        metric(*arguments, **options)
