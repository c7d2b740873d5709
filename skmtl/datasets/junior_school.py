"""Mathematics scores of the pupils of 49 primary schools."""

from __future__ import annotations

import pandas as pd
from sklearn.utils import Bunch

from skmtl.datasets.bunches import description, grouped_bunch


def load_junior_school() -> Bunch:
    """Load the Junior School Project: mathematics scores in 49 primary schools (grouped
    regression).

    ============  ====================================================
    Tasks         49 schools
    Rows          3,236 (16..206 a task): 1,192 pupils, 1 to 3 years
    Features      12: one for girls, nine of social class, Raven, year
    Target        mathematics, 1..40
    ============  ====================================================

    Needs the package faraway, which ships the data: ``pip install "skmtl[data]"``.

    Returns
    -------
    Bunch
        With the attributes

        - data : DataFrame of shape (3236, 12), float64. ``gender_girl``; ``social_1`` ..
          ``social_9``, one-hot; ``raven``, a test of ability in year 0; ``year``, 0..2.
        - target : Series of shape (3236,), the mathematics score, float64.
        - target_english : Series of shape (3236,), the English score of the same year, float64. An
          outcome, not an input.
        - task : Series of shape (3236,), the school.
        - task_set : TaskSet with one regression task a school.
        - pupil : Series of shape (3236,), the pupil: rows of one pupil belong on the same side of a
          split.
        - feature_names : list of str.
        - frame : DataFrame of shape (3236, 9), the table as faraway has it.
        - DESCR : str.

    Raises
    ------
    ImportError
        If faraway is not installed.

    Examples
    --------
    >>> from skmtl.datasets import load_junior_school
    >>> load_junior_school().task_set
    TaskSet(49 regression tasks, 12 features, 16..206 rows per task)
    """
    try:
        from faraway.datasets import jsp
    except ImportError:
        raise ImportError('load_junior_school needs faraway: pip install "skmtl[data]"') from None
    frame = pd.DataFrame(jsp.load()).reset_index(drop=True)
    inputs = {"gender_girl": frame["gender"] == "girl"}
    inputs |= {f"social_{level}": frame["social"] == level for level in range(1, 10)}
    inputs |= {"raven": frame["raven"], "year": frame["year"]}
    return grouped_bunch(
        pd.DataFrame(inputs).astype(float),
        frame["math"].astype(float),
        frame["school"],
        "regression",
        target_english=frame["english"].astype(float),
        pupil=frame["id"].rename("pupil"),
        frame=frame,
        DESCR=description("junior_school"),
    )
