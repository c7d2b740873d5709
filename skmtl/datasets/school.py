"""Exam scores of the students of 139 schools."""

from __future__ import annotations

import io
import os

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skmtl.datasets.bunches import description, grouped_bunch
from skmtl.datasets.cache import RemoteTable, read_table, to_csv

RAW = "https://raw.githubusercontent.com/tjanez/PyMTL/97dfc15be3769240f2099d036ce2b55b30a56f5f/data/school"
FEATURES = [
    "year_1985",
    "year_1986",
    "year_1987",
    "pct_fsm",
    "pct_vr1",
    "gender_female",
    "gender_male",
    "vrband_VR3",
    "vrband_VR1",
    "vrband_VR2",
    "eth_ESWI",
    "eth_African",
    "eth_Arab",
    "eth_Bangladeshi",
    "eth_Caribbean",
    "eth_Greek",
    "eth_Indian",
    "eth_Pakistani",
    "eth_SEAsian",
    "eth_Turkish",
    "eth_Other",
    "schgend_mixed",
    "schgend_male",
    "schgend_female",
    "denom_maintained",
    "denom_CofE",
    "denom_RC",
]


def fetch_school(
    *, data_home: str | os.PathLike[str] | None = None, download_if_missing: bool = True
) -> Bunch:
    """Load the School data: exam scores in 139 schools (grouped regression).

    ============  ======================
    Tasks         139 schools
    Rows          15,362 (22..251 a task)
    Features      27, all numeric
    Target        1..70
    ============  ======================

    Parameters
    ----------
    data_home : path-like, default=None
        Folder to look in first; then the folder named by the environment variable ``SKMTL_DATA``,
        then ``~/skmtl_data``. A download is kept in the first of them.
    download_if_missing : bool, default=True
        If False, raise instead of going to the network.

    Returns
    -------
    Bunch
        With the attributes

        - data : DataFrame of shape (15362, 27), float64.
        - target : Series of shape (15362,), the exam score, float64.
        - task : Series of shape (15362,), the school, 1..139.
        - task_set : TaskSet with one regression task a school.
        - splits : DataFrame of shape (15362, 10), bool: ``test_1`` .. ``test_10``, True where the
          row is a test row of the public split.
        - feature_names : list of str.
        - frame : DataFrame, the table as it is stored.
        - DESCR : str.

    Raises
    ------
    OSError
        If the file is nowhere and cannot be fetched, or its content is not the expected one.

    Examples
    --------
    >>> from skmtl.datasets import fetch_school
    >>> school = fetch_school()  # doctest: +SKIP
    >>> school.task_set  # doctest: +SKIP
    TaskSet(139 regression tasks, 27 features, 22..251 rows per task)
    """
    frame = read_table(SCHOOL, data_home, download_if_missing)
    splits = read_table(SPLITS, data_home, download_if_missing).astype(bool)
    return grouped_bunch(
        frame[FEATURES].astype(float),
        frame["y"].astype(float),
        frame["task"],
        "regression",
        splits=splits,
        frame=frame,
        DESCR=description("school"),
    )


def convert_school(raw: list[bytes]) -> bytes:
    """Tidy table from ``school_b.mat``: x (28, n) with a constant last row, y (n, 1), task_indexes
    (T, 1) = first row of a task, from 1.
    """
    from scipy.io import loadmat

    mat = loadmat(io.BytesIO(raw[0]))
    x, first = mat["x"].T, mat["task_indexes"].ravel().astype(int) - 1
    frame = pd.DataFrame(x[:, : len(FEATURES)], columns=FEATURES)
    frame.insert(0, "task", np.repeat(np.arange(1, len(first) + 1), np.diff([*first, len(x)])))
    frame["y"] = mat["y"].ravel()
    return to_csv(frame)


def convert_splits(raw: list[bytes]) -> bytes:
    """Tidy table from the ten ``school_<k>_indexes.mat``: tr and tst (1, .) hold positions of
    training and test rows, from 1.
    """
    from scipy.io import loadmat

    columns = {}
    for k, content in enumerate(raw, start=1):
        mat = loadmat(io.BytesIO(content))
        test = np.zeros(mat["tr"].size + mat["tst"].size, dtype=int)
        test[mat["tst"].ravel().astype(int) - 1] = 1
        columns[f"test_{k}"] = test
    return to_csv(pd.DataFrame(columns))


SCHOOL = RemoteTable(
    "school/school.csv.gz",
    "f7588e37aebba96b398ff91503704f51f33443c38fdd4e0eb3d7954d06e9824c",
    ((f"{RAW}/school_b.mat",),),
    convert_school,
)
SPLITS = RemoteTable(
    "school/school_splits.csv.gz",
    "965940e13e03a1c8f4296a0f19d78603aa5503e95f2680b44d207202fc304d21",
    (tuple(f"{RAW}/school_{k}_indexes.mat" for k in range(1, 11)),),
    convert_splits,
)
