"""Decision thresholds of predicted probabilities."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_threshold(threshold: Any) -> None:
    """Raise ValueError unless ``threshold`` is "quantile", "validation" or a number in [0, 1]."""
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
    """Return the largest threshold that at least this share of the probabilities, (n,), reaches.

    For a share of 0, it is infinite.

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

    Probabilities from the threshold on are positive. Of several best thresholds, the one nearest to
    0.5 is returned.

    Examples
    --------
    >>> import numpy as np
    >>> least_error_threshold(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, True, False, True]))
    0.35
    """
    values, position = np.unique(probabilities, return_inverse=True)
    positives = np.bincount(position, positive, minlength=len(values))
    negatives = np.bincount(position, ~positive, minlength=len(values))
    # For a threshold between values k - 1 and k, positives below k and negatives from k on are
    # wrong.
    positives_below = np.concatenate([[0], np.cumsum(positives)])
    negatives_below = np.concatenate([[0], np.cumsum(negatives)])
    wrong = positives_below + negatives_below[-1] - negatives_below
    edges = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [np.inf]])
    if len(values) and values[-1] < 1:
        edges[-1] = (values[-1] + 1) / 2
    best = np.flatnonzero(wrong == wrong.min())
    return float(edges[best[np.argmin(np.abs(edges[best] - 0.5))]])
