"""B-splines whose state contains only plain arrays, which skops can store."""

from __future__ import annotations

from typing import Any

from scipy.interpolate import BSpline
from sklearn.preprocessing import SplineTransformer


class StorableSplines(SplineTransformer):  # type: ignore[misc]
    """SplineTransformer whose pickled state contains no scipy objects."""

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        if "bsplines_" in state:
            splines = [(s.t, s.c, s.k, s.extrapolate) for s in state["bsplines_"]]
            state = {**state, "bsplines_": splines}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "bsplines_" in state:
            state = {**state, "bsplines_": [BSpline(*parts) for parts in state["bsplines_"]]}
        super().__setstate__(state)
