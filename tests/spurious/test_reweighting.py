"""Weights that make labels independent."""

import numpy as np
import pytest

from skmtl.spurious.reweighting import LARGEST_WEIGHT, independence_weights


def correlated(seed, n_rows=600, n_tasks=2, agreement=0.8):
    rng = np.random.default_rng(seed)
    shared = rng.integers(0, 2, n_rows)
    return np.where(
        rng.random((n_rows, n_tasks)) < agreement,
        shared[:, None],
        rng.integers(0, 2, (n_rows, n_tasks)),
    ).astype(float)


def table(codes, weight, i, j):
    known = ~np.isnan(codes[:, [i, j]]).any(1)
    own, other = codes[known, i].astype(int), codes[known, j].astype(int)
    counts = np.zeros((own.max() + 1, other.max() + 1))
    np.add.at(counts, (own, other), weight[known])
    return counts / counts.sum()


def test_weights_for_one_spurious_task_are_the_ratio_of_independent_to_joint_probability():
    codes = correlated(0)
    weights = independence_weights(
        codes, np.array([[False, True], [False, False]]), np.ones(600), 1.0, ["a", "b"]
    )
    joint = table(codes, np.ones(600), 0, 1)
    ratio = joint.sum(1, keepdims=True) * joint.sum(0) / joint
    np.testing.assert_allclose(weights[:, 0], ratio[tuple(codes.astype(int).T)], rtol=1e-6)
    np.testing.assert_array_equal(weights[:, 1], 1)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_labels_become_independent_of_all_spurious_tasks_and_margins_stay(missing):
    codes = correlated(1, n_tasks=4)
    rng = np.random.default_rng(0)
    codes[rng.random(codes.shape) < missing] = np.nan
    start = rng.random(600) + 0.5
    weights = independence_weights(codes, ~np.eye(4, dtype=bool), start, 1.0, list("abcd"))
    for i, j in np.argwhere(~np.eye(4, dtype=bool)):
        now, before = table(codes, weights[:, i], i, j), table(codes, start, i, j)
        np.testing.assert_allclose(now, np.outer(now.sum(1), now.sum(0)), atol=2e-4)
        np.testing.assert_allclose(now.sum(1), before.sum(1), atol=2e-3)


def test_strength_moves_from_the_weights_of_the_rows_to_those_of_independence():
    codes = correlated(2)
    spurious = np.array([[False, True], [True, False]])
    none, half, full = (
        independence_weights(codes, spurious, np.ones(600), strength, ["a", "b"])
        for strength in (0.0, 0.5, 1.0)
    )
    np.testing.assert_allclose(none, 1.0)
    correlation = [np.cov(codes.T, aweights=weights[:, 0])[0, 1] for weights in (none, half, full)]
    assert correlation[0] > correlation[1] > correlation[2] > -1e-6


def test_extreme_weights_are_cut():
    codes = np.repeat([[0.0, 0], [0, 1], [1, 1]], [400, 1, 400], axis=0)
    codes = np.concatenate([codes, [[1.0, 0]]])
    weights = independence_weights(
        codes, np.array([[False, True], [False, False]]), np.ones(len(codes)), 1.0, ["a", "b"]
    )
    assert weights[:, 0].max() <= LARGEST_WEIGHT + 1e-9


def test_combinations_without_a_row_are_named():
    codes = np.repeat([[0.0, 0], [0, 1], [1, 1]], 50, axis=0)
    with pytest.warns(UserWarning, match="'left' and 'right'"):
        weights = independence_weights(
            codes, np.array([[False, True], [False, False]]), np.ones(150), 1.0, ["left", "right"]
        )
    assert np.isfinite(weights).all()


def test_a_warning_about_many_empty_combinations_stays_short():
    names = [f"{'a very long name of a task ' * 4}{t}" for t in range(8)]
    codes = np.repeat(np.eye(8), 5, axis=0)  # no row has two positive labels
    with pytest.warns(UserWarning, match="and 52 more pairs") as told:
        independence_weights(codes, ~np.eye(8, dtype=bool), np.ones(40), 1.0, names)
    assert len(str(told[0].message)) < 500
