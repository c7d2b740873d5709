"""Multi-task learning on tables, in the manner of scikit-learn."""

from skmtl.tasks import Task, TaskSet

__version__ = "0.1.0.dev0"
__all__ = ["Task", "TaskSet"]
