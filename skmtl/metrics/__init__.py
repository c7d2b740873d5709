"""Scores and errors per task, rate gaps between sensitive groups, and comparisons of methods."""

from skmtl.metrics.accuracy import multitask_accuracy
from skmtl.metrics.error_ratios import (
    average_relative_error,
    average_relative_fairness_gap,
    error_rate,
)
from skmtl.metrics.group_rates import chance_gap, group_rate_gap
from skmtl.metrics.log_loss import multitask_log_loss
from skmtl.metrics.method_comparison import delta_m, mean_rank
from skmtl.metrics.pareto import hypervolume, pareto_mask, reported_point
from skmtl.metrics.regression import multitask_mse, multitask_r2
from skmtl.metrics.roc_auc import multitask_roc_auc
from skmtl.metrics.scorer import make_multitask_scorer, multitask_scorers

__all__ = [
    "average_relative_error",
    "average_relative_fairness_gap",
    "chance_gap",
    "delta_m",
    "error_rate",
    "group_rate_gap",
    "hypervolume",
    "make_multitask_scorer",
    "mean_rank",
    "multitask_accuracy",
    "multitask_log_loss",
    "multitask_mse",
    "multitask_r2",
    "multitask_roc_auc",
    "multitask_scorers",
    "pareto_mask",
    "reported_point",
]
