"""Splits into training and test rows that differ in the correlation of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length, check_random_state

from skmtl.data import check_label_types, shown_names, take_rows, tidy_labels, wide_columns

Rows = NDArray[np.intp]


def split_by_label_combination(
    X: Any,
    Y: Any,
    *arrays: Any,
    tasks: Sequence[Any] | None = None,
    test: str = "balanced",
    test_size: float | None = None,
    exaggerate: float = 0.0,
    random_state: Any = None,
) -> list[Any]:
    """Split rows so that labels correlated in training are not correlated in the test rows.

    test="balanced": the test rows have every combination of labels equally often, as far as
    combinations occur. The other rows are for training; there labels are correlated as in the data,
    or slightly more. test="unseen": the test rows are all rows of some combinations, those that are
    rarest relative to independent labels; the training rows have the other combinations.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n, p)
        Inputs.
    Y : array-like or DataFrame of shape (n, T)
        Labels, one column per task. Rows with a missing label for one of ``tasks`` are training
        rows.
    *arrays : sequence of array-like
        Further arrays to split, such as sample weights, or ``np.arange(n)`` for the positions.
    tasks : sequence of str or int, or None, default=None
        Columns of Y, by name or position, whose labels are combined: at least two. None = all.
    test : {"balanced", "unseen"}, default="balanced"
        Composition of the test rows.
    test_size : float or None, default=None
        Share of the rows, between 0 and 1. "balanced": share of test rows; None takes half of the
        rarest combination, and as many rows of every other one. "unseen": upper bound of the share
        of test rows, which are at least one combination; None = 0.5.
    exaggerate : float, default=0.0
        Share, between 0 and 1, of the training rows that are dropped from combinations that are
        rarer than with independent labels. A larger value increases the correlation in training.
    random_state : int, RandomState or None, default=None
        Seed of the choice of rows.

    Returns
    -------
    list
        X_train, X_test, Y_train, Y_test, and both parts of every other array. Rows keep their
        order.

    Raises
    ------
    ValueError
        If a parameter is out of range, a combination has too few rows for ``test_size``, or every
        combination that could be held out has all rows of some label.

    See Also
    --------
    sklearn.model_selection.train_test_split : Split with the same distribution in both parts.

    Examples
    --------
    The labels of two tasks are correlated in training, and uncorrelated in the test rows:

    >>> import numpy as np
    >>> from skmtl.spurious import split_by_label_combination
    >>> rng = np.random.default_rng(0)
    >>> Y = rng.integers(0, 2, (200, 2))
    >>> Y[:120, 1] = Y[:120, 0]
    >>> X_train, X_test, Y_train, Y_test = split_by_label_combination(
    ...     rng.normal(size=(200, 3)), Y, random_state=0
    ... )
    >>> combinations, counts = np.unique(Y_test, axis=0, return_counts=True)
    >>> len(combinations), bool((counts == counts[0]).all())
    (4, True)
    >>> bool(np.corrcoef(Y_train.T)[0, 1] > 0.6), abs(float(np.corrcoef(Y_test.T)[0, 1])) < 1e-12
    (True, True)
    """
    check_consistent_length(X, Y, *arrays)
    _check(test, test_size, exaggerate)
    names, codes = _chosen(Y, tasks)
    rng = check_random_state(random_state)
    complete = np.flatnonzero(~np.isnan(codes).any(1))
    combinations, cell = np.unique(codes[complete], axis=0, return_inverse=True)
    of_combination = [complete[cell.ravel() == k] for k in range(len(combinations))]
    if len(of_combination) < 2:
        raise ValueError(
            f"Y has {len(of_combination)} combination of labels of the tasks {', '.join(names)}; "
            "a split needs at least two. Combine other tasks."
        )
    lift = _lift(combinations, np.array([len(rows) for rows in of_combination]))
    if test == "balanced":
        tested = _balanced(of_combination, test_size, len(codes), rng)
    else:
        largest = 0.5 if test_size is None else float(test_size)
        tested = _unseen(combinations, of_combination, lift, largest, len(codes), names)
    in_test = np.zeros(len(codes), dtype=bool)
    in_test[tested] = True
    in_training = ~in_test
    for rows, own in zip(of_combination, lift, strict=True):
        if own < 1:
            rest = rows[in_training[rows]]
            in_training[rng.permutation(rest)[: round(exaggerate * len(rest))]] = False
    parts = np.flatnonzero(in_training), np.flatnonzero(in_test)
    return [_taken(table, rows) for table in (X, Y, *arrays) for rows in parts]


def _check(test: str, test_size: float | None, exaggerate: float) -> None:
    if test not in ("balanced", "unseen"):
        raise ValueError(f"test must be 'balanced' or 'unseen'. Got {test!r}.")
    if test_size is not None and not (isinstance(test_size, Real) and 0 < test_size < 1):
        raise ValueError(f"test_size must be None or a number between 0 and 1. Got {test_size!r}.")
    if not (isinstance(exaggerate, Real) and 0 <= exaggerate <= 1):
        raise ValueError(f"exaggerate must be a number between 0 and 1. Got {exaggerate!r}.")


def _chosen(Y: Any, tasks: Sequence[Any] | None) -> tuple[list[str], NDArray[np.float64]]:
    """Return the names of the combined tasks and their class codes, NaN for missing labels."""
    names, columns = wide_columns(Y)
    positions = list(range(len(names)))
    if tasks is not None:
        if isinstance(tasks, str):
            raise ValueError(
                f"tasks must be a sequence of at least two columns of Y. Got {tasks!r}."
            )
        for task in tasks:
            if task not in names and not (
                isinstance(task, Integral)
                and not isinstance(task, bool)
                and 0 <= int(task) < len(names)
            ):
                raise ValueError(
                    f"tasks has {task!r}, which is not a column of Y. The columns are "
                    f"{shown_names(names)}."
                )
        positions = [names.index(task) if task in names else int(task) for task in tasks]
    if len(set(positions)) < max(len(positions), 2):
        raise ValueError(
            "tasks must have at least two different columns of Y. Got "
            f"{[names[t] for t in positions]}."
        )
    codes = np.full((len(columns[0]), len(positions)), np.nan)
    for k, t in enumerate(positions):
        known = ~pd.isna(columns[t])
        check_label_types(columns[t][known], f"Task {names[t]!r}")
        labels = tidy_labels(columns[t][known], f"Task {names[t]!r}")
        codes[known, k] = np.unique(labels, return_inverse=True)[1]
    return [names[t] for t in positions], codes


def _lift(combinations: NDArray[np.float64], counts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the frequency of every combination relative to independent labels."""
    total = counts.sum()
    expected = np.full(len(counts), float(total))
    for column in combinations.T:
        expected *= np.array([counts[column == label].sum() for label in column]) / total
    lift: NDArray[np.float64] = counts / expected
    return lift


