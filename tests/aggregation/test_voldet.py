import math

import numpy as np
import pytest
import torch

from skmtl.aggregation.voldet import (
    gradient_conflict,
    negative_cosine_fraction,
    voldet,
    voldetpro,
)

MEASURES = [voldet, voldetpro, negative_cosine_fraction]


def gramian(rng, n_tasks, n_members=()):
    """Gramians of full rank with cosines of both signs and norms over four decades."""
    jacobian = rng.normal(size=(*n_members, n_tasks, n_tasks + 3)) * 10.0 ** rng.uniform(
        -2, 2, size=(*n_members, n_tasks, 1)
    )
    return torch.tensor(jacobian @ jacobian.swapaxes(-1, -2))


def cosines(matrix):
    norms = np.sqrt(np.diag(matrix))
    return matrix / np.outer(norms, norms)


def pairwise(matrix):
    """Negative cosines of the pairs, one by one."""
    m = cosines(matrix)
    return [m[i, j] for i in range(len(m)) for j in range(i) if m[i, j] < 0]


@pytest.mark.parametrize("n_tasks", [1, 2, 5, 9])
def test_voldet_is_the_determinant_of_the_cosines(rng, n_tasks):
    matrix = gramian(rng, n_tasks)
    assert voldet(matrix).item() == pytest.approx(np.linalg.det(cosines(matrix.numpy())), abs=1e-14)


@pytest.mark.parametrize("n_tasks", [1, 2, 5, 9])
def test_voldetpro_adds_the_charge_of_equation_6(rng, n_tasks):
    matrix = gramian(rng, n_tasks)
    negative = pairwise(matrix.numpy())
    charge = (math.sqrt(len(negative)) + n_tasks) / n_tasks * abs(sum(negative))
    assert voldetpro(matrix).item() == pytest.approx(
        np.linalg.det(cosines(matrix.numpy())) + charge, abs=1e-13
    )


@pytest.mark.parametrize("n_tasks", [2, 5, 9])
def test_negative_cosine_fraction_counts_pairs(rng, n_tasks):
    matrix = gramian(rng, n_tasks)
    assert negative_cosine_fraction(matrix).item() == pytest.approx(
        len(pairwise(matrix.numpy())) / math.comb(n_tasks, 2), abs=1e-15
    )


def test_voldetpro_equals_voldet_where_no_cosine_is_negative(rng):
    jacobian = torch.tensor(rng.uniform(size=(6, 8)))
    matrix = jacobian @ jacobian.T
    assert voldetpro(matrix) == voldet(matrix)
    assert negative_cosine_fraction(matrix) == 0


def test_voldet_does_not_see_the_sign_of_a_gradient_and_voldetpro_does(rng):
    jacobian = torch.tensor(rng.uniform(size=(4, 6)))
    flipped = jacobian * torch.tensor([1.0, -1.0, 1.0, 1.0]).unsqueeze(1)
    before, after = jacobian @ jacobian.T, flipped @ flipped.T
    assert voldet(after).item() == pytest.approx(voldet(before).item(), abs=1e-15)
    assert voldetpro(after) > voldetpro(before)


def test_a_single_task_has_volume_one_and_no_conflict():
    matrix = torch.tensor([[7.0]])
    assert [measure(matrix).item() for measure in MEASURES] == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "rows",
    [[[1.0, 2.0], [2.0, 4.0]], [[1.0, 2.0], [-0.5, -1.0]], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]],
)
def test_dependent_gradients_span_no_volume_and_never_a_negative_one(rows):
    jacobian = torch.tensor(rows)
    volume = voldet(jacobian @ jacobian.T).item()
    assert 0.0 <= volume < 1e-6


@pytest.mark.parametrize("measure", MEASURES)
def test_a_zero_gradient_is_left_out(rng, measure):
    matrix = gramian(rng, 5)
    with_zero = torch.zeros(6, 6, dtype=matrix.dtype)
    kept = torch.tensor([0, 1, 3, 4, 5])
    with_zero[kept.unsqueeze(1), kept] = matrix
    assert measure(with_zero).item() == pytest.approx(measure(matrix).item(), abs=1e-14)


@pytest.mark.parametrize("measure", MEASURES)
def test_gradients_that_are_all_zero_measure_zero(measure):
    assert measure(torch.zeros(3, 3)) == 0


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("scale", [1e-16, 1e16])
def test_measures_do_not_depend_on_the_units_of_gradients(rng, measure, scale):
    matrix = gramian(rng, 6)
    assert measure(matrix * scale).item() == pytest.approx(
        measure(matrix).item(), rel=1e-12, abs=1e-14
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_leading_axes_are_measured_one_by_one(rng, measure):
    batch = gramian(rng, 5, (2, 3))
    looped = torch.stack([torch.stack([measure(matrix) for matrix in row]) for row in batch])
    torch.testing.assert_close(measure(batch), looped, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_have_the_type_of_the_gramian(rng, measure, dtype):
    assert measure(gramian(rng, 3).to(dtype)).dtype == dtype


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("shape", [(3,), (3, 4)])
def test_a_gramian_that_is_not_square_is_refused(measure, shape):
    with pytest.raises(ValueError, match=rf"{measure.__name__} needs a Gramian of shape"):
        measure(torch.zeros(shape))


def test_in_training_a_volume_of_a_gramian_that_is_not_finite_is_nan_for_its_network_only(rng):
    batch = gramian(rng, 4, (2,))
    batch[0, 1, 2] = torch.nan
    assert gradient_conflict(batch)["voldet"].isnan().tolist() == [True, False]
