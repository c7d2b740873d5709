"""What the parameters of a fairness term say, one value a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOSSES = ("mmd", "gap", "correlation")
# Labels whose rows a criterion looks at: "fpr" the negative, "tpr" the positive ones.
SIDES = {"fpr": ("fpr",), "tpr": ("tpr",), "equalized_odds": ("fpr", "tpr")}


@dataclass(frozen=True)
class Settings:
    """Parameters of a term for T tasks.

    Attributes
    ----------
    losses, sides : list of T str, list of T tuple of str
        Penalty of every task, and the labels that it looks at.
    weight, head_ratio, threshold : ndarray of shape (T,)
        Numbers of every task.
    positive_class : ndarray of shape (T,)
        Code of the class that is held against the rest.
    length, temperature, pairs
        As in the penalties.
    """

    losses: list[str]
    sides: list[tuple[str, ...]]
    weight: NDArray[np.float64]
    head_ratio: NDArray[np.float64]
    threshold: NDArray[np.float64]
    positive_class: NDArray[np.int64]
    length: float
    temperature: float | None
    pairs: str


def read_settings(term: Any, n_tasks: int, task_names: Sequence[str] | None = None) -> Settings:
    """Return the parameters of a term for ``n_tasks`` tasks; raise and name the parameter, and the
    task where only one is wrong.
    """
    names = (
        [str(t) for t in range(n_tasks)]
        if task_names is None
        else [str(name) for name in task_names]
    )

    def read(
        parameter: str, fits: Callable[[Any], bool], wanted: str, default: Any = None
    ) -> list[Any]:
        return _one_a_task(term, parameter, getattr(term, parameter, default), names, fits, wanted)

    if not (_is_number(term.length) and term.length > 0):
        raise ValueError(
            f"The 'length' parameter of {type(term).__name__} must be a number > 0. Got "
            f"{term.length!r} instead."
        )
    if term.temperature is not None and not (_is_number(term.temperature) and term.temperature > 0):
        raise ValueError(
            f"The 'temperature' parameter of {type(term).__name__} must be None or a number > 0. "
            f"Got {term.temperature!r} instead."
        )
    if term.pairs not in ("max", "mean"):
        raise ValueError(
            f"The 'pairs' parameter of {type(term).__name__} must be 'max' or 'mean'. Got "
            f"{term.pairs!r} instead."
        )
    return Settings(
        losses=read(
            "loss",
            lambda value: isinstance(value, str) and value in LOSSES,
            f"one of {', '.join(LOSSES)}",
        ),
        sides=[
            SIDES[name]
            for name in read(
                "criterion",
                lambda value: isinstance(value, str) and value in SIDES,
                f"one of {', '.join(SIDES)}",
            )
        ],
        weight=np.array(read("weight", _is_not_negative, "a number >= 0"), dtype=float),
        head_ratio=np.array(
            read("head_ratio", _is_not_negative, "a number >= 0", 1.0), dtype=float
        ),
        threshold=np.array(
            read(
                "threshold",
                lambda value: _is_number(value) and 0 <= value <= 1,
                "a number between 0 and 1",
            ),
            dtype=float,
        ),
        positive_class=np.array(
            read(
                "positive_class",
                lambda value: _is_not_negative(value) and value == int(value),
                "an int >= 0",
            ),
            dtype=np.int64,
        ),
        length=float(term.length),
        temperature=None if term.temperature is None else float(term.temperature),
        pairs=term.pairs,
    )


def check_classes(
    term: Any, settings: Settings, task_names: Sequence[str], n_classes: Sequence[int]
) -> None:
    """Raise where the class that is held against the rest is none of the task's."""
    for name, code, count in zip(task_names, settings.positive_class, n_classes, strict=True):
        if code >= max(count, 2):
            raise ValueError(
                f"The 'positive_class' parameter of {type(term).__name__} is {code}, but task "
                f"{name!r} has {count} classes, which are counted from 0."
            )


def row_sets(term: Any, task_names: Sequence[str]) -> list[list[tuple[bool, int]]]:
    """Return the sets of rows that every task's penalties look at; none for tasks of weight 0."""
    settings = read_settings(term, len(task_names), task_names)
    return [
        [(side == "tpr", int(code)) for side in sides] if weight > 0 else []
        for sides, code, weight in zip(
            settings.sides, settings.positive_class, settings.weight, strict=True
        )
    ]


def _one_a_task(
    term: Any,
    parameter: str,
    value: Any,
    names: list[str],
    fits: Callable[[Any], bool],
    wanted: str,
) -> list[Any]:
    if isinstance(value, str) or np.ndim(value) == 0:
        if not fits(value):
            raise ValueError(
                f"The {parameter!r} parameter of {type(term).__name__} must be {wanted}, or a list "
                f"with one a task. Got {value!r} instead."
            )
        return [value] * len(names)
    values = list(value)
    if len(values) != len(names):
        raise ValueError(
            f"The {parameter!r} parameter of {type(term).__name__} has {len(values)} values, but "
            f"there are {len(names)} tasks: "
            f"give one value for all, or one for each task in their order."
        )
    for name, own in zip(names, values, strict=True):
        if not fits(own):
            raise ValueError(
                f"The {parameter!r} parameter of {type(term).__name__} must be {wanted}. Got "
                f"{own!r} instead for task {name!r}."
            )
    return values


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and bool(np.isfinite(value))
    )


def _is_not_negative(value: Any) -> bool:
    return _is_number(value) and bool(value >= 0)
