"""Penalties by name, and penalties and callables as one kind of object."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor

from skmtl.fairness.called_penalty import CalledPenalty
from skmtl.fairness.correlation import Correlation
from skmtl.fairness.grouped_rows import GroupedRows
from skmtl.fairness.mmd import MMD
from skmtl.fairness.pair_penalty import PairPenalty
from skmtl.fairness.rate_gap import RateGap


class SetPenalty(Protocol):
    """Penalty of many sets of rows at once, as fairness terms compute it."""

    scaled_by_rows: bool

    def of_sets(self, scores: Tensor, rows: GroupedRows) -> Tensor:
        """Return penalties (E, T, S) of probabilities (E, T, B)."""
        ...


# Names that `loss` may have: the penalty, and the parameters that it takes from the term.
_NAMED: dict[str, tuple[Callable[..., PairPenalty], tuple[str, ...]]] = {
    "mmd": (MMD, ("length", "pairs")),
    "gap": (RateGap, ("threshold", "temperature", "pairs")),
    "correlation": (Correlation, ("pairs",)),
}
NAMES = tuple(_NAMED)


def is_penalty(value: Any) -> bool:
    """Return whether a value is the name of a penalty, or a callable other than a class."""
    if isinstance(value, str):
        return value in _NAMED
    return callable(value) and not inspect.isclass(value)


def named_penalty(name: str, **parameters: Any) -> PairPenalty:
    """Return the penalty of this name, built from those parameters that it takes."""
    build, own = _NAMED[name]
    return build(**{key: value for key, value in parameters.items() if key in own})


def as_set_penalty(value: Any) -> SetPenalty:
    """Return a penalty object or a callable as a penalty of many sets of rows."""
    if isinstance(value, PairPenalty):
        value.check()
        return value
    return CalledPenalty(value)
