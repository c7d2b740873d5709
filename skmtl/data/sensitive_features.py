"""Sensitive features, encoded as one group code per row."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.data.frames import array_of, as_pandas, one_column
from skmtl.data.messages import shown_value
from skmtl.data.missing_text import without_missing_text
from skmtl.data.task_column import take_column
from skmtl.data.taskset import TaskSet

# More groups than this with few rows per group: most often a number that was not binned.
_FEW_GROUPS, _ROWS_PER_GROUP = 10, 10


@dataclass(frozen=True)
class Groups:
    """Sensitive groups: the position of every row's group in ``names``, -1 where unknown."""

    codes: NDArray[np.int64]
    names: list[Any]


def named_columns(X: Any, sensitive_features: Any) -> list[Any]:
    """Return the columns of X that sensitive features name; empty if they are values.

    A string is a name. A list of strings holds names if all are columns of X, unless it has one
    entry per row of X: then it holds values.
    """
    if isinstance(sensitive_features, str):
        return [sensitive_features]
    if (
        not isinstance(sensitive_features, (list, tuple))
        or not sensitive_features
        or not all(isinstance(name, str) for name in sensitive_features)
    ):
        return []
    X = as_pandas(X)
    columns = set(getattr(X, "columns", ()))
    if not set(sensitive_features) <= columns or len(sensitive_features) == len(X):
        return []
    return list(sensitive_features)


def sensitive_table(
    X: Any, sensitive_features: Any, n_rows: int, what: str = "sensitive_features"
) -> pd.DataFrame:
    """Return sensitive features as a frame with one row per row of X, NaN where missing.

    Parameters
    ----------
    X : array-like of shape (n, p) or None
        The table, for features that are named.
    sensitive_features : array-like of shape (n,) or (n, k), str or list of str
        Values, or names of columns of X.
    n_rows : int
        Number n of rows.
    what : str
        Name of the argument in messages.

    Returns
    -------
    DataFrame of shape (n, k)
        Values as objects.

    Raises
    ------
    ValueError
        If a column is unknown, the number of entries is not that of the rows, or numbers are
        complex.

    Examples
    --------
    >>> from skmtl.data import sensitive_table
    >>> sensitive_table(None, ["f", "m"], 2)[0].tolist()
    ['f', 'm']
    """
    names = named_columns(X, sensitive_features)
    if names:
        columns = {name: take_column(X, name, what)[0] for name in names}
    else:
        columns = dict(enumerate(_columns_of_values(sensitive_features, what)))
    found = {
        name: without_missing_text(one_column(column, what).astype(object), what)
        for name, column in columns.items()
    }
    n_found = len(next(iter(found.values())))
    if n_found != n_rows:
        raise ValueError(
            f"{what} must have one entry per row of X: {n_rows} are needed. Got {n_found}."
            f"{_hint_of_names(X, sensitive_features)}"
        )
    return pd.DataFrame(found, dtype=object)


def _columns_of_values(sensitive_features: Any, what: str) -> list[Any]:
    values = as_pandas(sensitive_features)
    if isinstance(values, pd.Series):
        return [values]
    if isinstance(values, pd.DataFrame):
        columns = [values.iloc[:, k] for k in range(values.shape[1])]
    else:
        array = array_of(values)
        if array.ndim == 1:
            return [array]
        columns = list(array.T) if array.ndim == 2 else []
    if not columns:
        raise ValueError(
            f"{what} must have shape (n,) or (n, k) with k at least 1. Got shape "
            f"{np.shape(values)}."
        )
    return columns


def _hint_of_names(X: Any, sensitive_features: Any) -> str:
    if not isinstance(sensitive_features, (list, tuple)):
        return ""
    names = [name for name in sensitive_features if isinstance(name, str)]
    unknown = [name for name in names if name not in getattr(as_pandas(X), "columns", ())]
    if not unknown or len(unknown) == len(names):
        return ""
    return f" If these are names of columns, {unknown[0]!r} is not a column of X."


def group_codes(
    X: Any, sensitive_features: Any, n_rows: int
) -> tuple[NDArray[np.int64], list[Any]]:
    """Return the code of every row's group, -1 where unknown, and the groups.

    Parameters
    ----------
    X : array-like of shape (n, p)
        The table, for features that are named.
    sensitive_features : array-like of shape (n,) or (n, k), str or list of str
        Values, or names of columns of X. The groups are the combinations of values that occur.
    n_rows : int
        Number n of rows.

    Returns
    -------
    codes : ndarray of shape (n,)
        Position in ``groups`` of every row's group; -1 where a value is missing.
    groups : list
        Values, or tuples of values for several columns.

    Examples
    --------
    >>> codes, groups = group_codes(None, ["f", "m", None, "f"], 4)
    >>> codes.tolist(), groups
    ([0, 1, -1, 0], ['f', 'm'])
    """
    table = sensitive_table(X, sensitive_features, n_rows)
    columns = [table.iloc[:, k].to_numpy(dtype=object) for k in range(table.shape[1])]
    known = ~np.any([pd.isna(column) for column in columns], axis=0)
    rows = list(zip(*(column[known] for column in columns), strict=True))
    keys = [row[0] if len(columns) == 1 else row for row in rows]
    groups = sorted(set(keys), key=lambda key: (str(type(key)), str(key)))
    position = {key: k for k, key in enumerate(groups)}
    codes = np.full(n_rows, -1, dtype=np.int64)
    codes[known] = [position[key] for key in keys]
    return codes, groups


def warn_of_missing_groups(
    groups: Groups, tasks: TaskSet, classes: Mapping[str, NDArray[Any]], row_sets: Mapping[str, Any]
) -> None:
    """Warn if a fairness term has too few groups to compare, in total or for one task."""
    if len(groups.names) < 2:
        what = (
            "all sensitive_features are missing"
            if not groups.names
            else f"sensitive_features hold one group only, {shown_value(groups.names[0])}"
        )
        warnings.warn(f"The fairness term has no effect: {what}.", UserWarning, stacklevel=5)
        return
    n_known = int((groups.codes >= 0).sum())
    if len(groups.names) > _FEW_GROUPS and n_known < _ROWS_PER_GROUP * len(groups.names):
        warnings.warn(
            f"sensitive_features hold {len(groups.names)} groups in {n_known} rows, too few per "
            "group to compare. Bin numbers such as ages first.",
            UserWarning,
            stacklevel=5,
        )
        return
    for name in tasks.names:
        labels, codes = np.asarray(tasks[name].y), groups.codes[tasks.rows(name)]
        compared = [("labeled", np.ones(len(labels), dtype=bool))]
        for positive, code in row_sets.get(name, []):
            rows = (
                (labels == classes[name][code]) == positive
                if code < len(classes[name])
                else np.full(len(labels), not positive)
            )
            compared.append(("positive" if positive else "negative", rows))
        for kind, rows in compared:
            present = set(codes[rows].tolist()) - {-1}
            if len(present) < len(groups.names):
                absent = next(group for k, group in enumerate(groups.names) if k not in present)
                rest = "has no effect on the task" if len(present) < 2 else "compares the others"
                rest += f" in its {kind} rows" if kind != "labeled" and len(compared) > 2 else ""
                warnings.warn(
                    f"Task {name!r} has no {kind} row of the group {shown_value(absent)}; the "
                    f"fairness term {rest}.",
                    UserWarning,
                    stacklevel=5,
                )
                if kind == "labeled":
                    break
