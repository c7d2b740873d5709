"""Results that a folder keeps from call to call."""

from __future__ import annotations

import os
import warnings

from joblib import Memory
from sklearn.utils.validation import check_memory


def read_memory(memory: str | os.PathLike[str] | Memory | None) -> Memory:
    """Return the joblib memory that a folder, a memory or None stands for."""
    given = os.fspath(memory) if isinstance(memory, os.PathLike) else memory
    checked: Memory = check_memory(given)
    return checked


def warn_of_seedless_memory(
    memory: str | os.PathLike[str] | Memory | None, random_state: object
) -> None:
    """Warn where results are kept that no later call can find, since seeds are drawn afresh."""
    if random_state is None and read_memory(memory).location is not None:
        warnings.warn(
            "memory is set, but random_state=None: seeds are drawn afresh in every call, so none "
            "finds what an earlier one kept, and the folder only grows. Set random_state to an "
            "int.",
            UserWarning,
            stacklevel=3,
        )
