"""Tasks with constant targets, which aggregators must not see."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skmtl.base import StandardizedTarget
from skmtl.data import shown_names, shown_text
from skmtl.estimators.fit_settings import Settings
from skmtl.estimators.problem import Problem
from skmtl.estimators.targets import Targets
from skmtl.losses import ClassCodes
from skmtl.network import FleetData


def tasks_left_out(settings: Settings, problem: Problem, names: Sequence[str]) -> list[str]:
    """Return the constant tasks of a group, which an aggregator must not see.

    Their only value is predicted for them. Their losses and gradients vanish early, and methods
    that balance tasks would slow down all others. The mean of the losses is not affected, so no
    task is left out without an aggregator, or if all tasks are constant.
    """
    if settings.aggregator is None:
        return []
    constant = [name for name in names if is_constant(problem.targets, name)]
    return constant if len(constant) < len(names) else []


def is_constant(targets: Targets, name: str) -> bool:
    """Return whether all targets of a task are equal; this value is then predicted."""
    coding = targets.codings[name]
    if isinstance(coding, ClassCodes):
        return len(coding.classes) == 1
    return isinstance(coding, StandardizedTarget) and coding.scale == 0


def without_labels(data: FleetData, tasks: Sequence[int]) -> FleetData:
    """Return a table in which these tasks have no label."""
    if not tasks:
        return data
    y = np.array(data.y)
    y[:, tasks] = np.nan
    return replace(data, y=y)


def warn_of_constant_tasks(settings: Settings, problem: Problem) -> None:
    """Warn about constant tasks, which the aggregator leaves out."""
    names = tasks_left_out(settings, problem, problem.names)
    if names:
        warnings.warn(
            f"All targets are alike in {shown_names(names)}. Their only value is predicted, "
            f"and aggregator={shown_text(settings.aggregator)} leaves them out of its weighting.",
            UserWarning,
            stacklevel=5,
        )
