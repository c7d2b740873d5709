"""Candidate groupings, and the choice among them on validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from skmtl.data import TaskSet
from skmtl.grouping.search import TaskGrouper

# Numbers of groups that are proposed when no grouper is given.
_PROPOSED_COUNTS = (2, 3, 4, 6, 8, 12, 16, 24)
# Standard errors by which a proposed grouping must beat the better of single-task and joint
# training: if it is one of many candidates, and if it was selected beforehand on other rows.
STRONG_EVIDENCE, SOME_EVIDENCE = 2.0, 1.0


class GroupingKind(str, Enum):
    """Kind of a candidate grouping."""

    SINGLE_TASK = "single-task"  # one network per task
    JOINT = "joint"  # one network for all tasks
    PROPOSED = "proposed"  # groups that a search proposes


@dataclass(frozen=True)
class Candidate:
    """Candidate grouping: the task groups, and the group whose network predicts each task.

    Attributes
    ----------
    name : str
        Label in the table of candidates, for display only.
    groups : tuple of tuple of str
        Tasks that are trained together; groups may overlap.
    served_by : dict of str to int
        Index in ``groups`` of the group whose network predicts the task.
    kind : GroupingKind
        Single-task, joint, or proposed by a search.
    """

    name: str
    groups: tuple[tuple[str, ...], ...]
    served_by: dict[str, int]
    kind: GroupingKind = GroupingKind.PROPOSED

    @property
    def is_simple(self) -> bool:
        """Whether the grouping is single-task or joint."""
        return self.kind is not GroupingKind.PROPOSED


def single_task(names: Sequence[str]) -> Candidate:
    """Return the grouping with one network per task."""
    return Candidate(
        "single-task",
        tuple((name,) for name in names),
        {name: g for g, name in enumerate(names)},
        GroupingKind.SINGLE_TASK,
    )


def joint(names: Sequence[str]) -> Candidate:
    """Return the grouping with one network for all tasks."""
    return Candidate("joint", (tuple(names),), dict.fromkeys(names, 0), GroupingKind.JOINT)


def proposed(
    affinity: pd.DataFrame, grouper: TaskGrouper | None, random_state: int
) -> list[Candidate]:
    """Return the groupings that a search over predicted gains proposes.

    Parameters
    ----------
    affinity : DataFrame of shape (T, T)
        Predicted gains, row = target.
    grouper : TaskGrouper or None
        Search; None = semidefinite clustering and beam search with 2, 3, 4, 6, ... groups, up to
        half the number of tasks.
    random_state : int
        Seed of the search if the grouper has none.

    Returns
    -------
    list of Candidate
        Distinct groupings into at least two groups with at least one group of two tasks.
    """
    if len(affinity) < 3:
        return []
    if grouper is None:
        counts = [count for count in _PROPOSED_COUNTS if count <= max(2, len(affinity) // 2)]
        searches = [
            TaskGrouper(method, n_groups=count) for method in ("sdp", "beam") for count in counts
        ]
    else:
        searches = [clone(grouper)]
    found: dict[frozenset[tuple[str, ...]], Candidate] = {}
    names = list(affinity.columns)
    for search in searches:
        if "random_state" in search.get_params() and search.random_state is None:
            search.set_params(random_state=random_state)
        search.fit(affinity)
        groups = tuple(search.groups_)
        served_by = {name: int(label) for name, label in zip(names, search.labels_, strict=True)}
        if len(groups) > 1 and any(len(group) > 1 for group in groups):
            found.setdefault(
                frozenset(groups),
                Candidate(f"{search.method}, {len(groups)} groups", groups, served_by),
            )
    return list(found.values())


def choose(
    candidates: Sequence[Candidate],
    losses: Sequence[NDArray[np.float64]],
    evidence: float = STRONG_EVIDENCE,
) -> pd.DataFrame:
    """Compare candidates by their total loss on validation rows.

    A proposed grouping replaces the better of single-task and joint training only if its total is
    lower by more than ``evidence`` standard errors of the difference, taken over tasks. Without
    this margin, the minimum of many noisy totals would often be a chance result.

    Parameters
    ----------
    candidates : sequence of Candidate
        Candidates, at least one of them single-task or joint.
    losses : sequence of ndarray of shape (T,)
        Validation loss per task for each candidate, in comparable units.
    evidence : float, default=2.0
        Number of standard errors by which a proposed grouping must be better.

    Returns
    -------
    DataFrame
        Columns candidate (label), kind, n_groups, validation_loss (total), difference and
        difference_se (from the better of single-task and joint), chosen.
    """
    totals = np.array([loss.sum() for loss in losses])
    # A candidate without a loss never wins against one with a loss.
    totals[np.isnan(totals)] = np.inf
    is_simple = np.array([candidate.is_simple for candidate in candidates])
    simple = _first_smallest(totals, is_simple)
    n_tasks = len(losses[0])
    with np.errstate(invalid="ignore"):
        differences = [loss - losses[simple] for loss in losses]
        errors = np.array(
            [
                difference.std(ddof=1) * np.sqrt(n_tasks) if n_tasks > 1 else np.inf
                for difference in differences
            ]
        )
        excess = totals - totals[simple]
    strong = np.flatnonzero((excess < -evidence * errors) & ~is_simple)
    winner = int(strong[np.argmin(totals[strong])]) if len(strong) else simple
    return pd.DataFrame(
        {
            "candidate": [candidate.name for candidate in candidates],
            "kind": [candidate.kind.value for candidate in candidates],
            "n_groups": [len(candidate.groups) for candidate in candidates],
            "validation_loss": totals,
            "difference": excess,
            "difference_se": errors,
            "chosen": np.arange(len(candidates)) == winner,
        }
    )


def _first_smallest(values: NDArray[np.float64], allowed: NDArray[np.bool_]) -> int:
    """Return the position of the smallest allowed value; ties go to the first."""
    positions = np.flatnonzero(allowed)
    return int(positions[np.argmin(values[positions])])


def loss_units(tasks: TaskSet, *, pooled: bool, degree: float = 2.0) -> dict[str, float]:
    """Return a divisor per task that makes losses comparable, so that they can be summed.

    Log losses are not scaled. Squared errors are divided by the variance of the training targets:
    the variance over all tasks if they share one unit (long form), otherwise that of each task.
    Losses of another degree are divided by that power of the standard deviation.

    Parameters
    ----------
    tasks : TaskSet
        Training tasks.
    pooled : bool
        Whether the targets of all tasks are in the same unit.
    degree : float, default=2.0
        ``TaskLoss.degree`` of the loss: 2 for squared errors, 1 for absolute errors, 0 for losses
        in standardized units.

    Returns
    -------
    dict of str to float
        Divisor per task; 1 for a constant target.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import TaskSet
    >>> from skmtl.grouping import loss_units
    >>> tasks = TaskSet.from_long(np.zeros((4, 1)), [0.0, 2.0, 0.0, 6.0], ["a", "a", "b", "b"])
    >>> loss_units(tasks, pooled=False)
    {'a': 1.0, 'b': 9.0}
    """
    if tasks.kind == "classification":
        return dict.fromkeys(tasks.names, 1.0)
    if pooled:
        variance = float(np.var(np.concatenate([task.y for task in tasks])))
        return dict.fromkeys(tasks.names, (variance or 1.0) ** (degree / 2))
    return {task.name: (float(np.var(task.y)) or 1.0) ** (degree / 2) for task in tasks}
