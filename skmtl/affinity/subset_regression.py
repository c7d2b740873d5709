"""Batched penalized regressions on the rows of subsets of tasks."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from skmtl.base import Curvature

# Maximum number of entries of curvature matrices, and of scores, in memory at a time.
_HELD_AT_ONCE = 10_000_000


@dataclass(frozen=True)
class TaskRows:
    """Rows of each task for a linear model of their scores, f + Z b.

    Attributes
    ----------
    offset : Tensor of shape (T, B, k)
        Scores f without the model.
    features : Tensor of shape (T, B, k, d)
        Features Z of each score.
    labels, weights : Tensor of shape (T, B)
        Targets; sample weights that sum to 1 per task.
    """

    offset: Tensor
    features: Tensor
    labels: Tensor
    weights: Tensor


def fit_subsets(
    rows: TaskRows,
    members: Tensor,
    alpha: float,
    curvature: Curvature,
    losses: Callable[[Tensor, Tensor], Tensor],
    *,
    max_iter: int = 500,
    tol: float = 1e-6,
) -> Tensor:
    r"""Fit the coefficients of each subset of tasks.

    .. math::

        \min_b \frac{1}{|S|} \sum_{t \in S} L_t(f_t + Z_t b) + \frac{\alpha}{2} \lVert b \rVert^2

    Steps use an upper bound of the curvature, which is factorized once per subset. If the curvature
    is constant, one step is exact. Other losses use Nesterov momentum, which is restarted when it
    points uphill.

    Parameters
    ----------
    rows : TaskRows
        Rows of all tasks.
    members : Tensor of shape (m, T)
        Membership of the subsets.
    alpha : float
        Penalty.
    curvature : Curvature
        Bound of the second derivative of the loss.
    losses : callable
        Function of scores (E, T, k, B) and labels (1, T, B) that returns the loss of each cell,
        (E, T, B).
    max_iter, tol : int and float
        Maximum number of steps, and the relative change of the coefficients of a subset at which
        its iteration stops.

    Returns
    -------
    Tensor of shape (m, d)
        Coefficients.

    Warns
    -----
    ConvergenceWarning
        If regressions have not converged after the last step.
    """
    d = rows.features.shape[3]
    weighted = rows.features * rows.weights[:, :, None, None]
    bounds = curvature.bound * torch.einsum("tbkd,tbke->tde", weighted, rows.features)
    at_once = max(1, _HELD_AT_ONCE // max(d * d, rows.offset.numel()))
    found, unfinished = [], 0
    for sets in torch.split(members, at_once):
        share = sets.double() / sets.sum(1, keepdim=True)
        bound = (share @ bounds.flatten(1)).view(-1, d, d) + alpha * torch.eye(
            d, dtype=torch.float64
        )
        factor = torch.linalg.cholesky(bound)
        coefficients = ahead = torch.zeros(len(sets), d, dtype=torch.float64)
        momentum = torch.ones(len(sets), 1, dtype=torch.float64)
        for _ in range(1 if curvature.constant else max_iter):
            gradient = _gradient(rows, share, ahead, losses) + alpha * ahead
            new = ahead - torch.cholesky_solve(gradient.unsqueeze(2), factor).squeeze(2)
            change = new - coefficients
            momentum = torch.where((gradient * change).sum(1, keepdim=True) > 0, 1.0, momentum)
            faster = (1 + (1 + 4 * momentum**2).sqrt()) / 2
            ahead, coefficients, momentum = new + (momentum - 1) / faster * change, new, faster
            moving = change.abs().amax(1) > tol * new.abs().amax(1)
            if not moving.any():
                break
        unfinished += int(moving.sum()) if not curvature.constant else 0
        found.append(coefficients)
    if unfinished:
        warnings.warn(
            f"{unfinished} of {len(members)} regressions have not converged after {max_iter} "
            "steps. Raise alpha.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return torch.cat(found)


def task_losses(
    rows: TaskRows, coefficients: Tensor, losses: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Return the mean loss of each task, (m, T), for the coefficients of each subset, (m, d)."""
    at_once = max(1, _HELD_AT_ONCE // rows.offset.numel())
    return torch.cat(
        [
            (losses(_scores(rows, part), rows.labels[None]) * rows.weights).sum(2)
            for part in torch.split(coefficients, at_once)
        ]
    )


def _scores(rows: TaskRows, coefficients: Tensor) -> Tensor:
    """Return the scores of all rows for the coefficients of each subset, (m, T, k, B)."""
    change = (coefficients @ rows.features.flatten(0, 2).T).view(-1, *rows.offset.shape)
    return (rows.offset + change).transpose(2, 3)


def _gradient(
    rows: TaskRows, share: Tensor, coefficients: Tensor, losses: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Return the gradient of the mean loss over the tasks of each subset, (m, d)."""
    leaf = _scores(rows, coefficients).requires_grad_()
    with torch.enable_grad():
        total = (losses(leaf, rows.labels[None]) * rows.weights * share.unsqueeze(2)).sum()
        (derivative,) = torch.autograd.grad(total, leaf)
    return derivative.transpose(2, 3).flatten(1) @ rows.features.flatten(0, 2)
