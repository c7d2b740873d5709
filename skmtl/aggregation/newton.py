"""Solver of the equation of Nash-MTL, FairGrad, PIVRG and SVFair."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from skmtl.aggregation.gramians import cosines_and_norms

Array = NDArray[np.float64]

# Relative steps below this size are taken undamped: the function is close to its quadratic model.
_SHORT = 0.2
# Newton steps of the whole batch before networks are tracked one by one.
_PLAIN_STEPS = 12
# Added to the diagonal of the cosines if no solution exists.
RIDGE = 1e-8
# Largest relative rounding error of an accepted solution, and of the fallback.
ROUNDING, ROUNDING_OF_FALLBACK = 1e-6, 1e-2


def solve_weighted_inverse(
    gramian: Tensor,
    weights: Tensor,
    power: float = 1.0,
    *,
    start: Tensor | None = None,
    tol: float = 1e-12,
    max_iter: int = 200,
) -> Tensor:
    r"""Solve :math:`(G a)^{power} = w / a`, entry by entry, for :math:`a > 0`.

    The solution is the minimum of the strictly convex function

    .. math:: \tfrac12 a^\top G a - \sum_i w_i^{r} \int a_i^{-r} da_i, \qquad r = 1 / power,

    so there is at most one. There is none if and only if some convex combination of the gradients
    is zero (a Pareto-stationary point, such as two opposite gradients): the tasks in it cannot all
    improve. The result is then the solution with 1e-8 added to the diagonal of the cosines: finite
    weights, with which these tasks cancel out and their losses hardly change.

    Parameters
    ----------
    gramian : Tensor of shape (..., T, T)
        Inner products of the task gradients, positive semidefinite, float64. A zero gradient counts
        as orthogonal to the others with their mean norm.
    weights : Tensor of shape (..., T)
        Positive; broadcast to the leading axes of `gramian`.
    power : float, default=1.0
        1 for Nash-MTL, alpha for FairGrad, 2 for PIVRG and SVFair.
    start : Tensor of shape (..., T), default=None
        Starting point, such as the solution of a similar equation; it does not change the solution.
        None, or a network with an entry that is not positive and finite, starts from the solution
        for orthogonal gradients.
    tol : float, default=1e-12
        Largest relative residual :math:`|G a - (w/a)^r| / (w/a)^r`, or the smallest that rounding
        allows.
    max_iter : int, default=200
        Largest number of Newton steps.

    Returns
    -------
    Tensor of shape (..., T)
        The solution, float64.

    Warns
    -----
    ConvergenceWarning
        If a Gramian has no solution, or none that float64 can represent, and the fallback is
        returned.

    Notes
    -----
    Damped Newton steps on gradients scaled to length one, usually 3 to 15. A step solves one linear
    system of size T per network. Scaling all gradients by `s` multiplies the solution by a power of
    `s`, up to rounding. For `power` below 1, the norms enter with a high power (the fourth for
    0.2); if they differ by orders of magnitude, no significant digits may be left, and the fallback
    is returned.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation.newton import solve_weighted_inverse
    >>> solve_weighted_inverse(torch.tensor([[4.0, 0.0], [0.0, 1.0]]), torch.ones(2))
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    weights = weights.to(torch.float64).expand(gramian.shape[:-1])
    if not (weights > 0).all():
        raise ValueError(
            "weights must be positive and finite for every task. Shift or clip them before you "
            "pass them."
        )
    cosines, norms = cosines_and_norms(gramian.to(torch.float64).cpu().numpy())
    near = None if start is None else start.cpu().numpy()
    solution, solved = solve_equation(
        cosines, norms, weights.cpu().numpy(), power, near, tol=tol, max_iter=max_iter
    )
    warn_of_unsolved(torch.as_tensor(~solved))
    return torch.as_tensor(solution, device=gramian.device)


