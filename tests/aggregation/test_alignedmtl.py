"""Aligned-MTL against its construction and another code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skmtl.aggregation import AlignedMTL
from tests.aggregation.conftest import gaussian, gramian, low_rank, spread, tensor


@pytest.mark.parametrize(
    ("scale_mode", "scale"),
    [
        ("min", np.min),
        ("median", lambda s: np.sort(s)[(len(s) - 1) // 2]),
        ("rmse", lambda s: np.sqrt((s**2).mean())),
    ],
)
@pytest.mark.parametrize("sample", [gaussian, spread, low_rank], ids=lambda sample: sample.__name__)
def test_the_direction_is_the_mean_of_the_nearest_orthogonal_matrix(sample, scale_mode, scale, rng):
    jacobian = sample(rng)
    u, s, v = np.linalg.svd(jacobian.numpy(), full_matrices=False)
    rank = int((s > 1e-10 * s[0]).sum())
    expected = scale(s[:rank]) * (u[:, :rank] @ v[:rank]).mean(0)
    assert torch.allclose(
        AlignedMTL(scale_mode=scale_mode).aggregate(jacobian),
        tensor(expected),
        rtol=1e-7,
        atol=1e-9,
    )


@pytest.mark.parametrize("scale_mode", ["min", "median", "rmse"])
def test_it_agrees_with_torchjd(scale_mode, rng):
    torchjd = pytest.importorskip(
        "torchjd.aggregation", reason="needs torchjd, which the test extra installs"
    )
    jacobian = gaussian(rng, 7, 20)
    theirs = torchjd.AlignedMTL(scale_mode=scale_mode)(jacobian)
    assert torch.allclose(
        AlignedMTL(scale_mode=scale_mode).aggregate(jacobian), theirs, rtol=1e-7, atol=1e-9
    )


def test_dependent_gradients_in_single_precision_do_not_shrink_the_step(rng):
    jacobian = gaussian(rng, 3, 40).to(torch.float32)
    matrix = gramian(torch.cat([jacobian, jacobian[:1] + jacobian[1:2]]))
    assert (
        AlignedMTL().weights(matrix).abs().max()
        > 0.1 * AlignedMTL().weights(gramian(jacobian)).abs().max()
    )


def test_a_gramian_of_zeros_gives_the_mean():
    assert torch.allclose(
        AlignedMTL().weights(torch.zeros(4, 4)), torch.full((4,), 0.25, dtype=torch.float64)
    )


def test_an_unknown_scale_is_refused():
    expected = r"'scale_mode' parameter of AlignedMTL must be one of \('min', 'median', 'rmse'\)"
    with pytest.raises(ValueError, match=expected):
        AlignedMTL(scale_mode="max").weights(torch.eye(2))
