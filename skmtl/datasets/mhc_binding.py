"""Peptides that bind to 35 immune molecules."""

from __future__ import annotations

import os

import pandas as pd
from sklearn.utils import Bunch

from skmtl.datasets.bunches import description, grouped_bunch
from skmtl.datasets.cache import RemoteTable, read_table

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
POSITIONS = [f"p{i}" for i in range(1, 10)]


def fetch_mhc_binding(
    *, data_home: str | os.PathLike[str] | None = None, download_if_missing: bool = True
) -> Bunch:
    """Load the MHC-I binding data: does a peptide bind to one of 35 molecules (grouped binary
    classification).

    ============  =====================================
    Tasks         35 HLA molecules
    Rows          15,236 (22..2,368 a task), of 87,572
    Features      180 = 9 positions x 20 amino acids, 0/1
    Positives     exactly half of every task
    ============  =====================================

    Parameters
    ----------
    data_home : path-like, default=None
        Folder to look in first; then the folder named by the environment variable ``SKMTL_DATA``,
        then ``~/skmtl_data``. A download is kept in the first of them.
    download_if_missing : bool, default=True
        If False, raise instead of going to the network. The sample of rows was drawn for this
        package and has no public raw source: it can only be fetched from a mirror named by the
        environment variable ``SKMTL_DATA_URL``.

    Returns
    -------
    Bunch
        With the attributes

        - data : DataFrame of shape (15236, 180), float64, 0 or 1; columns ``p1_A`` .. ``p9_Y``.
        - target : Series of shape (15236,), 1 = binds, int64.
        - task : Series of shape (15236,), the molecule's name such as ``"A*01:01"``.
        - task_set : TaskSet with one classification task a molecule.
        - feature_names : list of str.
        - frame : DataFrame of shape (87572, 12), all rows with letters; column ``jacob_like`` is 1
          for the rows in `data`.
        - DESCR : str.

    Raises
    ------
    OSError
        If the file is nowhere and cannot be fetched, or its content is not the expected one.

    Examples
    --------
    >>> from skmtl.datasets import fetch_mhc_binding
    >>> mhc = fetch_mhc_binding()  # doctest: +SKIP
    >>> mhc.task_set  # doctest: +SKIP
    TaskSet(35 classification tasks, 180 features, 22..2368 rows per task)
    """
    frame = read_table(MHC_BINDING, data_home, download_if_missing)
    sample = frame[frame["jacob_like"] == 1].reset_index(drop=True)
    return grouped_bunch(
        one_hot(sample[POSITIONS]),
        sample["y"],
        sample["task"],
        "classification",
        frame=frame,
        DESCR=description("mhc_binding"),
    )


def one_hot(letters: pd.DataFrame) -> pd.DataFrame:
    """One 0/1 column for every position and amino acid, position by position."""
    columns = {
        f"{position}_{letter}": (letters[position] == letter).astype(float)
        for position in letters.columns
        for letter in AMINO_ACIDS
    }
    inputs: pd.DataFrame = pd.DataFrame(columns)
    return inputs


MHC_BINDING = RemoteTable(
    "mhc_binding/mhc_binding.csv.gz",
    "2562a524eb79a48053c2d5823162ef3362b651a858257423264a75c070c490bf",
)
