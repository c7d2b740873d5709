"""Data sets: downloadable benchmarks, small sets from PyPI packages, and synthetic generators."""

from skmtl.datasets.adult import fetch_adult
from skmtl.datasets.fair_tasks import make_fair_tasks
from skmtl.datasets.german_credit import fetch_german_credit
from skmtl.datasets.grouped_tasks import make_grouped_tasks
from skmtl.datasets.junior_school import load_junior_school
from skmtl.datasets.landmine import fetch_landmine
from skmtl.datasets.law_school import fetch_law_school
from skmtl.datasets.majority_minority_tasks import make_majority_minority_tasks
from skmtl.datasets.mhc_binding import fetch_mhc_binding
from skmtl.datasets.mortgage import load_mortgage
from skmtl.datasets.school import fetch_school
from skmtl.datasets.spurious_tasks import make_spurious_tasks

__all__ = [
    "fetch_adult",
    "fetch_german_credit",
    "fetch_landmine",
    "fetch_law_school",
    "fetch_mhc_binding",
    "fetch_school",
    "load_junior_school",
    "load_mortgage",
    "make_fair_tasks",
    "make_grouped_tasks",
    "make_majority_minority_tasks",
    "make_spurious_tasks",
]
