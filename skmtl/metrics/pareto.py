"""Runs that no other run beats, and one number for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skmtl.data import as_pandas


def pareto_mask(points: ArrayLike) -> NDArray[np.bool_]:
    """Tell which points no other point dominates; smaller is better in every coordinate.

    One point dominates another if it is smaller or equal in all coordinates and smaller in one.
    Equal points do not dominate each other.

    Parameters
    ----------
    points : array-like of shape (n, k)
        One row a run, one column a measure.

    Returns
    -------
    ndarray of bool of shape (n,)
        True on the front. A point with a NaN is never on it and dominates nothing.

    Raises
    ------
    ValueError
        If `points` does not have two dimensions.

    Examples
    --------
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
    """Return the point of the front that is nearest the middle of all points.

    Nearness and middle are those of the first coordinate; the middle is that of its range.

    It is the rule by which MTA-F's paper reports one run: the first coordinate is the average
    relative error, the second the average relative fairness gap.

    Parameters
    ----------
    points : array-like of shape (n, 2)
        One row a run; smaller is better. Rows with NaN or infinite values are left out of
        everything.

    Returns
    -------
    int
        Index into `points`. Of two that are equally near, the one with the smaller second
        coordinate; of equal points the first.

    Raises
    ------
    ValueError
        If `points` does not have two columns or no finite row.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021, section 6.2.

    Examples
    --------
    >>> from skmtl.metrics import reported_point
    >>> reported_point([[0.8, 0.9], [1.0, 0.3], [1.1, 0.1], [1.4, 0.5]])  # the midpoint is 1.1
    2
    """
    values = _table(points, 2)
    finite = np.flatnonzero(np.isfinite(values).all(axis=1))
    if not len(finite):
        raise ValueError("points has no finite row: there is nothing to report.")
    own = values[finite]
    front = np.flatnonzero(pareto_mask(own))
    distance = np.abs(own[front, 0] - (own[:, 0].min() + own[:, 0].max()) / 2)
    return int(finite[front[np.lexsort([own[front, 1], distance])[0]]])


def hypervolume(points: ArrayLike, reference: ArrayLike) -> float:
    r"""Area between the front of the points and a reference point; larger is better.

    .. math:: \Big| \bigcup_i \, [x_i, r_1] \times [y_i, r_2] \Big|

    over the points below the reference in both coordinates.

    Parameters
    ----------
    points : array-like of shape (n, 2)
        One row a run; smaller is better in both coordinates. Rows with NaN or infinite values are
        left out.
    reference : array-like of shape (2,)
        A point that is worse than those of interest. Only areas of one reference compare.

    Returns
    -------
    float
        At least 0; 0 where no point is below the reference.

    Raises
    ------
    ValueError
        If shapes differ or the reference is not finite.

    Examples
    --------
    >>> from skmtl.metrics import hypervolume
    >>> hypervolume([[1, 3], [2, 2], [3, 3], [3, 1]], [4, 4])
    6.0
    """
    values, corner = _table(points, 2), np.asarray(as_pandas(reference), dtype=float)
    if corner.shape != (2,) or not np.isfinite(corner).all():
        raise ValueError(f"reference must be two finite numbers. Got {reference!r}.")
    inside = values[(np.isfinite(values) & (values < corner)).all(axis=1)]
    front = np.unique(
        inside[pareto_mask(inside)], axis=0
    )  # from left to right, and so from top to bottom
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