def warn_of_unsolved(unsolved: Tensor) -> None:
    """Warn if an equation had no solution and the fallback was returned."""
    if bool(unsolved.any()):
        warnings.warn(
            f"{int(unsolved.count_nonzero())} of {unsolved.numel()} Gramians are "
            "Pareto-stationary within rounding: some average of their gradients is zero, and no "
            "weights solve the equation. The weights returned solve it with 1e-8 added to the "
            "diagonal of the cosines; the losses of the tasks in that average hardly change.",
            ConvergenceWarning,
            stacklevel=4,
        )


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
    """Do what `solve_weighted_inverse` does, for numpy arrays.

    Takes the cosines of the gradients, (..., T, T), and their norms, (..., T). Also returns which
    equations are solved, (...).
    """
    if power == 0:  # a = w
        solved = np.ones(norms.shape[:-1], dtype=bool)
        return np.array(np.broadcast_to(weights, norms.shape)), solved
    exponent = 1.0 / power
    with np.errstate(all="ignore"):
        # With b = norms * a the equation is C b = scores * b ** -exponent. Scores are scaled to
        # geometric mean 1, which scales b.
        logs = exponent * np.log(weights) + (exponent - 1.0) * np.log(norms)
        level = logs.sum(-1, keepdims=True) / logs.shape[-1]
        scores = np.exp(logs - level)
        orthogonal = scores ** (1.0 / (1.0 + exponent))
        unit = np.exp(level / (1.0 + exponent)) / norms
        first = orthogonal
        if start is not None:
            near = start / unit
            usable = ((near > 0) & (near < np.inf)).all(-1, keepdims=True)
            first = np.where(usable, near, orthogonal)
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


def _plain_newton(
    matrix: Array, scores: Array, exponent: float, solution: Array, *, tol: float, max_iter: int
) -> Array | None:
    """Do what `damped_newton` does, without tracking single networks.

    Returns None unless all networks are solved within `max_iter` steps.
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

    Returns the best b found, (..., T), and whether it solves the equation, (...): within `tol`, or
    within rounding if that is coarser. A network whose rounding error exceeds `rounding` is given
    up. Uses numpy, because torch calls cost several times as much for small matrices.
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
        best = np.where(improved[..., None], solution, best)
        smallest = np.where(improved, error, smallest)
        solved |= (error <= tol) | ((error <= 2 * floor) & (floor < rounding))
        lost |= ~np.isfinite(error) | (floor >= rounding)
        done = solved | lost
        if done.all():
            break
        step = _relative_step(matrix, solution, pull, residual, exponent)
        factors = _damped(matrix, scores, solution, step, residual * pull, exponent)
        solution = np.where(done[..., None], solution, solution * factors)
    return best, solved


def _times(matrix: Array, vector: Array) -> Array:
    product: Array = (matrix @ vector[..., None])[..., 0]
    return product


def _relative_step(
    matrix: Array, solution: Array, pull: Array, residual: Array, exponent: float
) -> Array:
    """Return the Newton step divided by the solution."""
    scale = 1.0 / np.sqrt(solution**2 + exponent * pull * solution)
    weighed = solution * scale
    hessian = weighed[..., :, None] * matrix * weighed[..., None, :]
    diagonal = np.arange(matrix.shape[-1])
    hessian[..., diagonal, diagonal] += exponent * pull * solution * scale**2
    # A network that is not finite is lost, but must not keep the others from being solved.
    if not np.isfinite(hessian.sum()):
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
    """Return the factors, (..., T), by which a damped step multiplies the solution.

    The step is shortened until the solution stays positive and the step does not overshoot the
    minimum along its direction.
    """
    length = (0.99 / np.maximum((-step).max(-1), 0.99))[..., None]
    uphill = solution * step
    downhill = (gradient * uphill).sum(-1, keepdims=True)
    for _ in range(40):
        trial = solution * (1.0 + length * step)
        trial_gradient = _times(matrix, trial) - scores * trial**-exponent
        slope = (trial_gradient * uphill).sum(-1, keepdims=True)
        past = (slope > 0.5 * np.abs(downhill)) & (length > 1e-9)
        if not past.any():
            break
        length = np.where(past, length / 2, length)
    factors: Array = 1.0 + length * step
    return factors
