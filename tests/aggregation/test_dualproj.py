"""DualProj against a projection by a generic solver and hand-worked examples."""

from __future__ import annotations

import pytest
import torch

from skmtl.aggregation import DualProj
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


def test_the_mean_of_two_gradients_loses_its_part_against_the_shorter_one():
    # The mean of (1, 0) and (-3, 1) is (-1, 0.5), which conflicts with (1, 0); without that part it
    # is (0, 0.5).
    assert torch.allclose(
        DualProj().aggregate(tensor([[1.0, 0.0], [-3.0, 1.0]])), tensor([0.0, 0.5])
    )


@pytest.mark.parametrize("sample", [gaussian, spread, low_rank], ids=lambda sample: sample.__name__)
def test_the_direction_is_the_projection_of_the_mean_on_the_dual_cone(sample, rng):
    jacobian = sample(rng)
    expected = projected_by_cvxpy(jacobian, jacobian.mean(0))
    assert torch.allclose(
        DualProj().aggregate(jacobian), expected, rtol=0, atol=1e-5 * expected.norm()
    )


def test_it_is_the_mean_where_nothing_conflicts(rng):
    assert torch.allclose(
        DualProj().weights(gramian(aligned(rng))), torch.full((5,), 0.2, dtype=torch.float64)
    )


def test_it_agrees_with_torchjd_without_its_regularisation(rng):
    torchjd = pytest.importorskip(
        "torchjd.aggregation", reason="needs torchjd, which the test extra installs"
    )
    pytest.importorskip("quadprog", reason="needs quadprog, which the test extra installs")
    jacobian = gaussian(rng, 10, 40)
    theirs = torchjd.DualProj()(jacobian)
    assert torch.allclose(DualProj().aggregate(jacobian), theirs, rtol=0, atol=0.02 * theirs.norm())


@pytest.mark.parametrize("length", [1.0, 1e-3, 1e-6])
def test_a_short_gradient_is_not_conflicted_with(length, rng):
    jacobian = tensor([[length, 0.0, 0.0], [-1.0, 1.0, 0.0], [-2.0, 0.0, 1.0]])
    assert worst_cosine(jacobian, DualProj().aggregate(jacobian)) > -1e-9


def test_weights_are_at_least_those_of_the_mean(rng):
    assert DualProj().weights(gramian(spread(rng))).min() >= 0.2 - 1e-12
