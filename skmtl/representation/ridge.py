"""Single-task ridge regression with a penalty chosen by leave-one-out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Candidate penalties, in units of the mean squared singular value.
PENALTIES = np.logspace(-8, 3, 34)


def leave_one_out_ridge(X: Array, y: Array, *, fit_intercept: bool) -> tuple[Array, float]:
    """Return coefficients and intercept for the penalty with the smallest leave-one-out error.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Inputs.
    y : ndarray of shape (n,)
        Targets.
    fit_intercept : bool
        Whether to fit an intercept.

    Returns
    -------
    coef : ndarray of shape (p,)
        Coefficients.
    intercept : float
        Intercept.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.representation.ridge import leave_one_out_ridge
    >>> coef, intercept = leave_one_out_ridge(
    ...     np.array([[0.0], [1.0], [2.0], [3.0]]),
    ...     np.array([1.0, 3.0, 5.0, 7.0]),
    ...     fit_intercept=True,
    ... )
    >>> coef.round(4), round(intercept, 4)
    (array([2.]), 1.0)
    """
    n = len(X)
    center, level = (X.mean(0), float(y.mean())) if fit_intercept else (np.zeros(X.shape[1]), 0.0)
    left, size, right = np.linalg.svd(X - center, full_matrices=False)
    power, along = size**2, left.T @ (y - level)
    if n == 1 or not power.any():
        return np.zeros(X.shape[1]), level
    penalties = PENALTIES * power.sum() / len(power)
    shrink = power / (power + penalties[:, None])
    residual = (y - level) - (shrink * along) @ left.T
    leverage = shrink @ (left**2).T + (1 / n if fit_intercept else 0.0)
    errors = ((residual / np.maximum(1 - leverage, 1e-12)) ** 2).sum(1)
    best = penalties[int(errors.argmin())]
    coef: Array = right.T @ (size / (power + best) * along)
    return coef, level - float(center @ coef)
