"""Low-rank linear models, and what a shared representation costs a task in the minority."""

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
