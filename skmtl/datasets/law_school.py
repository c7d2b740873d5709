"""Law School: bar exam and first-year grades of law students."""

from __future__ import annotations

import io
import os

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from skmtl.datasets.bunches import description, fairness_bunch
from skmtl.datasets.cache import RemoteTable, read_table, to_csv

RAW = "https://raw.githubusercontent.com/kwkimonline/SLIDE/b4c2455b14029d44e75c51cffde51124b6fa7890/datasets/law/law_data.csv"
NUMERIC = ("zgpa", "DOB_yr", "weighted_lsat_ugpa", "cluster_tier", "family_income", "lsat", "ugpa")
CATEGORICAL = ("isPartTime", "race", "sex")


def fetch_law_school(
    *, data_home: str | os.PathLike[str] | None = None, download_if_missing: bool = True
) -> Bunch:
    """Load the LSAC Law School data with two labels: bar exam and grades (binary, fairness).

    ==========================  =======================================
    Rows                        26,551 (18,585 train, 7,966 test)
    Features                    10: 7 numeric, 3 categorical
    ``passed_bar``              80.1 % positive
    ``grades_above_average``    46.6 % positive
    Sensitive                   sex
    ==========================  =======================================

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

        - data : DataFrame of shape (26551, 10): the inputs of [1]_, numbers and pandas categories.
        - target : DataFrame of shape (26551, 2), 0/1: ``passed_bar``, ``grades_above_average``
          (first-year z-score above 0).
        - sensitive_features : Series of shape (26551,), "Female" or "Male". It is also a column of
          `data`, as in [1]_; ``data.drop(columns="sex")`` removes it.
        - split : Series of shape (26551,), "train" or "test": a random split with the sizes used in
          the literature.
        - feature_names : list of str.
        - frame : DataFrame of shape (26551, 13), the stored table.
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
    >>> from skmtl.datasets import fetch_law_school
    >>> law = fetch_law_school()  # doctest: +SKIP
    >>> law.target.mean().round(3).to_dict()  # doctest: +SKIP
    {'passed_bar': 0.801, 'grades_above_average': 0.466}
    """
    frame = read_table(LAW, data_home, download_if_missing)
    return fairness_bunch(
        frame,
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        target={
            "passed_bar": frame["pass_bar"] == "Passed",
            "grades_above_average": frame["zfygpa"] > 0,
        },
        sensitive_features=frame["sex"].astype("category"),
        split=frame["split"],
        DESCR=description("law_school"),
    )


def convert_law(raw: list[bytes]) -> bytes:
    """Return the CSV table made from ``law_data.csv``, with a random split.

    The first column, which has no name, and redundant digits are removed. Cells stay text where
    possible, so that the table contains no rounding errors of a parser.
    """
    frame = pd.read_csv(io.BytesIO(raw[0]), index_col=0, dtype=str, keep_default_na=False)
    for name in ("DOB_yr", "cluster_tier", "family_income"):
        frame[name] = frame[name].str.removesuffix(".0")
    frame["weighted_lsat_ugpa"] = np.round([float(cell) for cell in frame["weighted_lsat_ugpa"]], 6)
    _, test = train_test_split(np.arange(len(frame)), test_size=0.30, random_state=42)
    frame["split"] = np.where(np.isin(np.arange(len(frame)), test), "test", "train")
    return to_csv(frame)


LAW = RemoteTable(
    "lsac/lsac.csv.gz",
    "32c4664c3f3889ba6caa6810d430f01bbd1f8dec1793bd1a5c751cea8e78abac",
    ((RAW,),),
    convert_law,
)
