"""Pictures of gains, groups and losses, in the manner of scikit-learn's Displays."""

from skmtl.plotting.gain_prediction import GainPredictionDisplay
from skmtl.plotting.png import figure_png
from skmtl.plotting.task_affinity import TaskAffinityDisplay
from skmtl.plotting.task_loss import TaskLossDisplay

__all__ = ["GainPredictionDisplay", "TaskAffinityDisplay", "TaskLossDisplay", "figure_png"]
