"""The scikit-learn face of the network."""

from skmtl.estimators.classifier import MultiTaskClassifier
from skmtl.estimators.fleets import GroupOutcome, measure_groups
from skmtl.estimators.regressor import MultiTaskRegressor

__all__ = ["GroupOutcome", "MultiTaskClassifier", "MultiTaskRegressor", "measure_groups"]
