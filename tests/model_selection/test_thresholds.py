import numpy as np
import pytest

from skmtl.model_selection.thresholds import (
    check_threshold,
    least_error_threshold,
    quantile_threshold,
)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.37, 0.5, 1.0])
def test_a_quantile_threshold_takes_the_share_of_positives(rng, share):
    probabilities = rng.random(200)
    assert (probabilities >= quantile_threshold(probabilities, share)).sum() == round(200 * share)


def test_a_quantile_threshold_takes_all_ties(rng):
    assert quantile_threshold(np.array([0.2, 0.7, 0.7, 0.7]), 0.25) == 0.7
    assert quantile_threshold(np.zeros(5), 0.5) == 0.0


@pytest.mark.parametrize("n_values", [3, 50])
def test_no_threshold_errs_less_often(rng, n_values):
    probabilities = rng.integers(0, n_values, 60) / n_values
    positive = rng.random(60) < 0.2 + 0.6 * probabilities
    chosen = least_error_threshold(probabilities, positive)
    errors = [
        ((probabilities >= cut) != positive).sum() for cut in [*np.unique(probabilities), 2.0]
    ]
    assert ((probabilities >= chosen) != positive).sum() == min(errors)


def test_where_several_thresholds_are_as_good_the_one_nearest_a_half_is_taken():
    assert least_error_threshold(np.array([0.1, 0.9]), np.array([False, True])) == 0.5
    assert least_error_threshold(np.array([0.2, 0.3]), np.array([False, False])) == pytest.approx(
        0.65
    )  # none is positive from there on


@pytest.mark.parametrize("threshold", ["median", True, -0.1, 1.5, None])
def test_a_threshold_that_is_none_is_refused(threshold):
    with pytest.raises(
        ValueError, match=r"threshold must be 'quantile', 'validation' or a number between 0 and 1"
    ):
        check_threshold(threshold)
