"""Which tasks mislead which, and heads that are not misled."""

from skmtl.spurious.debiased import DebiasedClassifier
from skmtl.spurious.detector import SpuriousTaskDetector
from skmtl.spurious.split import split_by_label_combination

__all__ = ["DebiasedClassifier", "SpuriousTaskDetector", "split_by_label_combination"]
