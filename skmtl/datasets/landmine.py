"""Mines and clutter in 29 fields."""

from __future__ import annotations

import io
import os

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skmtl.datasets.bunches import description, grouped_bunch
from skmtl.datasets.cache import RemoteTable, read_table, to_csv

RAW = "https://raw.githubusercontent.com/daizhongxiang/Federated_Bayesian_Optimization/30a4548606f2ae9bc62c6bf0eb4110177aa3876a/LandmineData.mat"
FEATURES = [f"f{i}" for i in range(1, 10)]


def fetch_landmine(
    *, data_home: str | os.PathLike[str] | None = None, download_if_missing: bool = True
) -> Bunch:
    """Load the Landmine data: mine or clutter in 29 fields (grouped binary classification).

    ============  =======================
    Tasks         29 fields
    Rows          14,820 (445..690 a task)
    Features      9, all numeric
    Positives     904 (6.1 %)
    ============  =======================

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

        - data : DataFrame of shape (14820, 9), float64.
        - target : Series of shape (14820,), 1 = mine, 0 = clutter, int64.
        - task : Series of shape (14820,), the field, 1..29.
        - task_set : TaskSet with one classification task a field.
        - feature_names : list of str.
        - frame : DataFrame, the table as it is stored.
        - DESCR : str.

    Raises
    ------
    OSError
        If the file is nowhere and cannot be fetched, or its content is not the expected one.

    Examples
    --------
    >>> from skmtl.datasets import fetch_landmine
    >>> landmine = fetch_landmine()  # doctest: +SKIP
    >>> landmine.task_set  # doctest: +SKIP
    TaskSet(29 classification tasks, 9 features, 445..690 rows per task)
    """
    frame = read_table(LANDMINE, data_home, download_if_missing)
    return grouped_bunch(
        frame[FEATURES].astype(float),
        frame["y"],
        frame["task"],
        "classification",
        frame=frame,
        DESCR=description("landmine"),
    )


def convert_landmine(raw: list[bytes]) -> bytes:
    """Tidy table, nine significant digits, from ``LandmineData.mat``: cells feature (1, T) of (n_t,
    9) and label (1, T) of (n_t, 1).
    """
    from scipy.io import loadmat

    mat = loadmat(io.BytesIO(raw[0]))
    features, labels = list(mat["feature"].ravel()), list(mat["label"].ravel())
    frame = pd.DataFrame(np.vstack(features), columns=FEATURES)
    frame.insert(
        0, "task", np.repeat(np.arange(1, len(features) + 1), [len(part) for part in features])
    )
    frame["y"] = np.concatenate([part.ravel() for part in labels])
    return to_csv(frame, float_format="%.9g")


LANDMINE = RemoteTable(
    "landmine/landmine.csv.gz",
    "4eb78e900c207d0cf2aa48e727a01fa1758ba1ac0a89412431db2bfc590cb9c0",
    ((RAW,),),
    convert_landmine,
)
