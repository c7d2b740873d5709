"""UW against PyTorch's Adam on its objective."""

from __future__ import annotations

import pytest
import torch

from skmtl.aggregation import UW
from tests.aggregation.conftest import advance, loss_weights, tensor


def test_ten_steps_are_those_of_adam_on_the_published_objective(rng):
    method = UW(learning_rate=0.05, initial=[0.5, 0.0, -0.5])
    state = method.init(1, 3)
    log_variances = tensor([0.5, 0.0, -0.5]).requires_grad_()
    solver = torch.optim.Adam([log_variances], lr=0.05)
    for losses in tensor(rng.uniform(0.1, 5.0, size=(10, 3))):
        values = losses.clone().requires_grad_()
        objective = (0.5 * (-log_variances).exp() * values + 0.5 * log_variances).sum()
        (expected,) = torch.autograd.grad(objective, values, retain_graph=True)
        assert torch.allclose(loss_weights(method, losses, state), expected, rtol=1e-12)
        log_variances.grad = torch.autograd.grad(objective, log_variances)[0]
        solver.step()
        state = advance(method, losses, state)


def test_at_rest_all_weighted_losses_are_one_half():
    method, losses, state = UW(learning_rate=0.02), tensor([0.2, 1.0, 4.0]), None
    for _ in range(1000):
        state = advance(method, losses, state)
    assert torch.allclose(
        loss_weights(method, losses, state) * losses, tensor([0.5, 0.5, 0.5]), rtol=1e-3
    )


def test_a_learning_rate_below_zero_is_refused():
    with pytest.raises(
        ValueError, match="'learning_rate' parameter of UW must be a finite number of at least 0"
    ):
        advance(UW(learning_rate=-1.0), tensor([1.0, 2.0]))


def test_initial_values_of_another_number_of_tasks_are_refused():
    with pytest.raises(
        ValueError,
        match="'initial' parameter of UW must be a finite number, or one for each of the 3 tasks",
    ):
        UW(initial=[0.0, 1.0]).init(1, 3)