def _balanced(
    of_combination: list[Rows], test_size: float | None, n_rows: int, rng: np.random.RandomState
) -> Rows:
    rarest = min(len(rows) for rows in of_combination)
    each = rarest // 2 if test_size is None else round(test_size * n_rows / len(of_combination))
    if each < 1 or each > rarest - 1:
        largest = len(of_combination) * (rarest - 1) / n_rows
        advice = (
            f"The largest test_size is {largest:.3g}; None takes half of that."
            if rarest > 1
            else "Combine fewer tasks."
        )
        raise ValueError(
            f"test_size={test_size} takes {each} rows of each of the {len(of_combination)} "
            f"combinations of labels for a balanced test, but the rarest combination has {rarest}, "
            f"and one row must be left for training. {advice}"
        )
    return np.concatenate([rng.permutation(rows)[:each] for rows in of_combination])


def _unseen(
    combinations: NDArray[np.float64],
    of_combination: list[Rows],
    lift: NDArray[np.float64],
    largest: float,
    n_rows: int,
    names: list[str],
) -> Rows:
    """Return the rows of the combinations of labels that are held out for the test.

    The rarest combinations are taken first, as long as every label stays in training.
    """
    kept: list[int] = []
    size = 0
    for k in np.argsort(lift, kind="stable"):
        rest = [m for m in range(len(of_combination)) if m not in {*kept, k}]
        covered = all(
            len(np.unique(column[rest])) == len(np.unique(column)) for column in combinations.T
        )
        if (
            lift[k] < 1
            and covered
            and (not kept or size + len(of_combination[k]) <= largest * n_rows)
        ):
            kept.append(int(k))
            size += len(of_combination[k])
    if not kept:
        raise ValueError(
            f"No combination of the labels of {', '.join(names)} can be held out for the test: "
            "each one that is rarer than with independent labels has all rows of some label. "
            "Combine other tasks, or set test='balanced'."
        )
    return np.concatenate([of_combination[k] for k in kept])


def _taken(table: Any, rows: Rows) -> Any:
    if hasattr(table, "combine_chunks"):  # Arrow
        return table.take(rows)
    return take_rows(np.asarray(table) if isinstance(table, (list, tuple)) else table, rows)
