"""Population minimum of the low-rank model, and risks of majority and minority tasks in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_scalar

from skmtl.data import shown_value
from skmtl.representation.moments import LARGEST_SQUARED

Array = NDArray[np.float64]


def population_minimum(coefs: ArrayLike, rank: int) -> tuple[Array, Array]:
    r"""Best shared subspace for known coefficients, and the excess risk of every task in it.

    For inputs with identity covariance, the mean excess risk

    .. math:: \frac1T \sum_t \min_h \lVert B^\top h - \beta_t \rVert^2

    is minimal if the rows of B are the leading eigenvectors of :math:`\sum_t \beta_t \beta_t^\top`.
    The minimum is the sum of the other eigenvalues, divided by T.

    Parameters
    ----------
    coefs : array-like of shape (T, p)
        True coefficients :math:`\beta_t`.
    rank : int
        Dimension of the subspace, from 1 to p.

    Returns
    -------
    components : ndarray of shape (rank, p)
        Orthonormal rows that span the subspace, by decreasing eigenvalue. If eigenvalues tie, all
        choices have the same mean risk, but not the same risk for every task.
    risks : ndarray of shape (T,)
        Excess risk of every task, :math:`\lVert \beta_t \rVert^2 - \lVert B \beta_t \rVert^2`.

    Raises
    ------
    ValueError
        If `rank` is out of range, or a coefficient is missing or infinite.

    References
    ----------
    .. [1] Li, Oymak, "On the fairness of multitask representation learning", ICASSP 2023, section
       3.1.

    Examples
    --------
    The coefficients of four tasks are on one axis, and those of one task on another. A single
    direction serves the majority only:

    >>> from skmtl.representation import population_minimum
    >>> components, risks = population_minimum([[1, 0, 0]] * 4 + [[0, 1, 0]], rank=1)
    >>> abs(components).round(6) + 0.0
    array([[1., 0., 0.]])
    >>> risks.round(6) + 0.0
    array([0., 0., 0., 0., 1.])
    """
    beta = _checked(coefs, "coefs")
    check_scalar(rank, "rank", (int, np.integer), min_val=1, max_val=beta.shape[1])
    _, _, directions = np.linalg.svd(beta, full_matrices=True)
    components = directions[:rank]
    sign = np.sign(components[np.arange(rank), np.abs(components).argmax(1)])
    components = components * sign[:, None]
    left = beta - beta @ components.T @ components
    return components, (left**2).sum(1)


def minority_risk_bounds(
    heads_majority: ArrayLike, heads_minority: ArrayLike
) -> tuple[float, float]:
    r"""Bounds on the risks of majority and minority tasks in a representation for the majority.

    The coefficients of the majority and the minority tasks are in orthogonal subspaces of
    :math:`r_0` and :math:`r_1` dimensions, and the shared representation has :math:`r_0`
    dimensions. With :math:`H = \frac1T \sum_t h_t h_t^\top` of either kind of task, at the
    population minimum (Theorem 1 of [1]_)

    .. math:: R_{maj} \le \kappa_0 \frac{T_{min}}{T_{maj}} m, \quad
        R_{min} \ge m \Bigl(1 - \kappa_1 \frac{T_{min}}{T_{maj}}\Bigr), \quad
        \kappa_0 = \frac{\lambda_{max}(H_{maj})}{\lambda_{min}(H_{maj})}, \quad
        \kappa_1 = \frac{\lambda_{max}(H_{min})}{\lambda_{min}(H_{maj})},

    where m is the mean squared length of the minority's heads.

    Parameters
    ----------
    heads_majority : array-like of shape (T_maj, r0)
        True heads of the majority tasks, in coordinates of their subspace.
    heads_minority : array-like of shape (T_min, r1)
        True heads of the minority tasks, in coordinates of their subspace.

    Returns
    -------
    majority : float
        Upper bound on the mean excess risk of the majority tasks.
    minority : float
        Lower bound on the mean excess risk of the minority tasks; not informative if negative.

    Raises
    ------
    ValueError
        If the heads of the majority do not span all of its dimensions, so that no bound holds.

    Notes
    -----
    The theorem is printed for heads of length one, for which m is 1. For other lengths it does not
    hold without the factor m. With m it holds: either the representation is the subspace of the
    majority, and the risks are 0 and m, or it has given up a direction of the majority. That lowers
    the total risk only if :math:`\kappa_1 T_{min} / T_{maj} \ge 1`, and then costs the majority at
    most what the minority gains. The same argument shows that
    :math:`R_{maj} \le m T_{min} / T_{maj}` holds without :math:`\kappa_0`; the function returns the
    published form.

    References
    ----------
    .. [1] Li, Oymak, "On the fairness of multitask representation learning", ICASSP 2023, theorem
       1.

    Examples
    --------
    With 20 majority tasks and 2 minority tasks, the minority loses at least 90 % of its signal:

    >>> import numpy as np
    >>> from skmtl.representation import minority_risk_bounds
    >>> minority_risk_bounds(np.repeat(np.eye(2), 10, axis=0), np.eye(2))
    (0.1, 0.9)
    """
    majority = _heads(heads_majority, "heads_majority")
    minority = _heads(heads_minority, "heads_minority")
    spread_majority = np.linalg.eigvalsh(majority.T @ majority / len(majority))
    spread_minority = np.linalg.eigvalsh(minority.T @ minority / len(minority))
    least, most = float(spread_majority[0]), float(spread_majority[-1])
    if least <= 1e-12 * most:
        raise ValueError(
            f"heads_majority has {len(majority)} heads that do not span its {majority.shape[1]} "
            "dimensions, which the theorem requires. Pass heads in coordinates of the subspace "
            "that they span."
        )
    ratio, length = len(minority) / len(majority), float((minority**2).sum(1).mean())
    return most / least * ratio * length, length * (1 - float(spread_minority[-1]) / least * ratio)


def task_risks(coef: ArrayLike, true_coef: ArrayLike) -> Array:
    r"""Excess risk of every task for inputs with identity covariance.

    .. math:: R_t = \lVert \hat\beta_t - \beta_t \rVert^2

    Parameters
    ----------
    coef : array-like of shape (T, p)
        Estimated coefficients.
    true_coef : array-like of shape (T, p)
        True coefficients.

    Returns
    -------
    ndarray of shape (T,)
        Risks, at least 0. Coefficients of 0 have the squared length of the true coefficients.

    Raises
    ------
    ValueError
        If the shapes differ, or a number is missing or infinite.

    Examples
    --------
    The first task is not learned at all, and the second is wrong in one coefficient:

    >>> from skmtl.representation import task_risks
    >>> task_risks([[0.0, 0.0], [0.5, 1.0]], [[0.6, 0.8], [0.5, 0.5]])
    array([1.  , 0.25])
    """
    estimated, true = _checked(coef, "coef"), _checked(true_coef, "true_coef")
    if estimated.shape != true.shape:
        raise ValueError(
            f"coef and true_coef must have the same shape (T, p). Got {estimated.shape} and "
            f"{true.shape}."
        )
    risks: Array = ((estimated - true) ** 2).sum(1)
    return risks


def _checked(values: Any, what: str) -> Array:
    """Return a float64 matrix; raise ValueError if squares of its numbers overflow."""
    checked: Array = check_array(values, dtype=np.float64, input_name=what)
    if np.abs(checked).max() > LARGEST_SQUARED:
        raise ValueError(
            f"{what} contains {shown_value(float(checked.flat[np.abs(checked).argmax()]))}, whose "
            "square overflows. Scale the numbers."
        )
    return checked


def _heads(heads: Any, what: str) -> Array:
    checked = _checked(heads, what)
    if not checked.any():
        raise ValueError(f"{what} contains only zeros. Pass heads of tasks that can be learned.")
    return checked
