"""Rows of a sweep: inputs, coded labels and groups, and how decisions on them come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length

from skmtl.data import (
    check_label_types,
    in_task_order,
    named_columns,
    rows_as_given,
    sensitive_table,
    split_rows,
    take_rows,
    tidy_labels,
    wide_columns,
    without_columns,
)
from skmtl.model_selection.thresholds import least_error_threshold, quantile_threshold

# Labels of the rows that a rate is taken of.
_SIDES = {"fpr": (0.0,), "tpr": (1.0,), "equalized_odds": (0.0, 1.0)}


@dataclass(frozen=True)
class SweepRows:
    """Rows that networks of a sweep are fitted or judged on.

    Attributes
    ----------
    X : array-like of shape (n, p)
        Inputs.
    Y : array-like of shape (n,) or (n, T)
        Labels as given.
    coded : ndarray of shape (n, T)
        1 for the larger of the two classes of a task, 0 for the other, NaN where unknown.
    sensitive : DataFrame of shape (n, q)
        Values whose combinations are the groups.
    """

    X: Any
    Y: Any
    coded: NDArray[np.float64]
    sensitive: pd.DataFrame

    def take(self, rows: NDArray[np.intp]) -> SweepRows:
        """Return some of the rows."""
        return SweepRows(
            take_rows(self.X, rows),
            take_rows(self.Y, rows),
            self.coded[rows],
            self.sensitive.iloc[rows],
        )

    def split(self, fraction: float, seed: int) -> tuple[SweepRows, SweepRows]:
        """Split at random by combinations of labels and groups; the second part holds the fraction."""
        table = pd.concat(
            [
                pd.DataFrame(self.coded),
                self.sensitive.set_axis(
                    [f"group {k}" for k in range(self.sensitive.shape[1])], axis=1
                ),
            ],
            axis=1,
        )
        patterns = table.groupby(list(table.columns), dropna=False, sort=False).ngroup().to_numpy()
        held = split_rows(patterns, fraction, np.random.RandomState(seed), stratify=True)
        return self.take(np.flatnonzero(~held)), self.take(np.flatnonzero(held))

    def of_task(self, t: int) -> SweepRows:
        """Return the labelled rows of one task."""
        rows = np.flatnonzero(~np.isnan(self.coded[:, t]))
        labels = pd.Series(wide_columns(self.Y)[1][t][rows])
        return SweepRows(
            take_rows(self.X, rows),
            labels.infer_objects().to_numpy(),
            self.coded[rows][:, [t]],
            self.sensitive.iloc[rows],
        )


def read_rows(
    X: Any,
    Y: Any,
    sensitive_features: Any,
    classes: list[NDArray[Any]] | None,
    what: str,
    *,
    drop: bool,
    task_names: list[str] | None = None,
) -> tuple[SweepRows, list[str], list[NDArray[Any]]]:
    """Check rows; return them, the names of the tasks and their classes, learnt from the rows where
    they are not given.

    With ``drop`` columns of X that are named as sensitive features are no inputs. With
    ``task_names`` the columns of a frame Y are put in the order of these tasks.
    """
    X, Y = rows_as_given(X), rows_as_given(Y)
    check_consistent_length(X, Y)
    if task_names is not None:
        Y = in_task_order(Y, task_names, what, "the columns of Y")
    names, columns = wide_columns(Y, what)
    known = [_classes(name, column) for name, column in zip(names, columns, strict=True)]
    if classes is not None and len(classes) != len(names):
        raise ValueError(
            f"{what} must have a column for every task: {len(classes)} are needed. Got "
            f"{len(names)}."
        )
    for name, own, expected in zip(
        names, known, known if classes is None else classes, strict=True
    ):
        if classes is None and len(own) != 2:
            raise ValueError(
                f"fairness_sweep needs two classes a task. Task {name!r} has {len(own)} in {what}: "
                f"{own.tolist()[:5]}."
            )
        if unknown := sorted(set(own.tolist()) - set(expected.tolist()), key=str):
            raise ValueError(
                f"Task {name!r} has the label {unknown[0]!r} in {what}, which is not among its "
                f"classes {expected.tolist()} in Y."
            )
    coded = np.column_stack(
        [
            _coded(column, own)
            for column, own in zip(columns, known if classes is None else classes, strict=True)
        ]
    )
    groups = sensitive_table(X, sensitive_features, len(coded))
    named = named_columns(X, sensitive_features)
    inputs = without_columns(X, named) if drop else X
    return SweepRows(inputs, Y, coded, groups), names, known


def _classes(name: str, column: NDArray[Any]) -> NDArray[Any]:
    """Return the sorted classes of a task."""
    labels = column[~pd.isna(column)]
    check_label_types(labels, f"Task {name!r}")
    return np.unique(tidy_labels(labels, f"Task {name!r}"))


def _coded(column: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.float64]:
    missing = pd.isna(column)
    positive = np.zeros(len(column))
    positive[~missing] = tidy_labels(column[~missing]) == classes[-1]
    return np.where(missing, np.nan, positive)


class Judge:
    """Errors and gaps of many runs on the same rows.

    Parameters
    ----------
    rows : SweepRows
        Rows to judge on.
    rate : {"fpr", "tpr", "equalized_odds"}
        Rate whose gap is taken.
    """

    def __init__(self, rows: SweepRows, rate: str):
        self.coded, self.known = rows.coded, ~np.isnan(rows.coded)
        combinations = rows.sensitive.groupby(
            list(rows.sensitive.columns), sort=False, dropna=True
        ).ngroup()
        groups = combinations.fillna(-1).to_numpy(dtype=np.intp)  # -1: takes no part
        own = groups[:, None] == np.arange(groups.max(initial=-1) + 1)
        self.sides = [
            [own & (rows.coded[:, [t]] == side) for side in _SIDES[rate]]
            for t in range(rows.coded.shape[1])
        ]

    def thresholds(
        self,
        threshold: float | str,
        probabilities: NDArray[np.float64],
        shares: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return every task's threshold, (T,), for probabilities (n, T): that of a quantile, a
        number, or where the error here is least.
        """
        if isinstance(threshold, str):
            own = [
                (probabilities[known, t], self.coded[known, t] == 1)
                for t, known in enumerate(self.known.T)
            ]
            if threshold == "quantile":
                return np.array(
                    [
                        quantile_threshold(seen, share)
                        for (seen, _), share in zip(own, shares, strict=True)
                    ]
                )
            return np.array([least_error_threshold(seen, positive) for seen, positive in own])
        return np.full(len(shares), float(threshold))

    def __call__(self, decided: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the errors, then the gaps, of all tasks, (2 T,), for decisions (n, T); see
        :mod:`skmtl.metrics` for what they are.
        """
        wrong = (decided != (self.coded == 1)) & self.known
        return np.concatenate(
            [
                wrong.sum(0) / self.known.sum(0),
                [self._gap(decided[:, t], sides) for t, sides in enumerate(self.sides)],
            ]
        )

    @staticmethod
    def _gap(decided: NDArray[np.bool_], sides: list[NDArray[np.bool_]]) -> float:
        gaps = []
        for own in sides:
            sizes = own.sum(0)
            rates = (decided @ own.astype(float))[sizes > 0] / sizes[sizes > 0]
            gaps.append(np.ptp(rates) if len(rates) > 1 else np.nan)
        return float(np.max(gaps))
