"""How losses encode targets, decode scores, and judge held-out rows."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import log_loss, mean_squared_error

from skmtl.base import SMALLEST_PROBABILITY
from skmtl.losses import LogLoss, SquaredError


@pytest.mark.parametrize("scale", [1e-150, 1e-6, 1.0, 1e9, 1e200])
def test_decoding_undoes_encoding_at_any_scale(rng, scale):
    y = rng.normal(3.0, size=30) * scale
    coding = SquaredError().learn_codings({"a": y})["a"]
    encoded = coding.encode(y)
    assert abs(encoded.mean()) < 1e-10
    assert encoded.std() == pytest.approx(1)
    np.testing.assert_allclose(SquaredError().decode(coding, encoded[:, None]), y, rtol=1e-10)


def test_the_prediction_for_a_constant_task_is_its_value(rng):
    codings = SquaredError().learn_codings({"a": np.full(9, 4.2), "b": rng.normal(size=9)})
    scores = rng.normal(size=(5, 1))
    np.testing.assert_array_equal(SquaredError().decode(codings["a"], scores), np.full(5, 4.2))


def test_a_task_with_one_row_takes_the_median_scale_of_the_others(rng):
    spread = rng.normal(size=40)
    targets = {"a": spread, "b": 5 * spread, "c": 2 * spread, "one": np.array([7.0])}
    coding = SquaredError().learn_codings(targets)["one"]
    assert (coding.mean, coding.scale) == (7.0, pytest.approx(2 * spread.std()))


def test_targets_are_standardized_with_their_weights(rng):
    y, weight = rng.normal(size=20), rng.integers(1, 4, size=20)
    coding = SquaredError().learn_codings({"a": y}, {"a": weight * 1.0})["a"]
    repeated = np.repeat(y, weight)
    assert (coding.mean, coding.scale) == pytest.approx((repeated.mean(), repeated.std()))


def test_labels_are_decoded_to_probabilities_of_the_classes_that_the_task_has(rng):
    labels = {"a": np.array(["x", "y", "z"]), "b": np.array(["x", "z", "z"])}
    codings = LogLoss().learn_codings(labels)
    assert [coding.n_scores for coding in codings.values()] == [3, 2]
    scores = rng.normal(size=(6, 3))
    np.testing.assert_allclose(
        LogLoss().decode(codings["b"], scores), softmax(scores[:, :2], axis=1)
    )
    np.testing.assert_array_equal(codings["b"].encode(np.array(["z", "x"])), [1.0, 0.0])


def test_a_task_with_one_of_two_classes_knows_which_one_it_is(rng):
    codings = LogLoss().learn_codings({"a": np.array([0, 1]), "b": np.array([1, 1])})
    assert [coding.n_scores for coding in codings.values()] == [1, 1]
    np.testing.assert_array_equal(codings["b"].encode(np.array([1])), [1.0])
    np.testing.assert_array_equal(LogLoss().decode(codings["b"], rng.normal(size=(4, 1))), 1.0)


def test_an_unknown_label_is_named_with_its_task():
    coding = LogLoss().learn_codings({"school": np.array([0, 1])})["school"]
    with pytest.raises(ValueError, match=r"Task 'school' has the label 2 in y"):
        coding.encode(np.array([0, 2]))


def test_held_out_losses_equal_those_of_scikit_learn(rng):
    y = rng.normal(2.0, 30.0, size=25)
    coding, scores = SquaredError().learn_codings({"a": y})["a"], rng.normal(size=(25, 1))
    predictions = SquaredError().decode(coding, scores)
    expected = mean_squared_error(y, predictions)
    assert SquaredError().mean_loss(coding, y, predictions) == pytest.approx(expected)
    assert SquaredError().mean_loss_of_scores(coding, y, scores) == pytest.approx(expected)

    labels = np.r_[0, 1, rng.integers(2, size=23)]
    coding, p = LogLoss().learn_codings({"a": labels})["a"], expit(scores[:, 0])
    expected = log_loss(labels, p)
    assert LogLoss().mean_loss(coding, labels, np.c_[1 - p, p]) == pytest.approx(expected)
    assert LogLoss().mean_loss_of_scores(coding, labels, scores) == pytest.approx(expected)


def test_a_held_out_label_that_the_task_never_had_costs_the_smallest_probability(rng):
    coding = LogLoss().learn_codings({"a": np.array([0, 1, 2])})["a"]
    unseen, cost = np.array([7]), -np.log(SMALLEST_PROBABILITY)
    assert LogLoss().mean_loss_of_scores(coding, unseen, rng.normal(size=(1, 3))) == cost
    assert LogLoss().mean_loss(coding, unseen, np.full((1, 3), 1 / 3)) == cost
    assert LogLoss().mean_loss_of_scores(
        coding, np.array([0]), np.array([[-1e4, 0.0, 0.0]])
    ) == pytest.approx(cost)


def test_the_general_held_out_loss_of_values_equals_the_closed_form(rng):
    class OnlyValues(SquaredError):
        def values(self, scores, labels):
            return (scores[:, :, 0] - labels) ** 2

    y = rng.normal(-5.0, 400.0, size=25)
    coding, outputs = SquaredError().learn_codings({"a": y})["a"], rng.normal(size=25)
    expected = SquaredError().mean_loss(coding, y, outputs)
    assert OnlyValues().mean_loss(coding, y, outputs) == pytest.approx(expected, rel=1e-10)
