"""Checks of the parameters of penalties and terms."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number (and not a bool)."""
    return (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and bool(np.isfinite(value))
    )


def is_not_negative(value: Any) -> bool:
    """Return whether a value is a finite number >= 0."""
    return is_number(value) and bool(value >= 0)


def is_probability(value: Any) -> bool:
    """Return whether a value is a number from 0 to 1."""
    return is_number(value) and 0 <= value <= 1


def check_length(length: Any, owner: str) -> None:
    """Raise ValueError unless ``length`` is a number > 0."""
    if not (is_number(length) and length > 0):
        raise ValueError(
            f"The 'length' parameter of {owner} must be a number > 0. Got {length!r} instead."
        )


def check_temperature(temperature: Any, owner: str) -> None:
    """Raise ValueError unless ``temperature`` is None or a number > 0."""
    if temperature is not None and not (is_number(temperature) and temperature > 0):
        raise ValueError(
            f"The 'temperature' parameter of {owner} must be None or a number > 0. Got "
            f"{temperature!r} instead."
        )


def check_threshold(threshold: Any, owner: str) -> None:
    """Raise ValueError unless ``threshold`` is a finite number."""
    if not is_number(threshold):
        raise ValueError(
            f"The 'threshold' parameter of {owner} must be a finite number. Got {threshold!r} "
            "instead."
        )


def check_pairs(pairs: Any, owner: str) -> None:
    """Raise ValueError unless ``pairs`` is "max" or "mean"."""
    if not (isinstance(pairs, str) and pairs in ("max", "mean")):
        raise ValueError(
            f"The 'pairs' parameter of {owner} must be 'max' or 'mean'. Got {pairs!r} instead."
        )
