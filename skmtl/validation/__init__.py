"""Splits for targets with gaps, what long computations tell their caller, and what every estimator
carries along.
"""

from skmtl.validation.callbacks import CallbackSupport, OnPass, Reconstruct, fit_callbacks
from skmtl.validation.progress import Stage, progress_to
from skmtl.validation.splitters import MultiTaskKFold
from skmtl.validation.state import (
    DOCS_URL,
    DocLinks,
    VersionedState,
    VersionMismatchWarning,
    frame_from_arrays,
    frame_to_arrays,
    running_versions,
)
from skmtl.validation.terminal import progress_bar

__all__ = [
    "DOCS_URL",
    "CallbackSupport",
    "DocLinks",
    "MultiTaskKFold",
    "OnPass",
    "Reconstruct",
    "Stage",
    "VersionMismatchWarning",
    "VersionedState",
    "fit_callbacks",
    "frame_from_arrays",
    "frame_to_arrays",
    "progress_bar",
    "progress_to",
    "running_versions",
]
