"""Task grouping: search for groups, and estimators that train one network per task group."""

from skmtl.grouping.candidates import GroupingKind, loss_units
from skmtl.grouping.grouped import DEFAULT_NETWORK, MIN_ROWS
from skmtl.grouping.grouped_classifier import TaskGroupedClassifier
from skmtl.grouping.grouped_regressor import TaskGroupedRegressor
from skmtl.grouping.search import Selection, TaskGrouper, select_groups

__all__ = [
    "Selection",
    "TaskGroupedClassifier",
    "TaskGroupedRegressor",
    "TaskGrouper",
    "select_groups",
]

# What other packages of skmtl use; no promise to users.
__shared__ = ["DEFAULT_NETWORK", "MIN_ROWS", "GroupingKind", "loss_units"]
