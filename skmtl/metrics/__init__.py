"""Numbers about predictions of several tasks."""

from skmtl.metrics.per_task import multitask_accuracy, multitask_log_loss, multitask_mse, multitask_r2

__all__ = ["multitask_accuracy", "multitask_log_loss", "multitask_mse", "multitask_r2"]
