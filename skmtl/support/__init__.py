"""Callbacks, progress and saved state of estimators."""

from skmtl.support.callbacks import (
    CallbackSupport,
    fit_callbacks,
    registered_callbacks,
)
from skmtl.support.kept import read_memory, warn_of_seedless_memory
from skmtl.support.progress import Stage, progress_to
from skmtl.support.state import (
    DocLinks,
    VersionedState,
    VersionMismatchWarning,
    running_versions,
)
from skmtl.support.terminal import progress_bar

__all__ = ["VersionMismatchWarning", "running_versions"]

# What other packages of skmtl use; no promise to users.
__shared__ = [
    "CallbackSupport",
    "DocLinks",
    "Stage",
    "VersionedState",
    "fit_callbacks",
    "progress_bar",
    "progress_to",
    "read_memory",
    "registered_callbacks",
    "warn_of_seedless_memory",
]
