"""Whole tables as a network reads them: weights, rows, what is refused, what is kept."""

from __future__ import annotations

import datetime
import pickle

import numpy as np
import pandas as pd
import pytest

from skmtl.estimators.input_encoder import InputEncoder

STRINGS = ["str", "string", "object", "string[pyarrow]"]


def encode(X, **settings):
    return InputEncoder.learn(X, **settings).transform(X)


def assert_same(first, second, rtol=1e-12):
    np.testing.assert_allclose(first.numeric, second.numeric, rtol=rtol, atol=1e-12)
    np.testing.assert_array_equal(first.codes, second.codes)


@pytest.fixture
def mixed(rng):
    """Numbers, a 0/1 column, strings of category dtype and a constant, with missing entries in all
    but the last.
    """
    n = 40
    X = pd.DataFrame(
        {"a": rng.normal(size=n), "flag": rng.integers(0, 2, n), "k": rng.integers(0, 9, n)}
    ).astype("Float64")
    X["city"] = pd.Categorical(
        rng.choice(["Rome", "Oslo", "Bonn"], n), categories=["Rome", "Bonn", "Oslo", "nowhere"]
    )
    for column in X.columns:
        X.loc[rng.permutation(n)[:6], column] = pd.NA
    X["one"] = 3.5
    return X


def test_the_indicators_stand_at_the_end_in_the_order_of_their_columns(mixed):
    encoder = InputEncoder.learn(mixed)
    assert encoder.numeric_names == [
        "a",
        "flag",
        "k",
        "one",
        "missingindicator_a",
        "missingindicator_flag",
        "missingindicator_k",
    ]
    assert encoder.n_numeric == 7
    np.testing.assert_array_equal(
        encoder.transform(mixed).numeric[:, 4:], mixed[["a", "flag", "k"]].isna()
    )


def test_levels_are_those_present_and_not_those_declared(mixed):
    encoder = InputEncoder.learn(mixed)
    assert encoder.levels == [["Bonn", "Oslo", "Rome"]]
    assert (encoder.cardinalities, encoder.categorical_names) == ((4,), ["city"])


# ---------------------------------------------------------------------- weights and rows
@pytest.mark.parametrize("standardize", [False, True])
def test_a_weight_of_two_is_the_row_twice_and_a_weight_of_zero_the_row_absent(
    mixed, rng, standardize
):
    weight = rng.integers(0, 3, size=len(mixed)).astype(float)
    weighted = InputEncoder.learn(mixed, sample_weight=weight, standardize=standardize)
    repeated = InputEncoder.learn(
        mixed.iloc[np.repeat(np.arange(len(mixed)), weight.astype(int))], standardize=standardize
    )
    assert weighted.numeric_names == repeated.numeric_names
    assert weighted.levels == repeated.levels
    assert_same(weighted.transform(mixed), repeated.transform(mixed))


def test_only_the_scale_of_weights_against_each_other_matters(mixed, rng):
    weight = rng.uniform(size=len(mixed))
    reference = encode(mixed, sample_weight=weight)
    for factor in (1e-200, 1e200):
        assert_same(encode(mixed, sample_weight=weight * factor), reference)


def test_rows_that_do_not_count_teach_nothing(mixed, rng):
    rows = rng.permutation(len(mixed))[:25]
    weight = rng.uniform(size=len(mixed))
    chosen = InputEncoder.learn(mixed, rows=rows, sample_weight=weight)
    assert_same(
        chosen.transform(mixed),
        InputEncoder.learn(mixed.iloc[rows], sample_weight=weight[rows]).transform(mixed),
    )
    values = mixed[["a", "k"]].to_numpy(dtype=float, na_value=np.nan)
    assert_same(
        InputEncoder.learn(values, rows=rows).transform(values),
        InputEncoder.learn(values[rows]).transform(values),
    )


def test_a_category_and_a_missing_value_of_weightless_rows_are_unknown():
    X = pd.DataFrame({"a": [1.0, 2.0, np.nan], "c": pd.Categorical(["u", "v", "w"])})
    encoder = InputEncoder.learn(X, sample_weight=np.array([1.0, 1.0, 0.0]))
    assert (encoder.numeric_names, encoder.cardinalities) == (["a"], (3,))
    np.testing.assert_array_equal(encoder.transform(X).codes[:, 0], [1, 2, 0])


# ---------------------------------------------------------------------- what is refused
@pytest.mark.parametrize("dtype", [*STRINGS, "category"])
def test_strings_that_are_not_declared_are_refused_by_name(dtype):
    X = pd.DataFrame({"a": [1.0, 2.0], "city": pd.Series(["1.5", None], dtype=dtype)})
    with pytest.raises(
        ValueError,
        match=r"could not convert string to float: '1.5' in column 'city'.*'category' "
        r"dtype.*categorical_features.*encode",
    ):
        InputEncoder.learn(X, categorical_features=None)


def test_strings_in_a_column_of_numbers_are_refused_when_transforming():
    encoder = InputEncoder.learn(pd.DataFrame({"a": [1.0, 2.0]}))
    with pytest.raises(ValueError, match="could not convert string to float: 'x' in column 'a'"):
        encoder.transform(pd.DataFrame({"a": ["x"]}))


