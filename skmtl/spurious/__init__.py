"""Detection of spurious correlations between tasks, and task heads that do not rely on them."""

from skmtl.spurious.debiased import DebiasedClassifier
from skmtl.spurious.detector import SpuriousTaskDetector
from skmtl.spurious.split import split_by_label_combination

__all__ = ["DebiasedClassifier", "SpuriousTaskDetector", "split_by_label_combination"]
