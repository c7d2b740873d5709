"""Mean and Sum depend on the number of tasks only."""

from __future__ import annotations

import pytest
import torch

from skmtl.aggregation import Mean, Sum
from tests.aggregation.conftest import gaussian, loss_weights


@pytest.mark.parametrize(("method", "weight"), [(Mean(), 0.25), (Sum(), 1.0)])
def test_losses_and_gradients_get_the_same_weights(method, weight):
    expected = torch.full((3, 4), weight, dtype=torch.float64)
    assert method.kind == "loss_weights"
    assert torch.equal(
        loss_weights(method, torch.rand(3, 4, generator=torch.Generator().manual_seed(0))), expected
    )
    assert torch.equal(method.weights(torch.zeros(3, 4, 4)), expected)


def test_the_directions_are_mean_and_sum_of_the_rows(rng):
    jacobian = gaussian(rng)
    assert torch.allclose(Mean().aggregate(jacobian), jacobian.mean(0))
    assert torch.allclose(Sum().aggregate(jacobian), jacobian.sum(0))
