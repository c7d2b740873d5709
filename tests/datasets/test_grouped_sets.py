import gzip
import io

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from skmtl import TaskSet
from skmtl.datasets import fetch_landmine, fetch_mhc_binding, fetch_school
from skmtl.datasets.landmine import LANDMINE, convert_landmine
from skmtl.datasets.mhc_binding import one_hot
from skmtl.datasets.school import SCHOOL, SPLITS, convert_school, convert_splits

FETCHERS = [fetch_school, fetch_landmine, fetch_mhc_binding]


@pytest.mark.parametrize("fetch", FETCHERS)
def test_a_grouped_set_has_one_row_of_everything(fetch, data_home):
    bunch = fetch(data_home=data_home, download_if_missing=False)
    assert len(bunch.data) == len(bunch.target) == len(bunch.task)
    assert bunch.data.index.equals(bunch.target.index)
    assert bunch.data.index.equals(bunch.task.index)
    assert (bunch.data.dtypes == "float64").all()
    assert not bunch.data.isna().any().any()
    assert bunch.feature_names == bunch.data.columns.tolist()
    assert isinstance(bunch.task_set, TaskSet)
    assert bunch.task_set.sizes.sum() == len(bunch.data)
    assert bunch.task_set.names == [str(name) for name in bunch.task.unique()]
    assert len(bunch.DESCR) > 500


def test_school_has_139_schools_and_ten_splits(data_home):
    school = fetch_school(data_home=data_home)
    assert school.data.shape == (15362, 27)
    assert len(school.task_set) == 139
    assert school.task_set.kind == "regression"
    assert (school.task_set.sizes.min(), school.task_set.sizes.max()) == (22, 251)
    assert (school.target.min(), school.target.max()) == (1, 70)
    assert school.splits.shape == (15362, 10)
    assert (school.splits.sum() == 3890).all()
    for split in school.splits:
        assert (
            school.task[school.splits[split]].nunique()
            == school.task[~school.splits[split]].nunique()
            == 139
        )


def test_landmine_has_29_fields_and_904_mines(data_home):
    landmine = fetch_landmine(data_home=data_home)
    assert landmine.data.shape == (14820, 9)
    assert len(landmine.task_set) == 29
    assert landmine.task_set.kind == "classification"
    assert landmine.target.dtype == "int64"
    assert landmine.target.sum() == 904
    assert set(landmine.target) == {0, 1}


def test_mhc_binding_has_35_balanced_molecules(data_home):
    mhc = fetch_mhc_binding(data_home=data_home)
    assert mhc.data.shape == (15236, 180)
    assert mhc.frame.shape == (87572, 12)
    assert (mhc.task_set.sizes.min(), mhc.task_set.sizes.max(), len(mhc.task_set)) == (22, 2368, 35)
    assert (mhc.target.groupby(mhc.task).mean() == 0.5).all()
    assert (mhc.data.sum(axis=1) == 9).all()


def test_one_hot_letters_can_be_read_back():
    letters = pd.DataFrame({"p1": ["A", "Y"], "p2": ["C", "A"]})
    coded = one_hot(letters)
    assert coded.shape == (2, 40)
    assert [coded.columns[row == 1].tolist() for row in coded.to_numpy()] == [
        ["p1_A", "p2_C"],
        ["p1_Y", "p2_A"],
    ]


def mat(**arrays):
    buffer = io.BytesIO()
    savemat(buffer, arrays)
    return buffer.getvalue()


def stored(data_home, table):
    return gzip.decompress((data_home / table.path).read_bytes())


def cells(parts):
    column = np.empty((1, len(parts)), dtype=object)
    column[0] = parts
    return column


def test_school_is_rebuilt_from_matlab_files_of_the_source_layout(data_home):
    school = fetch_school(data_home=data_home)
    x = np.vstack([school.data.to_numpy().T, np.ones(15362)]).astype(np.uint8)
    first = np.flatnonzero(~school.task.duplicated())[:, None] + 1
    raw = mat(
        x=x,
        y=school.target.to_numpy()[:, None].astype(np.uint8),
        task_indexes=first.astype(np.uint16),
    )
    assert convert_school([raw]) == stored(data_home, SCHOOL)
    positions = [
        (np.flatnonzero(~school.splits[name]) + 1, np.flatnonzero(school.splits[name]) + 1)
        for name in school.splits
    ]
    assert convert_splits(
        [mat(tr=tr[None, :], tst=tst[None, ::-1]) for tr, tst in positions]
    ) == stored(data_home, SPLITS)


def test_landmine_is_rebuilt_from_a_matlab_file_of_the_source_layout(data_home):
    task_set = fetch_landmine(data_home=data_home).task_set
    features = [task.X.to_numpy() * (1 + 1e-13) for task in task_set]
    labels = [task.y[:, None].astype(np.uint8) for task in task_set]
    assert convert_landmine([mat(feature=cells(features), label=cells(labels))]) == stored(
        data_home, LANDMINE
    )
