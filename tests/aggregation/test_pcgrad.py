"""PCGrad against its algorithm as printed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skmtl.aggregation import PCGrad
from skmtl.aggregation.pcgrad import project_conflicts
from tests.aggregation.conftest import aligned, gaussian, gramian, low_rank, spread, tensor, unit


def printed_algorithm(jacobian, order):
    rows = jacobian.numpy()
    total = np.zeros(rows.shape[1])
    for i, row in enumerate(rows):
        current = row.copy()
        for j in order[i]:
            if j != i and current @ rows[j] < 0:
                current -= current @ rows[j] / (rows[j] @ rows[j]) * rows[j]
        total += current
    return tensor(total)


def orders(rng, n_tasks):
    return np.stack([rng.permutation(n_tasks) for _ in range(n_tasks)])


@pytest.mark.parametrize("sample", [gaussian, spread, low_rank], ids=lambda sample: sample.__name__)
def test_all_tasks_at_once_give_what_the_printed_loop_gives(sample, rng):
    jacobian = sample(rng)
    order = orders(rng, len(jacobian))
    weights = project_conflicts(gramian(jacobian), torch.as_tensor(order))
    assert torch.allclose(
        weights @ jacobian,
        printed_algorithm(jacobian, order),
        rtol=1e-9,
        atol=1e-10 * jacobian.norm(),
    )


def test_without_a_generator_the_tasks_are_visited_as_numbered(rng):
    jacobian = gaussian(rng)
    assert torch.allclose(
        PCGrad().aggregate(jacobian), printed_algorithm(jacobian, np.tile(np.arange(5), (5, 1)))
    )


def test_a_drawn_order_is_that_of_the_generator_and_one_for_every_task(rng):
    jacobian, seed = gaussian(rng), int(rng.integers(1000))
    order = (
        torch.rand(5, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        .argsort(-1)
        .numpy()
    )
    drawn = PCGrad().aggregate(jacobian, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(drawn, printed_algorithm(jacobian, order))


def test_tasks_permuted_together_with_their_order_give_the_same_direction(rng):
    jacobian, order, new = gaussian(rng), orders(rng, 5), rng.permutation(5)
    place = np.argsort(new)  # where each task has gone
    expected = project_conflicts(gramian(jacobian), torch.as_tensor(order)) @ jacobian
    permuted = (
        project_conflicts(gramian(jacobian[new]), torch.as_tensor(place[order[new]]))
        @ jacobian[new]
    )
    assert torch.allclose(unit(permuted), unit(expected), atol=1e-10)


def test_it_is_the_sum_where_nothing_conflicts(rng):
    assert torch.equal(PCGrad().weights(gramian(aligned(rng))), torch.ones(5, dtype=torch.float64))


def test_opposite_gradients_vanish():
    assert torch.allclose(
        PCGrad().aggregate(tensor([[1.0, 2.0], [-2.0, -4.0]])), tensor([0.0, 0.0]), atol=1e-12
    )
