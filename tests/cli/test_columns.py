"""Columns get the type that their values have, whatever the file stores them as."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from skmtl.cli.arguments import parse
from skmtl.cli.data import read_data
from tests.cli.conftest import COLUMNS


@pytest.fixture
def read(tmp_path):
    """Write a table and return what the command line reads of it."""

    def run(frame, name="shops.csv", options=(), **writing):
        path = tmp_path / name
        if name.endswith(".parquet"):
            frame.to_parquet(path)
        else:
            frame.to_csv(path, **{"index": False, **writing})
        return read_data(parse(["group", str(path), *COLUMNS, *options]))

    return run


def test_semicolons_with_decimal_commas_are_numbers_and_said(read, table):
    table["age"] = table["age"].round(3)
    data = read(table, sep=";", decimal=",")
    assert data.tasks.kind == "regression"
    np.testing.assert_array_equal(data.tasks.X["age"], table["age"])
    assert any("read as decimal points" in notice for notice in data.notices)


@pytest.mark.parametrize("column", ["age", "sales"])
def test_booleans_with_missing_values_are_booleans(read, table, column):
    values = pd.Series(np.arange(160) % 2 == 0, dtype=object).mask(table.index % 5 == 0)
    data = read(table.assign(**{column: values}))
    if column == "sales":
        assert data.tasks.kind == "classification"
        assert sum(data.tasks.sizes) == 128
    else:
        assert data.tasks.X["age"].isna().sum() == 32


def test_decimal_numbers_of_parquet_are_numbers(read, table):
    exact = table.assign(
        age=[Decimal(k) / 8 for k in range(160)], sales=[Decimal(k % 7) / 8 for k in range(160)]
    )
    data = read(exact, "shops.parquet")
    np.testing.assert_array_equal(data.tasks.X["age"], np.arange(160) / 8)
    assert data.tasks.kind == "regression"


def test_whole_numbers_beyond_floats_stay_different_classes(read, table):
    sales = 10**18 + np.arange(160) % 2
    data = read(table.assign(sales=sales), options=["--kind", "classification"])
    assert {label for task in data.tasks for label in task.y} == {10**18, 10**18 + 1}


def test_a_named_index_of_parquet_is_a_column(read, table):
    assert read(table.set_index("shop"), "shops.parquet").tasks.names == sorted(set(table["shop"]))


def test_a_comma_at_the_end_of_every_line_is_no_column(read, table):
    data = read(table.assign(**{"": np.nan}))
    assert list(data.tasks.X.columns) == ["area", "staff", "age"]
