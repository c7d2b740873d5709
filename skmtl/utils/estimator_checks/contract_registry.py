"""The list of checks, and for which estimators each is meant."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Check = Callable[[str, Any], None]
Capability = Callable[[Any], bool]


@dataclass(frozen=True)
class Entry:
    """A check and what an estimator must be able to do for it."""

    check: Check
    needs: tuple[Capability, ...]

    @property
    def name(self) -> str:
        """Name of the check."""
        return self.check.__name__

    def suits(self, estimator: Any) -> bool:
        """Whether the check is meant for this estimator."""
        return all(need(estimator) for need in self.needs)


ENTRIES: dict[str, Entry] = {}


def contract(*needs: Capability) -> Callable[[Check], Check]:
    """Register a check, which runs without warnings about tiny tasks or too few epochs."""

    def register(check: Check) -> Check:
        @functools.wraps(check)
        def quiet(name: str, estimator: Any) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                check(name, estimator)

        ENTRIES[check.__name__] = Entry(quiet, needs)
        return quiet

    return register
