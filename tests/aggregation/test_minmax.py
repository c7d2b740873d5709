"""MinMax on worked examples, and online on a problem whose solution is known."""

from __future__ import annotations

import torch

from skmtl.aggregation import MinMax
from tests.aggregation.conftest import advance, loss_weights, tensor


def test_all_weight_is_on_the_largest_loss_and_shared_where_it_is_shared():
    assert torch.equal(
        loss_weights(MinMax(), tensor([[0.1, 3.0, 2.0], [2.0, 1.0, 2.0]])),
        tensor([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]]),
    )


def test_five_online_steps_multiply_the_weights(rng):
    method, state, weights = MinMax(0.3), None, tensor([1 / 3] * 3)
    for losses in tensor(rng.uniform(0.1, 5.0, size=(5, 3))):
        weights = weights * (0.3 * losses).exp()
        weights = weights / weights.sum()
        assert torch.allclose(loss_weights(method, losses, state), weights, rtol=1e-12)
        state = advance(method, losses, state)


def test_online_training_ends_where_the_two_largest_losses_meet():
    # (x - 1)^2 and 4 (x + 1)^2 + 1 meet at x = (-5 + sqrt(13)) / 3 between their minima; the third
    # loss never counts.
    method, state, x = MinMax(0.1), None, 0.9
    mean = 0.0
    for step in range(4000):
        losses = tensor([(x - 1) ** 2, 4 * (x + 1) ** 2 + 1, 0.1])
        weights = loss_weights(method, losses, state)
        state = advance(method, losses, state)
        x -= 0.02 * (weights[0] * 2 * (x - 1) + weights[1] * 8 * (x + 1)).item()
        mean += max(step - 1999, 0) and x / 2000
    assert abs(mean - (-10 + 52**0.5) / 6) < 0.01
