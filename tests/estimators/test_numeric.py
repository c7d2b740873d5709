"""Numbers as a network reads them, held against scikit-learn's scaler and exact fractions."""

from __future__ import annotations

import decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from skmtl.estimators.input_encoder import InputEncoder

REALS = ["float64", "float32", "Float64", "Float32", "double[pyarrow]", "Sparse[float64]", "object"]
WHOLE = ["int64", "uint8", "float64", "Int64", "UInt8", "int64[pyarrow]", "object", "category"]


def encode(X, **settings):
    return InputEncoder.learn(X, **settings).transform(X)


def drawn_in(standardised):
    """What the encoder makes of standardised values."""
    z = np.asarray(standardised)
    return np.where(np.abs(z) > 4, np.sign(z) * (4 + np.log(np.maximum(np.abs(z), 4) - 3)), z)


def assert_same(first, second, rtol=1e-12):
    np.testing.assert_allclose(first.numeric, second.numeric, rtol=rtol, atol=1e-12)
    np.testing.assert_array_equal(first.codes, second.codes)


@pytest.fixture
def numbers(rng):
    return rng.normal(size=(60, 3)) * [1e-3, 1.0, 1e4] + [5.0, -1.0, 3e4]


# ---------------------------------------------------------------------- dtypes and scales
@pytest.mark.parametrize("weighted", [False, True])
def test_numbers_are_standardised_as_by_the_standard_scaler(numbers, rng, weighted):
    weight = rng.uniform(0.1, 2, size=60) if weighted else None
    new = rng.normal(size=(5, 3))
    encoder = InputEncoder.learn(numbers, sample_weight=weight)
    scaler = StandardScaler().fit(numbers, sample_weight=weight)
    np.testing.assert_allclose(
        encoder.transform(numbers).numeric,
        drawn_in(scaler.transform(numbers)),
        rtol=1e-9,
        atol=1e-9,
    )
    np.testing.assert_allclose(
        encoder.transform(new).numeric, drawn_in(scaler.transform(new)), rtol=1e-9
    )
    assert encoder.n_numeric == 3


def test_missing_numbers_take_the_weighted_mean_of_the_known_ones_as_in_the_standard_scaler(
    numbers, rng
):
    weight = rng.uniform(0.1, 2, size=60)
    numbers[rng.random((60, 3)) < 0.3] = np.nan
    expected = StandardScaler().fit(numbers, sample_weight=weight).transform(numbers)
    encoder = InputEncoder.learn(numbers, sample_weight=weight)
    np.testing.assert_allclose(
        encoder.transform(numbers).numeric[:, :3],
        drawn_in(np.nan_to_num(expected)),
        rtol=1e-9,
        atol=1e-9,
    )
    assert encoder.numeric_names == [
        "x0",
        "x1",
        "x2",
        "missingindicator_x0",
        "missingindicator_x1",
        "missingindicator_x2",
    ]
    np.testing.assert_array_equal(encoder.transform(numbers).numeric[:, 3:], np.isnan(numbers))


@pytest.mark.parametrize("dtype", REALS)
def test_every_dtype_of_real_numbers_reads_the_same(rng, dtype):
    values = rng.integers(-50, 50, size=(30, 2)) / 4
    values[3, 0] = np.nan
    X = pd.DataFrame(values, columns=["a", "b"])
    X["c"] = np.arange(30)
    changed = X.assign(a=X["a"].astype(dtype), b=X["b"].astype(dtype))
    assert_same(encode(changed), encode(X.to_numpy()))


@pytest.mark.parametrize("dtype", WHOLE)
def test_every_dtype_of_whole_numbers_reads_the_same(rng, dtype):
    values = rng.integers(0, 200, size=(30, 2))
    X = pd.DataFrame(values, columns=["a", "b"]).astype(dtype)
    assert_same(encode(X, categorical_features=None), encode(values))


@pytest.mark.parametrize("dtype", ["bool", "boolean", "bool[pyarrow]", "object", "int8"])
def test_every_dtype_of_booleans_becomes_0_and_1(dtype):
    X = pd.DataFrame(
        {"a": pd.Series([True, False, False, True]).astype(dtype), "b": [1.5, 2.0, 0.0, 0.0]}
    )
    np.testing.assert_array_equal(encode(X).numeric[:, 0], [1, 0, 0, 1])


