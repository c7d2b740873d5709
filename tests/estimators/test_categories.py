"""Categories as a network reads them, held against scikit-learn's ordinal encoder."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OrdinalEncoder

from skmtl.data import resolve_categorical
from skmtl.estimators.input_encoder import InputEncoder

WHOLE = ["int64", "uint8", "float64", "Int64", "UInt8", "int64[pyarrow]", "object", "category"]
STRINGS = ["str", "string", "object", "string[pyarrow]"]


def encode(X, **settings):
    return InputEncoder.learn(X, **settings).transform(X)


# ---------------------------------------------------------------------- codes
@pytest.mark.parametrize("dtype", ["category", *STRINGS])
def test_codes_are_those_of_the_ordinal_encoder_and_0_for_unseen_and_missing(rng, dtype):
    train = pd.DataFrame({"c": rng.choice(["u", "v", "w"], 30)}, dtype=dtype)
    test = pd.DataFrame({"c": ["w", "new", None, "u"]}, dtype=dtype)
    reference = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1
    )
    reference.fit(train.astype(object))
    encoder = InputEncoder.learn(train, categorical_features=["c"])
    for X in (train, test):
        expected = reference.transform(X.astype(object).where(X.notna(), np.nan)) + 1
        np.testing.assert_array_equal(encoder.transform(X).codes, expected)
    assert encoder.transform(test).numeric.shape == (4, 0)


@pytest.mark.parametrize("dtype", [*WHOLE, "string"])
def test_whole_numbers_can_be_categories_by_name_position_or_mask(rng, dtype):
    values = rng.integers(0, 5, size=30)
    X = pd.DataFrame({"a": rng.normal(size=30), "c": pd.Series(values).astype(dtype)})
    for columns in (["c"], [1], [-1], np.array([False, True]), pd.Index(["c"])):
        encoded = encode(X, categorical_features=columns)
        np.testing.assert_array_equal(
            encoded.codes[:, 0], np.unique(values, return_inverse=True)[1] + 1
        )
        assert encoded.numeric.shape == (30, 1)


def test_a_category_dtype_is_a_category_by_default_whatever_its_values():
    X = pd.DataFrame(
        {
            "c": pd.Categorical([30, 10, None, 30]),
            "d": pd.Series(["b", "a", "b", None]).astype("category"),
        }
    )
    np.testing.assert_array_equal(encode(X).codes, [[2, 2], [1, 1], [0, 2], [2, 0]])


def test_a_dictionary_of_pyarrow_is_a_category():
    pa = pytest.importorskip("pyarrow")
    dictionary = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    X = pd.DataFrame({"c": pd.Series(["b", "a", None, "b"], dtype=dictionary)})
    np.testing.assert_array_equal(encode(X).codes[:, 0], [2, 1, 0, 2])


def test_codes_follow_the_values_where_another_table_declares_other_categories():
    encoder = InputEncoder.learn(pd.DataFrame({"c": pd.Categorical(["a", "b"])}))
    for column in (
        pd.Categorical(["b", "z", "a"], categories=["z", "b", "a"]),
        ["b", "z", "a"],
        np.array(["b", "z", "a"], dtype=object),
    ):
        np.testing.assert_array_equal(
            encoder.transform(pd.DataFrame({"c": column})).codes[:, 0], [2, 0, 1]
        )


def test_levels_keep_their_type():
    encoder = InputEncoder.learn(pd.DataFrame({"c": [2, 1]}), categorical_features=["c"])
    np.testing.assert_array_equal(
        encoder.transform(pd.DataFrame({"c": [1.0, 2.0, np.nan]})).codes[:, 0], [1, 2, 0]
    )
    with pytest.warns(UserWarning, match=r"column 'c' .* got '1', '2' \(str\), known are 1, 2 "):
        codes = encoder.transform(pd.DataFrame({"c": ["1", "2"]})).codes
    np.testing.assert_array_equal(codes[:, 0], [0, 0])


def test_levels_that_cannot_be_compared_stand_in_order_of_appearance():
    X = pd.DataFrame({"c": pd.Series(["b", 1, "a", 1, ("t",)], dtype=object)})
    np.testing.assert_array_equal(encode(X, categorical_features=[0]).codes[:, 0], [1, 2, 3, 2, 4])


def test_positions_of_an_array_can_be_categories():
    X = np.array([[0.5, 3.0], [1.5, np.nan], [2.5, 1.0]])
    encoder = InputEncoder.learn(X, categorical_features=[1])
    np.testing.assert_array_equal(encoder.transform(X).codes[:, 0], [2, 0, 1])
    assert (encoder.numeric_names, encoder.categorical_names) == (["x0"], ["x1"])


def test_a_column_without_a_level_codes_0():
    X = pd.DataFrame({"c": pd.Categorical([None, None])})
    assert InputEncoder.learn(X).cardinalities == (1,)
    np.testing.assert_array_equal(encode(X).codes, [[0], [0]])


# ---------------------------------------------------------------------- where the task column
# stands
@pytest.mark.parametrize(
    ("given", "columns", "task", "expected"),
    [
        (None, ["a", "t", "c"], 1, None),
        ("from_dtype", 3, None, "from_dtype"),
        ([], 3, 1, []),
        (["c", "a"], ["a", "t", "c"], 1, [0, 1]),
        ([2, "a", 2], ["a", "t", "c"], 1, [0, 1]),
        ([-1], 4, 0, [2]),
        (np.array([3]), 4, -4, [2]),
        ([0, 3], 4, None, [0, 3]),
        ([True, False, True], ["a", "t", "c"], 1, [0, 1]),
        (pd.Series([False, False, True]), 3, 1, [1]),
    ],
)
def test_categorical_features_become_positions_without_the_task_column(
    given, columns, task, expected
):
    assert resolve_categorical(given, columns, task) == expected


@pytest.mark.parametrize(
    ("given", "columns", "task", "message"),
    [
        ("city", ["city"], None, "must be 'from_dtype', None or a list"),
        (3, 4, None, "must be 'from_dtype', None or a list"),
        (
            ["b"],
            ["a", "t"],
            1,
            r"holds 'b', which is not a column of X, which has the columns 'a', 't'",
        ),
        (["a"], ["a", "a"], None, "stands for more than one column"),
        (["a"], 3, None, "X has no column names"),
        ([3], 3, None, "holds the position 3, but X has 3 columns"),
        ([-4], 3, None, "holds the position -4"),
        ([1.5], 3, None, "holds 1.5"),
        ([True, False], 3, None, "mask of 2 values, but X has 3 columns"),
        (["t"], ["a", "t"], 1, r"task column \('t'\)"),
        ([False, True], ["a", "t"], -1, "task column"),
        ([0], 2, 0, r"task column \(0\)"),
    ],
)
def test_categorical_features_that_do_not_fit_the_table_are_refused(given, columns, task, message):
    with pytest.raises(ValueError, match=message):
        resolve_categorical(given, columns, task)
