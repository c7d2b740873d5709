"""Sample weights: one finite number of at least 0 per row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl._sklearn_compat import check_sample_weight
from skmtl.data.frames import as_pandas, holds_dates, is_complex
from skmtl.data.messages import shown_text
from skmtl.data.taskset import TaskSet


def checked_weight(sample_weight: Any, n_rows: int) -> NDArray[np.float64]:
    """Validate sample weights as scikit-learn does.

    Parameters
    ----------
    sample_weight : array-like of shape (n,), float or None
        Weights; None = all one.
    n_rows : int
        Number of rows.

    Returns
    -------
    ndarray of shape (n,)
        Finite weights of at least 0.

    Raises
    ------
    ValueError
        If there is not one weight per row, or a weight is negative, missing or infinite.

    Examples
    --------
    >>> from skmtl.data import checked_weight
    >>> checked_weight([1, 2], 2)
    array([1., 2.])
    """
    wanted = f"sample_weight must hold {n_rows} finite numbers >= 0"
    values = as_pandas(sample_weight)
    if values is not None and not isinstance(values, pd.Series):
        values = np.asarray(values)
        values = values.item() if values.ndim == 0 else values
    if np.ndim(values) == 1 and pd.isna(values).any():
        missing = np.flatnonzero(pd.isna(values))
        raise ValueError(f"{wanted}: the weight of row {missing[0]} is missing (NaN).")
    if is_complex(np.asarray(values)):
        raise ValueError(f"Complex data not supported: {wanted}.")
    if holds_dates(np.asarray(values)):
        raise ValueError(f"{wanted}: dates and times are no weights.")
    try:
        weight: NDArray[np.float64] = check_sample_weight(
            values, np.empty((n_rows, 0)), dtype=np.float64, ensure_non_negative=True
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{wanted}: {shown_text(error)}") from None
    with np.errstate(over="ignore"):
        total = weight.sum()
    # Only ratios count: a sum beyond the range of float64 would make all of them 0.
    return weight if np.isfinite(total) else weight / weight.max()


def weighted_rows(tasks: TaskSet, weight: NDArray[np.float64]) -> TaskSet:
    """Return the tasks without their rows of weight zero.

    Parameters
    ----------
    tasks : TaskSet
        The tasks.
    weight : ndarray of shape (n,)
        Weights of the rows of their table.

    Returns
    -------
    TaskSet
        Every task with its rows of positive weight.

    Raises
    ------
    ValueError
        If a task has no such row.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.data import weighted_rows
    >>> from skmtl.data import TaskSet
    >>> weighted_rows(
    ...     TaskSet.from_wide(np.eye(3), [[1.0], [2.0], [3.0]]), np.array([1.0, 0.0, 1.0])
    ... )["0"].y
    array([1., 3.])
    """
    kept = {name: weight[tasks.rows(name)] > 0 for name in tasks.names}
    for name, mask in kept.items():
        if not mask.any():
            raise ValueError(
                f"sample_weight is zero for every labeled row of task {name!r}: no sample is left "
                "to learn it from."
            )
    rows = {name: tasks.rows(name)[mask] for name, mask in kept.items()}
    return TaskSet(
        tasks.X, rows, {name: tasks.targets(name)[mask] for name, mask in kept.items()}, tasks.kind
    )