@pytest.mark.parametrize(
    "dtype", ["datetime64[ns]", "datetime64[ns, UTC]", "timedelta64[ns]", "timestamp[ns][pyarrow]"]
)
def test_dates_and_times_are_refused_by_name(dtype):
    with pytest.raises(ValueError, match="Column 'when' of X holds dates or times"):
        InputEncoder.learn(pd.DataFrame({"when": pd.Series([1, 2]).astype(dtype)}))


@pytest.mark.parametrize("value", [datetime.date(2020, 1, 1), pd.Timestamp(0), [1.0], {"a": 1}, 1j])
def test_objects_that_are_not_numbers_are_refused_by_name(value):
    with pytest.raises(
        ValueError, match="Column 'odd' of X has dtype object and holds values that are not numbers"
    ):
        InputEncoder.learn(pd.DataFrame({"odd": pd.Series([1.0, value], dtype=object)}))


def test_values_that_cannot_be_levels_are_refused_by_name():
    with pytest.raises(
        ValueError, match="Column 'odd' of X is categorical, but holds values that cannot be levels"
    ):
        InputEncoder.learn(
            pd.DataFrame({"odd": pd.Series([[1], [2]], dtype=object)}), categorical_features=["odd"]
        )


def test_complex_numbers_are_refused():
    with pytest.raises(ValueError, match="Complex data not supported: column 'z'"):
        InputEncoder.learn(pd.DataFrame({"z": [1j, 2.0]}))


@pytest.mark.parametrize("dtype", ["float64", "Float64", "double[pyarrow]", "object"])
def test_infinity_is_refused_by_name(dtype):
    fine = pd.DataFrame({"a": [1.0, 2.0], "big": [1.0, 2.0]})
    bad = fine.assign(big=pd.Series([1.0, -np.inf]).astype(dtype))
    message = (
        r"Input X contains infinity or a value too large for dtype\('float64'\). See column 'big'"
    )
    with pytest.raises(ValueError, match=message):
        InputEncoder.learn(bad)
    with pytest.raises(ValueError, match=message):
        InputEncoder.learn(fine).transform(bad)
    with pytest.raises(ValueError, match="contains infinity"):
        InputEncoder.learn(fine.assign(big=pd.Series([1, 10**400], dtype=object)))
    with pytest.raises(ValueError, match="contains infinity"):
        InputEncoder.learn(fine.to_numpy() * np.inf)


def test_a_table_of_another_width_is_refused(mixed):
    with pytest.raises(ValueError, match="X has 4 columns, but the encoder was learned from 5"):
        InputEncoder.learn(mixed).transform(mixed.iloc[:, :4])


# ---------------------------------------------------------------------- how it behaves as a whole
def test_no_row_at_all_gives_empty_blocks(mixed):
    encoded = InputEncoder.learn(mixed).transform(mixed.iloc[:0])
    assert (encoded.numeric.shape, encoded.codes.shape) == ((0, 7), (0, 1))
    assert InputEncoder.learn(np.empty((0, 2))).transform([[1.0, 2.0]]).numeric.tolist() == [
        [0.0, 0.0]
    ]


def test_each_row_is_encoded_for_itself(mixed):
    encoder = InputEncoder.learn(mixed)
    whole = encoder.transform(mixed)
    parts = [encoder.transform(mixed.iloc[k : k + 1]) for k in range(len(mixed))]
    np.testing.assert_array_equal(whole.numeric, np.concatenate([part.numeric for part in parts]))
    np.testing.assert_array_equal(whole.codes, np.concatenate([part.codes for part in parts]))


@pytest.mark.parametrize("kind", ["frame", "array", "Fortran", "read-only"])
def test_the_table_is_not_changed(mixed, rng, kind):
    numbers = rng.normal(size=(9, 3))
    numbers[3, 0] = np.nan
    X = mixed if kind == "frame" else np.asarray(numbers, order="F" if kind == "Fortran" else "C")
    if kind == "read-only":
        X.flags.writeable = False
    before = pickle.dumps(X)
    encoded = encode(X)
    assert pickle.dumps(X) == before
    assert not (isinstance(X, np.ndarray) and np.shares_memory(encoded.numeric, X))


def test_blocks_of_a_large_table_give_what_the_whole_gives(rng, monkeypatch):
    X = rng.normal(size=(20, 7))
    X[rng.random(X.shape) < 0.2] = np.nan
    whole = encode(X)
    monkeypatch.setattr("skmtl.estimators.numeric._LEARNED_AT_ONCE", 60)
    monkeypatch.setattr("skmtl.estimators.numeric._TREATED_AT_ONCE", 50)
    assert_same(encode(X), whole)


def plain_parts(value):
    if isinstance(value, (list, tuple)):
        return [part for entry in value for part in plain_parts(entry)]
    return (
        [part for entry in vars(value).values() for part in plain_parts(entry)]
        if hasattr(value, "__dict__")
        else [value]
    )


def test_what_is_learned_is_arrays_and_plain_values_and_survives_a_pickle(mixed):
    mixed["n"] = pd.Categorical(np.arange(len(mixed), dtype=np.int64) % 3)
    mixed["r"] = pd.Categorical(np.arange(len(mixed)) / 8)
    encoder = InputEncoder.learn(mixed)
    assert {type(part) for part in plain_parts(encoder)} == {np.ndarray, str, int, float}
    assert_same(pickle.loads(pickle.dumps(encoder)).transform(mixed), encoder.transform(mixed))
