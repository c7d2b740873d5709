"""IMTL-G against its defining property and another code."""

from __future__ import annotations

import pytest
import torch

from skmtl.aggregation import IMTLG, ConFIG
from tests.aggregation.conftest import gaussian, gramian, special, spread, tensor, unit


@pytest.mark.parametrize("sample", [gaussian, spread], ids=lambda sample: sample.__name__)
def test_projections_on_all_gradients_are_equal_and_weights_sum_to_one(sample, rng):
    jacobian = sample(rng)
    weights = IMTLG().weights(gramian(jacobian))
    projections = unit(jacobian) @ (weights @ jacobian)
    assert torch.allclose(
        projections, projections[:1].expand(5), atol=1e-8 * (weights.abs() @ jacobian.norm(dim=1))
    )
    assert weights.sum().item() == pytest.approx(1.0, abs=1e-9 * weights.abs().sum().item())


def test_it_agrees_with_torchjd(rng):
    torchjd = pytest.importorskip(
        "torchjd.aggregation", reason="needs torchjd, which the test extra installs"
    )
    jacobian = gaussian(rng, 6, 20)
    assert torch.allclose(
        unit(IMTLG().aggregate(jacobian)), unit(torchjd.IMTLG()(jacobian)), atol=1e-7
    )


def test_the_direction_is_that_of_config_up_to_its_sign(rng):
    jacobian = spread(rng)
    assert (
        unit(IMTLG().aggregate(jacobian)) @ unit(ConFIG().aggregate(jacobian))
    ).abs().item() == pytest.approx(1.0)


def test_two_gradients_are_weighed_by_the_length_of_the_other():
    assert torch.allclose(IMTLG().weights(tensor([[9.0, 1.0], [1.0, 1.0]])), tensor([0.25, 0.75]))


def test_weights_of_gradients_without_a_common_direction_are_equal(rng):
    assert torch.equal(IMTLG().weights(gramian(special("opposite", rng))), tensor([0.5, 0.5]))
