"""Groups of people: from what a user gives as sensitive features to one code a row."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.data.inputs import as_pandas, take_column
from skmtl.data.taskset import TaskSet

# More groups than this, with fewer rows each, are most often a number that was not cut into bands.
_FEW_GROUPS, _ROWS_A_GROUP = 10, 10


@dataclass(frozen=True)
class Groups:
    """Groups of people: the position of every row's group in ``names``, -1 where unknown."""

    codes: NDArray[np.int64]
    names: list[Any]


def named_columns(X: Any, sensitive_features: Any) -> list[Any]:
    """Return the columns of X that a user named as sensitive: a string, or a list of strings that
    are all columns and not one per row of X; else none.
    """
    if isinstance(sensitive_features, str):
        return [sensitive_features]
    listed = isinstance(sensitive_features, (list, tuple)) and all(
        isinstance(name, str) for name in sensitive_features
    )
    columns = set(getattr(as_pandas(X), "columns", ()))
    return (
        list(sensitive_features)
        if listed
        and sensitive_features
        and set(sensitive_features) <= columns
        and len(sensitive_features) != len(X)
        else []
    )


def without_columns(X: Any, names: Sequence[Any]) -> Any:
    """Return X without those of the columns that it has."""
    X = as_pandas(X)
    for name in names:
        if isinstance(X, pd.DataFrame) and name in X.columns:
            X = take_column(X, name, "sensitive_features")[1]
    return X


def group_codes(
    X: Any, sensitive_features: Any, n_rows: int
) -> tuple[NDArray[np.int64], list[Any]]:
    """Return the group of every row, -1 where unknown, and what the groups are.

    Parameters
    ----------
    X : array-like of shape (n, p)
        The table, for features that are named.
    sensitive_features : array-like of shape (n,) or (n, k), str or list of str
        Values, or names of columns of X. Groups are the combinations of the columns' values that
        occur.
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
        table = pd.DataFrame(
            {
                name: np.asarray(take_column(X, name, "sensitive_features")[0], dtype=object)
                for name in names
            }
        )
    else:
        values = as_pandas(sensitive_features)
        array = values if isinstance(values, pd.DataFrame) else np.asarray(values, dtype=object)
        if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
            raise ValueError(
                "sensitive_features must have shape (n,) or (n, k) with k at least 1. Got shape "
                f"{array.shape}."
            )
        table = pd.DataFrame(array)
    if len(table) != n_rows:
        columns = (
            [name for name in sensitive_features if isinstance(name, str)]
            if isinstance(sensitive_features, (list, tuple))
            else []
        )
        unknown = [name for name in columns if name not in getattr(as_pandas(X), "columns", ())]
        hint = (
            f" If these are names of columns, {unknown[0]!r} is not a column of X."
            if unknown and len(unknown) < len(columns)
            else ""
        )
        raise ValueError(
            f"sensitive_features must have one entry a row of X: {n_rows} are needed. Got "
            f"{len(table)}.{hint}"
        )
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
    """Warn where a fairness term has nothing to compare: too few groups at all, or among the rows
    of a task that it looks at.
    """
    if len(groups.names) < 2:
        what = (
            "all sensitive_features are missing"
            if not groups.names
            else f"sensitive_features hold one group only, {groups.names[0]!r}"
        )
        warnings.warn(f"The fairness term has no effect: {what}.", UserWarning, stacklevel=5)
        return
    n_known = int((groups.codes >= 0).sum())
    if len(groups.names) > _FEW_GROUPS and n_known < _ROWS_A_GROUP * len(groups.names):
        warnings.warn(
            f"sensitive_features hold {len(groups.names)} groups in {n_known} rows, too few a "
            "group to compare. Cut numbers such as ages into bands first.",
            UserWarning,
            stacklevel=5,
        )
        return
    for name in tasks.names:
        labels, codes = np.asarray(tasks[name].y), groups.codes[tasks.rows(name)]
        compared = [("labelled", np.ones(len(labels), dtype=bool))]
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
                rest += f" in its {kind} rows" if kind != "labelled" and len(compared) > 2 else ""
                warnings.warn(
                    f"Task {name!r} has no {kind} row of the group {absent!r}; the fairness term "
                    f"{rest}.",
                    UserWarning,
                    stacklevel=5,
                )
                if kind == "labelled":
                    break
