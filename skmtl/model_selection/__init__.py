"""Choosing models of many tasks."""

from skmtl.validation import MultiTaskKFold

__all__ = ["MultiTaskKFold"]
