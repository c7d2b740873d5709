"""Samplers of Jacobians, and small helpers that all tests of aggregators share."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from skmtl.base import Signals


def tensor(values):
    return torch.as_tensor(np.asarray(values), dtype=torch.float64)


def gaussian(rng, n_tasks=5, n_parameters=12):
    """Rows without structure; they conflict about as often as not, but linearly independent ones
    leave a common direction.
    """
    return tensor(rng.normal(size=(n_tasks, n_parameters)))


def spread(rng, n_tasks=5, n_parameters=12):
    """Conflicting rows whose lengths spread over two decades."""
    return (
        gaussian(rng, n_tasks, n_parameters)
        * tensor(10.0 ** rng.permutation(np.linspace(-1, 1, n_tasks)))[:, None]
    )


def low_rank(rng, n_tasks=6, rank=3, n_parameters=12):
    """Dependent rows that all have a positive inner product with one direction, so that no average
    of them is zero.
    """
    factors = rng.normal(size=(n_tasks, rank))
    factors[:, 0] = 0.3 + np.abs(factors[:, 0])
    basis = np.linalg.qr(rng.normal(size=(n_parameters, rank)))[0]
    return tensor(factors @ basis.T)


def aligned(rng, n_tasks=5, n_parameters=12):
    """Rows without a conflict."""
    return gaussian(rng, n_tasks, n_parameters).abs()


def special(name, rng, n_parameters=8):
    """Rows where formulas divide by zero."""
    g, h = gaussian(rng, 2, n_parameters)
    zero = torch.zeros_like(g)
    return {
        "all zero": torch.stack([zero, zero, zero]),
        "one zero": torch.stack([g, zero, h]),
        "only one not zero": torch.stack([zero, zero, h]),
        "rank one": torch.stack([g, 2 * g, 0.5 * g]),
        "duplicate": torch.stack([g, h, g]),
        "opposite": torch.stack([g, -g]),
        "opposite and another": torch.stack([g, -g, h]),
        "balanced triangle": torch.stack([g, h, -g - h]),
        "tiny": 1e-8 * torch.stack([g, h, g + h]),
        "huge": 1e8 * torch.stack([g, h, g - 0.5 * h]),
        "one tiny": torch.stack([1e-8 * g, h, g - h]),
        "single task": g[None],
    }[name]


SPECIAL = [
    "all zero",
    "one zero",
    "only one not zero",
    "rank one",
    "duplicate",
    "opposite",
    "opposite and another",
    "balanced triangle",
    "tiny",
    "huge",
    "one tiny",
    "single task",
]


def gramian(jacobian):
    return jacobian @ jacobian.mT


def unit(direction):
    return direction / direction.norm(dim=-1, keepdim=True)


def worst_cosine(jacobian, direction):
    return (unit(jacobian) @ unit(direction)).min().item()


def quietly(function, *args, **kwargs):
    """Call without the warning that there is no solution at a Pareto-stationary point."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return function(*args, **kwargs)


def projected_by_cvxpy(jacobian, wanted):
    """Nearest point to `wanted` among the directions that conflict with no row."""
    cp = pytest.importorskip("cvxpy")
    rows = (jacobian / jacobian.norm(dim=-1, keepdim=True)).numpy()
    direction = cp.Variable(rows.shape[1])
    scale = float(np.linalg.norm(wanted))
    cp.Problem(
        cp.Minimize(cp.sum_squares(direction - wanted.numpy() / scale)), [rows @ direction >= 0]
    ).solve(solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-10)
    return scale * tensor(direction.value)


# ---------------------------------------------------------------------- loss weightings
def after_a_step(method, losses, state=None, *, generator=None, **sources):
    """Weights of a step for losses (..., T), and the state after it and after an epoch of this step
    alone; what is None is not given.
    """
    given = {name: value for name, value in sources.items() if value is not None}
    n_tasks = losses.shape[-1] if losses.ndim else 1
    method.check(n_tasks)
    if state is None:
        state = method.init(losses.numel() // n_tasks, n_tasks)
    signals = Signals(losses=losses, generators=generator, **given)
    weights, state = method.step(signals, state)
    state = method.after_step(signals, state) if "losses_after" in given else state
    return weights, method.end_epoch(signals, state)


def loss_weights(method, losses, state=None, **options):
    """Weights of a step; None = in the state before the first."""
    options.setdefault("gradient_norms", torch.ones_like(losses))
    return after_a_step(method, losses, state, **options)[0]


def advance(method, losses, state=None, **options):
    """State after a step."""
    return after_a_step(method, losses, state, **options)[1]
