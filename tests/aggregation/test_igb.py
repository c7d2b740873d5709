"""IGB compared with autograd of its objective, epoch by epoch."""

from __future__ import annotations

import torch

from skmtl.aggregation import IGB, SI
from tests.aggregation.conftest import advance, loss_weights, tensor


def test_five_passes_follow_the_published_objective(rng):
    method, state = IGB(), None
    epochs = tensor(rng.uniform(0.5, 3.0, size=(5, 4)))
    for p, means in enumerate(epochs):
        losses = tensor(rng.uniform(0.5, 3.0, size=4)).requires_grad_()
        factors = torch.ones(4) if p < 2 else 4 * torch.softmax(losses.detach() / epochs[1], -1)
        (expected,) = torch.autograd.grad((factors * losses.log()).sum(), losses)
        assert torch.allclose(loss_weights(method, losses, state), expected, rtol=1e-12)
        state = advance(method, means, state)


def test_the_first_two_passes_are_si(rng):
    losses = tensor(rng.uniform(0.5, 3.0, size=4))
    assert torch.allclose(
        loss_weights(IGB(), losses, advance(IGB(), losses)), loss_weights(SI(), losses)
    )


def test_the_task_with_more_of_its_base_left_gets_the_larger_share():
    state = advance(IGB(), tensor([4.0, 4.0]), advance(IGB(), tensor([9.0, 9.0])))
    losses = tensor([1.0, 2.0])
    shares = loss_weights(IGB(), losses, state) * losses
    assert torch.allclose(shares[1] / shares[0], tensor(0.25).exp())
