"""The scikit-learn face of the network."""

from skmtl.estimators.classifier import MultiTaskClassifier
from skmtl.estimators.fleets import GroupOutcome, fit_groups, measure_groups
from skmtl.estimators.gathering import as_target, checked_weight, long_tasks, weighted_rows
from skmtl.estimators.inputs import check_inputs, rows_as_given, take_column
from skmtl.estimators.network import MultiTaskNetwork
from skmtl.estimators.outputs import ClassificationOutputs, RegressionOutputs
from skmtl.estimators.outputs_together import probabilities_together
from skmtl.estimators.problem import Problem
from skmtl.estimators.regressor import MultiTaskRegressor
from skmtl.estimators.together import FitOutcome, fit_together, trains_in_fleets

__all__ = [
    "ClassificationOutputs",
    "FitOutcome",
    "GroupOutcome",
    "MultiTaskClassifier",
    "MultiTaskNetwork",
    "MultiTaskRegressor",
    "Problem",
    "RegressionOutputs",
    "as_target",
    "check_inputs",
    "checked_weight",
    "fit_groups",
    "fit_together",
    "long_tasks",
    "measure_groups",
    "probabilities_together",
    "rows_as_given",
    "take_column",
    "trains_in_fleets",
    "weighted_rows",
]
