"""Content of a report about a task grouping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pandas as pd


class Strategy(str, Enum):
    """Training strategy; the value is the label that readers see."""

    SINGLE = "single-task"
    JOINT = "joint"
    GROUPED = "grouped"


STRATEGIES = tuple(strategy.value for strategy in Strategy)
SINGLE, JOINT, GROUPED = STRATEGIES


@dataclass(frozen=True)
class GroupingReport:
    """Results of one task grouping, as shown on the report page.

    Parameters
    ----------
    title : str
        Heading of the page.
    data_description : str
        One sentence about the rows and tasks.
    kind : str
        "regression" or "classification".
    n_rows : int
        Number of rows.
    n_features : int
        Number of input columns.
    loss_name : str
        Name of the loss, such as "mean squared error (standardized)".
    losses : DataFrame of shape (T, 3)
        Loss per task on test rows; index = task names, columns "single-task", "joint" and
        "grouped". NaN = not trained with that strategy.
    winner : str
        Name of the candidate that was chosen on validation rows.
    groups : list of tuple of str
        Task names of each group of the winner; groups may overlap.
    gains : DataFrame
        Measured pairs: columns target, source, gain, gain_se, stl_loss, mtl_loss, n_repeats.
    affinity : DataFrame of shape (T, T)
        Gains that the search for groups received; row = target, column = source.
    predicted_gains : DataFrame
        Measured pairs with out-of-fold predictions: columns target, source, measured, predicted.
    reliability : float
        Expected correlation between two independent repetitions of the whole measurement, at most
        1; NaN if gains were measured only once.
    choice : DataFrame
        Candidates: columns candidate (label), n_groups, validation_loss, chosen.
    notices : list of str, default=()
        Remarks about the data and the run: rows dropped, tasks too small, fallbacks.
    seconds : float, default=nan
        Run time in seconds.
    settings : dict, optional
        Settings of the run, by name.
    served_by : dict of str to int, optional
        For each task, the index in ``groups`` of the group whose network predicts it. A task that
        is not named is predicted by the first group that contains it.

    Raises
    ------
    ValueError
        If ``losses`` has other columns, or ``served_by`` names a group without the task.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl.report import GroupingReport
    >>> losses = pd.DataFrame(
    ...     {"single-task": [1.0, 0.5], "joint": [0.8, 0.4], "grouped": [0.8, 0.4]},
    ...     index=["a", "b"],
    ... )
    >>> pairs = pd.DataFrame(
    ...     {
    ...         "target": ["a", "b"],
    ...         "source": ["b", "a"],
    ...         "gain": [0.2, 0.1],
    ...         "gain_se": [0.05, 0.05],
    ...     }
    ... )
    >>> report = GroupingReport(
    ...     title="Two tasks",
    ...     data_description="An example.",
    ...     kind="regression",
    ...     n_rows=40,
    ...     n_features=3,
    ...     loss_name="mean squared error",
    ...     losses=losses,
    ...     winner="joint",
    ...     groups=[("a", "b")],
    ...     gains=pairs,
    ...     affinity=pd.DataFrame(),
    ...     predicted_gains=pd.DataFrame(),
    ...     reliability=0.5,
    ...     choice=pd.DataFrame(),
    ... )
    >>> report.totals.round(2).to_dict()
    {'single-task': 1.5, 'joint': 1.2, 'grouped': 1.2}
    >>> report.best
    'joint'
    """

    title: str
    data_description: str
    kind: str
    n_rows: int
    n_features: int
    loss_name: str
    losses: pd.DataFrame
    winner: str
    groups: Sequence[tuple[str, ...]]
    gains: pd.DataFrame
    affinity: pd.DataFrame
    predicted_gains: pd.DataFrame
    reliability: float
    choice: pd.DataFrame
    notices: Sequence[str] = ()
    seconds: float = float("nan")
    settings: Mapping[str, Any] = field(default_factory=dict)
    served_by: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if tuple(self.losses.columns) != STRATEGIES:
            raise ValueError(
                f"losses must have the columns {', '.join(STRATEGIES)}. Got "
                f"{', '.join(map(str, self.losses.columns))}."
            )

        for name, group in self.served_by.items():
            if not 0 <= group < len(self.groups) or name not in self.groups[group]:
                raise ValueError(
                    f"served_by says that group {group} serves task {name!r}, but the group does "
                    "not contain it."
                )

    def serving(self, name: str) -> int:
        """Return the index of the group whose network predicts a task.

        Parameters
        ----------
        name : str
            Name of a task.

        Returns
        -------
        int
            Index in ``groups``.
        """
        if name in self.served_by:
            return self.served_by[name]
        return next(k for k, group in enumerate(self.groups) if name in group)

    @property
    def totals(self) -> pd.Series:
        """Sum of the test losses per strategy, over tasks with a loss for all of them."""
        totals: pd.Series = self.losses.dropna().sum()
        return totals

    @property
    def best(self) -> str:
        """Strategy with the smallest total; ties go to joint, then single-task, then grouped."""
        totals = self.totals
        tied = [
            strategy
            for strategy in (JOINT, SINGLE, GROUPED)
            if totals[strategy] <= totals.min() * (1 + 1e-9)
        ]
        return tied[0]
