"""German Credit: good and large loans of a bank."""

from __future__ import annotations

import os

import pandas as pd
from sklearn.utils import Bunch

from skmtl.datasets.bunches import description, fairness_bunch
from skmtl.datasets.cache import RemoteTable, read_table, to_csv

UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases/statlog/german/german.data"
COPY = "https://raw.githubusercontent.com/jgorthi/Fairness-in-Machine-Learning/50cb7551a9a4031237679a91e8fe3791d6bc4e01/german.data"
COLUMNS = [
    "status_checking_account",
    "duration_in_month",
    "credit_history",
    "purpose",
    "credit_amount",
    "savings",
    "employment_since",
    "installment_rate",
    "personal_status_sex",
    "debtors",
    "resident_since",
    "property",
    "age",
    "other_installments",
    "housing",
    "num_credits",
    "job",
    "num_liable",
    "telephone",
    "foreign_worker",
    "credit_risk",
]
NUMERIC = (
    "duration_in_month",
    "installment_rate",
    "resident_since",
    "age",
    "num_credits",
    "num_liable",
)
CATEGORICAL = [
    "status_checking_account",
    "credit_history",
    "purpose",
    "savings",
    "employment_since",
    "sex",
    "debtors",
    "property",
    "other_installments",
    "housing",
    "job",
    "telephone",
    "foreign_worker",
]
SEX = {"A91": "male", "A92": "female", "A93": "male", "A94": "male", "A95": "female"}


def fetch_german_credit(
    *, data_home: str | os.PathLike[str] | None = None, download_if_missing: bool = True
) -> Bunch:
    """Load the German Credit data with two labels: good loan and large loan (binary, fairness).

    =====================  ==================================
    Rows                   1,000, no official split
    Features               19: 6 numeric, 13 categorical
    ``good_loan``          70.0 % positive
    ``amount_above_2000``  56.8 % positive
    Sensitive              sex (690 male, 310 female)
    =====================  ==================================

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

        - data : DataFrame of shape (1000, 19): all columns except ``credit_amount``, with ``sex``
          instead of ``personal_status_sex``.
        - target : DataFrame of shape (1000, 2), 0/1: ``good_loan``, ``amount_above_2000``.
        - sensitive_features : Series of shape (1000,), "female" or "male". It is also a column of
          `data`, as in [1]_; ``data.drop(columns="sex")`` removes it.
        - split : None.
        - feature_names : list of str.
        - frame : DataFrame of shape (1000, 22), the stored table.
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
    >>> from skmtl.datasets import fetch_german_credit
    >>> german = fetch_german_credit()  # doctest: +SKIP
    >>> german.target.mean().to_dict()  # doctest: +SKIP
    {'good_loan': 0.7, 'amount_above_2000': 0.568}
    """
    frame = read_table(GERMAN, data_home, download_if_missing)
    return fairness_bunch(
        frame,
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        target={
            "good_loan": frame["credit_risk"] == 1,
            "amount_above_2000": frame["credit_amount"] > 2000,
        },
        sensitive_features=frame["sex"].astype("category"),
        split=None,
        DESCR=description("german_credit"),
    )


def convert_german(raw: list[bytes]) -> bytes:
    """Return the CSV table made from ``german.data``.

    Each line has 21 cells, separated by blanks. A header line is skipped.
    """
    lines = [line.split() for line in raw[0].decode().splitlines()]
    frame = pd.DataFrame(
        [line for line in lines if line and line[0].startswith("A1")], columns=COLUMNS
    )
    position = COLUMNS.index("personal_status_sex") + 1
    frame.insert(position, "sex", frame["personal_status_sex"].map(SEX))
    return to_csv(frame)


GERMAN = RemoteTable(
    "german/german.csv.gz",
    "8e9b89c98ae0821d5df39ce1f3f571377137ac2322efd10a92d14982d3023814",
    ((UCI,), (COPY,)),
    convert_german,
)
