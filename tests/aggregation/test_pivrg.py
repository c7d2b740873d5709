"""PIVRG against its equation and the rule of its priorities."""

from __future__ import annotations

import pytest
import torch

from skmtl.aggregation import PIVRG, FairGrad
from tests.aggregation.conftest import gaussian, gramian, spread, tensor


@pytest.mark.parametrize("sample", [gaussian, spread], ids=lambda sample: sample.__name__)
def test_weights_solve_the_equation(sample, rng):
    jacobian, scores = sample(rng), tensor(rng.normal(scale=20, size=5))
    method = PIVRG()
    weights = method.weights(gramian(jacobian), scores=scores)
    assert torch.allclose(
        (jacobian @ (weights @ jacobian)) ** 2 * weights, method.priorities(scores), atol=1e-9
    )
    assert torch.allclose(method.aggregate(jacobian, scores=scores), weights @ jacobian)


def test_equal_scores_and_no_scores_are_fairgrad_with_alpha_two(rng):
    matrix = gramian(gaussian(rng))
    expected = FairGrad(alpha=2.0).weights(matrix)
    assert torch.allclose(PIVRG().weights(matrix), expected)
    assert torch.allclose(PIVRG().weights(matrix, scores=torch.full((5,), 3.0)), expected)


def test_priorities_sum_to_the_number_of_tasks_and_stay_within_the_bound(rng):
    scores = tensor(rng.normal(scale=500, size=(3, 6)))
    priorities = PIVRG(bound=1.8).priorities(scores)
    assert torch.allclose(priorities.sum(-1), tensor([6.0, 6.0, 6.0]))
    assert torch.allclose(priorities.amax(-1) / priorities.amin(-1), tensor([1.8, 1.8, 1.8]))
    assert torch.equal(priorities.argsort(-1), scores.argsort(-1))


def test_small_differences_of_scores_are_divided_by_the_smallest_temperature():
    priorities = PIVRG(bound=100.0, min_temperature=10.0).priorities(tensor([0.0, 1.0]))
    assert (priorities[1] / priorities[0]).log().item() == pytest.approx(0.1)


def test_a_task_that_is_behind_gets_more_of_the_improvement(rng):
    jacobian = gaussian(rng, 3)
    gains = [
        jacobian @ PIVRG().aggregate(jacobian, scores=scores)
        for scores in (tensor([0.0, 0.0, 0.0]), tensor([100.0, 0.0, 0.0]))
    ]
    assert gains[1][0] / gains[1].sum() > gains[0][0] / gains[0].sum() - 1e-12


def test_members_of_a_batch_have_their_own_scores(rng):
    matrix, scores = gramian(gaussian(rng)), tensor(rng.normal(scale=20, size=(2, 5)))
    batched = PIVRG().weights(matrix.expand(2, 5, 5), scores=scores)
    assert torch.allclose(batched[1], PIVRG().weights(matrix, scores=scores[1]))


@pytest.mark.parametrize(
    ("name", "value"), [("bound", 1.0), ("bound", float("inf")), ("min_temperature", 0.0)]
)
def test_wrong_parameters_are_refused(name, value):
    with pytest.raises(
        ValueError, match=f"The '{name}' parameter of PIVRG must be a finite number greater than"
    ):
        PIVRG(**{name: value}).weights(torch.eye(2))


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="scores must be finite for every task"):
        PIVRG().weights(torch.eye(2), scores=tensor([0.0, float("nan")]))
