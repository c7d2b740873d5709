"""RLW compared with the softmax of the same draws."""

from __future__ import annotations

import pytest
import torch

from skmtl.aggregation import RLW
from tests.aggregation.conftest import gaussian, loss_weights, tensor


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_the_weights_are_the_softmax_of_normal_draws():
    weights = loss_weights(RLW(), torch.ones(3, 4), generator=seeded(5))
    expected = torch.randn((3, 4), generator=seeded(5), dtype=torch.float64).exp()
    assert torch.allclose(weights, expected / expected.sum(-1, keepdim=True))


def test_every_step_draws_anew():
    generator = seeded(0)
    assert not torch.allclose(
        *(loss_weights(RLW(), torch.ones(4), generator=generator) for _ in range(2))
    )


def test_a_gramian_is_enough(rng):
    jacobian = gaussian(rng, 4)
    weights = RLW().weights(jacobian @ jacobian.T, generator=seeded(1))
    assert torch.equal(weights, loss_weights(RLW(), torch.ones(4), generator=seeded(1)))
    assert torch.allclose(RLW().aggregate(jacobian, generator=seeded(1)), weights @ jacobian)


def test_without_a_generator_the_weights_are_the_mean_of_the_draws():
    mean = loss_weights(RLW(), torch.ones(20_000, 4), generator=seeded(0)).mean(0)
    assert torch.equal(loss_weights(RLW(), torch.ones(4)), tensor([0.25] * 4))
    assert torch.allclose(mean, tensor([0.25] * 4), atol=0.01)


def test_networks_with_separate_generators_do_not_depend_on_each_other():
    together = loss_weights(RLW(), torch.ones(3, 4), generator=[seeded(7), seeded(8), seeded(9)])
    assert torch.equal(together[1], loss_weights(RLW(), torch.ones(1, 4), generator=[seeded(8)])[0])


def test_too_few_generators_are_refused():
    with pytest.raises(ValueError, match="one for each of the 3 networks. Got 2"):
        loss_weights(RLW(), torch.ones(3, 4), generator=[seeded(7), seeded(8)])
