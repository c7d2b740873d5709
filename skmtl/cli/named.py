"""Data sets that the command line accepts by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sklearn.utils import Bunch

from skmtl.datasets import fetch_landmine, fetch_mhc_binding, fetch_school, load_junior_school


@dataclass(frozen=True)
class NamedSet:
    """A named data set.

    Attributes
    ----------
    about : str
        Description in one sentence.
    load : callable
        Function of the data folder, or None, that returns a Bunch with a ``task_set``.
    caveat : str
        Remark about the interpretation of the results.
    """

    about: str
    load: Callable[[str | None], Bunch]
    caveat: str = ""


NAMED_SETS = {
    "junior_school": NamedSet(
        "Mathematics scores of pupils in 49 primary schools.",
        lambda data_home: load_junior_school(),
        caveat="Most pupils have rows from several years, which may be in both training and test "
        "rows: expect somewhat larger losses for new pupils.",
    ),
    "school": NamedSet(
        "Exam scores of pupils in 139 schools.",
        lambda data_home: fetch_school(data_home=data_home),
    ),
    "landmine": NamedSet(
        "Is a radar echo a land mine? 29 mine fields.",
        lambda data_home: fetch_landmine(data_home=data_home),
    ),
    "mhc_binding": NamedSet(
        "Does a peptide bind to an immune molecule? 35 molecules.",
        lambda data_home: fetch_mhc_binding(data_home=data_home),
    ),
}
