"""MGDA against generic QP solvers, optimality conditions and hand-worked examples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skmtl.aggregation import MGDA
from tests.aggregation.conftest import (
    gaussian,
    gramian,
    low_rank,
    spread,
    tensor,
    unit,
    worst_cosine,
)


def shortest_by_cvxpy(jacobian):
    cp = pytest.importorskip("cvxpy")
    rows = (jacobian / jacobian.norm(dim=1).min()).numpy()
    weights = cp.Variable(len(rows))
    cp.Problem(
        cp.Minimize(cp.sum_squares(weights @ rows)), [weights >= 0, cp.sum(weights) == 1]
    ).solve(solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-10)
    return tensor(weights.value) @ jacobian


def test_two_gradients_meet_where_the_segment_between_them_is_nearest_to_zero():
    # Along (1, 0) -> (0, 2) the point nearest to the origin is (0.8, 0.4).
    assert torch.allclose(MGDA().aggregate(tensor([[1.0, 0.0], [0.0, 2.0]])), tensor([0.8, 0.4]))


def test_the_shorter_of_two_agreeing_gradients_is_taken_alone():
    assert torch.allclose(MGDA().weights(tensor([[1.0, 2.0], [2.0, 9.0]])), tensor([1.0, 0.0]))


@pytest.mark.parametrize("sample", [gaussian, spread, low_rank], ids=lambda sample: sample.__name__)
@pytest.mark.parametrize("n_tasks", [2, 6, 20])
def test_the_direction_is_that_of_a_generic_qp_solver(sample, n_tasks, rng):
    jacobian = sample(rng, n_tasks=n_tasks, n_parameters=2 * n_tasks)
    expected = shortest_by_cvxpy(jacobian)
    assert torch.allclose(MGDA().aggregate(jacobian), expected, rtol=0, atol=2e-5 * expected.norm())


@pytest.mark.parametrize("decades", [0, 2, 6])
def test_the_optimality_conditions_hold_however_lengths_are_spread(decades, rng):
    jacobian = gaussian(rng, 40, 80) * tensor(
        10.0 ** rng.uniform(-decades / 2, decades / 2, size=(40, 1))
    )
    weights = MGDA().weights(gramian(jacobian))
    direction = weights @ jacobian
    cosines = unit(jacobian) @ direction / direction.norm()
    # <g_i, d> >= |d|^2, with equality in the support
    slack = cosines - direction.norm() / jacobian.norm(dim=1)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert slack.min() > -1e-8
    assert slack[weights > 0].abs().max() < 1e-8


def test_it_is_not_conflicting_and_shorter_where_frank_wolfe_is(rng):
    torchjd = pytest.importorskip(
        "torchjd.aggregation", reason="needs torchjd, which the test extra installs"
    )
    factors = tensor(np.abs(rng.normal(size=(10, 1)))) + gaussian(rng, 10, 30)
    jacobian = factors * tensor(10.0 ** np.linspace(-1, 1, 10))[:, None]
    ours, theirs = MGDA().aggregate(jacobian), torchjd.MGDA()(jacobian)
    assert ours.norm() <= theirs.norm() * (1 + 1e-12)
    assert worst_cosine(jacobian, ours) > -1e-9


def test_a_zero_gradient_takes_all_the_weight():
    assert torch.equal(
        MGDA().weights(tensor([[1.0, 0.0, 0.5], [0.0, 0.0, 0.0], [0.5, 0.0, 2.0]])),
        tensor([0.0, 1.0, 0.0]),
    )


def test_gradients_that_have_zero_among_their_averages_give_zero(rng):
    jacobian = gaussian(rng, 30, 4)
    weights = MGDA().weights(gramian(jacobian))
    assert (weights @ jacobian).norm() < 1e-7 * jacobian.norm(dim=1).min()
