"""Displays of gains, losses, Pareto fronts, gradient conflicts and representations."""

from skmtl.plotting.gain_prediction import GainPredictionDisplay
from skmtl.plotting.gradient_conflict import GradientConflictDisplay
from skmtl.plotting.loss_curves import TaskLossDisplay
from skmtl.plotting.pareto_frontier import ParetoFrontierDisplay
from skmtl.plotting.png import figure_png
from skmtl.plotting.representation_risk import RepresentationRiskDisplay
from skmtl.plotting.task_affinity import TaskAffinityDisplay

__all__ = [
    "GainPredictionDisplay",
    "GradientConflictDisplay",
    "ParetoFrontierDisplay",
    "RepresentationRiskDisplay",
    "TaskAffinityDisplay",
    "TaskLossDisplay",
    "figure_png",
]
