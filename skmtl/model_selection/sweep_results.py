"""Table of a sweep: errors and rate gaps relative to a baseline, and the Pareto fronts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
import pandas as pd

from skmtl.metrics import average_relative_error, average_relative_fairness_gap, pareto_mask


def checked_baseline(baseline: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Return the checked baseline; missing entries of validation rows are those of test rows."""
    known = {str(key): float(value) for key, value in dict(baseline).items()}
    for what in ("error", "gap"):
        for name in names:
            value = known.get(f"{what}_{name}")
            if value is None or not isinstance(value, Real) or value < 0:
                raise ValueError(
                    f"baseline must have a number >= 0 for '{what}_{name}'. Got {value!r}."
                )
            known.setdefault(f"val_{what}_{name}", value)
    return known


def with_ratios(
    table: pd.DataFrame, names: Sequence[str], baseline: dict[str, float]
) -> pd.DataFrame:
    """Add the mean ratios to the baseline, and the Pareto fronts."""
    for prefix in ("", "val_"):
        for ratio, mean_of, what in (
            ("are", average_relative_error, "error"),
            ("arfg", average_relative_fairness_gap, "gap"),
        ):
            columns = [f"{prefix}{what}_{name}" for name in names]
            table[f"{prefix}{ratio}"] = mean_of(
                table[columns].set_axis(names, axis=1),
                pd.Series({name: baseline[f"{prefix}{what}_{name}"] for name in names}),
            )
        points = table[[f"{prefix}are", f"{prefix}arfg"]].to_numpy()
        finite = np.isfinite(points).all(axis=1)
        front = np.zeros(len(table), dtype=bool)
        front[finite] = pareto_mask(points[finite])
        table[f"{prefix}pareto"] = front
    table.attrs["baseline"] = baseline
    return table
