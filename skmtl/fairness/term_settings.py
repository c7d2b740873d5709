"""The parameters of a fairness term, one value per task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skmtl.fairness.named_penalties import (
    NAMES,
    SetPenalty,
    as_set_penalty,
    is_penalty,
    named_penalty,
)
from skmtl.fairness.parameters import (
    check_length,
    check_pairs,
    check_temperature,
    is_not_negative,
    is_probability,
)

# Rows that a criterion compares: the negative ones for "fpr", the positive ones for "tpr".
SIDES = {"fpr": ("fpr",), "tpr": ("tpr",), "equalized_odds": ("fpr", "tpr")}
# Parameters of the term that are used only if `loss` is a name, and their defaults.
_OF_NAMES = {"length": 0.1, "threshold": 0.5, "temperature": None, "pairs": "max"}


class PenaltyTerm(Protocol):
    """A fairness term with the parameters that this module reads."""

    loss: Any
    criterion: Any
    weight: Any
    positive_class: Any
    length: float
    threshold: Any
    temperature: float | None
    pairs: str


@dataclass(frozen=True)
class TermSettings:
    """Parameters of a term for T tasks.

    Attributes
    ----------
    penalties : list of T SetPenalty
        Penalty of every task; tasks with equal penalties share one object.
    sides : list of T tuple of str
        Rows that the penalty compares: "fpr" the negative, "tpr" the positive ones.
    weight, head_ratio : ndarray of shape (T,)
        Weight and head ratio of every task.
    positive_class : ndarray of shape (T,)
        Code of the positive class of every task.
    """

    penalties: list[SetPenalty]
    sides: list[tuple[str, ...]]
    weight: NDArray[np.float64]
    head_ratio: NDArray[np.float64]
    positive_class: NDArray[np.int64]

    def compared_rows(self) -> list[list[tuple[bool, int]]]:
        """Return for every penalty of each task whether it compares positive rows, of which class.

        Tasks of weight 0 have none.
        """
        return [
            [(side == "tpr", int(code)) for side in sides] if weight > 0 else []
            for sides, code, weight in zip(
                self.sides, self.positive_class, self.weight, strict=True
            )
        ]


def read_settings(
    term: PenaltyTerm, task_names: Sequence[str], n_classes: Sequence[int] | None = None
) -> TermSettings:
    """Return the parameters of a term for tasks with these names and numbers of classes.

    Raises ValueError that names the parameter, and the task if the value of one task is wrong.
    """
    owner, names = type(term).__name__, [str(name) for name in task_names]

    def read(parameter: str, fits: Callable[[Any], bool], wanted: str, value: Any) -> list[Any]:
        return _one_per_task(owner, parameter, value, names, fits, wanted)

    def numbers(parameter: str, value: Any) -> NDArray[np.float64]:
        return np.array(read(parameter, is_not_negative, "a number >= 0", value), dtype=float)

    check_length(term.length, owner)
    check_temperature(term.temperature, owner)
    check_pairs(term.pairs, owner)
    thresholds = read("threshold", is_probability, "a number between 0 and 1", term.threshold)
    losses = read(
        "loss",
        is_penalty,
        f"one of {', '.join(NAMES)}, or a penalty: an object such as MMD(), or a function of "
        "scores and groups",
        term.loss,
    )
    criteria = read(
        "criterion",
        lambda value: isinstance(value, str) and value in SIDES,
        f"one of {', '.join(SIDES)}",
        term.criterion,
    )
    classes = read(
        "positive_class",
        lambda value: is_not_negative(value) and value == int(value),
        "an int >= 0",
        term.positive_class,
    )
    settings = TermSettings(
        penalties=_penalties(term, owner, losses, thresholds),
        sides=[SIDES[name] for name in criteria],
        weight=numbers("weight", term.weight),
        head_ratio=numbers("head_ratio", getattr(term, "head_ratio", 1.0)),
        positive_class=np.array(classes, dtype=np.int64),
    )
    counts = [] if n_classes is None else n_classes
    for name, code, count in zip(names, settings.positive_class, counts, strict=False):
        if code >= max(count, 2):
            raise ValueError(
                f"The 'positive_class' parameter of {owner} is {code}, but task {name!r} has "
                f"{count} classes, counted from 0."
            )
    return settings


def _penalties(
    term: PenaltyTerm, owner: str, losses: Sequence[Any], thresholds: Sequence[float]
) -> list[SetPenalty]:
    """Return the penalty of every task; tasks with equal penalties share one object."""
    if not any(isinstance(loss, str) for loss in losses):
        _check_that_nothing_is_ignored(term, owner)
    known: dict[Any, SetPenalty] = {}
    penalties = []
    for loss, threshold in zip(losses, thresholds, strict=True):
        if isinstance(loss, str):
            # Without a temperature the threshold is not used, and tasks may differ in it.
            limit = 0.5 if term.temperature is None else float(threshold)
            key: Any = (loss, limit)
            if key not in known:
                known[key] = named_penalty(
                    loss,
                    length=float(term.length),
                    threshold=limit,
                    temperature=term.temperature,
                    pairs=term.pairs,
                )
        else:
            key = id(loss)
            if key not in known:
                known[key] = as_set_penalty(loss)
        penalties.append(known[key])
    return penalties


def _check_that_nothing_is_ignored(term: PenaltyTerm, owner: str) -> None:
    """Raise ValueError if a parameter is set that a penalty object has itself."""
    for parameter, default in _OF_NAMES.items():
        value = getattr(term, parameter)
        if not (value is default or (np.ndim(value) == 0 and value == default)):
            raise ValueError(
                f"The {parameter!r} parameter of {owner} is used only if loss is one of "
                f"{', '.join(NAMES)}. Set it in the penalty object that you pass as loss, such as "
                "MMD(length=0.2) or RateGap(temperature=0.1)."
            )


def _one_per_task(
    owner: str,
    parameter: str,
    value: Any,
    names: list[str],
    fits: Callable[[Any], bool],
    wanted: str,
) -> list[Any]:
    listed = isinstance(value, (list, tuple))
    if not listed and (isinstance(value, str) or callable(value) or np.ndim(value) == 0):
        if not fits(value):
            raise ValueError(
                f"The {parameter!r} parameter of {owner} must be {wanted}, or a list with one per "
                f"task. Got {value!r} instead."
            )
        return [value] * len(names)
    values = list(value)
    if len(values) != len(names):
        raise ValueError(
            f"The {parameter!r} parameter of {owner} has {len(values)} values, but there are "
            f"{len(names)} tasks. Pass one value for all tasks, or one per task in their order."
        )
    for name, own in zip(names, values, strict=True):
        if not fits(own):
            raise ValueError(
                f"The {parameter!r} parameter of {owner} must be {wanted}. Got {own!r} instead for "
                f"task {name!r}."
            )
    return values
