"""Progress of long computations, reported to a listener."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]

_LISTENER: ContextVar[Listener | None] = ContextVar("skmtl_progress", default=None)


@contextmanager
def progress_to(listener: Listener) -> Iterator[None]:
    """Send the progress of everything computed in this context to a listener.

    Parameters
    ----------
    listener : callable
        Called as ``listener(stage, done, total)`` whenever a stage advances.

    Yields
    ------
    None
        Nothing; the listener is removed when the context ends.

    Examples
    --------
    >>> from skmtl.support import Stage, progress_to
    >>> with progress_to(lambda stage, done, total: print(stage, done, total)):
    ...     Stage("pairs", total=2).advance(2)
    pairs 2 2
    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


class Stage:
    """A stage of a computation with a known number of items; may be advanced from any thread.

    Parameters
    ----------
    name : str
        Name of the stage.
    total : int
        Number of items.
    verbose : int, default=0
        1 prints a line when the stage is complete.

    Examples
    --------
    >>> from skmtl.support import Stage
    >>> Stage("single tasks", total=3).advance(3)
    """

    def __init__(self, name: str, total: int, verbose: int = 0):
        self.name, self.total, self.verbose = name, total, verbose
        self.done = 0
        self._listener = _LISTENER.get()
        self._lock = threading.Lock()
        self._start = time.perf_counter()

    def advance(self, count: int) -> None:
        """Report that ``count`` more items are done."""
        with self._lock:
            self.done += count
            if self._listener is not None:
                self._listener(self.name, self.done, self.total)
            if self.verbose and self.done >= self.total:
                print(
                    f"[skmtl] {self.name}: {self.done} of {self.total} in "
                    f"{time.perf_counter() - self._start:.1f} s"
                )
