"""Exact solver of many small nonnegative quadratic programs (MGDA, CAGrad, UPGrad, DualProj)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

# Numbers below minus this count as negative, relative to the size of the terms of their sum.
TOLERANCE = 1e-11
PIVOTS, PATIENCE = 30, 3
# Keeps the systems of linearly dependent gradients regular; far below TOLERANCE.
RIDGE = 1e-12


def nonnegative_minimum(matrix: Tensor, linear: Tensor) -> Tensor:
    """Minimize ``z' K z / 2 - p' z`` over z >= 0; return z, (..., T).

    There is one program per K, (..., T, T), and p, (..., T); their leading axes broadcast. K is
    positive semidefinite with a diagonal near one, and p is in its range.

    Block principal pivoting swaps all indices with a wrong sign at once, and solves most programs
    with a few factorizations of the whole batch. The others, because it cycles or K is singular,
    are solved one index at a time by the method of Lawson and Hanson, whose systems stay regular.
    A solution is accepted only if it meets the optimality conditions.
    """
    shape = np.broadcast_shapes(matrix.shape[:-2], linear.shape[:-1])
    n = linear.shape[-1]
    level = linear.abs().amax(-1, keepdim=True).clamp(min=1e-300)
    flat_k = matrix.expand(*shape, n, n).reshape(-1, n, n)
    flat_p = (linear / level).expand(*shape, n).reshape(-1, n)
    solution, solved = _block_pivoting(flat_k, flat_p)
    if not solved.all():
        hard = (~solved).nonzero()[:, 0]
        solution = solution.index_put((hard,), _lawson_hanson(flat_k[hard], flat_p[hard]))
    return solution.reshape(*shape, n) * level


def _block_pivoting(matrix: Tensor, linear: Tensor) -> tuple[Tensor, Tensor]:
    count, n = linear.shape
    passive = linear > 0
    solution = torch.zeros_like(linear)
    solved = torch.zeros(count, dtype=torch.bool, device=linear.device)
    fewest = torch.full((count,), n + 1, device=linear.device)
    patience = torch.full((count,), PATIENCE, device=linear.device)
    active = torch.arange(count, device=linear.device)
    last = torch.arange(n, device=linear.device)
    for _ in range(PIVOTS):
        k, p, chosen = matrix[active], linear[active], passive[active]
        trial = _solve_on(k, p, chosen)
        slope, noise = _slope(k, p, trial)
        wrong = torch.where(
            chosen, trial < -TOLERANCE * trial.abs().amax(-1, keepdim=True), slope < -noise
        )
        wrong = wrong | ~trial.isfinite()
        n_wrong = wrong.sum(-1)
        done = (n_wrong == 0) & ((slope.abs() <= noise) | ~chosen).all(-1)
        solution[active[done]] = trial[done].clamp(min=0.0)
        solved[active[done]] = True
        better = n_wrong < fewest[active]
        fewest[active] = torch.where(better, n_wrong, fewest[active])
        patience[active] = torch.where(better, PATIENCE, patience[active] - 1)
        # Without patience left, only the last wrong index moves, which terminates if K is regular.
        only = last == torch.where(wrong, last, -1).amax(-1, keepdim=True)
        moved = torch.where((patience[active] >= 0)[:, None], wrong, wrong & only)
        passive[active] = chosen ^ moved
        active = active[~done & (n_wrong > 0)]
        if len(active) == 0:
            break
    return solution, solved


def _lawson_hanson(matrix: Tensor, linear: Tensor) -> Tensor:
    count, n = linear.shape
    solution, passive = torch.zeros_like(linear), torch.zeros_like(linear, dtype=torch.bool)
    everyone = torch.arange(count, device=linear.device)
    entering = torch.ones(count, dtype=torch.bool, device=linear.device)
    barred = torch.zeros_like(passive)
    for _ in range(10 * n + 10):
        slope, noise = _slope(matrix, linear, solution)
        gain = torch.where(passive | barred | (slope >= -noise), 0.0, -slope)
        best, index = gain.max(-1)
        finished = entering & (best <= 0)
        if finished.all():
            break
        enters = entering & ~finished
        passive[everyone[enters], index[enters]] = True
        trial = torch.where(finished[:, None], solution, _solve_on(matrix, linear, passive))
        # An index that cannot be solved for, or would leave at once, depends on the others up to
        # rounding: it is left out.
        stuck = enters & ~(trial[everyone, index] > 0)
        failed = stuck[:, None] | ~trial.isfinite().all(-1, keepdim=True)
        trial = torch.where(failed, solution, trial)
        passive[everyone[stuck], index[stuck]] = False
        barred[everyone[stuck], index[stuck]] = True
        negative = passive & (trial <= 0)
        ratio = torch.where(negative, solution / (solution - trial).clamp(min=1e-300), torch.inf)
        length = ratio.amin(-1, keepdim=True).clamp(max=1.0)
        solution = torch.where(passive, solution + length * (trial - solution), 0.0).clamp(min=0.0)
        passive = passive & ~(negative & (ratio <= length))
        solution = torch.where(passive, solution, 0.0)
        entering = ~negative.any(-1)
        barred = barred & ~(entering & ~stuck)[:, None]
    return solution


def _solve_on(matrix: Tensor, linear: Tensor, chosen: Tensor) -> Tensor:
    """Solve K z = p on the chosen indices, zero elsewhere.

    The system is solved with a ridge, followed by one step of refinement without it.
    """
    size = max(int(chosen.sum(-1).max()), 1)
    index = chosen.to(torch.int8).argsort(dim=-1, descending=True, stable=True)[:, :size]
    kept = chosen.gather(1, index)
    block = matrix.gather(1, index[:, :, None].expand(-1, -1, matrix.shape[-1]))
    block = block.gather(2, index[:, None, :].expand(-1, size, -1))
    block = torch.where(kept[:, :, None] & kept[:, None, :], block, 0.0)
    block.diagonal(dim1=-2, dim2=-1).add_((~kept).to(block.dtype))
    right = torch.where(kept, linear.gather(1, index), 0.0)[..., None]
    ridge = RIDGE * torch.eye(size, dtype=block.dtype, device=block.device)
    factor, pivots, _ = torch.linalg.lu_factor_ex(block + ridge)
    solution = torch.linalg.lu_solve(factor, pivots, right)
    solution = solution + torch.linalg.lu_solve(factor, pivots, right - block @ solution)
    return torch.zeros_like(linear).scatter(1, index, solution[..., 0])


def _slope(matrix: Tensor, linear: Tensor, solution: Tensor) -> tuple[Tensor, Tensor]:
    """Return K z - p, and a bound on its rounding error."""
    slope = (matrix @ solution[..., None])[..., 0] - linear
    size = (matrix.abs() @ solution.abs()[..., None])[..., 0] + linear.abs()
    return slope, TOLERANCE * size.clamp(min=1e-3)
