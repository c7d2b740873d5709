"""Income and capital gain in the 1994 census."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skmtl.datasets.bunches import description, fairness_bunch
from skmtl.datasets.cache import RemoteTable, read_table, to_csv

UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases/adult"
COPY = "https://raw.githubusercontent.com/kwkimonline/SLIDE/b4c2455b14029d44e75c51cffde51124b6fa7890/datasets/adult"
COLUMNS = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
    "native_country",
    "income",
]
NUMERIC = ("age", "fnlwgt", "education_num", "hours_per_week")
CATEGORICAL = ("workclass", "education", "marital_status", "occupation", "race", "native_country")


def fetch_adult(
    *, data_home: str | os.PathLike[str] | None = None, download_if_missing: bool = True
) -> Bunch:
    """Load the UCI Adult data with two labels: income and capital gain (binary, fairness).

    ====================  ========================================
    Rows                  48,842 (32,561 train, 16,281 test)
    Features              10: 4 numeric, 6 categorical
    ``income_above_50k``  23.9 % positive
    ``capital_gain``      8.3 % positive
    Sensitive             sex
    ====================  ========================================

    Parameters
    ----------
    data_home : path-like, default=None
        Folder to look in first; then the folder named by the environment variable ``SKMTL_DATA``,
        then ``~/skmtl_data``. A download is kept in the first of them.
    download_if_missing : bool, default=True
        If False, raise an error instead of downloading.

    Returns
    -------
    Bunch
        With the attributes

        - data : DataFrame of shape (48842, 10): the inputs of [1]_, numbers and pandas categories
          ("?" is a category).
        - target : DataFrame of shape (48842, 2), 0/1: ``income_above_50k``, ``capital_gain``
          (whether there is any).
        - sensitive_features : Series of shape (48842,), "Female" or "Male"; not an input.
        - split : Series of shape (48842,), "train" or "test", the official split.
        - feature_names : list of str.
        - frame : DataFrame of shape (48842, 16), the stored table.
        - DESCR : str.

    Raises
    ------
    OSError
        If the file is not found and cannot be downloaded, or its content is not as expected.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021.

    Examples
    --------
    >>> from skmtl.datasets import fetch_adult
    >>> adult = fetch_adult()  # doctest: +SKIP
    >>> adult.target.mean().round(3).to_dict()  # doctest: +SKIP
    {'income_above_50k': 0.239, 'capital_gain': 0.083}
    """
    frame = read_table(ADULT, data_home, download_if_missing)
    return fairness_bunch(
        frame,
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        target={
            "income_above_50k": frame["income"] == ">50K",
            "capital_gain": frame["capital_gain"] > 0,
        },
        sensitive_features=frame["sex"].astype("category"),
        split=frame["split"],
        DESCR=description("adult"),
    )


def convert_adult(raw: list[bytes]) -> bytes:
    """Return the CSV table made from ``adult.data`` and ``adult.test``.

    Cells are separated by ", ". The test file has a comment line and a dot after each label.
    """
    lines = [
        [
            line.split(", ")
            for line in part.decode().splitlines()
            if line and not line.startswith("|")
        ]
        for part in raw
    ]
    frame = pd.DataFrame(lines[0] + lines[1], columns=COLUMNS)
    frame["income"] = frame["income"].str.rstrip(".")
    frame["split"] = np.repeat(["train", "test"], [len(lines[0]), len(lines[1])])
    return to_csv(frame)


ADULT = RemoteTable(
    "adult/adult.csv.gz",
    "c6c77bfbd8b6c387f5e508860cdc6595f3522e645be92e9d55612bbf046829f9",
    ((f"{UCI}/adult.data", f"{UCI}/adult.test"), (f"{COPY}/adult.data", f"{COPY}/adult.test")),
    convert_adult,
)
