"""Features of task pairs, computed from the data of the two tasks without training networks."""

from skmtl.affinity.featurizer.transformer import TaskRelationFeaturizer

__all__ = ["TaskRelationFeaturizer"]
