"""ConFIG against its formula in the space of parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skmtl.aggregation import ConFIG
from tests.aggregation.conftest import aligned, gaussian, low_rank, special, spread, tensor, unit


@pytest.mark.parametrize(
    "sample", [gaussian, spread, aligned, low_rank], ids=lambda sample: sample.__name__
)
def test_the_direction_is_that_of_the_pseudo_inverse_of_all_entries(sample, rng):
    jacobian = sample(rng)
    direction = np.linalg.pinv(unit(jacobian).numpy(), rcond=1e-10) @ np.ones(len(jacobian))
    direction = tensor(direction / np.linalg.norm(direction))
    expected = (jacobian @ direction).sum() * direction
    assert torch.allclose(ConFIG().aggregate(jacobian), expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("sample", [gaussian, spread], ids=lambda sample: sample.__name__)
def test_the_angle_is_the_same_with_all_gradients(sample, rng):
    jacobian = sample(rng)
    cosines = unit(jacobian) @ unit(ConFIG().aggregate(jacobian))
    assert torch.allclose(cosines, cosines[:1].expand(5), atol=1e-9)
    assert cosines[0] > 0


def test_it_agrees_with_torchjd(rng):
    torchjd = pytest.importorskip(
        "torchjd.aggregation", reason="needs torchjd, which the test extra installs"
    )
    jacobian = gaussian(rng, 8, 20)
    assert torch.allclose(
        ConFIG().aggregate(jacobian), torchjd.ConFIG()(jacobian), rtol=1e-7, atol=1e-9
    )


def test_repeating_a_task_does_not_turn_the_direction(rng):
    jacobian = gaussian(rng)
    assert torch.allclose(
        unit(ConFIG().aggregate(jacobian[[0, 0, 1, 2, 3, 4]])),
        unit(ConFIG().aggregate(jacobian)),
        atol=1e-8,
    )


def test_opposite_gradients_give_no_step(rng):
    assert ConFIG().aggregate(special("opposite", rng)).norm() < 1e-12
