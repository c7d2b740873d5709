"""Cross-validation, searches and fairness sweeps of multi-task models."""

from skmtl.model_selection.fleet_search import FleetSearchCV
from skmtl.model_selection.sweep import fairness_sweep
from skmtl.splitting import MultiTaskKFold

__all__ = ["FleetSearchCV", "MultiTaskKFold", "fairness_sweep"]
