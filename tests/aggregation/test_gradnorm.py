"""GradNorm against autograd of its objective."""

from __future__ import annotations

import torch

from skmtl.aggregation import GradNorm
from tests.aggregation.conftest import advance, loss_weights, tensor


def test_eight_steps_are_those_of_adam_on_the_published_objective(rng):
    method = GradNorm(alpha=0.7, learning_rate=0.05)
    state = method.init(1, 4)
    logits = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.Adam([logits], lr=0.05)
    all_losses, all_norms = (
        tensor(rng.uniform(0.2, 3.0, size=(8, 4))),
        tensor(rng.uniform(0.1, 10.0, size=(8, 4))),
    )
    for losses, norms in zip(all_losses, all_norms, strict=True):
        weights = 4 * torch.softmax(logits, -1)
        assert torch.allclose(loss_weights(method, losses, state), weights.detach(), rtol=1e-12)
        lengths = weights * norms
        progress = losses / all_losses[0]
        wanted = (lengths.mean() * (progress / progress.mean()) ** 0.7).detach()
        logits.grad = torch.autograd.grad(
            ((lengths - wanted).abs().sum()) / lengths.mean().detach(), logits
        )[0]
        solver.step()
        state = advance(method, losses, state, gradient_norms=norms)


def test_the_lengths_of_equally_fast_tasks_become_equal():
    method, losses, norms, state = (
        GradNorm(learning_rate=0.005),
        tensor([1.0, 1.0, 1.0]),
        tensor([0.3, 1.0, 3.0]),
        None,
    )
    for _ in range(1500):
        state = advance(method, losses, state, gradient_norms=norms)
    lengths = loss_weights(method, losses, state) * norms
    assert torch.allclose(lengths, lengths.mean(), rtol=0.05)


def test_the_weights_sum_to_the_number_of_tasks(rng):
    method, state = GradNorm(), None
    for losses in tensor(rng.uniform(0.2, 3.0, size=(5, 4))):
        state = advance(method, losses, state, gradient_norms=losses)
    assert torch.allclose(loss_weights(method, torch.ones(4), state).sum(), tensor(4.0))


def test_neither_the_scale_of_the_gradients_nor_that_of_a_loss_matters(rng):
    method, plain, scaled = GradNorm(), None, None
    for losses in tensor(rng.uniform(0.2, 3.0, size=(5, 4))):
        plain = advance(method, losses, plain, gradient_norms=losses)
        scaled = advance(
            method, losses * tensor([1e-6, 1.0, 1.0, 1e6]), scaled, gradient_norms=1e-10 * losses
        )
    assert torch.allclose(
        loss_weights(method, torch.ones(4), plain), loss_weights(method, torch.ones(4), scaled)
    )


def test_gradients_that_are_all_zero_change_nothing():
    state = advance(GradNorm(), tensor([1.0, 2.0]), gradient_norms=tensor([0.0, 0.0]))
    assert torch.equal(loss_weights(GradNorm(), torch.ones(2), state), tensor([1.0, 1.0]))
