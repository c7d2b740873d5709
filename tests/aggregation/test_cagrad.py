"""CAGrad against a cone program, other codes and its limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skmtl.aggregation import CAGrad
from tests.aggregation.conftest import gaussian, gramian, special, spread, tensor, worst_cosine


def best_by_cvxpy(jacobian, c):
    """Solve the problem as it is stated: the best worst improvement within the ball around the
    mean.
    """
    cp = pytest.importorskip("cvxpy")
    rows = (jacobian / jacobian.norm(dim=1).max()).numpy()
    mean = rows.mean(0)
    direction = cp.Variable(rows.shape[1])
    problem = cp.Problem(
        cp.Maximize(cp.min(rows @ direction)),
        [cp.norm(direction - mean) <= c * np.linalg.norm(mean)],
    )
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    return tensor(direction.value) * jacobian.norm(dim=1).max()


@pytest.mark.parametrize("c", [0.1, 0.4, 1.0, 1.5])
@pytest.mark.parametrize("sample", [gaussian, spread], ids=lambda sample: sample.__name__)
def test_the_worst_improvement_is_that_of_a_cone_program(sample, c, rng):
    jacobian = sample(rng)
    ours, expected = CAGrad(c=c).aggregate(jacobian), best_by_cvxpy(jacobian, c)
    worst, best = (jacobian @ ours).min(), (jacobian @ expected).min()
    scale = (jacobian.norm(dim=1).min() * ours.norm()).item()
    assert (worst - best).abs() <= 1e-5 * scale
    mean = jacobian.mean(0)
    assert (ours - mean).norm() <= c * mean.norm() * (1 + 1e-9)


def test_the_direction_ends_on_the_ball(rng):
    jacobian = gaussian(rng)
    mean = jacobian.mean(0)
    assert (CAGrad(c=0.3).aggregate(jacobian) - mean).norm() == pytest.approx(
        0.3 * mean.norm().item(), rel=1e-9
    )


def test_a_batch_of_easy_and_hard_members_ends_on_each_ball(rng):
    jacobians = torch.stack([spread(rng) if k % 2 else gaussian(rng) for k in range(8)])
    mean = jacobians.mean(1)
    lengths = (CAGrad(c=0.4).aggregate(jacobians) - mean).norm(dim=1)
    assert torch.allclose(lengths, 0.4 * mean.norm(dim=1), rtol=1e-9)


def test_it_is_the_mean_for_a_radius_of_zero(rng):
    assert torch.equal(
        CAGrad(c=0.0).weights(gramian(gaussian(rng))), torch.full((5,), 0.2, dtype=torch.float64)
    )


def test_it_agrees_with_torchjd(rng):
    torchjd = pytest.importorskip(
        "torchjd.aggregation", reason="needs torchjd, which the test extra installs"
    )
    jacobian = gaussian(rng, 8, 20)
    theirs = torchjd.CAGrad(c=0.5)(jacobian)
    assert torch.allclose(
        CAGrad(c=0.5).aggregate(jacobian), theirs, rtol=0, atol=1e-2 * theirs.norm()
    )


def test_short_gradients_still_give_a_step(rng):
    jacobian = 1e-4 * gaussian(rng)
    assert CAGrad(c=1.0).aggregate(jacobian).norm() > 0.01 * jacobian.mean(0).norm()
    assert worst_cosine(jacobian, CAGrad(c=1.0).aggregate(jacobian)) > -1e-9


def test_at_a_stationary_point_the_step_stays_within_the_ball(rng):
    jacobian = special("opposite and another", rng)
    mean = jacobian.mean(0)
    assert (CAGrad(c=0.5).aggregate(jacobian) - mean).norm() <= 0.5 * mean.norm() * (1 + 1e-6)


def test_a_mean_of_zero_is_no_step(rng):
    assert CAGrad().aggregate(special("opposite", rng)).norm() == 0


@pytest.mark.parametrize("c", [-0.1, float("nan"), float("inf"), "large"])
def test_a_wrong_radius_is_refused(c):
    with pytest.raises(
        ValueError, match="The 'c' parameter of CAGrad must be a finite number of at least 0"
    ):
        CAGrad(c=c).weights(torch.eye(2))
