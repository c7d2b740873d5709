"""Multi-task learning on tabular data, with the interface of scikit-learn."""

from skmtl.affinity import PairwiseGainRegressor, TaskRelationFeaturizer, collect_pairwise_gains
from skmtl.data import Task, TaskSet
from skmtl.estimators import MultiTaskClassifier, MultiTaskRegressor
from skmtl.grouping import TaskGroupedClassifier, TaskGroupedRegressor, TaskGrouper
from skmtl.representation import LowRankMultiTaskRegressor

__version__ = "0.1.0.dev0"
__all__ = [
    "LowRankMultiTaskRegressor",
    "MultiTaskClassifier",
    "MultiTaskRegressor",
    "PairwiseGainRegressor",
    "Task",
    "TaskGroupedClassifier",
    "TaskGroupedRegressor",
    "TaskGrouper",
    "TaskRelationFeaturizer",
    "TaskSet",
    "collect_pairwise_gains",
]
