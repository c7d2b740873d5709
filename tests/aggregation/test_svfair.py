import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skmtl.aggregation.shapley import shapley_values
from skmtl.aggregation.svfair import SVFair
from skmtl.base import Signals

SETTINGS = [
    {},
    {"utility": "voldetpro"},
    {"utility": "auto"},
    {"tau": 0.1},
    {"tau": "auto"},
    {"utility": "voldetpro", "tau": "auto"},
]


def jacobian(rng, n_tasks, n_members=()):
    """Gradients of full rank with a common part, some conflicts, and norms over two decades."""
    rows = rng.normal(size=(*n_members, n_tasks, n_tasks + 5)) + 0.5 * rng.normal(size=n_tasks + 5)
    return torch.tensor(rows * 10.0 ** rng.uniform(-1, 1, size=(*n_members, n_tasks, 1)))


def priorities(gramian, weights):
    """What the weights give to every task: alpha_i (G alpha)_i ** 2."""
    return weights * (gramian @ weights) ** 2


def unit(direction):
    return direction / direction.norm(dim=-1, keepdim=True)


# ---------------------------------------------------------------------- the equation
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("n_tasks", [1, 2, 5, 12])
def test_weights_solve_the_equation_of_algorithm_1(rng, settings, n_tasks):
    rows = jacobian(rng, n_tasks)
    gramian = rows @ rows.T
    weights = SVFair(**settings).weights(gramian)
    assert (weights > 0).all()
    omega = priorities(gramian, weights)
    assert omega.sum().item() == pytest.approx(1.0, rel=1e-10)
    if not isinstance(settings.get("tau"), str) and settings.get("utility") != "auto":
        shares = shapley_values(gramian, settings.get("utility", "voldet"), method="enumerate")
        torch.testing.assert_close(
            omega, torch.softmax(shares / settings.get("tau", 1.0), -1), rtol=1e-10, atol=0
        )


@pytest.mark.parametrize("n_tasks", [40, 139])
@pytest.mark.parametrize("tau", [0.01, 1.0])
def test_weights_of_many_tasks_solve_the_equation(rng, n_tasks, tau):
    rows = jacobian(rng, n_tasks)
    gramian = rows @ rows.T
    expected = torch.softmax(shapley_values(gramian) / tau, -1)
    torch.testing.assert_close(
        priorities(gramian, SVFair(tau=tau).weights(gramian)), expected, rtol=1e-10, atol=0
    )


def test_no_other_step_of_the_same_length_has_a_smaller_objective(rng):
    rows = jacobian(rng, 5)
    gramian = rows @ rows.T
    weights = SVFair().weights(gramian)
    omega, direction = priorities(gramian, weights), unit(weights @ rows)
    others = unit(
        direction
        + torch.tensor(
            10.0 ** -rng.uniform(1, 4, size=(500, 1)) * rng.normal(size=(500, rows.shape[1]))
        )
    )
    gains = others @ rows.T
    objectives = torch.where((gains > 0).all(-1), (omega / gains).sum(-1), torch.inf)
    assert (objectives >= (omega / (rows @ direction)).sum() * (1 - 1e-12)).all()


