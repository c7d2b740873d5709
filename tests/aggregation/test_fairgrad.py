"""FairGrad against its equation, its limits and another code."""

from __future__ import annotations

import pytest
import torch

from skmtl.aggregation import MGDA, FairGrad
from tests.aggregation.conftest import gaussian, gramian, low_rank, spread, unit


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.0, 8.0])
@pytest.mark.parametrize("sample", [gaussian, spread, low_rank], ids=lambda sample: sample.__name__)
def test_weights_solve_the_equation(sample, alpha, rng):
    jacobian = sample(rng)
    weights = FairGrad(alpha=alpha).weights(gramian(jacobian))
    assert torch.allclose(
        (jacobian @ (weights @ jacobian)) ** alpha * weights, torch.ones_like(weights), atol=1e-8
    )


def test_alpha_zero_is_the_sum(rng):
    assert torch.equal(
        FairGrad(alpha=0).weights(gramian(gaussian(rng))), torch.ones(5, dtype=torch.float64)
    )


def test_a_small_alpha_approaches_the_sum(rng):
    assert torch.allclose(
        FairGrad(alpha=1e-3).weights(gramian(gaussian(rng).abs())),
        torch.ones(5, dtype=torch.float64),
        atol=0.02,
    )


def test_a_large_alpha_approaches_the_direction_that_improves_all_alike_which_is_that_of_mgda(rng):
    jacobian = gaussian(rng)
    assert (
        unit(FairGrad(alpha=300.0).aggregate(jacobian)) @ unit(MGDA().aggregate(jacobian))
    ).item() > 0.999


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_it_agrees_with_torchjd(alpha, rng):
    torchjd = pytest.importorskip(
        "torchjd.aggregation", reason="needs torchjd, which the test extra installs"
    )
    jacobian = gaussian(rng, 8, 24)
    assert (
        unit(FairGrad(alpha=alpha).aggregate(jacobian))
        @ unit(torchjd.FairGrad(alpha=alpha)(jacobian))
    ).item() > 1 - 1e-6


def test_scaling_all_gradients_scales_weights_by_a_power(rng):
    matrix = gramian(gaussian(rng))
    assert torch.allclose(
        FairGrad(alpha=2).weights(64 * matrix), FairGrad(alpha=2).weights(matrix) / 64 ** (2 / 3)
    )


@pytest.mark.parametrize("alpha", [-1, float("inf"), float("nan"), None])
def test_a_wrong_alpha_is_refused(alpha):
    with pytest.raises(
        ValueError, match="The 'alpha' parameter of FairGrad must be a finite number of at least 0"
    ):
        FairGrad(alpha=alpha).weights(torch.eye(2))
