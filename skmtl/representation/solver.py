r"""Least squares of many tasks whose coefficients share a subspace, by variable projection.

The objective is
:math:`F(B) = \sum_t w_t \min_h (c_t - 2 b_t^\top B^\top h + h^\top B A_t B^\top h)`. The heads are
solved for exactly at every B, as in alternating least squares, and B takes damped Newton steps on
the remaining objective. A step costs two or three times as much as one of alternating least squares
(it solves a linear system of size rank * (p - rank), whose matrix is a few products over tasks),
but it converges in a few steps where alternating least squares takes many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh
from scipy.sparse.linalg import LinearOperator, cg

from skmtl.representation.moments import Moments

Array = NDArray[np.float64]

# Largest number of unknowns for which the matrix is formed; larger systems are solved by conjugate
# gradients.
_WRITTEN_OUT = 2500
# Largest number of entries of a product over tasks, 64 MB.
_NUMBERS_AT_ONCE = 8_000_000
# Relative size below which an eigenvalue of second moments counts as zero.
_RANK_CUTOFF = 1e-12
_FIRST_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-3, 1e-10, 1e8


@dataclass(frozen=True, eq=False)
class Solution:
    """A subspace, the best heads in it, and the convergence of the solver.

    Attributes
    ----------
    components : ndarray of shape (rank, p)
        Orthonormal rows, by decreasing size of the heads.
    heads : ndarray of shape (T, rank)
        Coefficients within the subspace.
    value : float
        Value of the objective.
    n_iter : int
        Number of steps taken.
    converged : bool
        Whether the last step lowered the objective by no more than the tolerance.
    """

    components: Array
    heads: Array
    value: float
    n_iter: int
    converged: bool


def solve(
    moments: Moments,
    rank: int,
    *,
    max_iter: int,
    tol: float,
    rng: np.random.RandomState | np.random.Generator,
    start: Array | None = None,
) -> Solution:
    """Return the solution of dimension ``rank``.

    The solver stops when a step lowers the objective by no more than ``tol`` times the mean square
    of the targets. It starts from the directions ``start``, of shape (k, p) with k at most rank;
    the remaining ones are the best for the residuals of the first k. None = the moment start, which
    is the exact solution if all tasks have the same rows.
    """
    if len(moments.second) == 1:
        exact = _Projected(moments, moment_start(moments, rank, rng))
        return _tidy(moments, exact, n_iter=1, converged=True)
    first = (
        moment_start(moments, rank, rng) if start is None else extended(moments, start, rank, rng)
    )
    fit = _Projected(moments, first)
    scale = float(moments.weight @ moments.power)
    damping, converged, n_iter = _FIRST_DAMPING, False, 0
    while not converged and n_iter < max_iter:
        fit, damping, gain = _step(fit, damping)
        converged, n_iter = gain <= tol * scale, n_iter + 1
    return _tidy(moments, fit, n_iter=n_iter, converged=converged)


def moment_start(
    moments: Moments, rank: int, rng: np.random.RandomState | np.random.Generator
) -> Array:
    """Return the best subspace if all tasks had the mean second moments.

    This is reduced-rank regression in closed form.
    """
    mean = _mean_second(moments)
    nothing = np.empty((0, mean.shape[0]))
    return _best_directions(mean, moments.cross, moments.weight, rank, nothing, rng)


def extended(
    moments: Moments, start: Array, rank: int, rng: np.random.RandomState | np.random.Generator
) -> Array:
    """Extend a subspace by the best directions for the residuals of the tasks in it.

    They are the best ones if all tasks had the mean second moments.
    """
    start = _orthonormal(start)
    if len(start) >= rank:
        return start[:rank]
    residual = _Projected(moments, start).residual
    return _best_directions(_mean_second(moments), residual, moments.weight, rank, start, rng)


def _mean_second(moments: Moments) -> Array:
    """Return the weighted mean of the second moments of the tasks, (p, p)."""
    if len(moments.second) == 1:
        mean: Array = moments.second[0]
        return mean
    return np.tensordot(moments.weight, moments.second, 1)


def _best_directions(
    mean: Array,
    cross: Array,
    weight: Array,
    rank: int,
    start: Array,
    rng: np.random.RandomState | np.random.Generator,
) -> Array:
    size, vectors = np.linalg.eigh(mean)
    kept = size > _RANK_CUTOFF * max(size[-1], 0.0)
    root = vectors[:, kept] / np.sqrt(size[kept])
    whitened = root.T @ (cross * np.sqrt(weight)[:, None]).T
    left, strength, _ = np.linalg.svd(whitened, full_matrices=False)
    strong = int((strength > 1e-10 * strength[0]).sum()) if len(strength) and strength[0] > 0 else 0
    found = (root @ left[:, :strong]).T[: rank - len(start)]
    # Random directions complete the subspace if the tasks determine fewer; they come last, so that
    # QR does not change the others.
    lacking = rng.standard_normal(size=(rank - len(start) - len(found), len(mean)))
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    return _orthonormal(np.concatenate([start, found, lacking]))


class _Projected:
    """The objective at a subspace, with the heads at their optimum."""

    def __init__(self, moments: Moments, components: Array):
        self.moments, self.components = moments, components
        second = moments.second
        self.seen = (second.reshape(-1, second.shape[-1]) @ components.T).reshape(
            len(second), -1, len(components)
        )
        size, vectors = np.linalg.eigh(components @ self.seen)
        root = np.zeros_like(size)
        np.divide(
            1.0,
            np.sqrt(size, where=size > 0, out=np.ones_like(size)),
            out=root,
            where=size > _RANK_CUTOFF * size[:, -1:].clip(min=0),
        )
        self.whitener = vectors * root[:, None, :]
        inside = moments.cross @ components.T
        white = np.matmul(inside[:, None, :], self.whitener)
        self.heads = np.matmul(self.whitener, white.transpose(0, 2, 1))[:, :, 0]
        self.value = float(moments.weight @ (moments.power - (white[:, 0] ** 2).sum(1)))
        self.residual = moments.cross - np.matmul(self.seen, self.heads[:, :, None])[:, :, 0]

    def gradient(self) -> Array:
        """Return half the negative gradient of the projected objective, (rank, p)."""
        return (self.heads * self.moments.weight[:, None]).T @ self.residual

    def curvature(self) -> Array:
        """Return half the Hessian of the projected objective, (rank * p, rank * p).

        With K = A B', G = B A B', M = K G^+, residual moments S = A - K G^+ K' and r = b - K h, it
        is the sum over tasks of h_i h_j S_ab + h_i M_aj r_b + r_a M_bi h_j - G^+_ij r_a r_b.
        """
        n, (rank, p) = len(self.heads), self.components.shape
        at_once = max(1, _NUMBERS_AT_ONCE // (rank * rank * p + 2 * p * p))
        same, crossed = np.zeros((rank * (rank + 1) // 2, p * p)), np.zeros((rank * p * rank, p))
        for first in range(0, n, at_once):
            of_block = self._curvature_terms(slice(first, first + at_once))
            same, crossed = same + of_block[0], crossed + of_block[1]
        half = crossed.reshape(rank, p, rank, p)
        matrix = half + half.transpose(2, 3, 0, 1)
        upper = np.triu_indices(rank)
        strict = upper[0] < upper[1]
        matrix[upper[0], :, upper[1], :] += same.reshape(-1, p, p)
        matrix[upper[1][strict], :, upper[0][strict], :] += same[strict].reshape(-1, p, p)
        return matrix.reshape(rank * p, rank * p)

    def _curvature_terms(self, block: slice) -> tuple[Array, Array]:
        """Return two sums over a block of tasks.

        The first has the first and the last term for i <= j, and the second has the second term.
        The third term is the transpose of the second.
        """
        every, rank = len(self.heads), len(self.components)
        second, seen, whitener = (
            np.broadcast_to(part, (every, *part.shape[1:]))[block]
            for part in (self.moments.second, self.seen, self.whitener)
        )
        heads, residual = self.heads[block], self.residual[block]
        weight, n = self.moments.weight[block, None], len(heads)
        white = np.matmul(seen, whitener)
        left = second - np.matmul(white, white.transpose(0, 2, 1))
        inverse = np.matmul(whitener, whitener.transpose(0, 2, 1))
        back = np.matmul(white, whitener.transpose(0, 2, 1))
        i, j = np.triu_indices(rank)
        outer = residual[:, :, None] * residual[:, None, :]
        first_term = (weight * heads[:, i] * heads[:, j]).T @ left.reshape(n, -1)
        last_term = (weight * inverse[:, i, j]).T @ outer.reshape(n, -1)
        crossed = ((weight * heads)[:, :, None, None] * back[:, None]).reshape(n, -1).T @ residual
        return first_term - last_term, crossed

    def times_curvature(self, direction: Array) -> Array:
        """Return the product of the Gauss-Newton matrix with a direction, (rank, p).

        The matrix itself is not formed.
        """
        change = (self.heads @ direction)[:, :, None]
        white = np.matmul(self.seen, self.whitener)
        left = np.matmul(self.moments.second, change) - np.matmul(
            white, np.matmul(white.transpose(0, 2, 1), change)
        )
        return (self.heads * self.moments.weight[:, None]).T @ left[:, :, 0]

    def mean_curvature(self) -> float:
        """Return the mean diagonal of A weighted by the heads, which is the unit of the damping."""
        trace = np.trace(self.moments.second, axis1=1, axis2=2)
        total = (self.moments.weight * (self.heads**2).sum(1) * trace).sum()
        return float(total / self.components.size)


def _step(fit: _Projected, damping: float) -> tuple[_Projected, float, float]:
    """Take a step that does not increase the objective.

    Returns the objective at the new subspace, the next damping, and the decrease.
    """
    unit, gradient = fit.mean_curvature(), fit.gradient()
    whole_space = len(gradient) == gradient.shape[1]
    if unit <= 0 or whole_space:  # all heads are zero, or there is no other subspace
        return fit, damping, 0.0
    steps = (
        _newton_steps(fit, gradient)
        if gradient.size <= _WRITTEN_OUT
        else _gauss_newton_steps(fit, gradient)
    )
    while damping <= _MOST_DAMPING:
        direction = steps(damping * unit)
        trial = _Projected(fit.moments, _orthonormal(fit.components + direction))
        if trial.value <= fit.value:
            return trial, max(damping / 10, _LEAST_DAMPING), fit.value - trial.value
        damping *= 10
    return fit, damping, 0.0


def _newton_steps(fit: _Projected, gradient: Array) -> Callable[[float], Array]:
    """Return the Newton step, orthogonal to the subspace, as a function of the damping.

    Negative curvature is replaced by its absolute value.
    """
    rank, p = gradient.shape
    across = np.linalg.qr(fit.components.T, mode="complete")[0][:, rank:]
    full = fit.curvature().reshape(rank, p, rank, p)
    projected = np.tensordot(np.tensordot(full, across, (1, 0)), across, (2, 0))
    matrix = projected.transpose(0, 2, 1, 3).reshape((rank * (p - rank),) * 2)
    slope = (gradient @ across).ravel()
    decomposed: list[Any] = []

    def step(ridge: float) -> Array:
        if not decomposed:
            damped = matrix.copy()
            damped.flat[:: len(damped) + 1] += ridge
            try:
                found = cho_solve(cho_factor(damped, lower=True, overwrite_a=True), slope)
                return np.reshape(found, (rank, -1)) @ across.T
            except LinAlgError:
                decomposed.extend(eigh(matrix))
        size, vectors = decomposed
        found = vectors @ (vectors.T @ slope / (np.abs(size) + ridge))
        return np.reshape(found, (rank, -1)) @ across.T

    return step


def _gauss_newton_steps(fit: _Projected, gradient: Array) -> Callable[[float], Array]:
    """Return the Gauss-Newton step as a function of the damping, by conjugate gradients."""

    def step(ridge: float) -> Array:
        def product(v: Array) -> Array:
            direction = v.reshape(gradient.shape)
            return (fit.times_curvature(direction) + ridge * direction).ravel()

        found, _ = cg(
            LinearOperator((gradient.size,) * 2, matvec=product, dtype=np.float64),
            gradient.ravel(),
            rtol=1e-3,
            maxiter=200,
        )
        return np.reshape(found, gradient.shape)

    return step


def _tidy(moments: Moments, fit: _Projected, *, n_iter: int, converged: bool) -> Solution:
    """Rotate the basis so that it does not depend on the path of the solver.

    Heads are uncorrelated and ordered by decreasing size, and signs are fixed.
    """
    weighted = fit.heads * np.sqrt(moments.weight)[:, None]
    _, _, turn = np.linalg.svd(weighted, full_matrices=True)
    components = turn @ fit.components
    sign = np.sign(components[np.arange(len(components)), np.abs(components).argmax(1)])
    return Solution(
        components * sign[:, None], fit.heads @ turn.T * sign, fit.value, n_iter, converged
    )


def _orthonormal(rows: Array) -> Array:
    basis: Array = np.linalg.qr(rows.T)[0].T
    return basis
