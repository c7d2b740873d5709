"""Splits in which labels correlated in training are not correlated in the test rows."""

import numpy as np
import pandas as pd
import pytest

from skmtl.spurious import split_by_label_combination


def table(n_rows=600, n_tasks=2, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.integers(0, 2, n_rows)
    Y = np.where(
        rng.random((n_rows, n_tasks)) < 0.7, shared[:, None], rng.integers(0, 2, (n_rows, n_tasks))
    )
    return np.column_stack([np.arange(n_rows), rng.normal(size=n_rows)]), Y


def combinations(Y):
    return {
        tuple(row): count
        for row, count in zip(*np.unique(Y, axis=0, return_counts=True), strict=True)
    }


@pytest.mark.parametrize("n_tasks", [2, 3])
def test_a_balanced_test_has_equally_many_rows_of_every_combination(n_tasks):
    X, Y = table(n_tasks=n_tasks)
    X_train, X_test, Y_train, Y_test = split_by_label_combination(X, Y, random_state=0)
    counts = combinations(Y_test)
    assert len(counts) == 2**n_tasks
    assert set(counts.values()) == {min(combinations(Y).values()) // 2}
    assert np.corrcoef(Y_train.T)[0, 1] > np.corrcoef(Y.T)[0, 1]
    np.testing.assert_array_equal(
        np.sort(np.concatenate([X_train[:, 0], X_test[:, 0]])), np.arange(600)
    )
    np.testing.assert_array_equal(Y_test, Y[X_test[:, 0].astype(int)])


def test_test_size_is_the_share_of_all_rows():
    X, Y = table()
    assert len(split_by_label_combination(X, Y, test_size=0.2, random_state=0)[1]) == 120


def test_unseen_combinations_are_in_the_test_alone_and_no_label_is_lost():
    X, Y = table()
    _, _, Y_train, Y_test = split_by_label_combination(X, Y, test="unseen", random_state=0)
    assert set(combinations(Y_test)) == {(0, 1), (1, 0)}
    assert set(combinations(Y_train)) == {(0, 0), (1, 1)}
    rng = np.random.default_rng(0)
    many = rng.integers(0, 4, (500, 2))
    many[:250, 1] = many[:250, 0]
    _, X_test, Y_train, Y_test = split_by_label_combination(
        many, many, test="unseen", test_size=0.3, random_state=0
    )
    assert not set(combinations(Y_train)) & set(combinations(Y_test))
    assert all(len(np.unique(column)) == 4 for column in Y_train.T)
    assert 0 < len(X_test) <= 150


def test_exaggerate_leaves_rare_combinations_out_of_training():
    X, Y = table()
    plain, half, none = (
        split_by_label_combination(X, Y, exaggerate=share, random_state=0)
        for share in (0.0, 0.5, 1.0)
    )
    np.testing.assert_array_equal(plain[3], half[3])
    for cell in ((0, 1), (1, 0)):
        assert combinations(half[2])[cell] == pytest.approx(combinations(plain[2])[cell] / 2, abs=1)
    assert set(combinations(none[2])) == {(0, 0), (1, 1)}
    assert combinations(none[2])[0, 0] == combinations(plain[2])[0, 0]


def test_frames_other_arrays_names_and_missing_labels():
    X, Y = table(n_tasks=3)
    frame = pd.DataFrame(Y.astype(float), columns=["a", "b", "c"], index=np.arange(600) + 1000)
    frame.loc[frame.index[:50], "a"] = np.nan
    parts = split_by_label_combination(
        pd.DataFrame(X, index=frame.index),
        frame,
        np.arange(600),
        list(range(600)),
        tasks=["a", 2],
        random_state=0,
    )
    X_train, X_test, _, Y_test, train, test, _, listed = parts
    assert list(Y_test.index) == list(X_test.index) == list(test + 1000)
    np.testing.assert_array_equal(listed, test)
    assert set(combinations(Y_test[["a", "c"]].to_numpy()).values()) == {len(Y_test) // 4}
    assert set(range(50)) <= set(train)
    assert len(X_train) + len(X_test) == 600


def test_a_seed_gives_one_split():
    X, Y = table()
    first, second, other = (
        split_by_label_combination(X, Y, random_state=seed)[1][:, 0] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": "odd"}, "'balanced' or 'unseen'"),
        ({"test_size": 1.5}, "test_size must be"),
        ({"test_size": 0.9}, "The largest test_size is"),
        ({"exaggerate": 2}, "exaggerate must be"),
        ({"tasks": ["x", "y"]}, "'x', which is not a column"),
        ({"tasks": "01"}, "sequence of at least two"),
        ({"tasks": [0]}, "at least two different"),
        ({"tasks": [0, 0]}, "at least two different"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        split_by_label_combination(*table(), **options)


def test_too_few_combinations_are_named():
    X, Y = table()
    with pytest.raises(ValueError, match="1 combination"):
        split_by_label_combination(X, np.zeros_like(Y))
    Y[:, 0] = 0
    with pytest.raises(ValueError, match="can be held out for the test"):
        split_by_label_combination(X, Y, test="unseen")
    with pytest.raises(ValueError, match="inconsistent numbers"):
        split_by_label_combination(X, Y[:5])
