import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import UndefinedMetricWarning

from skmtl.metrics import (
    average_relative_error,
    average_relative_fairness_gap,
    error_rate,
    multitask_accuracy,
)

RATIOS = pytest.mark.parametrize("metric", [average_relative_error, average_relative_fairness_gap])


def test_the_error_rate_is_one_minus_the_accuracy_and_skips_missing_labels(rng):
    truth = np.where(rng.random((50, 3)) < 0.3, np.nan, rng.integers(0, 3, size=(50, 3)))
    predicted = rng.integers(0, 3, size=(50, 3))
    np.testing.assert_allclose(
        error_rate(truth, predicted), 1 - multitask_accuracy(truth, predicted, average=None)
    )


def test_the_error_rate_of_one_task_is_a_number_and_of_none_nan():
    assert error_rate(["a", "b", "b", "a"], ["a", "a", "b", "b"]) == 0.5
    np.testing.assert_array_equal(
        error_rate([[0, np.nan], [1, np.nan]], [[1, 0], [1, 0]]), [0.5, np.nan]
    )


def test_the_error_rate_of_tasks_in_long_form():
    assert error_rate([0, 1, 1], [0, 0, 1], task=["x", "x", "y"]).tolist() == [0.5, 0.0]


def test_the_example_of_the_papers_second_table():
    # Single-task errors 0.40 and 0.04; both models have a mean error of 0.21.
    assert average_relative_error([0.40, 0.02], [0.40, 0.04]) == pytest.approx(0.75)
    assert average_relative_error([0.38, 0.04], [0.40, 0.04]) == pytest.approx(0.975)


@RATIOS
def test_the_baseline_itself_is_at_one_and_several_runs_give_one_value_each(rng, metric):
    baseline = rng.uniform(0.1, 1, size=3)
    runs = np.vstack([baseline, rng.uniform(size=(4, 3))])
    values = metric(runs, baseline)
    assert values[0] == pytest.approx(1)
    np.testing.assert_allclose(
        values, [np.mean([v / b for v, b in zip(run, baseline, strict=True)]) for run in runs]
    )


@RATIOS
@pytest.mark.parametrize("bad", [0.0, np.nan])
def test_a_baseline_without_a_ratio_is_named_and_left_out(metric, bad):
    baseline = pd.Series([0.1, bad, 0.2], index=["income", "gain", "age"])
    with pytest.warns(
        UndefinedMetricWarning, match=f"is {'zero' if bad == 0 else 'NaN'} for task 'gain'"
    ):
        assert metric([0.1, 0.3, 0.4], baseline) == pytest.approx(1.5)


@RATIOS
def test_a_nan_of_one_run_is_named_and_leaves_the_others_alone(metric):
    with pytest.warns(UndefinedMetricWarning, match="is NaN for task '1'"):
        assert metric([[1.0, 2.0], [3.0, np.nan]], [1.0, 1.0]).tolist() == [1.5, 3.0]


@RATIOS
def test_nothing_but_zero_baselines_gives_nan(metric):
    with pytest.warns(UndefinedMetricWarning, match="zero for tasks '0', '1'"):
        assert np.isnan(metric([0.1, 0.2], [0.0, 0.0]))


@RATIOS
def test_sound_values_warn_of_nothing(metric):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metric([0.0, 1.0], [1.0, 2.0]) == 0.25


@RATIOS
@pytest.mark.parametrize(
    ("values", "baseline", "message"),
    [
        ([1.0], [1.0, 2.0], "must have shape"),
        ([-0.1], [1.0], "finite numbers >= 0"),
        ([1.0], [np.inf], "finite numbers >= 0"),
        ([], [], "must have shape"),
    ],
)
def test_wrong_values_raise(metric, values, baseline, message):
    with pytest.raises(ValueError, match=message):
        metric(values, baseline)
