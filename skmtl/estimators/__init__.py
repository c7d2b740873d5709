"""The scikit-learn face of the network."""

from skmtl.estimators.classifier import MultiTaskClassifier
from skmtl.estimators.fleets import GroupOutcome, fit_groups, measure_groups
from skmtl.estimators.network import MultiTaskNetwork
from skmtl.estimators.outputs import ClassificationOutputs, RegressionOutputs
from skmtl.estimators.outputs_together import probabilities_together
from skmtl.estimators.problem import Problem
from skmtl.estimators.regressor import MultiTaskRegressor
from skmtl.estimators.together import FitOutcome, fit_together, trains_in_fleets

__all__ = ["MultiTaskClassifier", "MultiTaskRegressor"]

# What other packages of skmtl use; no promise to users.
__shared__ = [
    "ClassificationOutputs",
    "FitOutcome",
    "GroupOutcome",
    "MultiTaskNetwork",
    "Problem",
    "RegressionOutputs",
    "fit_groups",
    "fit_together",
    "measure_groups",
    "probabilities_together",
    "trains_in_fleets",
]
