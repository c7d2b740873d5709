"""The scikit-learn face of the network."""

from skmtl.estimators.classifier import MultiTaskClassifier
from skmtl.estimators.fleets import GroupOutcome, fit_groups, measure_groups
from skmtl.estimators.network import MultiTaskNetwork
from skmtl.estimators.outputs import ClassificationOutputs, RegressionOutputs
from skmtl.estimators.regressor import MultiTaskRegressor

__all__ = [
    "ClassificationOutputs",
    "GroupOutcome",
    "MultiTaskClassifier",
    "MultiTaskNetwork",
    "MultiTaskRegressor",
    "RegressionOutputs",
    "fit_groups",
    "measure_groups",
]
