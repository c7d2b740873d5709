"""Every table that cannot be used is refused in one clear line."""

import datetime

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import QUICK, make_table


def refused(result, *reasons):
    code, _, err = result
    assert code == 2, result
    assert err.startswith("skmtl: ")
    assert err.count("\n") == 1
    for reason in reasons:
        assert reason in err
    return True


SPOILT = {
    "free text input": (
        lambda t: t.assign(note=[f"note {k}" for k in range(160)]),
        ["'note' contains 160 different texts in 160 rows, such as 'note 0'", "drop the column"],
    ),
    "text among the numbers of an input": (
        lambda t: t.assign(staff=t["staff"].astype(object).where(t.index < 80, "few")),
        ["'staff'", "text"],
    ),
    "input that is always missing": (lambda t: t.assign(age=np.nan), ["'age' is empty"]),
    "infinite input": (
        lambda t: t.assign(age=t["age"].mask(t.index < 2, np.inf)),
        ["'age' contains infinite"],
    ),
    "no input": (lambda t: t[["shop", "sales"]], ["no input column"]),
    "one task": (lambda t: t.assign(shop="only"), ["contains only one task, 'only'"]),
    "small tasks": (
        lambda t: t.assign(shop=["big"] * 100 + [f"s{k // 5}" for k in range(60)]),
        ["1 of 13 tasks can be used", "s0 (5 rows)"],
    ),
    "scaled task column": (lambda t: t.assign(shop=t["age"]), ["'shop'", "not integral"]),
    "no task id": (lambda t: t.assign(shop=np.nan), ["no row has a task"]),
    "no target": (lambda t: t.assign(sales=np.nan), ["no row has a target"]),
    "target and task never together": (
        lambda t: t.assign(sales=t["sales"].mask(t.index < 80), shop=t["shop"].mask(t.index >= 80)),
        ["no row has"],
    ),
    "infinite target": (
        lambda t: t.assign(sales=t["sales"].mask(t.index < 2, -np.inf)),
        ["'sales' contains infinite"],
    ),
    "text among numbers": (
        lambda t: t.assign(sales=t["sales"].astype(object).mask(t.index == 5, "1,5")),
        ["'sales' contains text such as '1,5'"],
    ),
    "no rows": (lambda t: t.head(0), ["has no rows"]),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_table_that_cannot_be_used_is_refused(call, table, tmp_path, case):
    spoil, reasons = SPOILT[case]
    assert refused(call(frame=spoil(table)), *reasons)
    assert not (tmp_path / "results").exists()


def test_as_many_tasks_as_rows_are_refused_before_anything_is_trained(call, rng):
    frame = pd.DataFrame({"shop": np.arange(20_000), "sales": 1.5, "age": rng.normal(size=20_000)})
    assert refused(call(frame=frame), "'shop' contains 20,000 tasks", "at most 2,000")


@pytest.mark.parametrize(
    "name", ["a.zip", "a.csv.xz", "a.tar", "a.csv.zst", "a.csv.gz", "a.bz2", "a.parquet", "a.pq"]
)
@pytest.mark.parametrize("content", [b"\x07" * 500, b"PK\x03\x04" + b"\x00" * 90])
def test_a_damaged_archive_is_refused_in_one_line_without_advice_about_others(
    call, tmp_path, name, content
):
    (tmp_path / name).write_bytes(content)
    result = call("group", name, *QUICK)
    assert refused(result, name, "cannot be read")
    assert "Parquet files needs" not in result[2]


def test_a_text_target_is_refused_for_regression(call, table):
    frame = table.assign(sales=np.where(table["sales"] > 0, "high", "low"))
    assert refused(
        call("--kind", "regression", frame=frame),
        "'sales' is not numeric",
        "'low'" if frame["sales"].iloc[0] == "low" else "'high'",
    )


def test_fractions_are_refused_as_classes(call, table):
    assert refused(call("--kind", "classification", frame=table), "not integers")


def test_tasks_of_one_class_are_not_usable(call, rng):
    frame = make_table(rng, kind="classification")
    frame.loc[frame["shop"] != "shop 0", "sales"] = 1
    assert refused(call(frame=frame), "two classes", "shop 1 (one class only)")


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        (["--target", "sales"], ["--task COLUMN is required"]),
        (["--task", "shop"], ["--target COLUMN is required"]),
        (["--task", "shop", "--target", "shop"], ["the same column"]),
        (["--task", "Shop", "--target", "sales"], ["no column 'Shop'", "Did you mean 'shop'"]),
        (["--task", "shop", "--target", "zzz"], ["no column 'zzz'", "'area', 'staff'"]),
    ],
)
def test_columns_must_be_named_and_exist(call, table, options, reasons):
    assert refused(call(frame=table, options=options), *reasons)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere.csv", "file not found: nowhere.csv"),
        ("folder/nowhere", "file not found"),
        ("scool", "Did you mean school?"),
        ("zzz", "data sets are junior_school, school, landmine, mhc_binding"),
    ],
)
def test_data_that_do_not_exist_are_refused(call, name, reason):
    assert refused(call("group", name, *QUICK), reason)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\n\n", "is empty"),
        ("latin.csv", "shop,sales,größe\na,1,2\n".encode("latin-1"), "not UTF-8"),
        ("twice.csv", b"shop,sales,age,age\na,1,2,3\n", "two columns named 'age'"),
        ("ragged.csv", b"shop,sales,age\na,1,2\nb,1,2,3,4\n", "cannot be read"),
        ("longer.csv", b"shop,sales,age\na,1,2,3\nb,1,2,3\n", "cannot be read"),
        ("table.parquet", b"not parquet", "cannot be read"),
        ("packed.csv.gz", b"not packed", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(call, tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    assert refused(call("group", name, *QUICK), name, reason)


def test_a_folder_is_no_table(call, tmp_path):
    (tmp_path / "tables").mkdir()
    assert refused(call("group", "./tables", *QUICK), "is a folder")


def test_a_parquet_file_with_dates_is_refused(call, table, tmp_path):
    table.assign(day=pd.Timestamp("2020-01-01")).to_parquet(tmp_path / "shops.parquet")
    assert refused(call("group", "shops.parquet", *QUICK), "'day' contains dates")


@pytest.mark.parametrize("out", ["shops.csv", "shops.csv/results"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(call, table, out):
    result = call(frame=table, out=out)
    assert refused(result, "--out", "shops.csv")
    assert result[1] == ""


def test_a_data_set_that_is_nowhere_is_refused_in_one_line(call, monkeypatch, tmp_path):
    monkeypatch.setenv("SKMTL_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SKMTL_DATA_URL", "file:///nowhere")
    assert refused(
        call("group", "mhc_binding", "--data-home", tmp_path),
        "data set mhc_binding",
        "was not found",
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--task", "a"], "apply to files"),
        (["--kind", "classification"], "contains regression tasks"),
    ],
)
def test_options_of_files_are_refused_for_data_sets(call, options, reason):
    pytest.importorskip("faraway")
    assert refused(call("group", "junior_school", *options), reason)


@pytest.mark.parametrize("column", ["age", "sales"])
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (lambda k: [k, k], "values of type"),
        (lambda k: {"a": k}, "values of type dict"),
        (lambda k: datetime.date(2020, 1, 1 + k % 28), "dates or times"),
        (lambda k: f"2020-01-{1 + k % 28:02d}", "'2020-01-01': dates"),
        (lambda k: f"{k},5", "numbers with commas"),
        (lambda k: f"{k} %", "percentages"),
    ],
)
def test_values_that_are_neither_numbers_nor_names_are_refused(
    call, table, tmp_path, column, values, reason
):
    spoilt = table.assign(**{column: pd.Series([values(k) for k in range(160)], dtype=object)})
    spoilt.to_parquet(tmp_path / "shops.parquet")
    assert refused(call("group", "shops.parquet", *QUICK), f"'{column}' contains", reason)


@pytest.mark.parametrize(
    ("sales", "reason"),
    [
        (lambda k: f"sold {k}", "160 different texts in 160 rows"),
        (lambda k: f"0{k % 2}", "numbers as text"),
        (lambda k: pd.Timestamp("2020-01-01") + pd.Timedelta(k, unit="D"), "contains dates"),
        (lambda k: 2.0**70 + 2.0**60 * (k % 2), "has the label"),
    ],
)
def test_targets_that_cannot_be_classes_are_refused(call, table, tmp_path, sales, reason):
    spoilt = table.assign(sales=[sales(k) for k in range(160)])
    spoilt.to_parquet(tmp_path / "shops.parquet")
    options = [*QUICK, "--kind", "classification"]
    assert refused(call("group", "shops.parquet", *options), "'sales'", reason)


@pytest.mark.parametrize("name", ["shops.xlsx", "shops.xls", "shops.ods"])
def test_a_spreadsheet_is_refused_with_advice(call, tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    assert refused(call("group", name, *QUICK), "spreadsheet", "CSV")


@pytest.mark.parametrize("out", ["", " "])
def test_an_empty_name_of_a_folder_is_refused(call, table, out):
    assert refused(call(frame=table, out=out), "--out", "empty")
