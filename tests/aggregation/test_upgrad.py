"""UPGrad against projections by a generic solver and hand-worked examples."""

from __future__ import annotations

import pytest
import torch

from skmtl.aggregation import PCGrad, UPGrad
from tests.aggregation.conftest import (
    aligned,
    gaussian,
    gramian,
    low_rank,
    projected_by_cvxpy,
    spread,
    tensor,
    worst_cosine,
)


def test_each_of_two_conflicting_gradients_is_projected_on_the_plane_of_the_other():
    # (1, 0) without its part along (-1, 1) is (0.5, 0.5); (-1, 1) without its part along (1, 0) is
    # (0, 1); their mean:
    assert torch.allclose(
        UPGrad().aggregate(tensor([[1.0, 0.0], [-1.0, 1.0]])), tensor([0.25, 0.75])
    )


@pytest.mark.parametrize("sample", [gaussian, spread, low_rank], ids=lambda sample: sample.__name__)
def test_the_direction_is_the_mean_of_projections_on_the_dual_cone(sample, rng):
    jacobian = sample(rng)
    expected = torch.stack([projected_by_cvxpy(jacobian, row) for row in jacobian]).mean(0)
    assert torch.allclose(
        UPGrad().aggregate(jacobian), expected, rtol=0, atol=1e-5 * expected.norm()
    )


def test_it_is_the_mean_where_nothing_conflicts(rng):
    jacobian = aligned(rng)
    assert torch.allclose(
        UPGrad().weights(gramian(jacobian)), torch.full((5,), 0.2, dtype=torch.float64)
    )


def test_it_is_half_of_pcgrad_for_two_tasks(rng):
    jacobian = gaussian(rng, n_tasks=2)
    assert torch.allclose(2 * UPGrad().aggregate(jacobian), PCGrad().aggregate(jacobian))


def test_it_is_linear_in_a_scaling_of_the_rows(rng):
    jacobian, a, b = gaussian(rng), tensor(rng.uniform(0.01, 1, 5)), tensor(rng.uniform(0.01, 1, 5))
    scaled = [UPGrad().aggregate(c[:, None] * jacobian) for c in (a, b, 2 * a + 3 * b)]
    assert torch.allclose(2 * scaled[0] + 3 * scaled[1], scaled[2], rtol=1e-8, atol=1e-10)


def test_it_agrees_with_torchjd_up_to_its_regularisation(rng):
    torchjd = pytest.importorskip(
        "torchjd.aggregation", reason="needs torchjd, which the test extra installs"
    )
    pytest.importorskip("quadprog", reason="needs quadprog, which the test extra installs")
    jacobian = gaussian(rng, 10, 40)
    theirs = torchjd.UPGrad()(jacobian)
    assert torch.allclose(UPGrad().aggregate(jacobian), theirs, rtol=0, atol=0.02 * theirs.norm())


def test_short_gradients_are_projected_and_not_averaged(rng):
    jacobian = 1e-4 * tensor([[1.0, 0.0], [-3.0, 1.0]])
    assert worst_cosine(jacobian, jacobian.mean(0)) < -0.5
    assert worst_cosine(jacobian, UPGrad().aggregate(jacobian)) > 0


def test_many_dependent_tasks_whose_averages_hold_zero_are_solved(rng):
    jacobian = gaussian(rng, 30, 6)
    weights = UPGrad().weights(gramian(jacobian))
    assert weights.min() >= 1 / 30 - 1e-12
    assert (weights @ jacobian).norm() < 1e-9 * (weights @ jacobian.norm(dim=1))
