"""FAMO against the published loop, with PyTorch's Adam and autograd."""

from __future__ import annotations

import torch

from skmtl.aggregation import FAMO
from tests.aggregation.conftest import advance, loss_weights, tensor


def quadratics(rng, n_tasks=3, n_parameters=4):
    """Losses with minima at different points, on scales two decades apart, and above 0.1."""
    centres = tensor(rng.normal(size=(n_tasks, n_parameters)))
    scales = tensor([0.1, 1.0, 10.0])[:n_tasks]
    return lambda point: 0.1 + scales * ((point - centres) ** 2).sum(-1)


def test_ten_steps_are_those_of_the_published_loop(rng):
    losses_at, least, rate, decay = quadratics(rng), 0.05, 0.025, 0.01
    method = FAMO(least, learning_rate=rate, weight_decay=decay)
    state = method.init(1, 3)
    point = torch.zeros(4, dtype=torch.float64)
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.Adam([logits], lr=rate, weight_decay=decay)
    for _ in range(10):
        own = point.clone().requires_grad_()
        losses = losses_at(own)
        excess = losses - least
        shares = torch.softmax(logits, -1)
        scale = (shares / excess).sum().detach()
        (expected,) = torch.autograd.grad(
            (shares.detach() * excess.log()).sum() / scale, own, retain_graph=True
        )
        weights = loss_weights(method, losses, state)
        (direction,) = torch.autograd.grad((weights * losses).sum(), own)
        assert torch.allclose(direction, expected, rtol=1e-10)
        point = point - 0.02 * direction
        after = losses_at(point)
        delta = (excess.detach()).log() - (after - least).log()
        logits.grad = torch.autograd.grad(torch.softmax(logits, -1), logits, grad_outputs=delta)[0]
        solver.step()
        state = advance(method, losses, state, losses_after=after)
        assert torch.allclose(state["value"][0], logits.detach(), rtol=1e-10)


def test_the_weights_sum_to_one_and_start_in_proportion_to_the_inverse_losses():
    assert torch.allclose(loss_weights(FAMO(), tensor([1.0, 4.0])), tensor([0.8, 0.2]))


def test_a_task_at_its_minimum_is_left_out_and_the_others_train_on():
    method = FAMO([0.0, 0.5, 0.0])
    weights = loss_weights(method, tensor([1.0, 0.5, 4.0]))
    assert torch.allclose(weights, tensor([0.8, 0.0, 0.2]))
    state = advance(method, tensor([1.0, 0.5, 4.0]), losses_after=tensor([0.5, 0.5, 4.0]))
    without = advance(FAMO(), tensor([1.0, 4.0]), losses_after=tensor([0.5, 4.0]))
    assert torch.allclose(
        state["value"][0], tensor([without["value"][0, 0], 0.0, without["value"][0, 1]])
    )


def test_the_logit_of_a_task_without_a_loss_rests():
    method, losses = FAMO(), tensor([1.0, 2.0, 4.0])
    state = advance(method, losses, losses_after=tensor([0.5, 1.9, 3.0]))
    for before, after in ((tensor([1.0, 0.0, 4.0]), losses), (losses, tensor([1.0, 0.0, 4.0]))):
        new = advance(method, before, state, losses_after=0.9 * after)
        assert all(torch.equal(new[name][0, 1], state[name][0, 1]) for name in state)
        assert (new["value"][0, [0, 2]] != state["value"][0, [0, 2]]).all()