@pytest.mark.parametrize(
    "dtype", ["boolean", "Int64", "float64", "bool[pyarrow]", "int64[pyarrow]", "object"]
)
def test_a_0_1_column_is_left_alone_and_its_missing_values_take_its_mean(dtype):
    column = pd.Series([True, False, None, True, True], dtype="boolean").astype(
        "Int64" if dtype != "boolean" else dtype
    )
    encoder = InputEncoder.learn(pd.DataFrame({"a": column.astype(dtype)}))
    numeric = encoder.transform(pd.DataFrame({"a": column.astype(dtype)})).numeric
    np.testing.assert_allclose(numeric, [[1, 0], [0, 0], [0.75, 1], [1, 0], [1, 0]])


def test_decimals_and_long_integers_are_numbers():
    X = pd.DataFrame({"a": pd.Series([decimal.Decimal("1.5"), None, 2**70], dtype=object)})
    np.testing.assert_allclose(
        encode(X, standardize=False).numeric[:, 0], [1.5, (1.5 + 2.0**70) / 2, 2.0**70]
    )


def test_without_standardising_numbers_stay_and_missing_ones_take_the_mean(numbers):
    holed = numbers.copy()
    holed[4, 1] = np.nan
    encoded = encode(holed, standardize=False).numeric
    np.testing.assert_array_equal(
        np.delete(encoded[:, :3], 4, axis=0), np.delete(numbers, 4, axis=0)
    )
    assert encoded[4, 1] == pytest.approx(np.nanmean(holed[:, 1]), rel=1e-13)
    np.testing.assert_array_equal(encoded[4, [0, 2]], numbers[4, [0, 2]])


@pytest.mark.parametrize("value", [0.1, -7.0, 1e300, 5e-324, 1e9 + 0.1, np.finfo(float).max])
def test_a_constant_column_becomes_exactly_0(value):
    X = np.full((7, 1), value)
    X[2] = np.nan
    np.testing.assert_array_equal(
        encode(X, sample_weight=np.arange(1.0, 8.0)).numeric[:, 0], np.zeros(7)
    )


def test_rounding_noise_counts_as_constant():
    X = np.array([[0.1 + 0.2], [0.3], [0.3], [0.1 + 0.2]])
    assert np.abs(encode(X).numeric).max() < 1e-15


@pytest.mark.parametrize("scale", [1e300, 1e-300, 5e-322, 1.7e308])
def test_extreme_magnitudes_neither_overflow_nor_vanish(scale):
    X = np.array([[-1.0], [0.0], [1.0], [1.0]]) * scale
    np.testing.assert_allclose(
        encode(X).numeric, drawn_in(StandardScaler().fit_transform(X / scale)), rtol=1e-12
    )
    assert np.isfinite(encode(X, standardize=False).numeric).all()


def test_one_huge_value_among_ordinary_ones_stays_finite(rng):
    X = rng.normal(size=(20, 1))
    X[3] = 1e300
    encoded = encode(X).numeric
    assert encoded[3, 0] == pytest.approx(drawn_in(np.sqrt(19)))
    assert np.isfinite(encoded).all()


def test_a_huge_value_that_training_never_saw_stays_finite():
    encoder = InputEncoder.learn(np.array([[1e-200], [2e-200], [4e-200]]))
    encoded = encoder.transform(np.array([[1e308], [-1e308]])).numeric
    assert np.isfinite(encoded).all()
    assert encoded[0, 0] == -encoded[1, 0] > 100


@pytest.mark.parametrize("noise", [1.0, 1e-3, 1e-5])
def test_a_small_spread_around_a_large_value_is_kept_to_the_last_digit(rng, noise):
    X = 1e9 + noise * rng.normal(size=(50, 1))
    exact = [Fraction(float(value)) for value in X[:, 0]]
    mean = sum(exact) / 50
    std = np.sqrt(float(sum((value - mean) ** 2 for value in exact) / 50))
    np.testing.assert_allclose(
        encode(X).numeric[:, 0],
        drawn_in([float(value - mean) / std for value in exact]),
        rtol=1e-10,
    )


# ---------------------------------------------------------------------- missing values
def test_a_column_that_is_first_missing_at_predict_takes_the_mean_without_an_indicator(numbers):
    encoder = InputEncoder.learn(numbers)
    new = numbers[:2].copy()
    new[0, 1] = np.nan
    assert encoder.transform(new).numeric.shape == (2, 3)
    assert encoder.transform(new).numeric[0, 1] == 0


@pytest.mark.parametrize("standardize", [False, True])
def test_a_column_without_a_known_value_becomes_0_and_stays_so(standardize):
    X = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, np.nan]])
    encoder = InputEncoder.learn(X, standardize=standardize)
    assert encoder.n_numeric == 2
    np.testing.assert_array_equal(encoder.transform(X).numeric[:, 1], 0)
    np.testing.assert_array_equal(encoder.transform([[1.0, 1e6]]).numeric[:, 1], 0)
