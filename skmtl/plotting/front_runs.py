"""Runs of several methods under two measures: reading, Pareto fronts and axis limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from skmtl.metrics import pareto_mask, reported_point

Runs = dict[str, NDArray[np.float64]]
UNNAMED = "runs"


def read_runs(
    points: ArrayLike | pd.DataFrame | Mapping[str, ArrayLike | pd.DataFrame],
    columns: Sequence[str],
) -> Runs:
    """Return the two measures of each run, (n, 2), by method."""
    given = points if isinstance(points, Mapping) else {UNNAMED: points}
    if not given:
        raise ValueError("points is empty: pass the runs of at least one method.")
    return {
        str(method): _two_columns(str(method), table, columns) for method, table in given.items()
    }


def _two_columns(
    method: str, table: ArrayLike | pd.DataFrame, columns: Sequence[str]
) -> NDArray[np.float64]:
    if isinstance(table, pd.DataFrame):
        lacking = [column for column in columns if column not in table.columns]
        if lacking:
            raise ValueError(
                f"points of {method!r} has no column {lacking[0]!r}; it has "
                f"{list(table.columns)[:8]}. Name two with columns=."
            )
        return table[list(columns)].to_numpy(dtype=np.float64)
    values = np.asarray(table, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 2:
        raise ValueError(f"points of {method!r} must have shape (n, 2). Got shape {values.shape}.")
    return values


def reported_rows(runs: Runs, reported: str | int | Mapping[str, int] | None) -> dict[str, int]:
    """Return the row of each method's reported run."""
    if reported is None:
        return {}
    if isinstance(reported, str):
        if reported != "midpoint":
            raise ValueError(f"reported must be 'midpoint', row numbers or None. Got {reported!r}.")
        return {
            method: reported_point(values)
            for method, values in runs.items()
            if np.isfinite(values).all(axis=1).any()
        }
    chosen = reported if isinstance(reported, Mapping) else dict.fromkeys(runs, reported)
    for method, row in chosen.items():
        if method not in runs or not 0 <= row < len(runs[method]):
            raise ValueError(
                f"reported marks row {row!r} of {method!r}, which points does not have."
            )
    return {str(method): int(row) for method, row in chosen.items()}


def front_rows(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the runs on the Pareto front, from left to right."""
    rows = np.flatnonzero(pareto_mask(values) & np.isfinite(values).all(axis=1))
    return rows[np.lexsort((values[rows, 1], values[rows, 0]))]


def axis_limits(
    runs: Runs,
    fronts: Mapping[str, NDArray[np.intp]],
    reported: Mapping[str, int],
    corner: Sequence[float] | NDArray[np.float64] | None,
    axis: int,
) -> tuple[float, float]:
    """Return limits that include marked runs, the baseline, most runs, and fronts if near them."""
    everything = np.concatenate(
        [values[np.isfinite(values).all(axis=1), axis] for values in runs.values()]
    )
    if not len(everything):
        return 0.0, 1.0
    on_fronts = np.concatenate(
        [values[rows, axis] for rows, values in zip(fronts.values(), runs.values(), strict=True)]
    )
    marked = [float(runs[method][row, axis]) for method, row in reported.items()] + (
        [] if corner is None else [float(corner[axis])]
    )
    marked = [value for value in marked if np.isfinite(value)]
    low, usual = (
        float(everything.min()),
        float(np.quantile(everything, 0.9) if len(everything) >= 20 else everything.max()),
    )
    high = max([usual, min(float(on_fronts.max(initial=usual)), 2 * usual - low), *marked])
    low = min([low, *marked])
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin
