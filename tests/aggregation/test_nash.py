"""Nash-MTL against its defining property."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from skmtl.aggregation import FairGrad, NashMTL
from tests.aggregation.conftest import gaussian, gramian, low_rank, spread, tensor, unit


@pytest.mark.parametrize("sample", [gaussian, spread, low_rank], ids=lambda sample: sample.__name__)
def test_each_weight_is_the_inverse_of_the_improvement_of_its_task(sample, rng):
    jacobian = sample(rng)
    weights = NashMTL().weights(gramian(jacobian))
    assert torch.allclose(
        jacobian @ (weights @ jacobian) * weights, torch.ones_like(weights), atol=1e-10
    )


def test_the_product_of_improvements_is_the_largest_in_the_ball(rng):
    jacobian = gaussian(rng, 3, 5)
    direction = unit(NashMTL().aggregate(jacobian))

    def loss(d):
        d = d / np.linalg.norm(d)
        gains = jacobian.numpy() @ d
        return -np.log(gains).sum() if (gains > 0).all() else 1e6

    start = direction.numpy() + 0.01 * rng.normal(size=5)
    best = minimize(
        loss, start, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 5000}
    )
    assert loss(direction.numpy()) <= best.fun + 1e-8


def test_the_length_is_the_root_of_the_number_of_tasks(rng):
    assert NashMTL().aggregate(1e-5 * spread(rng)).norm().item() == pytest.approx(5**0.5)


def test_scaling_one_loss_changes_nothing(rng):
    jacobian, factors = gaussian(rng), tensor(10.0 ** rng.uniform(-3, 3, size=(5, 1)))
    assert torch.allclose(
        NashMTL().aggregate(factors * jacobian), NashMTL().aggregate(jacobian), rtol=1e-7, atol=1e-9
    )


def test_it_is_fairgrad_with_alpha_one(rng):
    jacobian = spread(rng)
    assert torch.allclose(NashMTL().aggregate(jacobian), FairGrad(alpha=1).aggregate(jacobian))
