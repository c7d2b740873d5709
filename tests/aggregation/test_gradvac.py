"""GradVac against its algorithm as printed, and its targets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skmtl.aggregation import GradVac, PCGrad
from tests.aggregation.conftest import gaussian, gramian, low_rank, spread, tensor


def printed_algorithm(jacobian, targets, beta):
    rows, targets = jacobian.numpy(), targets.numpy().copy()
    total = np.zeros(rows.shape[1])
    for i, row in enumerate(rows):
        current = row.copy()
        for j, other in enumerate(rows):
            if j == i:
                continue
            cosine = current @ other / np.linalg.norm(current) / np.linalg.norm(other)
            wanted = targets[i, j]
            if cosine < wanted:
                up = np.linalg.norm(current) * (
                    wanted * np.sqrt(1 - cosine**2) - cosine * np.sqrt(1 - wanted**2)
                )
                current = current + up / (np.linalg.norm(other) * np.sqrt(1 - wanted**2)) * other
            targets[i, j] = (1 - beta) * wanted + beta * cosine
        total += current
    return tensor(total), tensor(targets)


@pytest.mark.parametrize("sample", [gaussian, spread, low_rank], ids=lambda sample: sample.__name__)
def test_weights_and_targets_are_those_of_the_printed_loop(sample, rng):
    jacobian = sample(rng)
    n_tasks = len(jacobian)
    targets = tensor(rng.uniform(-0.5, 0.7, size=(n_tasks, n_tasks)))
    weights, following = GradVac(beta=0.3).weights_and_targets(gramian(jacobian), targets)
    direction, expected = printed_algorithm(jacobian, targets, 0.3)
    off_diagonal = ~torch.eye(n_tasks, dtype=torch.bool)
    assert torch.allclose(weights @ jacobian, direction, rtol=1e-8, atol=1e-9 * jacobian.norm())
    assert torch.allclose(following[off_diagonal], expected[off_diagonal], atol=1e-9)


def test_two_gradients_get_the_similarity_that_is_wanted():
    # Each of two orthonormal gradients becomes e_i + 0.75 e_j, whose cosine with e_j is 0.75 / 1.25
    # = 0.6.
    assert torch.allclose(
        GradVac().weights(torch.eye(2), targets=torch.full((2, 2), 0.6, dtype=torch.float64)),
        tensor([1.75, 1.75]),
    )


def test_the_first_step_is_that_of_pcgrad(rng):
    matrix, seed = gramian(gaussian(rng)), int(rng.integers(1000))
    first, second = (
        method.weights(matrix, generator=torch.Generator().manual_seed(seed))
        for method in (GradVac(), PCGrad())
    )
    assert torch.allclose(first, second)


def test_targets_follow_the_similarity_of_two_tasks():
    matrix, targets = tensor([[1.0, 0.8], [0.8, 1.0]]), None
    for expected in (0.4, 0.6, 0.7):
        _, targets = GradVac(beta=0.5).weights_and_targets(matrix, targets)
        assert targets[0, 1].item() == pytest.approx(expected)
    assert not hasattr(GradVac(), "targets_")


def test_a_zero_gradient_neither_changes_others_nor_is_changed(rng):
    jacobian = gaussian(rng, n_tasks=3)
    jacobian[1] = 0
    weights = GradVac().weights(gramian(jacobian), targets=torch.full((3, 3), 0.4))
    assert weights.isfinite().all()


@pytest.mark.parametrize("beta", [-0.1, 1.1, "slow"])
def test_a_wrong_beta_is_refused(beta):
    with pytest.raises(ValueError, match="The 'beta' parameter of GradVac must be"):
        GradVac(beta=beta).weights(torch.eye(2))


def test_targets_for_another_number_of_tasks_are_refused():
    with pytest.raises(ValueError, match="targets must have a cosine for every pair of tasks"):
        GradVac().weights(torch.eye(3), targets=torch.zeros(2, 2))
