"""Which tasks learn together, from a matrix of pairwise gains."""

from skmtl.grouping.search.task_grouper import TaskGrouper

__all__ = ["TaskGrouper"]
