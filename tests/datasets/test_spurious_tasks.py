"""Generated tasks whose labels go together in training and not in the test."""

import itertools

import numpy as np
import pytest

from skmtl.datasets import make_spurious_tasks

LARGE = {"n_samples": 40_000, "n_test": 40_000, "random_state": 0}


def test_linked_labels_are_correlated_in_training_and_balanced_in_the_test():
    tasks = make_spurious_tasks(agreement=0.85, **LARGE)
    correlation = tasks.target.corr().to_numpy()
    assert correlation[0, 1] == pytest.approx(tasks.correlation, abs=0.02)
    assert tasks.correlation == pytest.approx(0.7**2)
    np.testing.assert_allclose(correlation[2, :2], 0, atol=0.02)
    np.testing.assert_allclose(tasks.test_target.corr(), np.eye(3), atol=0.02)
    np.testing.assert_allclose(tasks.test_target.value_counts(normalize=True), 1 / 8, atol=0.01)


@pytest.mark.parametrize("test_agreement", [None, 0.5, 0.7])
def test_the_chance_of_the_nuisance_given_the_labels_is_that_of_bayes(test_agreement):
    tasks = make_spurious_tasks(agreement=0.8, test_agreement=test_agreement, **LARGE)
    in_test = 0.2 if test_agreement is None else test_agreement
    for labels, nuisance, agreement in (
        (tasks.target, tasks.nuisance, 0.8),
        (tasks.test_target, tasks.test_nuisance, in_test),
    ):
        for pair in itertools.product((0, 1), repeat=2):
            rows = (labels.to_numpy()[:, :2] == pair).all(1)
            one, zero = (
                np.prod([agreement if label == z else 1 - agreement for label in pair])
                for z in (1, 0)
            )
            assert nuisance[rows].mean() == pytest.approx(one / (one + zero), abs=0.03)


def test_inputs_are_directions_times_labels_and_nuisance_plus_noise():
    tasks = make_spurious_tasks(signal=1.2, nuisance_signal=0.7, **LARGE)
    axes = np.vstack([tasks.directions, tasks.nuisance_direction])
    np.testing.assert_allclose(axes @ axes.T, np.eye(4), atol=1e-12)
    for X, Y, z in (
        (tasks.data, tasks.target, tasks.nuisance),
        (tasks.test_data, tasks.test_target, tasks.test_nuisance),
    ):
        noise = X.to_numpy() @ axes.T - np.column_stack([2 * Y.to_numpy() - 1, 2 * z - 1]) * [
            1.2,
            1.2,
            1.2,
            0.7,
        ]
        np.testing.assert_allclose(np.cov(noise.T), np.eye(4), atol=0.03)
        np.testing.assert_allclose(noise.mean(0), 0, atol=0.02)


def test_the_own_direction_is_as_good_in_the_test_as_promised_and_the_nuisance_misleads():
    tasks = make_spurious_tasks(**LARGE)
    own = tasks.test_data.to_numpy() @ tasks.directions.T > 0
    np.testing.assert_allclose((own == tasks.test_target).mean(), tasks.best_accuracy, atol=0.01)
    shared = (
        tasks.data.to_numpy() @ tasks.nuisance_direction > 0,
        tasks.test_data.to_numpy() @ tasks.nuisance_direction > 0,
    )
    assert (shared[0] == tasks.target["task_0"]).mean() > 0.8
    assert (shared[1] == tasks.test_target["task_0"]).mean() < 0.5


def test_truth_about_pairs_names_and_sizes():
    tasks = make_spurious_tasks(50, 8, n_tasks=4, n_linked=3, n_test=30, random_state=0)
    assert tasks.data.shape == (50, 8)
    assert tasks.test_target.shape == (30, 4)
    assert list(tasks.target.columns) == tasks.task_names
    assert tasks.linked.tolist() == [True, True, True, False]
    assert tasks.spurious.sum() == 6
    assert "nuisance" in tasks.DESCR


def test_seeds_and_directions_that_do_not_depend_on_the_number_of_rows():
    first, same, longer = (make_spurious_tasks(n, random_state=4) for n in (100, 100, 300))
    assert first.data.equals(same.data)
    np.testing.assert_array_equal(first.directions, longer.directions)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"n_samples": 0}, "n_samples"),
        ({"n_tasks": 2, "n_linked": 3}, "n_linked"),
        ({"n_features": 3}, "n_features"),
        ({"agreement": 1.2}, "agreement"),
        ({"test_agreement": -0.1}, "test_agreement"),
        ({"signal": -1.0}, "signal"),
        ({"nuisance_signal": np.inf}, "nuisance_signal"),
    ],
)
def test_bad_arguments_are_named(options, name):
    with pytest.raises(ValueError, match=name):
        make_spurious_tasks(**options)


def test_certain_agreement_is_possible():
    tasks = make_spurious_tasks(agreement=1.0, random_state=0)
    assert (tasks.target["task_0"] == tasks.nuisance).all()
    alike = tasks.test_target["task_0"] == tasks.test_target["task_1"]
    assert (tasks.test_nuisance[alike] != tasks.test_target["task_0"][alike]).all()
