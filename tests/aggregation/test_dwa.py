"""DWA compared with a plain loop over epochs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skmtl.aggregation import DWA
from skmtl.base import Signals
from tests.aggregation.conftest import advance, loss_weights, tensor


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_six_passes_are_those_of_a_plain_loop(rng, temperature):
    method, state = DWA(temperature), None
    epochs = rng.uniform(0.1, 5.0, size=(6, 4))
    for p, losses in enumerate(epochs):
        expected = np.ones(4)
        if p >= 2:
            expected = np.exp(epochs[p - 1] / epochs[p - 2] / temperature)
            expected *= 4 / expected.sum()
        assert torch.allclose(
            loss_weights(method, torch.ones(4), state), tensor(expected), rtol=1e-12
        )
        state = advance(method, tensor(losses), state)


def test_a_task_that_was_zero_before_counts_as_unchanged():
    state = advance(DWA(), tensor([1.0, 2.0]), advance(DWA(), tensor([0.0, 2.0])))
    assert torch.equal(loss_weights(DWA(), torch.ones(2), state), tensor([1.0, 1.0]))


def test_a_ratio_beyond_the_range_of_doubles_takes_all_the_weight():
    state = advance(DWA(), tensor([1e200, 1.0]), advance(DWA(), tensor([1e-200, 1.0])))
    assert torch.equal(loss_weights(DWA(), torch.ones(2), state), tensor([2.0, 0.0]))


def test_steps_within_an_epoch_change_nothing():
    method = DWA()
    state = method.init(1, 2)
    weights, new = method.step(Signals(losses=torch.ones(1, 2)), state)
    assert new is state
    assert torch.equal(weights, torch.ones(1, 2, dtype=torch.float64))


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(
        ValueError, match="'temperature' parameter of DWA must be a finite number greater than 0"
    ):
        loss_weights(DWA(0.0), torch.ones(2))
