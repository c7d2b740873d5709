"""Rate gaps between sensitive groups, and the rate gap to expect by chance."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_random_state

from skmtl.data import (
    column_task_name,
    distinct,
    sensitive_table,
    shown_names,
    shown_value,
    wide_columns,
)
from skmtl.metrics.error_ratios import as_given
from skmtl.metrics.labeled_tasks import Score, labeled_tasks, predicted_columns

# True labels of the rows that a rate is measured on: True for the positive rows.
_SIDES = {"fpr": (False,), "tpr": (True,), "equalized_odds": (False, True)}
# More groups than this usually mean a numeric column that was not cut into bins.
_MANY_GROUPS = 20
_OWN_NAME = {False: "negative", True: "positive"}


def group_rate_gap(
    y_true: Any,
    y_pred: Any,
    sensitive_features: Any,
    *,
    rate: str = "fpr",
    pos_label: Any = None,
    task: Any = None,
) -> Score:
    r"""Rate gap per task: the largest difference of a rate between two sensitive groups.

    .. math:: \max_{a, a'} \big| P(\hat y = 1 \mid y = 0, a) - P(\hat y = 1 \mid y = 0, a') \big|

    This is the gap of the false positive rate. The gap of the true positive rate conditions on
    y = 1, and "equalized_odds" is the larger of the two gaps.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,) or (n, T)
        True labels, NaN where unknown, and predicted labels.
    sensitive_features : array-like of shape (n,) or (n, q)
        Sensitive group of every row; with several columns, their intersections are the groups.
        Rows with a missing value are left out.
    rate : {"fpr", "tpr", "equalized_odds"}, default="fpr"
        Rate that should be equal in all groups: false positive rate, true positive rate, or both.
    pos_label : label or dict, default=None
        Positive class, which is compared with all others, or a dict from task name to positive
        class. None = 1; labels must then be 0 and 1, or -1 and 1.
    task : array-like of shape (n,), optional
        Task of every row in long form, where ``y_true`` is (n,).

    Returns
    -------
    float or ndarray of shape (T,)
        Between 0 and 1: one number for labels of shape (n,) without ``task``, otherwise one per
        task. NaN if fewer than two groups have a rate.

    Warns
    -----
    UndefinedMetricWarning
        If a group is left out because it has no negative rows (for "tpr" no positive rows), if the
        gap of a task is NaN, or if a task has no label and no prediction of class `pos_label`. The
        warning names the groups and the task.

    Raises
    ------
    ValueError
        If shapes differ, or labels are not those that `pos_label` requires.

    See Also
    --------
    chance_gap : Rate gap to expect by chance if the groups are treated alike.

    Notes
    -----
    Only groups that occur in these rows are compared. If a fold lacks one of three groups, its gap
    is that of the other two; if all its rows belong to one group, its gap is NaN. A model that
    predicts the same class for every row has a gap of 0, which does not make it fair.

    Examples
    --------
    Half of the negative rows of "f" and all those of "m" are predicted positive:

    >>> from skmtl.metrics import group_rate_gap
    >>> group_rate_gap([0, 0, 0, 0, 1], [1, 0, 1, 1, 0], ["f", "f", "m", "m", "m"])
    0.5
    >>> group_rate_gap(
    ...     ["no", "no", "no", "no"],
    ...     ["yes", "no", "yes", "yes"],
    ...     ["f", "f", "m", "m"],
    ...     pos_label="yes",
    ... )
    0.5
    """
    values = []
    for name, sides in _counts(y_true, y_pred, sensitive_features, rate, pos_label, task):
        _warn_of_gaps(name, sides)
        values.append(
            max(float(np.ptp(side.rates)) for side in sides)
            if all(len(side.rates) > 1 for side in sides)
            else np.nan
        )
    return as_given(y_true, task, np.array(values))


def chance_gap(
    y_true: Any,
    y_pred: Any,
    sensitive_features: Any,
    *,
    rate: str = "fpr",
    pos_label: Any = None,
    task: Any = None,
    n_draws: int = 2000,
    random_state: Any = 0,
) -> Score:
    r"""Rate gap per task to expect by chance if the sensitive groups are treated alike.

    This is the mean of :func:`group_rate_gap` over all permutations of the groups among the rows
    with the same true label, which keep the predictions and the group sizes,

    .. math:: E_\pi \big[ \mathrm{gap}(y, \hat y, a_{\pi}) \big].

    A measured gap that is not well above this value is no evidence of unequal treatment.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,) or (n, T)
        True labels, NaN where unknown, and predicted labels.
    sensitive_features : array-like of shape (n,) or (n, q)
        Sensitive group of every row; with several columns, their intersections are the groups.
        Rows with a missing value are left out.
    rate : {"fpr", "tpr", "equalized_odds"}, default="fpr"
        Rate that should be equal in all groups: false positive rate, true positive rate, or both.
    pos_label : label or dict, default=None
        Positive class, which is compared with all others, or a dict from task name to positive
        class. None = 1; labels must then be 0 and 1, or -1 and 1.
    task : array-like of shape (n,), optional
        Task of every row in long form, where ``y_true`` is (n,).
    n_draws : int, default=2000
        Number of random permutations if there are more than two groups. With two groups the mean
        is exact, and nothing is drawn.
    random_state : int, RandomState instance or None, default=0
        Seed of the permutations.

    Returns
    -------
    float or ndarray of shape (T,)
        Between 0 and 1, in the shape of :func:`group_rate_gap`. NaN if fewer than two groups have a
        rate.

    Raises
    ------
    ValueError
        If shapes differ, or labels are not those that `pos_label` requires.

    See Also
    --------
    group_rate_gap : The measured rate gap.

    Examples
    --------
    A single false positive must fall into some group, so a gap of 0.5 is what chance gives:

    >>> from skmtl.metrics import chance_gap, group_rate_gap
    >>> y_true, y_pred, group = [0, 0, 0, 0], [1, 0, 0, 0], ["f", "f", "m", "m"]
    >>> group_rate_gap(y_true, y_pred, group), chance_gap(y_true, y_pred, group)
    (0.5, 0.5)
    """
    if not (isinstance(n_draws, (int, np.integer)) and n_draws >= 1):
        raise ValueError(f"n_draws must be an int >= 1. Got {n_draws!r}.")
    generator = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    values = [
        _mean_of_largest([_gaps_by_chance(side, n_draws, generator) for side in sides])
        if all(len(side.rates) > 1 for side in sides)
        else np.nan
        for _, sides in _counts(y_true, y_pred, sensitive_features, rate, pos_label, task)
    ]
    return as_given(y_true, task, np.array(values))


# ---------------------------------------------------------------------- counts
@dataclass(frozen=True)
class _Side:
    """Rows with one true label, counted by group.

    Attributes
    ----------
    positive : bool
        Whether these are the positive rows.
    sizes, hits : ndarray of shape (G,)
        Rows, and rows predicted positive, of the groups that have any.
    having, without : list of str
        Names of the groups that have such rows, and of those that have none.
    """

    positive: bool
    sizes: NDArray[np.int64]
    hits: NDArray[np.int64]
    having: list[str]
    without: list[str]

    @property
    def rates(self) -> NDArray[np.float64]:
        return self.hits / self.sizes


def _counts(
    y_true: Any, y_pred: Any, sensitive_features: Any, rate: str, pos_label: Any, task: Any
) -> Iterator[tuple[str, list[_Side]]]:
    """Return the name of every task, and its rows counted by group per true label of the rate."""
    if rate not in _SIDES:
        raise ValueError(f"rate must be one of {', '.join(_SIDES)}. Got {rate!r}.")
    names, codes = _groups(sensitive_features, len(wide_columns(y_true, "y_true")[1][0]))
    predicted = predicted_columns(y_true, y_pred, task)
    # The groups take the place of the predictions: they are those of every task's labeled rows.
    own_groups = labeled_tasks(y_true, [codes] * len(predicted), task, None)
    for one, known in zip(labeled_tasks(y_true, predicted, task, None), own_groups, strict=True):
        group = known.prediction.astype(np.intp)
        own_label = _label_of(pos_label, one.name)
        truth, hit = (
            _is_positive(values, own_label, one.name, what)
            for values, what in ((one.y, "y_true"), (one.prediction, "y_pred"))
        )
        if own_label is not None and len(one.y) and not (truth.any() or hit.any()):
            _warn_of_unseen(own_label, one.name, one.y)
        sides = []
        for positive in _SIDES[rate]:
            rows = (truth == positive) & (group >= 0)
            sizes = np.bincount(group[rows], minlength=len(names))
            hits = np.bincount(group[rows & hit], minlength=len(names))
            seen = sizes > 0
            having, without = (
                [name for name, own in zip(names, seen, strict=True) if own == wanted]
                for wanted in (True, False)
            )
            sides.append(_Side(positive, sizes[seen], hits[seen], having, without))
        yield one.name, sides


def _groups(sensitive_features: Any, n: int) -> tuple[list[str], NDArray[np.intp]]:
    """Return the names of the groups, and the position of every row's group, -1 if missing."""
    if isinstance(sensitive_features, str):
        raise ValueError(
            "sensitive_features must have one entry per row, not the name of a column. Got "
            f"{sensitive_features!r}."
        )
    frame = sensitive_table(None, sensitive_features, n)
    codes = np.zeros(n, dtype=np.intp)
    names = [""]
    for j in range(frame.shape[1]):
        own, found = distinct(frame.iloc[:, j], "sensitive_features")
        codes = np.where((codes < 0) | (own < 0), -1, codes * len(found) + own)
        names = [
            f"{name}, {_group_name(value)}".removeprefix(", ") for name in names for value in found
        ]
    kept, compact = np.unique(codes[codes >= 0], return_inverse=True)
    codes[codes >= 0] = compact
    return [names[code] for code in kept], codes


