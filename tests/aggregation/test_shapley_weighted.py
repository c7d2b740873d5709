"""ShapleyWeighted compared with priorities computed step by step."""

from __future__ import annotations

import pytest
import torch
from sklearn.base import clone

from skmtl.aggregation import DWA, MGDA, RLW, UW, ShapleyWeighted, shapley_values
from tests.aggregation.conftest import advance, gaussian, gramian, loss_weights, tensor


def omega(matrix, tau=1.0):
    return torch.softmax(shapley_values(matrix, method="enumerate") / tau, -1)


def test_random_weights_are_multiplied_by_the_priorities(rng):
    matrix, losses = gramian(gaussian(rng, 4)), tensor(rng.uniform(0.5, 3.0, size=4))
    got = loss_weights(
        ShapleyWeighted("rlw", tau=0.2),
        losses,
        gramian=matrix,
        generator=torch.Generator().manual_seed(2),
    )
    expected = omega(matrix, 0.2) * loss_weights(
        RLW(), losses, generator=torch.Generator().manual_seed(2)
    )
    assert torch.allclose(got, expected, rtol=1e-10)


def test_dwa_has_its_own_history(rng):
    method, plain, states = ShapleyWeighted(DWA(0.5), tau=0.2), DWA(0.5), [None, None]
    matrix = gramian(gaussian(rng, 4))
    for means in tensor(rng.uniform(0.5, 3.0, size=(3, 4))):
        states = [
            advance(method, means, states[0], gramian=matrix),
            advance(plain, means, states[1]),
        ]
    got = loss_weights(method, torch.ones(4), states[0], gramian=matrix)
    assert torch.allclose(
        got, omega(matrix, 0.2) * loss_weights(plain, torch.ones(4), states[1]), rtol=1e-10
    )


def test_uw_learns_from_the_losses_times_the_priorities(rng):
    method, state = ShapleyWeighted(UW(learning_rate=0.05), tau=0.2), None
    log_variances = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.Adam([log_variances], lr=0.05)
    for losses in tensor(rng.uniform(0.5, 3.0, size=(6, 3))):
        matrix = gramian(gaussian(rng, 3))
        seen = (omega(matrix, 0.2) * losses).requires_grad_()
        objective = (0.5 * (-log_variances).exp() * seen + 0.5 * log_variances).sum()
        expected = omega(matrix, 0.2) * torch.autograd.grad(objective, seen, retain_graph=True)[0]
        got = loss_weights(method, losses, state, gramian=matrix)
        assert torch.allclose(got, expected, rtol=1e-10)
        log_variances.grad = torch.autograd.grad(objective, log_variances)[0]
        solver.step()
        state = advance(method, losses, state, gramian=matrix)


def test_the_task_that_deviates_gets_the_largest_weight():
    matrix = tensor([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]])
    weights = loss_weights(ShapleyWeighted("uw", tau=0.2), torch.ones(3), gramian=matrix)
    assert weights[2] > weights[0]
    assert torch.allclose(weights[0], weights[1])


def test_a_member_without_a_finite_gramian_gets_nan_alone(rng):
    matrix = torch.stack([gramian(gaussian(rng, 3)), torch.full((3, 3), torch.nan)])
    weights = loss_weights(ShapleyWeighted("dwa"), torch.ones(2, 3), gramian=matrix)
    assert weights.isnan().tolist() == [[False] * 3, [True] * 3]


def test_an_absent_tasks_gradient_does_not_matter(rng):
    matrix, present = gramian(gaussian(rng, 3)), torch.tensor([True, False, True])
    broken = matrix.clone()
    broken[1] = broken[:, 1] = torch.nan
    weights = loss_weights(
        ShapleyWeighted("dwa", tau=0.1), torch.ones(3), gramian=broken, present=present
    )
    smaller = loss_weights(
        ShapleyWeighted("dwa", tau=0.1), torch.ones(2), gramian=matrix[[0, 2]][:, [0, 2]]
    )
    assert torch.allclose(weights, tensor([smaller[0], 0.0, smaller[1]]))


def test_parameters_of_the_method_are_reached_by_name():
    method = clone(ShapleyWeighted(UW())).set_params(method__learning_rate=0.5)
    assert method.get_params()["method__learning_rate"] == 0.5


def test_what_it_needs_is_said_where_it_is_missing():
    with pytest.raises(ValueError, match="There is no signal 'gramian' here. Given: losses"):
        loss_weights(ShapleyWeighted("uw"), torch.ones(3))
    with pytest.raises(
        ValueError,
        match=r"gramian must have shape \(3, 3\) for losses of shape \(3,\). Got \(2, 2\)",
    ):
        loss_weights(ShapleyWeighted("uw"), torch.ones(3), gramian=torch.eye(2))
    for unknown in ("mgda", MGDA()):
        with pytest.raises(
            ValueError, match="'method' parameter of ShapleyWeighted must be one of"
        ):
            loss_weights(ShapleyWeighted(unknown), torch.ones(3), gramian=torch.eye(3))
