"""Missing values that a conversion has turned into text, such as 'nan'."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# What NaN, pd.NA and NaT become in ``array.astype(str)``.
_SURE = frozenset({"nan", "<NA>", "NaT"})
# What None becomes: also the name of a class or task in many data sets.
_UNSURE = "None"


def text_of_missing(column: NDArray[Any]) -> list[str]:
    """Return the strings in a column that come from missing values converted to text.

    'None' counts only beside another such string, or where all other strings are numbers.
    """
    texts = _texts(column)
    found = sorted(texts & _SURE)
    others = texts - _SURE - {_UNSURE}
    if _UNSURE in texts and (found or (others and all(map(_is_number, others)))):
        found.append(_UNSURE)
    return found


def without_missing_text(column: NDArray[Any], owner: str) -> NDArray[Any]:
    """Replace strings such as 'nan' in a column of labels or groups with NaN, and warn.

    Parameters
    ----------
    column : ndarray of shape (n,)
        Values.
    owner : str
        Name of the column in the warning: "Task 'a'", "Column 'sex' of sensitive_features".

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.data.missing_text import without_missing_text
    >>> without_missing_text(np.array(["yes", "no"]), "Task 'a'").tolist()
    ['yes', 'no']
    """
    if column.dtype.kind not in "UO":
        return column
    found = text_of_missing(column)
    if not found:
        if _UNSURE in _texts(column):
            warnings.warn(
                f"{owner} has the value 'None', which is taken as it is. Use None or NaN where a "
                "value is missing.",
                UserWarning,
                stacklevel=4,
            )
        return column
    values = column.astype(object)
    gone = np.isin(values.astype(str), found) & ~pd.isna(values)
    values[gone] = np.nan
    warnings.warn(
        f"{owner} has {int(gone.sum())} values {', '.join(map(repr, found))}: missing values that "
        "became text in a conversion. They are taken as missing. Use None or NaN instead.",
        UserWarning,
        stacklevel=4,
    )
    return values


def warn_of_missing_text(names: list[str], what: str) -> None:
    """Warn about task ids such as 'nan' that may be missing values; they are kept as tasks."""
    found = [name for name in names if name in _SURE or name == _UNSURE]
    if found:
        warnings.warn(
            f"{what} has the task {found[0]!r}, which is what a missing value becomes in a "
            "conversion to text. It is taken as a task. Drop its rows if their task is unknown.",
            UserWarning,
            stacklevel=4,
        )


def _texts(column: NDArray[Any]) -> set[str]:
    if column.dtype.kind == "U":
        return set(np.unique(column).tolist())
    return {value for value in column.tolist() if isinstance(value, str)}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
