"""What a report about a task grouping is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pandas as pd


class Strategy(str, Enum):
    """A way of training; the value is the label that readers see."""

    SINGLE = "single-task"
    JOINT = "all together"
    GROUPED = "grouped"


STRATEGIES = tuple(strategy.value for strategy in Strategy)
SINGLE, TOGETHER, GROUPED = STRATEGIES


@dataclass(frozen=True)
class GroupingReport:
    """Everything that the page about one task grouping says.

    Parameters
    ----------
    title : str
        Heading of the page.
    data_description : str
        What the rows and tasks are, in a sentence.
    kind : str
        "regression" or "classification".
    n_rows : int
        Number of rows.
    n_features : int
        Number of inputs.
    loss_name : str
        Name of the loss, such as "mean squared error (standardized)".
    losses : DataFrame of shape (T, 3)
        Held-out loss per task; index = task names, columns "single-task", "all together",
        "grouped". NaN = not trained that way.
    winner : str
        Candidate that was chosen on validation rows.
    groups : list of tuple of str
        Task names of each group of the winner; they may overlap.
    gains : DataFrame
        Measured pairs: columns target, source, gain, gain_se, stl_loss, mtl_loss, n_repeats.
    affinity : DataFrame of shape (T, T)
        Gains that the grouping was made from; row = target, column = source.
    predicted_gains : DataFrame
        Measured pairs and what a model that had not seen them predicted: columns target, source,
        measured, predicted.
    reliability : float
        Correlation that two independent repetitions of the whole measurement would have; NaN when
        it was not repeated.
    choice : DataFrame
        Candidates: columns candidate (label), n_groups, validation_loss, chosen.
    notices : list of str
        What the reader must know: rows dropped, tasks too small, fallbacks.
    seconds : float
        Time that everything took.
    settings : dict
        Settings of the run, by name.
    served_by : dict of str to int
        Index in ``groups`` of the group whose network serves a task; a task that is not named is
        served by the first group that holds it.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl.report import GroupingReport
    >>> losses = pd.DataFrame(
    ...     {"single-task": [1.0, 0.5], "all together": [0.8, 0.4], "grouped": [0.8, 0.4]},
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
    ...     winner="all together",
    ...     groups=[("a", "b")],
    ...     gains=pairs,
    ...     affinity=pd.DataFrame(),
    ...     predicted_gains=pd.DataFrame(),
    ...     reliability=0.5,
    ...     choice=pd.DataFrame(),
    ... )
    >>> report.totals.round(2).to_dict()
    {'single-task': 1.5, 'all together': 1.2, 'grouped': 1.2}
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
                    f"served_by says that group {group} serves task {name!r}, which it does not "
                    "hold."
                )

    def serving(self, name: str) -> int:
        """Return the index of the group whose network serves a task.

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
        """Sum of the held-out losses per strategy, over the tasks that every strategy has a loss
        for.
        """
        totals: pd.Series = self.losses.dropna().sum()
        return totals

    @property
    def best(self) -> str:
        """Strategy with the smallest total; of equals, the simplest to run: all together,
        single-task, grouped.
        """
        totals = self.totals
        tied = [
            strategy
            for strategy in (TOGETHER, SINGLE, GROUPED)
            if totals[strategy] <= totals.min() * (1 + 1e-9)
        ]
        return tied[0]
