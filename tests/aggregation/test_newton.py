"""The equation of Nash-MTL, FairGrad, PIVRG and SVFair, solved up to rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from sklearn.exceptions import ConvergenceWarning

from skmtl.aggregation.newton import solve_weighted_inverse
from tests.aggregation.conftest import (
    aligned,
    gaussian,
    gramian,
    low_rank,
    special,
    spread,
    tensor,
    unit,
)

POWERS = [0.2, 1.0, 2.0, 10.0]
SAMPLERS = [gaussian, spread, low_rank, aligned]


def relative_residual(matrix, weights, power, solution):
    wanted = (weights / solution) ** (1 / power)
    return (((matrix @ solution[..., None])[..., 0] - wanted) / wanted).abs().max().item()


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("sample", SAMPLERS, ids=lambda sample: sample.__name__)
@pytest.mark.parametrize("length", [1e-8, 1.0, 1e8])
def test_the_equation_holds_to_ten_digits(sample, power, length, rng):
    if power < 1 and sample is spread:
        pytest.skip(
            "norms over two decades, raised to the fourth power by the equation, leave no digits "
            "for some draws"
        )
    matrix, weights = (
        gramian(length * sample(rng)),
        tensor(rng.uniform(0.2, 5.0, 6))[: len(sample(rng))],
    )
    solution = solve_weighted_inverse(matrix, weights, power)
    assert (solution > 0).all()
    assert (
        relative_residual(matrix, weights, power, solution) < 1e-8
        if power < 1
        else relative_residual(matrix, weights, power, solution) < 1e-10
    )


@pytest.mark.parametrize("n_tasks", [2, 40, 139])
def test_many_tasks_are_no_harder(n_tasks, rng):
    matrix, weights = (
        gramian(spread(rng, n_tasks, 2 * n_tasks)),
        torch.ones(n_tasks, dtype=torch.float64),
    )
    assert (
        relative_residual(matrix, weights, 2.0, solve_weighted_inverse(matrix, weights, 2.0))
        < 1e-10
    )


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_solution_is_that_of_bounded_least_squares(power, rng):
    matrix, weights = gramian(gaussian(rng)), tensor(rng.uniform(0.5, 2.0, 5))
    ours = solve_weighted_inverse(matrix, weights, power)
    theirs = least_squares(
        lambda a: matrix.numpy() @ a - (weights.numpy() / a) ** (1 / power),
        np.full(5, 0.2),
        bounds=(0, np.inf),
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
    )
    assert np.allclose(ours.numpy(), theirs.x, rtol=1e-5)


def test_orthogonal_gradients_are_solved_by_hand():
    # g^2 a = (w / a)^(1/2): a = (w / g^4)^(1/3)
    solution = solve_weighted_inverse(tensor([[4.0, 0.0], [0.0, 1.0]]), tensor([2.0, 8.0]), 2.0)
    assert torch.allclose(solution, tensor([0.5, 2.0]))


@pytest.mark.parametrize("power", POWERS)
def test_scaling_weights_scales_the_solution(power, rng):
    matrix, weights = gramian(gaussian(rng)), tensor(rng.uniform(0.2, 5.0, 5))
    one, many = (
        solve_weighted_inverse(matrix, weights, power),
        solve_weighted_inverse(matrix, 100 * weights, power),
    )
    assert torch.allclose(many, one * 100 ** (1 / (1 + power)), rtol=1e-8)


def test_a_batch_of_easy_and_hard_members_gives_what_a_loop_gives(rng):
    matrices = torch.stack(
        [gramian(spread(rng) if k % 2 else low_rank(rng, 5)) for k in range(10)]
    ).reshape(2, 5, 5, 5)
    weights = tensor(rng.uniform(0.5, 2.0, 5))
    batched = solve_weighted_inverse(matrices, weights, 2.0).reshape(10, 5)
    looped = torch.stack(
        [solve_weighted_inverse(matrix, weights, 2.0) for matrix in matrices.reshape(10, 5, 5)]
    )
    assert torch.allclose(batched, looped, rtol=1e-8)


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("name", ["opposite", "opposite and another", "balanced triangle"])
def test_without_a_solution_there_is_a_warning_and_the_opposing_tasks_hardly_move(name, power, rng):
    jacobian = special(name, rng)
    with pytest.warns(ConvergenceWarning, match="1 of 1 Gramians are Pareto-stationary"):
        solution = solve_weighted_inverse(gramian(jacobian), torch.ones(len(jacobian)), power)
    assert (solution > 0).all()
    assert solution.isfinite().all()
    opposing = jacobian[:2] if name.startswith("opposite") else jacobian
    assert (unit(opposing) @ (solution @ jacobian)).abs().max() < 1e-4 * (
        solution @ jacobian.norm(dim=1)
    )


def test_members_with_a_solution_are_not_touched_by_one_without(rng):
    easy, lost = gramian(gaussian(rng, 2, 8)), gramian(special("opposite", rng))
    with pytest.warns(ConvergenceWarning, match="1 of 2"):
        solution = solve_weighted_inverse(torch.stack([easy, lost]), torch.ones(2))
    assert torch.allclose(solution[0], solve_weighted_inverse(easy, torch.ones(2)), rtol=1e-9)


@pytest.mark.parametrize(
    "name", ["all zero", "one zero", "only one not zero", "duplicate", "rank one"]
)
def test_degenerate_gradients_that_do_not_oppose_each_other_are_solved_without_a_warning(name, rng):
    jacobian = special(name, rng)
    solution = solve_weighted_inverse(gramian(jacobian), torch.ones(len(jacobian)), 2.0)
    assert solution.isfinite().all()
    assert (solution > 0).all()
    present = jacobian[jacobian.norm(dim=1) > 0]
    if len(present):
        alone = solve_weighted_inverse(gramian(present), torch.ones(len(present)), 2.0)
        assert torch.allclose(unit(solution @ jacobian), unit(alone @ present), atol=1e-7)


@pytest.mark.parametrize("weights", [[1.0, 0.0], [1.0, -1.0], [1.0, float("nan")]])
def test_weights_that_are_not_positive_are_refused(weights):
    with pytest.raises(ValueError, match="weights must be positive"):
        solve_weighted_inverse(torch.eye(2), tensor(weights))
