"""STCH against the gradients of both of its objectives."""

from __future__ import annotations

import pytest
import torch

from skmtl.aggregation import SI, STCH, MinMax
from tests.aggregation.conftest import advance, loss_weights, tensor


def test_the_raw_weights_are_the_gradient_of_the_published_objective(rng):
    losses = tensor(rng.uniform(0.1, 5.0, size=4)).requires_grad_()
    preferences, ideal, mu = tensor([0.1, 0.2, 0.3, 0.4]), tensor([0.0, 0.05, 0.1, 0.0]), 0.3
    (expected,) = torch.autograd.grad(
        mu * torch.logsumexp(preferences * (losses - ideal) / mu, -1), losses
    )
    method = STCH(mu, form="raw", preferences=preferences.tolist(), ideal=ideal.tolist())
    assert torch.allclose(loss_weights(method, losses), expected, rtol=1e-12)


@pytest.mark.parametrize("mu", [0.2, 1.0, 3.0])
def test_the_logarithmic_weights_are_the_gradient_of_the_programs_objective(rng, mu):
    nadir, losses = (
        tensor(rng.uniform(0.5, 5.0, size=4)),
        tensor(rng.uniform(0.1, 5.0, size=4)).requires_grad_(),
    )
    (expected,) = torch.autograd.grad(
        4 * mu * torch.logsumexp((losses / nadir).log() / mu, -1), losses
    )
    method = STCH(mu, warmup=0)
    assert torch.allclose(
        loss_weights(method, losses, advance(method, nadir)), expected, rtol=1e-12
    )


def test_up_to_the_end_of_the_warmup_it_is_si_and_the_last_pass_is_the_reference(rng):
    method, losses, state = STCH(warmup=2), tensor([0.5, 2.0]), None
    epochs = tensor(rng.uniform(0.1, 5.0, size=(5, 2)))
    for means in epochs:
        if state is None or state["epochs"] < 3:
            assert torch.equal(loss_weights(method, losses, state), loss_weights(SI(), losses))
        state = advance(method, means, state)
    assert torch.equal(state["nadir"][0], epochs[2])
    assert not torch.allclose(loss_weights(method, losses, state), loss_weights(SI(), losses))


def test_towards_zero_smoothness_it_is_the_worst_task(rng):
    losses = tensor(rng.permutation([0.5, 1.5, 2.5, 3.5]) + rng.uniform(0, 0.5, size=4))
    assert torch.allclose(
        loss_weights(STCH(1e-4, form="raw"), losses), loss_weights(MinMax(), losses)
    )


def test_a_task_that_the_warmup_lacked_is_compared_with_its_first_later_pass():
    method, present = STCH(warmup=0), torch.tensor([True, False])
    state = advance(method, tensor([1.0, torch.nan]), present=present)
    assert state["nadir"].isnan().tolist() == [[False, True]]
    assert torch.equal(loss_weights(method, tensor([1.0, 7.0]), state), tensor([1.0, 1 / 7]))
    assert torch.equal(advance(method, tensor([3.0, 7.0]), state)["nadir"], tensor([[1.0, 7.0]]))


def test_an_unknown_form_is_refused():
    with pytest.raises(
        ValueError, match=r"'form' parameter of STCH must be one of \('log', 'raw'\). Got 'smooth'"
    ):
        loss_weights(STCH(form="smooth"), torch.ones(2))
