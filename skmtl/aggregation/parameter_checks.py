"""Checks of the parameters of aggregators, with messages worded as in scikit-learn."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TypeAlias

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from skmtl.base import Aggregator

PerTask: TypeAlias = float | ArrayLike


def checked_number(
    owner: Aggregator,
    name: str,
    value: object,
    low: float,
    high: float = float("inf"),
    *,
    strict: bool = False,
) -> float:
    """Return a parameter as a float.

    Raises ValueError unless it is a finite number from `low` (strict: above `low`) to `high`.
    """
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else None
    if (
        number is None
        or not low <= number <= high
        or (strict and number == low)
        or (number == float("inf"))
    ):
        wanted = (
            f"between {low:g} and {high:g}"
            if high < float("inf")
            else f"a finite number {'greater than' if strict else 'of at least'} {low:g}"
        )
        raise ValueError(_message(owner, name, wanted, value))
    return number


def checked_count(owner: Aggregator, name: str, value: object, low: int) -> int:
    """Return a parameter as an int; raise ValueError unless it is a whole number >= `low`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
        wanted = f"a whole number of at least {low}"
        raise ValueError(_message(owner, name, wanted, value))
    return int(value)


def checked_choice(owner: Aggregator, name: str, value: object, allowed: tuple[str, ...]) -> str:
    """Return a parameter; raise ValueError unless it is one of the allowed strings."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(_message(owner, name, f"one of {allowed}", value))
    return value


def checked_max_norm(owner: Aggregator, value: object) -> float | None:
    """Return the parameter max_norm; raise ValueError unless it is None or a number > 0."""
    return None if value is None else checked_number(owner, "max_norm", value, 0.0, strict=True)


def checked_per_task(
    owner: Aggregator,
    name: str,
    value: PerTask,
    n_tasks: int,
    low: float = -float("inf"),
    high: float = float("inf"),
    *,
    strict: bool = False,
) -> Tensor:
    """Return a finite number, or one per task, as a float64 tensor of shape () or (T,).

    With a single task, which is not aggregated, any number of entries is accepted.
    """
    what = "a finite number"
    if high < float("inf"):
        what = f"a number between {low:g} and {high:g}"
    elif low > -float("inf"):
        what += f" {'greater than' if strict else 'of at least'} {low:g}"
    wanted = f"{what}, or one for each of the {n_tasks} tasks"
    try:
        if isinstance(value, str):
            raise TypeError
        tensor = torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(_message(owner, name, wanted, value)) from None
    good = tensor.isfinite() & (tensor >= low) & (tensor <= high)
    if strict:
        good &= tensor > low
    if (
        tensor.ndim > 1
        or (tensor.ndim == 1 and n_tasks > 1 and len(tensor) != n_tasks)
        or not bool(good.all())
    ):
        raise ValueError(_message(owner, name, wanted, value))
    return tensor


def _message(owner: Aggregator, name: str, wanted: str, value: object) -> str:
    return (
        f"The {name!r} parameter of {type(owner).__name__} must be {wanted}. Got {value!r} instead."
    )