def _group_name(value: Any) -> str:
    whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value) if whole else value)


def _label_of(pos_label: Any, name: str) -> Any:
    """Return the positive class of one task."""
    if not isinstance(pos_label, dict):
        return pos_label
    by_name = {column_task_name(key): value for key, value in pos_label.items()}
    if name not in by_name:
        raise ValueError(
            f"pos_label has no positive class for task {name!r}; it has "
            f"{shown_names(by_name) or 'none'}."
        )
    return by_name[name]


def _is_positive(values: NDArray[Any], pos_label: Any, name: str, what: str) -> NDArray[np.bool_]:
    if pos_label is None:
        found = set(np.unique(values).tolist())
        if not (found <= {0, 1} or found <= {-1, 1}):
            raise ValueError(
                f"{what} of task {name!r} contains {_shown(values)}: without pos_label, labels and "
                "predictions must be 0 and 1, or -1 and 1. Set pos_label to the positive class."
            )
        pos_label = 1
    positive: NDArray[np.bool_] = values == pos_label
    return positive


def _shown(values: NDArray[Any]) -> str:
    found = sorted(set(np.unique(values).tolist()), key=str)
    return shown_names(found, 4)


def _warn_of_unseen(pos_label: Any, name: str, labels: NDArray[Any]) -> None:
    message = (
        f"Task {name!r} has no label and no prediction of the class pos_label={pos_label!r}; its "
        f"labels in y_true are {_shown(labels)}."
    )
    warnings.warn(message, UndefinedMetricWarning, stacklevel=4)


