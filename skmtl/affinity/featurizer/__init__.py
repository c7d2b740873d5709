"""Features that say how two tasks' data relate, without training anything."""

from skmtl.affinity.featurizer.transformer import TaskRelationFeaturizer

__all__ = ["TaskRelationFeaturizer"]
