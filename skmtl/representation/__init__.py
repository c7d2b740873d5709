"""Low-rank linear multi-task models, and the risk of minority tasks in a shared representation."""

from skmtl.representation.low_rank import LowRankMultiTaskRegressor
from skmtl.representation.path import RepresentationPath, representation_path
from skmtl.representation.population import minority_risk_bounds, population_minimum, task_risks

__all__ = [
    "LowRankMultiTaskRegressor",
    "RepresentationPath",
    "minority_risk_bounds",
    "population_minimum",
    "representation_path",
    "task_risks",
]
