"""Results that a folder keeps from call to call."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.utils.validation import check_memory


def warn_of_seedless_memory(memory: Any, random_state: Any) -> None:
    """Warn where results are kept that no later call can find, since seeds are drawn afresh."""
    if random_state is None and check_memory(memory).location is not None:
        warnings.warn(
            "memory is set, but random_state=None: seeds are drawn afresh in every call, so none "
            "finds what an earlier one kept, and the folder only grows. Set random_state to an "
            "int.",
            UserWarning,
            stacklevel=3,
        )
