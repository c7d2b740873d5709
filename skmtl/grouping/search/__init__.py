"""Search for task groups, given a matrix of pairwise gains or a table of candidate groups."""

from skmtl.grouping.search.climb import SizedValue, climb
from skmtl.grouping.search.selection import Selection, select_groups
from skmtl.grouping.search.task_grouper import TaskGrouper

__all__ = ["Selection", "SizedValue", "TaskGrouper", "climb", "select_groups"]
