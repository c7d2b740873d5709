"""Validation of class labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

from skmtl.data import check_label_types, tidy_labels


def check_class_labels(name: str, labels: NDArray[Any]) -> None:
    """Raise if the labels of a task cannot be classes."""
    check_label_types(labels, f"Task {name!r}")
    known = tidy_labels(labels, f"Task {name!r}")
    if len(known) == 0:
        raise ValueError(f"Task {name!r} has no labeled row in y.")
    if known.dtype.kind == "f" and np.isinf(known).any():
        raise ValueError(f"Task {name!r} has an infinite label in y.")
    try:
        check_classification_targets(known)
    except ValueError as error:
        raise ValueError(f"Task {name!r} has labels in y that are no classes. {error}") from None