def test_two_orthogonal_gradients_worked_by_hand():
    weights = SVFair().weights(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
    expected = torch.tensor(
        [0.5 ** (1 / 3), (0.5 / 16) ** (1 / 3)], dtype=torch.float64
    )  # a^3 = 1/2 and 16 a^3 = 1/2
    torch.testing.assert_close(weights, expected, rtol=1e-12, atol=0)


def test_two_gradients_of_length_one_worked_by_hand(rng):
    cosine = rng.uniform(-0.9, 0.9)
    weights = SVFair().weights(torch.tensor([[1.0, cosine], [cosine, 1.0]], dtype=torch.float64))
    expected = torch.full(
        (2,), (0.5 / (1 + cosine) ** 2) ** (1 / 3), dtype=torch.float64
    )  # (a (1 + c))^2 = 1 / (2 a)
    torch.testing.assert_close(weights, expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_with_two_tasks_all_settings_agree(rng, settings):
    rows = jacobian(rng, 2)
    torch.testing.assert_close(
        SVFair(**settings).weights(rows @ rows.T),
        SVFair(tau=5.0).weights(rows @ rows.T),
        rtol=1e-9,
        atol=0,
    )


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_weight_of_a_single_task_is_its_squared_length_to_the_power_of_minus_two_thirds(
    settings,
):
    torch.testing.assert_close(
        SVFair(**settings).weights(torch.tensor([[8.0]])), torch.tensor([0.25], dtype=torch.float64)
    )


# ---------------------------------------------------------------------- utility and temperature
def test_auto_takes_voldetpro_only_where_more_than_a_quarter_of_the_pairs_conflict(rng):
    """Three of the six pairs of the first network are negative, one of six of the second."""
    signs = [
        torch.tensor([[1.0, -1, 1, 1], [-1, 1, -1, 1], [1, -1, 1, -1], [1, 1, -1, 1]]),
        torch.tensor([[1.0, -1, 1, 1], [-1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]),
    ]
    sizes = torch.tensor(rng.uniform(0.1, 0.3, size=(2, 4, 4))).tril(-1)
    batch = torch.stack(signs) * (sizes + sizes.mT) + torch.eye(4)
    automatic, plain, signed = (
        SVFair(utility, tau=0.3).weights(batch) for utility in ("auto", "voldet", "voldetpro")
    )
    torch.testing.assert_close(automatic, torch.stack([signed[0], plain[1]]), rtol=1e-12, atol=0)
    assert not torch.allclose(plain[0], signed[0], rtol=1e-6)
    assert not torch.allclose(plain[1], signed[1], rtol=1e-6)


def test_automatic_temperature_keeps_the_largest_priority_at_twice_the_mean(rng):
    rows = 0.1 * torch.tensor(rng.normal(size=(6, 8))) + 3 * unit(torch.tensor(rng.normal(size=8)))
    rows[5] = torch.linalg.svd(rows[:5])[2][-1]  # orthogonal to five tasks that are nearly parallel
    gramian = rows @ rows.T
    omega = priorities(gramian, SVFair(tau="auto").weights(gramian))
    assert omega.max().item() == pytest.approx(2 / 6, rel=1e-9)
    shares = shapley_values(gramian)
    taus = (shares[5] - shares[:5]) / (omega[5] / omega[:5]).log()
    torch.testing.assert_close(taus, taus[0].expand(5), rtol=1e-6, atol=0)


def test_automatic_temperature_does_not_magnify_small_differences(rng):
    rows = torch.linalg.qr(torch.tensor(rng.normal(size=(6, 6))))[0] + 0.1 * torch.tensor(
        rng.normal(size=(6, 6))
    )
    gramian = rows @ rows.T
    torch.testing.assert_close(
        SVFair(tau="auto").weights(gramian), SVFair(tau=0.1).weights(gramian), rtol=1e-10, atol=0
    )


def test_a_task_that_deviates_more_has_priority_and_more_so_at_low_temperature(rng):
    rows = torch.tensor(rng.normal(size=(5, 9))) + 2 * torch.tensor(rng.normal(size=9))
    gramian = rows @ rows.T
    omegas = [priorities(gramian, SVFair(tau=tau).weights(gramian)) for tau in (2.0, 1.0, 0.2)]
    assert all(torch.equal(omega.argsort(), shapley_values(gramian).argsort()) for omega in omegas)
    assert omegas[0].max() < omegas[1].max() < omegas[2].max()


# ---------------------------------------------------------------------- properties
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_weights_move_with_their_tasks(rng, settings):
    rows, order = jacobian(rng, 7), torch.tensor(rng.permutation(7))
    weights = SVFair(**settings).weights(rows @ rows.T)
    torch.testing.assert_close(
        SVFair(**settings).weights(rows[order] @ rows[order].T), weights[order], rtol=1e-9, atol=0
    )


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_leading_axes_are_weighed_one_by_one(rng, settings):
    rows = jacobian(rng, 5, (2, 3))
    weights = SVFair(**settings).weights(rows @ rows.mT)
    looped = torch.stack(
        [torch.stack([SVFair(**settings).weights(one @ one.T) for one in row]) for row in rows]
    )
    torch.testing.assert_close(weights, looped, rtol=1e-9, atol=0)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_the_direction_does_not_depend_on_the_units_of_gradients(rng, settings, scale):
    rows = jacobian(rng, 6)
    torch.testing.assert_close(
        unit(SVFair(**settings).aggregate(scale * rows)),
        unit(SVFair(**settings).aggregate(rows)),
        rtol=0,
        atol=1e-10,
    )


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_task_without_gradient_does_not_change_the_direction(rng, settings):
    rows = jacobian(rng, 6)
    rows[2] = 0
    kept = rows[[0, 1, 3, 4, 5]]
    assert SVFair(**settings).weights(rows @ rows.T).isfinite().all()
    torch.testing.assert_close(
        SVFair(**settings).aggregate(rows), SVFair(**settings).aggregate(kept), rtol=1e-9, atol=0
    )


def test_gradients_that_are_all_zero_give_no_step():
    assert not SVFair().aggregate(torch.zeros(3, 4)).any()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_no_task_loses_by_the_step(rng, settings):
    rows = jacobian(rng, 8)
    assert (rows @ SVFair(**settings).aggregate(rows) > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_step_is_the_weighted_sum_of_the_gradients(rng, dtype):
    rows = jacobian(rng, 4, (3,)).to(dtype)
    step = SVFair().aggregate(rows)
    exact = rows.double()
    expected = torch.einsum("et,etp->ep", SVFair().weights(exact @ exact.mT), exact)
    assert step.dtype == dtype
    torch.testing.assert_close(
        step.double(),
        expected,
        rtol=1e-6 if dtype == torch.float32 else 1e-12,
        atol=1e-7 if dtype == torch.float32 else 1e-12,
    )


def test_in_training_a_network_that_is_not_finite_gets_nan_and_the_others_what_they_would_get(rng):
    rows = jacobian(rng, 4, (3,))
    gramian = rows @ rows.mT
    expected = SVFair().weights(gramian)
    gramian[1, 2, 3] = torch.nan
    weights, _ = SVFair().step(Signals(gramian=gramian), SVFair().init(3, 4))
    assert weights[1].isnan().all()
    torch.testing.assert_close(weights[[0, 2]], expected[[0, 2]], rtol=1e-12, atol=0)


def test_opposite_gradients_are_said_to_be_stationary_and_hardly_move(rng):
    rows = torch.tensor(rng.normal(size=(1, 5))) * torch.tensor([[1.0], [-1.0]])
    with pytest.warns(UserWarning, match="Pareto-stationary"):
        step = SVFair().aggregate(rows)
    assert step.norm() < 1e-3


def test_a_tiny_temperature_leaves_every_task_a_weight(rng):
    rows = jacobian(rng, 6)
    weights = SVFair(tau=1e-6).weights(rows @ rows.T)
    assert weights.isfinite().all()
    assert (weights > 0).all()


# ---------------------------------------------------------------------- sampling, parameters
def test_sampled_weights_repeat_without_a_generator_and_follow_a_given_one(rng):
    rows = jacobian(rng, 14)
    method = SVFair("voldetpro", n_permutations=20)
    first, second = method.weights(rows @ rows.T), method.weights(rows @ rows.T)
    drawn = [
        method.weights(rows @ rows.T, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 2, 1)
    ]
    assert torch.equal(first, second)
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
    torch.testing.assert_close(drawn[0], drawn[1], rtol=0.2, atol=0)


def test_inputs_are_left_as_they_were(rng):
    rows = jacobian(rng, 5)
    gramian = rows @ rows.T
    before = rows.clone(), gramian.clone()
    SVFair("auto", tau="auto").weights(gramian)
    SVFair().aggregate(rows)
    assert torch.equal(rows, before[0])
    assert torch.equal(gramian, before[1])


def test_parameters_are_those_that_were_given():
    method = SVFair("auto", tau="auto", n_permutations=7, max_norm=None, head_gradient="weighted")
    assert clone(method).get_params() == {
        "utility": "auto",
        "tau": "auto",
        "n_permutations": 7,
        "max_norm": None,
        "head_gradient": "weighted",
    }


@pytest.mark.parametrize("name", ["utility", "tau"])
@pytest.mark.parametrize("value", ["shapley", 0, -1.0, np.inf, None])
def test_a_wrong_parameter_is_named(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of SVFair must be"):
        SVFair(**{name: value}).weights(torch.eye(3))


def test_weights_raise_no_warning_for_dependent_gradients_that_agree(rng):
    rows = torch.tensor(rng.uniform(0.1, 1.0, size=(12, 4)))
    gramian = rows @ rows.T
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weights = SVFair().weights(gramian)
    torch.testing.assert_close(
        priorities(gramian, weights), torch.softmax(shapley_values(gramian), -1), rtol=1e-10, atol=0
    )
