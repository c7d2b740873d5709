"""ReLoBRaLo against a plain loop of the published update."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skmtl.aggregation import ReLoBRaLo
from tests.aggregation.conftest import advance, after_a_step, loss_weights, tensor


def balance(now, then, temperature):
    values = np.exp(now / (temperature * then))
    return len(now) * values / values.sum()


@pytest.mark.parametrize("rho", [0.0, 0.4, 1.0])
def test_ten_steps_are_those_of_a_plain_loop(rng, rho):
    method, state = ReLoBRaLo(0.9, temperature=0.5, rho=rho), None
    ours, reference = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    history = rng.uniform(0.5, 3.0, size=(10, 3))
    weights = np.ones(3)
    for t, losses in enumerate(history):
        alpha = {0: 1.0, 1: 0.0}.get(t, 0.9)
        keeps = 1.0 if t == 0 else float(rho == 1.0)
        if 0 < rho < 1:
            keeps = float(
                torch.rand(1, generator=reference, dtype=torch.float64).item() < rho or t == 0
            )
        past = keeps * weights + (1 - keeps) * balance(losses, history[0], 0.5)
        weights = alpha * past + (1 - alpha) * balance(losses, history[max(t - 1, 0)], 0.5)
        got, state = after_a_step(method, tensor(losses), state, generator=ours)
        assert torch.allclose(got, tensor(weights), rtol=1e-12)


def test_without_a_generator_the_look_back_is_its_mean(rng):
    state, losses = None, tensor(rng.uniform(0.5, 3.0, size=(3, 2)))
    method = ReLoBRaLo(0.8, rho=0.25)
    for values in losses[:2]:
        state = advance(method, values, state)
    forward, back = ReLoBRaLo(0.8, rho=1.0), ReLoBRaLo(0.8, rho=0.0)
    expected = 0.25 * loss_weights(forward, losses[2], state) + 0.75 * loss_weights(
        back, losses[2], state
    )
    assert torch.allclose(loss_weights(method, losses[2], state), expected)


def test_a_share_above_one_is_refused():
    with pytest.raises(
        ValueError, match="'rho' parameter of ReLoBRaLo must be between 0 and 1. Got 1.5"
    ):
        loss_weights(ReLoBRaLo(rho=1.5), torch.ones(2))
