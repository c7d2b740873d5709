"""A DataFrame stored as plain arrays, which skops supports."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


class StoredTable:
    """Columns, names and index of a DataFrame without any pandas object.

    Parameters
    ----------
    frame : DataFrame
        Numbers, booleans, strings and categories are restored with their dtype.
    """

    def __init__(self, frame: pd.DataFrame):
        self.names, self.index = frame.columns.tolist(), frame.index.tolist()
        self.columns = [_stored(frame.iloc[:, k]) for k in range(frame.shape[1])]

    def frame(self) -> pd.DataFrame:
        """Return the DataFrame."""
        columns = {k: _loaded(column) for k, column in enumerate(self.columns)}
        return pd.DataFrame(columns, index=self.index).set_axis(self.names, axis=1)


def _stored(column: pd.Series) -> dict[str, Any]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = column.cat.categories
        return {
            "codes": column.cat.codes.to_numpy(),
            "categories": categories.tolist(),
            "categories_dtype": str(categories.dtype),
            "ordered": bool(column.cat.ordered),
        }
    if isinstance(column.dtype, np.dtype) and column.dtype != object:
        return {"values": column.to_numpy()}
    known = column.notna().to_numpy()
    values = [value if here else None for value, here in zip(column.tolist(), known, strict=True)]
    return {"list": values, "dtype": str(column.dtype)}


def _loaded(column: dict[str, Any]) -> Any:
    if "codes" in column:
        categories = pd.Index(column["categories"], dtype=column["categories_dtype"])
        return pd.Categorical.from_codes(column["codes"], categories, column["ordered"])
    if "values" in column:
        return column["values"]
    return pd.array(column["list"], dtype=column["dtype"])
