"""Displays draw measured gains as they are, and ask for a fitted estimator."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skmtl import MultiTaskRegressor
from skmtl.affinity import PairwiseGains, TaggingAffinity
from skmtl.plotting import GradientConflictDisplay, TaskAffinityDisplay

pytest.importorskip("matplotlib")


def test_measured_gains_are_drawn_as_their_matrix():
    pairs = np.array([("a", "b"), ("b", "a")], dtype=object)
    gains = PairwiseGains(["a", "b"], pairs, np.ones((2, 1)), np.full((2, 1), 0.5))
    labels = TaskAffinityDisplay.from_predictions(gains).ax_.get_xticklabels()
    assert [label.get_text() for label in labels] == ["a", "b"]


@pytest.mark.parametrize(
    ("display", "estimator"),
    [
        (TaskAffinityDisplay, TaggingAffinity()),
        (GradientConflictDisplay, MultiTaskRegressor(aggregator="mgda")),
    ],
)
def test_an_estimator_that_is_not_fitted_is_said_to_be(display, estimator):
    with pytest.raises(NotFittedError):
        display.from_estimator(estimator)