def _warn_of_gaps(name: str, sides: list[_Side]) -> None:
    for side in sides:
        kind = _OWN_NAME[side.positive]
        if len(side.sizes) < 2:
            having = (
                f"only group {shown_value(side.having[0])} has" if side.having else "no group has"
            )
            warnings.warn(
                f"The rate gap of task {shown_value(name)} is undefined: {having} {kind} rows.",
                UndefinedMetricWarning,
                stacklevel=3,
            )
        elif side.without:
            many = len(side.having) + len(side.without) > _MANY_GROUPS
            hint = " Cut numbers such as ages into bins first." if many else ""
            warnings.warn(
                f"Groups without {kind} rows are left out of the rate gap of task "
                f"{shown_value(name)}: {shown_names(side.without)}.{hint}",
                UndefinedMetricWarning,
                stacklevel=3,
            )


# ---------------------------------------------------------------------- chance
def _gaps_by_chance(
    side: _Side, n_draws: int, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the gaps that groups of these sizes have by chance, ascending, and probabilities."""
    hits, n_rows = int(side.hits.sum()), int(side.sizes.sum())
    if len(side.sizes) == 2:
        first = np.arange(max(0, hits - side.sizes[1]), min(hits, side.sizes[0]) + 1)
        gaps = np.abs(first / side.sizes[0] - (hits - first) / side.sizes[1])
        chances = hypergeom.pmf(first, n_rows, hits, side.sizes[0])
    else:
        dealt = generator.multivariate_hypergeometric(side.sizes, hits, size=n_draws)
        gaps, chances = np.ptp(dealt / side.sizes, axis=1), np.full(n_draws, 1 / n_draws)
    order = np.argsort(gaps)
    return gaps[order], chances[order]


def _mean_of_largest(parts: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> float:
    """Return the mean of the largest of independent random numbers (values, probabilities)."""
    support = np.unique(np.concatenate([gaps for gaps, _ in parts]))
    below = np.ones(len(support))
    for gaps, chances in parts:
        cumulative = np.concatenate([[0.0], np.cumsum(chances)])
        below *= cumulative[np.searchsorted(gaps, support, side="right")]
    return float((support * np.diff(below, prepend=0.0)).sum())
