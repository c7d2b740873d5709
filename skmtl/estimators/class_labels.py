"""Labels that can be classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

from skmtl.data import tidy_labels


def check_class_labels(name: str, labels: NDArray[Any]) -> None:
    """Raise where the known labels of a task cannot be classes."""
    if labels.dtype == object and len({isinstance(label, str) for label in labels}) == 2:
        raise ValueError(
            f"Task {name!r} has both strings and other labels in y; the labels of a task must "
            "be of one type."
        )
    known = tidy_labels(labels)
    if len(known) == 0:
        raise ValueError(f"Task {name!r} has no labeled row in y.")
    if known.dtype.kind == "f" and np.isinf(known).any():
        raise ValueError(f"Task {name!r} has an infinite label in y.")
    try:
        check_classification_targets(known)
    except ValueError as error:
        raise ValueError(f"Task {name!r} has labels in y that are no classes. {error}") from None
