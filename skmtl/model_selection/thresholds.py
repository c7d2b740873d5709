"""From probabilities to decisions: where the line between two classes is drawn."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_threshold(threshold: Any) -> None:
    """Raise where ``threshold`` is not "quantile", "validation" or a number from 0 to 1."""
    number = (
        isinstance(threshold, Real)
        and not isinstance(threshold, bool)
        and 0 <= float(threshold) <= 1
    )
    if not (number or (isinstance(threshold, str) and threshold in ("quantile", "validation"))):
        raise ValueError(
            "threshold must be 'quantile', 'validation' or a number between 0 and 1. Got "
            f"{threshold!r}."
        )


def quantile_threshold(probabilities: NDArray[np.float64], share: float) -> float:
    """Return the largest threshold that at least a share of the probabilities, (n,), reach.

    For a share of 0 it is above all of them.

    Examples
    --------
    >>> import numpy as np
    >>> quantile_threshold(np.array([0.1, 0.4, 0.2, 0.3]), 0.5)
    0.3
    """
    n_positive = min(round(share * len(probabilities)), len(probabilities))
    if n_positive == 0:
        return np.inf
    return float(np.partition(probabilities, -n_positive)[-n_positive])


def least_error_threshold(probabilities: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the threshold with the fewest wrong decisions.

    From the threshold on the class is positive; of several thresholds the one nearest 0.5 counts.

    Examples
    --------
    >>> import numpy as np
    >>> least_error_threshold(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, True, False, True]))
    0.35
    """
    values, position = np.unique(probabilities, return_inverse=True)
    positives = np.bincount(position, positive, minlength=len(values))
    negatives = np.bincount(position, ~positive, minlength=len(values))
    # Between values k - 1 and k: positives below are missed, negatives from k on are taken.
    wrong = (
        np.concatenate([[0], np.cumsum(positives)])
        + np.concatenate([[0], np.cumsum(negatives)])[-1]
        - np.concatenate([[0], np.cumsum(negatives)])
    )
    edges = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [np.inf]])
    if len(values) and values[-1] < 1:
        edges[-1] = (values[-1] + 1) / 2
    best = np.flatnonzero(wrong == wrong.min())
    return float(edges[best[np.argmin(np.abs(edges[best] - 0.5))]])
