"""Multi-task learning on tables, in the manner of scikit-learn."""

from skmtl.estimators import MultiTaskClassifier, MultiTaskRegressor
from skmtl.tasks import Task, TaskSet

__version__ = "0.1.0.dev0"
__all__ = ["MultiTaskClassifier", "MultiTaskRegressor", "Task", "TaskSet"]
