"""GLS against the gradient of its objective."""

from __future__ import annotations

import torch

from skmtl.aggregation import GLS, SI
from tests.aggregation.conftest import loss_weights, tensor


def test_the_weights_are_the_gradient_of_the_geometric_mean(rng):
    losses = tensor(rng.uniform(0.1, 5.0, size=6)).requires_grad_()
    (expected,) = torch.autograd.grad(losses.prod() ** (1 / 6), losses)
    assert torch.allclose(loss_weights(GLS(), losses), expected, rtol=1e-12)


def test_the_direction_is_that_of_si(rng):
    losses = tensor(rng.uniform(0.1, 5.0, size=6))
    quotient = loss_weights(GLS(), losses) / loss_weights(SI(), losses)
    assert torch.allclose(quotient, quotient.mean())


def test_a_product_beyond_the_range_of_doubles_neither_vanishes_nor_overflows():
    for scale in (1e-12, 1e12):
        weights = loss_weights(GLS(), torch.full((139,), scale, dtype=torch.float64))
        assert torch.allclose(weights, torch.full((139,), 1 / 139, dtype=torch.float64), rtol=1e-10)


def test_a_solved_task_does_not_stop_the_others():
    assert torch.allclose(loss_weights(GLS(), tensor([1.0, 0.0, 4.0])), tensor([1.0, 0.0, 0.25]))
