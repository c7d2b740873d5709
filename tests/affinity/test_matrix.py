import numpy as np
import pandas as pd
import pytest

from skmtl.affinity.matrix import affinity_matrix


def test_values_land_in_the_row_of_their_target_and_the_column_of_their_source():
    names = [f"task {i}" for i in range(6)]
    rng = np.random.default_rng(3)
    order = [(i, j) for i in range(6) for j in range(6) if i != j and rng.random() < 0.6]
    values = rng.normal(size=len(order))
    table = affinity_matrix([(names[i], names[j]) for i, j in order], values, names)
    expected = np.full((6, 6), np.nan)
    np.fill_diagonal(expected, 0.0)
    for (i, j), value in zip(order, values, strict=True):
        expected[i, j] = value
    pd.testing.assert_frame_equal(table, pd.DataFrame(expected, index=names, columns=names))


def test_no_pairs_give_an_empty_table():
    table = affinity_matrix([], [], ["a", "b"])
    assert table.isna().sum().sum() == 2
    assert (np.diag(table) == 0).all()


def test_numbers_given_as_names_are_read_as_text():
    assert affinity_matrix([(1, 2)], [0.5], [1, 2]).loc["1", "2"] == 0.5


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("a", "z")], r"target 'a', source 'z'.*source is not one of the names"),
        ([("z", "a")], r"target 'z', source 'a'.*target is not one of the names"),
        ([("a", "a")], r"target 'a', source 'a'.*no gain from itself"),
        ([("a", "b"), ("b", "a"), ("a", "b")], r"target 'a', source 'b'.*more than once"),
    ],
)
def test_pairs_that_cannot_be_placed_are_named(pairs, message):
    with pytest.raises(ValueError, match=message):
        affinity_matrix(pairs, np.arange(len(pairs)), ["a", "b"])


@pytest.mark.parametrize(
    ("pairs", "values", "names", "message"),
    [
        ([("a", "b")], [1.0], ["a", "b", "a"], "distinct"),
        ([("a", "b", "c")], [1.0], ["a", "b", "c"], "shape"),
        (["a", "b"], [1.0, 2.0], ["a", "b"], "shape"),
        ([("a", "b")], [[1.0]], ["a", "b"], "shape"),
        ([("a", "b")], [1.0, 2.0], ["a", "b"], "inconsistent"),
        ([("a", "b")], [np.inf], ["a", "b"], "infinity"),
    ],
)
def test_malformed_input_is_refused(pairs, values, names, message):
    with pytest.raises(ValueError, match=message):
        affinity_matrix(pairs, values, names)
