"""Where results of long computations are kept."""

from __future__ import annotations

import os

from joblib import Memory
from sklearn.utils.validation import check_memory


def read_memory(memory: str | os.PathLike[str] | Memory | None) -> Memory:
    """Return the joblib memory that a folder, a memory or None stands for."""
    given = os.fspath(memory) if isinstance(memory, os.PathLike) else memory
    checked: Memory = check_memory(given)
    return checked
