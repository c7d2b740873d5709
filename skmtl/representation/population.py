"""What becomes of majority and minority tasks as rows are added.

This is the population side of the theory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_scalar

from skmtl.data import shown_value
from skmtl.representation.moments import LARGEST_SQUARED

Array = NDArray[np.float64]


def population_minimum(coefs: ArrayLike, rank: int) -> tuple[Array, Array]:
    r"""Return the best shared subspace for known coefficients, and what every task loses in it.

    For inputs with identity covariance the mean excess risk
    :math:`\frac1T \sum_t \min_h \lVert B^\top h - \beta_t \rVert^2` is smallest for the leading
    eigenvectors of :math:`\sum_t \beta_t \beta_t^\top`; it is then the sum of the other
    eigenvalues, over T.

    Parameters
    ----------
    coefs : array-like of shape (T, p)
        True coefficients :math:`\beta_t`.
    rank : int
        Dimension of the subspace, from 1 to p.

    Returns
    -------
    components : ndarray of shape (rank, p)
        Orthonormal rows that span the subspace, by falling eigenvalue; where two eigenvalues tie,
        any choice is as good on average, though not for every task.
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
    Four tasks along one axis and one along another: a single direction serves the majority and
    nothing of the minority.

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
    r"""Bound the risks of majority and minority tasks (Theorem 1).

    The representation has room for the majority only.

    The coefficients of the two groups lie in orthogonal subspaces of :math:`r_0` and :math:`r_1`
    dimensions, and the shared representation has :math:`r_0`. With
    :math:`H = \frac1T \sum_t h_t h_t^\top` of either group, at the population minimum

    .. math:: R_{maj} \le \kappa_0 \frac{T_{min}}{T_{maj}} m, \quad R_{min} \ge m \Bigl(1 - \kappa_1
        \frac{T_{min}}{T_{maj}}\Bigr), \quad
              \kappa_0 = \frac{\lambda_{max}(H_{maj})}{\lambda_{min}(H_{maj})}, \quad \kappa_1 =
              \frac{\lambda_{max}(H_{min})}{\lambda_{min}(H_{maj})},

    where m is the mean squared length of the minority's heads.

    Parameters
    ----------
    heads_majority : array-like of shape (T_maj, r0)
        True heads of the majority within its own subspace.
    heads_minority : array-like of shape (T_min, r1)
        True heads of the minority within its own subspace.

    Returns
    -------
    majority : float
        Upper bound on the majority's mean excess risk.
    minority : float
        Lower bound on the minority's; below 0 it says nothing.

    Raises
    ------
    ValueError
        If the majority's heads do not span all of its dimensions, so that no bound holds.

    Notes
    -----
    The theorem is printed for heads of length one, where m is 1. For other lengths it fails as
    printed; with the factor m it holds: either the subspace is the majority's, and the risks are 0
    and m, or it has given up a direction of the majority, which is worth it only if
    :math:`\kappa_1 T_{min} / T_{maj} \ge 1`, and then costs the majority at most what it gives the
    minority. The same argument shows that :math:`R_{maj} \le m T_{min} / T_{maj}` holds without
    :math:`\kappa_0`; what is returned is the published form.

    References
    ----------
    .. [1] Li, Oymak, "On the fairness of multitask representation learning", ICASSP 2023, theorem
       1.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.representation import minority_risk_bounds
    >>> minority_risk_bounds(np.repeat(np.eye(2), 10, axis=0), np.eye(2))  # 20 tasks against 2
    (0.1, 0.9)
    """
    majority, minority = (
        _heads(heads_majority, "heads_majority"),
        _heads(heads_minority, "heads_minority"),
    )
    spread_majority = np.linalg.eigvalsh(majority.T @ majority / len(majority))
    spread_minority = np.linalg.eigvalsh(minority.T @ minority / len(minority))
    least, most = float(spread_majority[0]), float(spread_majority[-1])
    if least <= 1e-12 * most:
        raise ValueError(
            f"heads_majority has {len(majority)} heads that do not span its {majority.shape[1]} "
            "dimensions; the theorem needs a majority that does. "
            "Give heads in coordinates of the subspace that they span."
        )
    ratio, length = len(minority) / len(majority), float((minority**2).sum(1).mean())
    return most / least * ratio * length, length * (1 - float(spread_minority[-1]) / least * ratio)


def task_risks(coef: ArrayLike, true_coef: ArrayLike) -> Array:
    r"""Return the excess risk of every task, :math:`\lVert \hat\beta_t - \beta_t \rVert^2`.

    Inputs have identity covariance.

    Parameters
    ----------
    coef : array-like of shape (T, p)
        Estimated coefficients.
    true_coef : array-like of shape (T, p)
        True coefficients.

    Returns
    -------
    ndarray of shape (T,)
        Risks; a prediction of 0 has the squared length of the true coefficients.

    Raises
    ------
    ValueError
        If the shapes differ, or a number is missing or infinite.

    Examples
    --------
    >>> from skmtl.representation import task_risks
    >>> task_risks([[0.0, 0.0], [0.5, 1.0]], [[0.6, 0.8], [0.5, 0.5]])
    array([1.  , 0.25])
    """
    estimated, true = _checked(coef, "coef"), _checked(true_coef, "true_coef")
    if estimated.shape != true.shape:
        raise ValueError(
            f"coef and true_coef must have one shape, (T, p). Got {estimated.shape} and "
            f"{true.shape}."
        )
    risks: Array = ((estimated - true) ** 2).sum(1)
    return risks


def _checked(values: Any, what: str) -> Array:
    """Return a matrix of float64; raise where squares of its numbers overflow."""
    checked: Array = check_array(values, dtype=np.float64, input_name=what)
    if np.abs(checked).max() > LARGEST_SQUARED:
        raise ValueError(
            f"{what} holds {shown_value(float(checked.flat[np.abs(checked).argmax()]))}, whose "
            "square overflows. Scale the numbers."
        )
    return checked


def _heads(heads: Any, what: str) -> Array:
    checked = _checked(heads, what)
    if not checked.any():
        raise ValueError(f"{what} holds only zeros: such tasks have no function to learn.")
    return checked
