"""Cache of numeric results with checksums: damaged files are computed again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from joblib import Memory
from numpy.typing import NDArray

from skmtl.support import read_memory


class KeptNumbers:
    """Wrap a function that returns numbers in a joblib cache with checksums.

    joblib stores no checksum, so that a corrupted file silently gives wrong numbers. Here, a result
    is stored as bytes with their SHA-256. If the two disagree, or if the file cannot be loaded, the
    function is called again.

    Parameters
    ----------
    function : callable
        Returns a one-dimensional array of float64. Arguments are hashed by joblib.
    memory : path, joblib.Memory or None
        Folder of the cache; None = no cache.
    ignore : sequence of str
        Arguments that do not change the result.
    """

    def __init__(
        self,
        function: Callable[..., NDArray[np.float64]],
        memory: str | os.PathLike[str] | Memory | None,
        ignore: Sequence[str] = (),
    ):
        checked = read_memory(memory)
        self.keeps = checked.location is not None
        self.function = function
        self.cached = checked.cache(_sealed, ignore=["function", "ignored"])
        self.ignore = tuple(ignore)

    def __call__(self, *arguments: Any, **settings: Any) -> NDArray[np.float64]:
        """Return the numbers, from the cache or computed."""
        if not self.keeps:
            return self.function(*arguments, **settings)
        ignored = {name: settings.pop(name) for name in self.ignore if name in settings}
        name = f"{self.function.__module__}.{self.function.__qualname__}"
        given = (self.function, name, arguments, settings, ignored)
        try:
            return _opened(self.cached(*given))
        except _DamagedFileError:
            self.cached.call_and_shelve(*given).clear()
            return _opened(self.cached(*given))


class _DamagedFileError(Exception):
    """The checksum of a cached result is wrong."""


def _sealed(
    function: Callable[..., NDArray[np.float64]],
    name: str,
    arguments: tuple[Any, ...],
    settings: dict[str, Any],
    ignored: dict[str, Any],
) -> tuple[str, bytes]:
    """Return the numbers as bytes, after their checksum."""
    content = np.asarray(function(*arguments, **settings, **ignored), dtype=np.float64).tobytes()
    return hashlib.sha256(content).hexdigest(), content


def _opened(sealed: object) -> NDArray[np.float64]:
    match sealed:
        case (str(digest), bytes(content)) if hashlib.sha256(content).hexdigest() == digest:
            return np.frombuffer(content)
    raise _DamagedFileError
