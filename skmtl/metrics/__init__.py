"""Numbers about predictions of several tasks."""

from skmtl.metrics.accuracy import multitask_accuracy
from skmtl.metrics.comparison import delta_m, mean_rank
from skmtl.metrics.log_loss import multitask_log_loss
from skmtl.metrics.regression import multitask_mse, multitask_r2
from skmtl.metrics.roc_auc import multitask_roc_auc
from skmtl.metrics.scorer import make_multitask_scorer, multitask_scorers

__all__ = [
    "delta_m",
    "make_multitask_scorer",
    "mean_rank",
    "multitask_accuracy",
    "multitask_log_loss",
    "multitask_mse",
    "multitask_r2",
    "multitask_roc_auc",
    "multitask_scorers",
]
