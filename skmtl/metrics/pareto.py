"""Pareto fronts of runs: their points, the point to report, and their hypervolume."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skmtl.data import as_pandas


def pareto_mask(points: ArrayLike) -> NDArray[np.bool_]:
    """Mask of the Pareto-optimal points; smaller is better in every coordinate.

    A point dominates another if it is smaller or equal in all coordinates and smaller in at least
    one. Points that no other point dominates are Pareto-optimal. Equal points do not dominate each
    other.

    Parameters
    ----------
    points : array-like of shape (n, k)
        One row per run, one column per objective.

    Returns
    -------
    ndarray of bool of shape (n,)
        True for points on the Pareto front. A point with a NaN is not on the front and dominates
        no other point.

    Raises
    ------
    ValueError
        If `points` does not have two dimensions.

    Examples
    --------
    The third point is worse than the second in both objectives:

    >>> from skmtl.metrics import pareto_mask
    >>> pareto_mask([[1, 3], [2, 2], [3, 3], [3, 1]]).tolist()
    [True, True, False, True]
    """
    values = _table(points)
    front = np.zeros(len(values), dtype=bool)
    left = np.flatnonzero(~np.isnan(values).any(axis=1))
    left = left[np.lexsort(values[left].T[::-1])] if values.shape[1] else left
    while len(left):  # the first of what is left, in lexicographic order, is not dominated
        rest, best = values[left], values[left[0]]
        same = (rest == best).all(axis=1)
        front[left[same]] = True
        left = left[(rest < best).any(axis=1)]
    return front


def reported_point(points: ArrayLike) -> int:
    r"""Index of the Pareto-optimal point nearest to the midrange of the first coordinate.

    .. math:: \arg\min_{i \in \text{front}} \Big| x_i - \frac{\min_j x_j + \max_j x_j}{2} \Big|

    The paper of MTA-F [1]_ reports the run that this rule selects. There, the first coordinate is
    the average relative error, and the second is the average relative fairness gap.

    Parameters
    ----------
    points : array-like of shape (n, 2)
        One row per run; smaller is better. Rows with NaN or infinite values are ignored.

    Returns
    -------
    int
        Index into `points`. A tie goes to the smaller second coordinate, then to the first row.

    Raises
    ------
    ValueError
        If `points` does not have two columns, or has no finite row.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021, section 6.2.

    Examples
    --------
    The first coordinate ranges from 0.8 to 1.4, and its midrange is 1.1:

    >>> from skmtl.metrics import reported_point
    >>> reported_point([[0.8, 0.9], [1.0, 0.3], [1.1, 0.1], [1.4, 0.5]])
    2
    """
    values = _table(points, 2)
    finite = np.flatnonzero(np.isfinite(values).all(axis=1))
    if not len(finite):
        raise ValueError("points has no row of finite values, so there is no point to report.")
    own = values[finite]
    front = np.flatnonzero(pareto_mask(own))
    distance = np.abs(own[front, 0] - (own[:, 0].min() + own[:, 0].max()) / 2)
    return int(finite[front[np.lexsort([own[front, 1], distance])[0]]])


def hypervolume(points: ArrayLike, reference: ArrayLike) -> float:
    r"""Hypervolume: area that the points dominate below a reference point; larger is better.

    .. math:: \Big| \bigcup_i \, [x_i, r_1] \times [y_i, r_2] \Big|

    over the points that are below the reference in both coordinates.

    Parameters
    ----------
    points : array-like of shape (n, 2)
        One row per run; smaller is better in both coordinates. Rows with NaN or infinite values
        are ignored.
    reference : array-like of shape (2,)
        A point that is worse than all points of interest. Hypervolumes can be compared only if
        they have the same reference.

    Returns
    -------
    float
        In the product of the units of both coordinates, at least 0; 0 if no point is below the
        reference.

    Raises
    ------
    ValueError
        If shapes differ or the reference is not finite.

    Examples
    --------
    The dominated point (3, 3) adds nothing:

    >>> from skmtl.metrics import hypervolume
    >>> hypervolume([[1, 3], [2, 2], [3, 3], [3, 1]], [4, 4])
    6.0
    >>> hypervolume([[1, 3], [2, 2], [3, 1]], [4, 4])
    6.0
    """
    values, corner = _table(points, 2), np.asarray(as_pandas(reference), dtype=float)
    if corner.shape != (2,) or not np.isfinite(corner).all():
        raise ValueError(f"reference must be two finite numbers. Got {reference!r}.")
    inside = values[(np.isfinite(values) & (values < corner)).all(axis=1)]
    # np.unique sorts the front from left to right, and so from top to bottom.
    front = np.unique(inside[pareto_mask(inside)], axis=0)
    heights = -np.diff(front[:, 1], prepend=corner[1])
    with np.errstate(over="ignore"):
        return float(((corner[0] - front[:, 0]) * heights).sum())


def _table(points: ArrayLike, n_columns: int | None = None) -> NDArray[np.float64]:
    values = np.asarray(as_pandas(points), dtype=float)
    if values.size == 0 and values.ndim == 1:
        values = values.reshape(0, n_columns or 1)
    if values.ndim != 2 or (n_columns is not None and values.shape[1] != n_columns):
        raise ValueError(
            f"points must have shape (n, {n_columns or 'k'}). Got shape {values.shape}."
        )
    return values
