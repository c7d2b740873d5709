"""Fairness terms in special cases: one task, no trunk, weight 0, tasks with separate labels."""

from dataclasses import replace

import numpy as np
import pytest

from skmtl.fairness import MTAF, PerTaskFairness
from skmtl.losses import LogLoss
from skmtl.network import Architecture, FleetData, Member, Training, train_fleet

LOSSES = pytest.mark.parametrize("loss", ["mmd", "gap", "correlation"])
N_TRUNK = 2  # weights and biases of the one shared layer come first


@pytest.fixture
def people(rng):
    """Two hundred rows of three inputs, one of which is the group with noise; labels of two tasks
    that lean on it.
    """
    group = rng.integers(0, 2, size=200)
    X = np.column_stack([rng.normal(size=(200, 2)), group + 0.1 * rng.normal(size=200)])
    y = (X[:, :2] + group[:, None] + rng.normal(size=(200, 2)) > 0.5).astype(float)
    return FleetData(X, y, groups=group)


def trained(data, terms, *, hidden=(8,), **settings):
    """Parameters after plain gradient steps on all rows."""
    options = {
        "loss": LogLoss(),
        "solver": "sgd",
        "batch_size": None,
        "max_iter": 1,
        "n_iter_no_change": 50,
        "dtype": "float64",
    }
    member = Member([np.arange(200)], seed=1, order_seed=1, learning_rate=0.5)
    return train_fleet(
        Architecture(3, hidden=hidden), data, [member], Training(**options | settings), terms=terms
    )[0].parameters


def one_task(data):
    return replace(data, y=data.y[:, :1])


@LOSSES
def test_with_one_task_a_step_moves_the_head_as_per_task_treatment_and_the_trunk_as_none(
    people, loss
):
    data = one_task(people)
    mtaf, per_task, plain = (
        trained(data, terms)
        for terms in ([MTAF(loss, weight=2.0)], [PerTaskFairness(loss, weight=2.0)], [])
    )
    for own, treated, vanilla in zip(
        mtaf[:N_TRUNK], per_task[:N_TRUNK], plain[:N_TRUNK], strict=True
    ):
        np.testing.assert_allclose(own, vanilla, rtol=1e-12, atol=1e-15)
        assert not np.allclose(own, treated)
    for own, treated, vanilla in zip(
        mtaf[N_TRUNK:], per_task[N_TRUNK:], plain[N_TRUNK:], strict=True
    ):
        np.testing.assert_allclose(own, treated, rtol=1e-12, atol=1e-15)
        assert not np.allclose(own, vanilla)


@LOSSES
def test_one_task_without_a_trunk_trains_as_with_per_task_treatment(people, loss):
    data = one_task(people)
    mtaf, per_task = (
        trained(data, [term(loss, weight=2.0)], hidden=(), max_iter=20)
        for term in (MTAF, PerTaskFairness)
    )
    for own, treated in zip(mtaf, per_task, strict=True):
        np.testing.assert_allclose(own, treated, rtol=1e-10, atol=1e-13)


@LOSSES
def test_the_head_ratio_scales_what_a_step_adds_to_the_heads_and_leaves_the_trunk_alone(
    people, loss
):
    plain, once, thrice = (
        trained(people, terms) for terms in ([], [MTAF(loss)], [MTAF(loss, head_ratio=3.0)])
    )
    for none, own, more in zip(plain[N_TRUNK:], once[N_TRUNK:], thrice[N_TRUNK:], strict=True):
        np.testing.assert_allclose(more - none, 3 * (own - none), rtol=1e-8, atol=1e-14)
    for own, more in zip(once[:N_TRUNK], thrice[:N_TRUNK], strict=True):
        np.testing.assert_allclose(own, more, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("term", [MTAF, PerTaskFairness])
def test_the_head_of_a_task_of_weight_zero_takes_a_plain_step(people, term):
    one_sided, plain = (
        trained(people, [term("gap", weight=[2.0, 0.0])])[N_TRUNK:],
        trained(people, [])[N_TRUNK:],
    )
    for own, vanilla in zip(one_sided, plain, strict=True):  # one row per task
        np.testing.assert_allclose(own[1], vanilla[1], rtol=1e-12, atol=1e-15)
        assert not np.allclose(own[0], vanilla[0])


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("term", [MTAF, PerTaskFairness])
def test_weight_zero_is_vanilla_to_the_bit_whatever_the_solver(people, solver, term):
    settings = {"solver": solver, "batch_size": 50, "max_iter": 5, "dtype": "float32"}
    for own, plain in zip(
        trained(people, [term(weight=0.0)], **settings),
        trained(people, [], **settings),
        strict=True,
    ):
        np.testing.assert_array_equal(own, plain)
