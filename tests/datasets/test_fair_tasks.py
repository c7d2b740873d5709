"""The generator of tasks that favor a group keeps what it says."""

import numpy as np
import pandas as pd
import pytest

from skmtl.datasets import make_fair_tasks
from skmtl.metrics import error_rate, group_rate_gap


def test_rates_of_labels_and_groups_are_those_asked_for():
    planted = make_fair_tasks(
        40_000,
        3,
        bias=[2.0, 0.0, -1.0],
        positive_rate=[0.1, 0.5, 0.7],
        group_share=0.3,
        random_state=0,
    )
    np.testing.assert_allclose(planted.target.mean(), [0.1, 0.5, 0.7], atol=0.01)
    favoured = planted.sensitive_features == "b"
    assert favoured.mean() == pytest.approx(0.3, abs=0.01)
    apart = planted.target[favoured].mean() - planted.target[~favoured].mean()
    assert apart["task_0"] > 0.1
    assert apart["task_1"] == pytest.approx(0, abs=0.02)
    assert apart["task_2"] < -0.1


@pytest.mark.parametrize("noise", [0.0, 0.5, 2.0])
def test_the_best_predictor_has_the_expected_error_and_gaps(noise):
    planted = make_fair_tasks(
        60_000, bias=[1.0, -0.5], positive_rate=[0.3, 0.6], noise=noise, random_state=1
    )
    group = (planted.sensitive_features == "b").to_numpy()
    best = (
        planted.data.filter(like="x").drop(columns="proxy").to_numpy() @ planted.coef.T
        + planted.bias * (group[:, None] - 0.5)
        > planted.threshold
    )
    np.testing.assert_allclose(
        error_rate(planted.target, best), planted.expected["error"], atol=0.01
    )
    for rate in ("fpr", "tpr"):
        np.testing.assert_allclose(
            group_rate_gap(planted.target, best, group, rate=rate),
            planted.expected[f"{rate}_gap"],
            atol=0.025,
        )


def test_a_task_without_bias_has_no_gap():
    assert (
        make_fair_tasks(10, bias=0.0, random_state=0)
        .expected[["fpr_gap", "tpr_gap"]]
        .abs()
        .max()
        .max()
        < 1e-8
    )


def test_functions_of_the_inputs_are_unit_vectors_that_agree_as_asked():
    for relatedness in (0.0, 0.5, 1.0):
        coef = make_fair_tasks(5, 60, 50, relatedness=relatedness, random_state=2).coef
        np.testing.assert_allclose(np.linalg.norm(coef, axis=1), 1)
        assert np.mean((coef @ coef.T)[np.triu_indices(60, 1)]) == pytest.approx(
            relatedness, abs=0.05
        )


def test_the_proxy_is_the_group_plus_its_noise():
    exact, noisy = (
        make_fair_tasks(5000, proxy_noise=noise, random_state=3) for noise in (0.0, 0.7)
    )
    group = (exact.sensitive_features == "b").astype(float)
    np.testing.assert_array_equal(exact.data["proxy"], group)
    assert (noisy.data["proxy"] - group).std() == pytest.approx(0.7, rel=0.05)


def test_labels_are_missing_in_the_share_asked_for_and_nothing_else_changes():
    complete, gappy = (
        make_fair_tasks(4000, missing=missing, random_state=4) for missing in (0.0, 0.25)
    )
    assert (complete.target.dtypes == "int64").all()
    assert gappy.target.isna().mean().mean() == pytest.approx(0.25, abs=0.02)
    known = gappy.target.notna()
    assert (gappy.target == complete.target)[known].sum().sum() == known.sum().sum()
    pd.testing.assert_frame_equal(gappy.data, complete.data)


def test_a_seed_repeats_itself():
    first, again, other = (make_fair_tasks(50, random_state=seed) for seed in (5, 5, 6))
    pd.testing.assert_frame_equal(first.data, again.data)
    assert not first.data.equals(other.data)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_tasks": 0}, "n_tasks must be an int of at least 1"),
        ({"group_share": 1.5}, "group_share must be a number between 0 and 1"),
        ({"missing": 1.0}, "missing must be a number between 0 and 1, but not 1"),
        ({"noise": -1.0}, "noise must be a finite number, 0 or larger"),
        ({"bias": [1.0, 2.0, 3.0]}, "one for each of the 2 tasks. Got shape \\(3,\\)"),
        ({"positive_rate": 0.0}, "positive_rate must contain numbers above 0 and below 1"),
        ({"bias": np.nan}, "bias must contain finite numbers"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_fair_tasks(**settings)
