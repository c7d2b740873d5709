"""Multi-task neural networks as scikit-learn estimators."""

from skmtl.estimators.classifier import MultiTaskClassifier
from skmtl.estimators.fairness_terms import known_groups, refuse_fairness
from skmtl.estimators.fit_job import FitJob
from skmtl.estimators.fit_settings import Settings, read_settings
from skmtl.estimators.fitted_networks import FittedNetworks
from skmtl.estimators.group_fits import GroupOutcome, fit_groups, measure_groups
from skmtl.estimators.intake import Layout, column_holder
from skmtl.estimators.job_building import group_job
from skmtl.estimators.many_fits import fit_together, trains_in_fleets
from skmtl.estimators.network import MultiTaskNetwork, remember, set_fitted
from skmtl.estimators.outputs import (
    ClassificationOutputs,
    RegressionOutputs,
    TaskOutputs,
    joint_classes,
    rows_by_task,
)
from skmtl.estimators.problem import Problem
from skmtl.estimators.problem_building import problem_of_groups
from skmtl.estimators.regressor import MultiTaskRegressor
from skmtl.estimators.shared_predictions import probabilities_together
from skmtl.estimators.train_jobs import train_job
from skmtl.estimators.training_rows import TrainingRows, read_training_rows

__all__ = ["MultiTaskClassifier", "MultiTaskRegressor"]

# What other packages of skmtl use; no promise to users.
__shared__ = [
    "ClassificationOutputs",
    "FitJob",
    "FittedNetworks",
    "GroupOutcome",
    "Layout",
    "MultiTaskNetwork",
    "Problem",
    "RegressionOutputs",
    "Settings",
    "TaskOutputs",
    "TrainingRows",
    "column_holder",
    "fit_groups",
    "fit_together",
    "group_job",
    "joint_classes",
    "known_groups",
    "measure_groups",
    "probabilities_together",
    "problem_of_groups",
    "read_settings",
    "read_training_rows",
    "refuse_fairness",
    "remember",
    "rows_by_task",
    "set_fitted",
    "train_job",
    "trains_in_fleets",
]
