"""The scikit-learn face of the network."""

from skmtl.estimators.classifier import MultiTaskClassifier
from skmtl.estimators.fleets import GroupOutcome, fit_groups, measure_groups
from skmtl.estimators.network import MultiTaskNetwork
from skmtl.estimators.outputs import ClassificationOutputs, RegressionOutputs
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
    "fit_groups",
    "fit_together",
    "measure_groups",
    "trains_in_fleets",
]
