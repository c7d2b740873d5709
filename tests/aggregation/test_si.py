"""SI against the gradient of its objective."""

from __future__ import annotations

import torch

from skmtl.aggregation import SI
from tests.aggregation.conftest import loss_weights, tensor


def test_the_weights_are_the_gradient_of_the_sum_of_logarithms(rng):
    losses = tensor(rng.uniform(0.1, 5.0, size=6)).requires_grad_()
    (expected,) = torch.autograd.grad(losses.log().sum(), losses)
    assert torch.allclose(loss_weights(SI(), losses), expected, rtol=1e-14)


def test_a_task_without_a_loss_gets_weight_zero_and_changes_no_other():
    assert torch.equal(loss_weights(SI(), tensor([0.0, 0.5, 4.0])), tensor([0.0, 2.0, 0.25]))
    assert torch.equal(loss_weights(SI(), tensor([0.0, 0.0])), tensor([0.0, 0.0]))


def test_losses_24_decades_apart_have_their_own_inverse():
    assert torch.allclose(
        loss_weights(SI(), tensor([1e-12, 1e12])), tensor([1e12, 1e-12]), rtol=1e-14
    )
