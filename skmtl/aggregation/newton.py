"""The one equation behind Nash-MTL, FairGrad, PIVRG and SVFair, and its solver."""

from __future__ import annotations

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from skmtl.aggregation.numerics import unit_diagonal

# Where no solution exists, this is added to the diagonal of the cosines.
RIDGE = 1e-8
# Rounding grows with the solution; a solution is accepted with at most this relative rounding error, that of the fallback with the second.
ROUNDING, ROUNDING_OF_FALLBACK = 1e-6, 1e-2


def solve_weighted_inverse(gramian: Tensor, weights: Tensor, power: float = 1.0, *, tol: float = 1e-12, max_iter: int = 200) -> Tensor:
    r"""Solve :math:`(G a)^{power} = w / a`, entry by entry, for :math:`a > 0`.

    It is where the gradient of a strictly convex function vanishes,

    .. math:: \tfrac12 a^\top G a - \sum_i w_i^{r} \int a_i^{-r} da_i, \qquad r = 1 / power,

    so that there is one solution at most. There is none exactly where some average of the gradients is zero (a Pareto-stationary point,
    such as two opposite gradients): the tasks in that average cannot all improve. The answer is then that of the same problem with 1e-8 added
    to the diagonal of the cosines: finite weights, under which these tasks cancel out and their losses hardly move.

    Parameters
    ----------
    gramian : Tensor of shape (..., T, T)
        Inner products of the task gradients, positive semidefinite, float64. A zero gradient counts as orthogonal to the others and of
        their mean norm.
    weights : Tensor of shape (..., T)
        Positive; broadcast against the leading axes of `gramian`.
    power : float, default=1.0
        1 for Nash-MTL, alpha for FairGrad, 2 for PIVRG and SVFair.
    tol : float, default=1e-12
        Largest relative residual :math:`|G a - (w/a)^r| / (w/a)^r`; where rounding does not allow it, what rounding allows.
    max_iter : int, default=200
        Largest number of Newton steps.

    Returns
    -------
    Tensor of shape (..., T)
        The solution, float64.

    Warns
    -----
    ConvergenceWarning
        If a Gramian has no solution, or none that double precision can find, and the fallback was taken.

    Notes
    -----
    Damped Newton steps on gradients scaled to length one, from the solution for orthogonal gradients. Scaling all gradients by `s`
    multiplies the solution by a power of `s`, up to rounding. For `power` below 1 the norms enter with a high power (the fourth at 0.2): norms that
    lie decades apart may then leave no digits, and the fallback is taken. T Cholesky factors of a T x T matrix a step, 3 to 15 steps as a rule.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation.newton import solve_weighted_inverse
    >>> solve_weighted_inverse(torch.tensor([[4.0, 0.0], [0.0, 1.0]]), torch.ones(2))
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    weights = weights.to(torch.float64).expand(gramian.shape[:-1])
    if not (weights > 0).all():
        raise ValueError("weights must be positive and finite for every task. Shift or clip them before they are passed.")
    exponent = 1.0 / power
    cosines, norms = unit_diagonal(gramian.to(torch.float64))
    # With b = norms * a the equation reads C b = scores * b ** -exponent; scores are brought to geometric mean 1, which scales b.
    logs = exponent * weights.log() + (exponent - 1.0) * norms.log()
    level = logs.mean(-1, keepdim=True)
    scores = (logs - level).exp()
    solution, solved = damped_newton(cosines, scores, exponent, tol=tol, rounding=ROUNDING, max_iter=max_iter)
    if not solved.all():
        ridged = cosines + RIDGE * torch.eye(cosines.shape[-1], dtype=cosines.dtype, device=cosines.device)
        fallback, _ = damped_newton(ridged, scores, exponent, tol=tol, rounding=ROUNDING_OF_FALLBACK, max_iter=max_iter)
        solution = torch.where(solved[..., None], solution, fallback)
        warnings.warn(
            f"{int((~solved).sum())} of {solved.numel()} Gramians are Pareto-stationary within rounding: some average of their gradients is zero, "
            "and no weights solve the equation. The weights are those of gradients with a small independent part; the tasks in that average hardly move.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return solution * (level / (1.0 + exponent)).exp() / norms


def damped_newton(matrix: Tensor, scores: Tensor, exponent: float, *, tol: float, rounding: float, max_iter: int) -> tuple[Tensor, Tensor]:
    """Solve ``matrix @ b = scores * b ** -exponent`` for b > 0; return the best b seen, (..., T), and whether it solves, (...).

    Found means within `tol`, or within rounding where that is the coarser of the two; a member whose rounding error exceeds `rounding` is given up.
    """
    solution = scores ** (1.0 / (1.0 + exponent))
    solved = torch.zeros(scores.shape[:-1], dtype=torch.bool, device=scores.device)
    lost = torch.zeros_like(solved)
    best, smallest, magnitudes = solution, torch.full_like(solution[..., 0], torch.inf), matrix.abs()
    for _ in range(max_iter):
        pull = scores * solution**-exponent
        residual = ((matrix @ solution[..., None])[..., 0] - pull) / pull
        floor = 4e-16 * scores.shape[-1] * ((magnitudes @ solution[..., None])[..., 0] / pull).amax(-1)
        error = residual.abs().amax(-1)
        improved = error < smallest
        best, smallest = torch.where(improved[..., None], solution, best), torch.where(improved, error, smallest)
        solved = solved | (error <= tol) | ((error <= 2 * floor) & (floor < rounding))
        lost = lost | ~error.isfinite() | (floor >= rounding)
        if (solved | lost).all():
            break
        step = _relative_step(matrix, solution, pull, residual, exponent)
        solution = torch.where((solved | lost)[..., None], solution, solution * _damped(matrix, scores, solution, step, residual * pull, exponent))
    return best, solved


def _relative_step(matrix: Tensor, solution: Tensor, pull: Tensor, residual: Tensor, exponent: float) -> Tensor:
    """Newton's step divided by the solution."""
    scale = (solution**2 + exponent * pull * solution).rsqrt()
    weighed = solution * scale
    hessian = weighed[..., :, None] * matrix * weighed[..., None, :]
    hessian.diagonal(dim1=-2, dim2=-1).add_(exponent * pull * solution * scale**2)
    factor, _ = torch.linalg.cholesky_ex(hessian)
    right = -(residual * pull * solution * scale)[..., None]
    return torch.cholesky_solve(right, factor)[..., 0] * scale


def _damped(matrix: Tensor, scores: Tensor, solution: Tensor, step: Tensor, gradient: Tensor, exponent: float) -> Tensor:
    """Factors by which the solution is multiplied: the step, shortened until it neither leaves the positive numbers nor shoots past the minimum."""
    length = (0.99 / (-step).amax(-1).clamp(min=0.99))[..., None]
    downhill = (gradient * solution * step).sum(-1, keepdim=True)
    for _ in range(40):
        trial = solution * (1.0 + length * step)
        slope = (((matrix @ trial[..., None])[..., 0] - scores * trial**-exponent) * solution * step).sum(-1, keepdim=True)
        past = (slope > 0.5 * downhill.abs()) & (length > 1e-9)
        if not past.any():
            break
        length = torch.where(past, length / 2, length)
    return 1.0 + length * step
