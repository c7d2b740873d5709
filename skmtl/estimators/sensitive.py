"""Groups of people: from what a user gives as sensitive features to one code a row."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.estimators.inputs import as_pandas, take_column
from skmtl.tasks import TaskSet


@dataclass(frozen=True)
class Groups:
    """Groups of people: the position of every row's group in ``names``, -1 where unknown."""

    codes: NDArray[np.int64]
    names: list[Any]


def named_columns(X: Any, sensitive_features: Any) -> list[Any]:
    """Return the columns of X that a user named as sensitive, a string or a list of strings that are all columns; else none."""
    if isinstance(sensitive_features, str):
        return [sensitive_features]
    listed = isinstance(sensitive_features, (list, tuple)) and all(isinstance(name, str) for name in sensitive_features)
    columns = set(getattr(as_pandas(X), "columns", ()))
    return list(sensitive_features) if listed and sensitive_features and set(sensitive_features) <= columns else []


def without_columns(X: Any, names: Sequence[Any]) -> Any:
    """Return X without those of the columns that it has."""
    X = as_pandas(X)
    for name in names:
        if isinstance(X, pd.DataFrame) and name in X.columns:
            X = take_column(X, name, "sensitive_features")[1]
    return X


def group_codes(X: Any, sensitive_features: Any, n_rows: int) -> tuple[NDArray[np.int64], list[Any]]:
    """Return the group of every row, -1 where unknown, and what the groups are.

    Parameters
    ----------
    X : array-like of shape (n, p)
        The table, for features that are named.
    sensitive_features : array-like of shape (n,) or (n, k), str or list of str
        Values, or names of columns of X. Groups are the combinations of the columns' values that occur.
    n_rows : int
        Number n of rows.

    Returns
    -------
    codes : ndarray of shape (n,)
        Group of every row; -1 where a value is missing.
    groups : list
        The values, or tuples of values, that the codes stand for.

    Examples
    --------
    >>> codes, groups = group_codes(None, ["f", "m", None, "f"], 4)
    >>> codes.tolist(), groups
    ([0, 1, -1, 0], ['f', 'm'])
    """
    names = named_columns(X, sensitive_features)
    if names:
        table = pd.DataFrame({name: np.asarray(take_column(X, name, "sensitive_features")[0], dtype=object) for name in names})
    else:
        values = as_pandas(sensitive_features)
        table = values if isinstance(values, pd.DataFrame) else pd.DataFrame(np.asarray(values, dtype=object))
    if len(table) != n_rows:
        raise ValueError(f"sensitive_features must have one entry a row of X: {n_rows} are needed. Got {len(table)}.")
    columns = [table.iloc[:, k].to_numpy(dtype=object) for k in range(table.shape[1])]
    known = ~np.any([pd.isna(column) for column in columns], axis=0)
    rows = list(zip(*(column[known] for column in columns), strict=True))
    keys = [row[0] if len(columns) == 1 else row for row in rows]
    groups = sorted(set(keys), key=lambda key: (str(type(key)), str(key)))
    position = {key: k for k, key in enumerate(groups)}
    codes = np.full(n_rows, -1, dtype=np.int64)
    codes[known] = [position[key] for key in keys]
    return codes, groups


def warn_of_missing_groups(groups: Groups, tasks: TaskSet) -> None:
    """Warn where a fairness term has nothing to compare: too few groups at all, or among the labelled rows of a task."""
    if len(groups.names) < 2:
        what = "all sensitive_features are missing" if not groups.names else f"sensitive_features hold one group only, {groups.names[0]!r}"
        warnings.warn(f"The fairness term has no effect: {what}.", UserWarning, stacklevel=5)
        return
    for name in tasks.names:
        present = set(groups.codes[tasks.rows(name)].tolist()) - {-1}
        if len(present) < len(groups.names):
            absent = next(group for k, group in enumerate(groups.names) if k not in present)
            rest = "the fairness term has no effect on the task" if len(present) < 2 else "the fairness term compares the others"
            warnings.warn(f"Task {name!r} has no labelled row of the group {absent!r}; {rest}.", UserWarning, stacklevel=5)
