"""Square table of the values of ordered task pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_consistent_length


def affinity_matrix(pairs: ArrayLike, values: ArrayLike, names: Sequence[str]) -> pd.DataFrame:
    """Arrange the values of ordered task pairs in a square table.

    Parameters
    ----------
    pairs : array-like of shape (m, 2)
        Task names: the target (the task that is helped) in column 0, the source (the task that
        helps) in column 1.
    values : array-like of shape (m,)
        Gain of each pair; NaN = missing.
    names : sequence of str of length T
        All task names, in the order of the rows and columns of the result.

    Returns
    -------
    DataFrame of shape (T, T)
        Row = target, column = source, 0 on the diagonal, NaN where `pairs` has no value. dtype
        float64.

    Raises
    ------
    ValueError
        If `names` repeats a name, or if a pair is listed twice, contains the same task twice, or
        contains a name that is not in `names`.

    See Also
    --------
    PairwiseGainRegressor : Predict the gains of pairs that were not measured.

    Examples
    --------
    >>> from skmtl.affinity import affinity_matrix
    >>> affinity_matrix(
    ...     [["a", "b"], ["b", "a"], ["c", "a"]], [0.1, -0.2, 0.3], names=["a", "b", "c"]
    ... )
         a    b    c
    a  0.0  0.1  NaN
    b -0.2  0.0  NaN
    c  0.3  NaN  0.0
    """
    index = pd.Index([str(name) for name in names])
    if not index.is_unique:
        raise ValueError(
            f"names must be distinct. Got {index[index.duplicated()][0]!r} more than once."
        )
    ordered = np.asarray(pairs, dtype=object)
    if ordered.size == 0:
        ordered = ordered.reshape(0, 2)
    if ordered.ndim != 2 or ordered.shape[1] != 2:
        raise ValueError(
            f"pairs must have shape (m, 2): target, source. Got an array of shape {ordered.shape}."
        )
    gains = np.asarray(
        check_array(
            values,
            ensure_2d=False,
            ensure_min_samples=0,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            input_name="values",
        )
    )
    if gains.ndim != 1:
        raise ValueError(f"values must have shape (m,). Got an array of shape {gains.shape}.")
    check_consistent_length(ordered, gains)

    targets, sources = (
        pd.Index([str(name) for name in column], dtype=index.dtype) for column in ordered.T
    )
    rows, columns = index.get_indexer(targets), index.get_indexer(sources)
    _refuse(rows < 0, targets, sources, targets, "its target is not one of the names")
    _refuse(columns < 0, targets, sources, sources, "its source is not one of the names")
    _refuse(rows == columns, targets, sources, targets, "a task has no gain from itself")
    _refuse(
        pd.Series(rows * len(index) + columns).duplicated().to_numpy(),
        targets,
        sources,
        targets,
        "it is listed more than once",
    )

    matrix = np.full((len(index), len(index)), np.nan)
    np.fill_diagonal(matrix, 0.0)
    matrix[rows, columns] = gains
    table: pd.DataFrame = pd.DataFrame(matrix, index=index, columns=index)
    return table


def _refuse(
    wrong: np.ndarray, targets: pd.Index, sources: pd.Index, culprits: pd.Index, reason: str
) -> None:
    """Raise an error that names the first invalid pair."""
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ValueError(
            f"Pair (target {targets[first]!r}, source {sources[first]!r}) cannot be placed: "
            f"{reason}. Culprit: {culprits[first]!r}."
        )
