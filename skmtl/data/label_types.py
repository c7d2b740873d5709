"""Class labels, restored to the type that they had before missing values changed it."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.data.messages import shown_value

# float64 represents all whole numbers up to here exactly.
LARGEST_WHOLE_FLOAT = 2.0**53


def tidy_labels(labels: NDArray[Any], owner: str = "y") -> NDArray[Any]:
    """Restore the type of labels that NaN had turned into floats or objects.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Class labels without missing values.
    owner : str, default="y"
        Name of the column in messages.

    Returns
    -------
    ndarray of shape (n,)
        Whole numbers as int64, objects in the type that numpy infers, everything else unchanged.

    Raises
    ------
    ValueError
        If a whole number is too large for float64 to represent exactly, strings are mixed with
        numbers, or a string ends in a null character.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.data import tidy_labels
    >>> tidy_labels(np.array([0.0, 1.0]))
    array([0, 1])
    """
    labels = plain_labels(labels, owner)
    if (
        labels.dtype.kind == "f"
        and np.isfinite(labels).all()
        and (labels == np.floor(labels)).all()
    ):
        if (np.abs(labels) >= LARGEST_WHOLE_FLOAT).any():
            raise _too_large(labels[np.abs(labels) >= LARGEST_WHOLE_FLOAT][0], owner)
        return labels.astype(np.int64)
    return labels


def plain_labels(labels: NDArray[Any], owner: str = "y") -> NDArray[Any]:
    """Convert an array of objects to numbers or strings where all labels are of one kind."""
    if labels.dtype == np.uint64:  # numpy would join it with int64 as floats
        if (labels > np.iinfo(np.int64).max).any():
            raise _too_large(labels.max(), owner)
        return labels.astype(np.int64)
    if labels.dtype.kind != "O":
        return labels
    values = labels.tolist()
    if not all(isinstance(value, (str, bytes, bool, np.bool_, Real)) for value in values):
        return labels
    if len({isinstance(value, str) for value in values}) == 2:  # numpy would join 1 and "1"
        raise _mixed(owner)
    plain = np.array(values)
    if plain.dtype.kind == "U" and any(value.endswith("\0") for value in values):
        raise ValueError(
            f"{owner} has labels that end in a null character, which numpy drops. Strip them first."
        )
    whole = [int(value) for value in values if isinstance(value, Integral)]
    if plain.dtype.kind in "fOu" and whole:
        largest = max(whole, key=abs)
        if abs(largest) > LARGEST_WHOLE_FLOAT:
            raise _too_large(largest, owner)
    return plain


def check_label_types(labels: NDArray[Any], owner: str) -> None:
    """Raise if labels of a task are of a type that cannot be classes.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Labels without missing values.
    owner : str
        Name of the column in messages, such as "Task 'a'".

    Raises
    ------
    ValueError
        If labels are complex numbers, intervals, dates or tuples, or mix strings with
        numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.data import check_label_types
    >>> check_label_types(np.array(["a", 1], dtype=object), "Task 'u'")
    Traceback (most recent call last):
        ...
    ValueError: Task 'u' has both strings and other labels in y; the labels of a task must be of
    one type.
    """
    if labels.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {owner} has complex labels in y.")
    if labels.dtype.kind in "mM":
        raise _no_classes(labels[0], owner)
    if labels.dtype.kind != "O":
        return
    values = labels.tolist()
    if len({isinstance(value, str) for value in values}) == 2:
        raise _mixed(owner)
    for value in values:
        if isinstance(value, complex):
            raise ValueError(f"Complex data not supported: {owner} has complex labels in y.")
        if not isinstance(value, (str, bytes, bool, np.bool_, Real)):
            raise _no_classes(value, owner)


def _no_classes(value: Any, owner: str) -> ValueError:
    return ValueError(
        f"{owner} has labels of type {type(value).__name__} in y, such as {shown_value(value)}, "
        "which are no classes. Turn them into strings or integers, for example with astype(str)."
    )


def _mixed(owner: str) -> ValueError:
    return ValueError(
        f"{owner} has both strings and other labels in y; the labels of a task must be of one type."
    )


def _too_large(value: Any, owner: str) -> ValueError:
    return ValueError(
        f"{owner} has the label {shown_value(value)}, a whole number that "
        "float64 cannot represent exactly. Convert such labels to strings."
    )
