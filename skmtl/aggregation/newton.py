"""The one equation behind Nash-MTL, FairGrad, PIVRG and SVFair, and its solver."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

Array = NDArray[np.float64]

# Relative steps below this size are taken whole: the function is close to its quadratic model
# there.
_SHORT = 0.2
# Steps that are tried before networks are looked at one by one.
_PLAIN_STEPS = 12
# Where no solution exists, this is added to the diagonal of the cosines.
RIDGE = 1e-8
# Rounding grows with the solution; a solution is accepted with at most this relative rounding
# error, that of the fallback with the second.
ROUNDING, ROUNDING_OF_FALLBACK = 1e-6, 1e-2


def solve_equation(
    cosines: Array,
    norms: Array,
    weights: Array,
    power: float,
    start: Array | None = None,
    *,
    tol: float = 1e-12,
    max_iter: int = 200,
) -> tuple[Array, NDArray[np.bool_]]:
    r"""Solve :math:`(G a)^{power} = w / a`, entry by entry, for :math:`a > 0`.

    It is where the gradient of a strictly convex function vanishes,

    .. math:: \tfrac12 a^\top G a - \sum_i w_i^{r} \int a_i^{-r} da_i, \qquad r = 1 / power,

    so that there is one solution at most. There is none exactly where some average of the gradients
    is zero (a Pareto-stationary point, such as two opposite gradients): the tasks in that average
    cannot all improve. The answer is then that of the same problem with 1e-8 added to the diagonal
    of the cosines: finite weights, under which these tasks cancel out and their losses hardly move.

    Parameters
    ----------
    cosines : ndarray of shape (..., T, T)
        Cosines of the task gradients; a zero gradient counts as orthogonal to the others.
    norms : ndarray of shape (..., T)
        Lengths of the gradients, positive.
    weights : ndarray of shape (..., T)
        Positive.
    power : float
        1 for Nash-MTL, alpha for FairGrad, 2 for PIVRG and SVFair.
    start : ndarray of shape (..., T), default=None
        Where to start, such as the solution of a similar equation. A network with an entry that is
        not positive and finite starts from the solution for orthogonal gradients, as all do with
        None. The solution is the same.
    tol : float, default=1e-12
        Largest relative residual :math:`|G a - (w/a)^r| / (w/a)^r`; where rounding does not allow
        it, what rounding allows.
    max_iter : int, default=200
        Largest number of Newton steps.

    Returns
    -------
    solution : ndarray of shape (..., T)
        The solution.
    solved : ndarray of bool of shape (...)
        False where there is no solution, or none that double precision can find, and the fallback
        was taken; see :func:`warn_of_unsolved`.

    Notes
    -----
    Damped Newton steps on gradients scaled to length one, from the solution for orthogonal
    gradients. Scaling all gradients by `s` multiplies the solution by a power of `s`, up to
    rounding. For `power` below 1 the norms enter with a high power (the fourth at 0.2): norms that
    lie decades apart may then leave no digits, and the fallback is taken. T Cholesky factors of a T
    x T matrix per step, 3 to 15 steps as a rule.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.aggregation.newton import solve_equation
    >>> solve_equation(np.eye(2), np.array([2.0, 1.0]), np.ones(2), power=1.0)
    (array([0.5, 1. ]), array(True))
    """
    if power == 0:  # a = w
        return np.array(np.broadcast_to(weights, norms.shape)), np.ones(
            norms.shape[:-1], dtype=bool
        )
    exponent = 1.0 / power
    with np.errstate(all="ignore"):
        # With b = norms * a the equation reads C b = scores * b ** -exponent; scores are brought to
        # geometric mean 1, which scales b.
        logs = exponent * np.log(weights) + (exponent - 1.0) * np.log(norms)
        level = logs.sum(-1, keepdims=True) / logs.shape[-1]
        scores = np.exp(logs - level)
        orthogonal = scores ** (1.0 / (1.0 + exponent))
        unit = np.exp(level / (1.0 + exponent)) / norms
        first = orthogonal
        if start is not None:
            near = start / unit
            first = np.where(
                ((near > 0) & (near < np.inf)).all(-1, keepdims=True), near, orthogonal
            )
        solution = _plain_newton(
            cosines, scores, exponent, first, tol=tol, max_iter=min(max_iter, _PLAIN_STEPS)
        )
        if solution is not None:
            return solution * unit, np.ones(norms.shape[:-1], dtype=bool)
        solution, solved = damped_newton(
            cosines, scores, exponent, first, tol=tol, rounding=ROUNDING, max_iter=max_iter
        )
        if not solved.all():
            ridged = cosines + RIDGE * np.eye(cosines.shape[-1])
            fallback, _ = damped_newton(
                ridged,
                scores,
                exponent,
                orthogonal,
                tol=tol,
                rounding=ROUNDING_OF_FALLBACK,
                max_iter=max_iter,
            )
            solution = np.where(solved[..., None], solution, fallback)
        solution *= unit
    return solution, solved


def warn_of_unsolved(unsolved: Tensor) -> None:
    """Warn where an equation had no solution and the fallback was taken."""
    if bool(unsolved.any()):
        warnings.warn(
            f"{int(unsolved.count_nonzero())} of {unsolved.numel()} Gramians are "
            "Pareto-stationary within rounding: some average of their gradients is zero, and no "
            "weights solve the equation. The weights are those of gradients with a small "
            "independent part; the tasks in that average hardly move.",
            ConvergenceWarning,
            stacklevel=4,
        )


def _plain_newton(
    matrix: Array, scores: Array, exponent: float, solution: Array, *, tol: float, max_iter: int
) -> Array | None:
    """Do what `damped_newton` does where full steps suffice.

    Returns None unless all networks are solved within a few steps.
    """
    for _ in range(max_iter):
        pull = scores * solution**-exponent
        residual = _times(matrix, solution) / pull - 1.0
        if np.abs(residual).max() <= tol:
            return solution
        step = _relative_step(matrix, solution, pull, residual, exponent)
        factors = (
            1.0 + step
            if np.abs(step).max() < _SHORT
            else _damped(matrix, scores, solution, step, residual * pull, exponent)
        )
        solution = solution * factors
    return None


def damped_newton(
    matrix: Array,
    scores: Array,
    exponent: float,
    solution: Array,
    *,
    tol: float,
    rounding: float,
    max_iter: int,
) -> tuple[Array, NDArray[np.bool_]]:
    """Solve ``matrix @ b = scores * b ** -exponent`` for b > 0, from a first guess.

    Returns the best b seen, (..., T), and whether it solves the equation, (...).

    Found means within `tol`, or within rounding where that is the coarser of the two; a member
    whose rounding error exceeds `rounding` is given up. Numpy, because calls of torch cost several
    times as much where matrices are small.
    """
    solved = np.zeros(scores.shape[:-1], dtype=bool)
    lost = np.zeros_like(solved)
    best, smallest, magnitudes = solution, np.full(scores.shape[:-1], np.inf), np.abs(matrix)
    for _ in range(max_iter):
        pull = scores * solution**-exponent
        residual = _times(matrix, solution) / pull - 1.0
        floor = 4e-16 * scores.shape[-1] * (_times(magnitudes, solution) / pull).max(-1)
        error = np.abs(residual).max(-1)
        improved = error < smallest
        best, smallest = (
            np.where(improved[..., None], solution, best),
            np.where(improved, error, smallest),
        )
        solved |= (error <= tol) | ((error <= 2 * floor) & (floor < rounding))
        lost |= ~np.isfinite(error) | (floor >= rounding)
        done = solved | lost
        if done.all():
            break
        step = _relative_step(matrix, solution, pull, residual, exponent)
        solution = np.where(
            done[..., None],
            solution,
            solution * _damped(matrix, scores, solution, step, residual * pull, exponent),
        )
    return best, solved


def _times(matrix: Array, vector: Array) -> Array:
    product: Array = (matrix @ vector[..., None])[..., 0]
    return product


def _relative_step(
    matrix: Array, solution: Array, pull: Array, residual: Array, exponent: float
) -> Array:
    """Newton's step divided by the solution."""
    scale = 1.0 / np.sqrt(solution**2 + exponent * pull * solution)
    weighed = solution * scale
    hessian = weighed[..., :, None] * matrix * weighed[..., None, :]
    diagonal = np.arange(matrix.shape[-1])
    hessian[..., diagonal, diagonal] += exponent * pull * solution * scale**2
    if not np.isfinite(
        hessian.sum()
    ):  # such a network is lost; it must not keep the others from being solved
        hessian[~np.isfinite(hessian).all((-1, -2))] = np.eye(matrix.shape[-1])
    right = -(residual * pull * solution * scale)[..., None]
    try:
        step: Array = np.linalg.solve(hessian, right)[..., 0] * scale
    except np.linalg.LinAlgError:  # exactly singular
        step = np.linalg.solve(hessian + RIDGE * np.eye(matrix.shape[-1]), right)[..., 0] * scale
    return step


def _damped(
    matrix: Array, scores: Array, solution: Array, step: Array, gradient: Array, exponent: float
) -> Array:
    """Return the factors by which the solution is multiplied.

    They are the step, shortened until it neither leaves the positive numbers nor shoots past the
    minimum.
    """
    length = (0.99 / np.maximum((-step).max(-1), 0.99))[..., None]
    uphill = solution * step
    downhill = (gradient * uphill).sum(-1, keepdims=True)
    for _ in range(40):
        trial = solution * (1.0 + length * step)
        slope = ((_times(matrix, trial) - scores * trial**-exponent) * uphill).sum(
            -1, keepdims=True
        )
        past = (slope > 0.5 * np.abs(downhill)) & (length > 1e-9)
        if not past.any():
            break
        length = np.where(past, length / 2, length)
    factors: Array = 1.0 + length * step
    return factors
