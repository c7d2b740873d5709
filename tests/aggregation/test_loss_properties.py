"""Properties of all loss weightings: pure, batched, and safe for losses that occur in training."""

from __future__ import annotations

import copy

import pytest
import torch
from sklearn.base import clone

from skmtl.aggregation import (
    DWA,
    FAMO,
    GLS,
    IGB,
    RLW,
    SI,
    STCH,
    UW,
    GradNorm,
    Mean,
    MinMax,
    ReLoBRaLo,
    ShapleyWeighted,
    Sum,
)
from skmtl.base import Aggregator, Signals
from tests.aggregation.conftest import advance, after_a_step, loss_weights, tensor

FAMILY = [
    SI(),
    GLS(),
    RLW(),
    UW(learning_rate=0.1),
    DWA(),
    FAMO(),
    GradNorm(),
    STCH(warmup=1),
    STCH(0.5, form="raw"),
    MinMax(),
    MinMax(0.1),
    ReLoBRaLo(0.9, rho=0.5),
    IGB(),
    ShapleyWeighted("rlw"),
    ShapleyWeighted("dwa"),
    ShapleyWeighted(UW(learning_rate=0.1)),
]
LEARNING = [method for method in FAMILY if method.init(1, 2)]
# Multiplying one task's losses by a constant multiplies its weight by the inverse, or leaves the
# weights as they are.
INVERSE = [SI(), STCH(0.5, warmup=1), IGB()]
INDIFFERENT = [RLW(), DWA(), GradNorm(), ReLoBRaLo(0.9)]
# The same of all tasks' losses by one constant.
COMMONLY_INDIFFERENT = [*INDIFFERENT, GLS(), FAMO(), MinMax()]

N_MEMBERS, N_TASKS, N_STEPS = 3, 4, 5


def each(methods):
    return pytest.mark.parametrize("method", methods, ids=repr)


def generators(n_members=N_MEMBERS, first=0):
    return [torch.Generator().manual_seed(first + e) for e in range(n_members)]


def course(rng, n_members=N_MEMBERS, n_tasks=N_TASKS, n_steps=N_STEPS):
    """Losses of a few steps, and the gradients that come with them."""
    rows = tensor(rng.normal(size=(n_steps, n_members, n_tasks, 8)))
    return tensor(rng.uniform(0.2, 3.0, size=(n_steps, n_members, n_tasks))), rows


def step(method, losses, rows, state, draw, present=None):
    """Take a step; the losses after it are a tenth less, by a different amount for each task."""
    fall = torch.linspace(0.85, 0.95, 7, dtype=torch.float64)[
        (losses * 1e3 % 7).nan_to_num(0.0, 0.0, 0.0).long()
    ]
    return after_a_step(
        method,
        losses,
        state,
        present=present,
        generator=draw,
        losses_after=losses * fall,
        gradient_norms=rows.norm(dim=-1),
        gramian=rows @ rows.mT,
    )


def run(method, losses, rows, *, draw=None, state=None):
    """Train for some steps; return the weights of all steps and the last state."""
    state = method.init(losses.shape[1], losses.shape[2]) if state is None else state
    weights = []
    for values, gradients in zip(losses, rows, strict=True):
        new, state = step(method, values, gradients, state, draw)
        weights.append(new)
    return torch.stack(weights), state


def same_states(one, other):
    return one.keys() == other.keys() and all(
        torch.allclose(one[name], other[name], rtol=1e-9, atol=1e-12, equal_nan=True)
        for name in one
    )


# ---------------------------------------------------------------------- configuration and history
@each([*FAMILY, Mean(), Sum()])
def test_it_is_a_loss_weighting_that_can_be_cloned(method):
    assert isinstance(method, Aggregator)
    assert method.kind == "loss_weights"
    assert repr(clone(method)) == repr(method)


@each(FAMILY)
def test_the_state_is_of_float64_and_member_first(method):
    for value in method.init(N_MEMBERS, N_TASKS).values():
        assert value.dtype == torch.float64
        assert value.shape in ((N_MEMBERS, N_TASKS), (N_MEMBERS,))


@each(FAMILY)
def test_nothing_that_is_given_and_nothing_on_the_object_changes(method, rng):
    losses, rows = course(rng)
    _, state = run(method, losses, rows)
    before = copy.deepcopy((method.get_params(deep=False), losses, state))
    stored = set(vars(method))
    step(method, losses[0], rows[0], state, generators())
    assert repr(method.get_params(deep=False)) == repr(before[0])
    assert set(vars(method)) == stored
    assert torch.equal(losses, before[1])
    assert all(
        torch.equal(value.nan_to_num(-1.0), before[2][name].nan_to_num(-1.0))
        for name, value in state.items()
    )


@each(FAMILY)
def test_no_state_is_the_initial_state(method, rng):
    losses, rows = course(rng)
    one, other = (
        step(method, losses[0], rows[0], state, generators())
        for state in (None, method.init(N_MEMBERS, N_TASKS))
    )
    assert torch.equal(one[0], other[0])
    assert same_states(one[1], other[1])


BY_STEP = (UW, FAMO, GradNorm, MinMax, ReLoBRaLo)


@each([method for method in LEARNING if isinstance(method, BY_STEP)])
def test_history_matters(method, rng):
    losses, rows = course(rng)
    _, state = run(method, losses, rows)
    assert not torch.allclose(
        step(method, losses[0], rows[0], state, None)[0],
        step(method, losses[0], rows[0], None, None)[0],
    )


# ---------------------------------------------------------------------- members
@each(FAMILY)
def test_members_together_are_members_one_by_one(method, rng):
    losses, rows = course(rng)
    together, state = run(method, losses, rows, draw=generators())
    for e in range(N_MEMBERS):
        alone, own = run(
            method, losses[:, e : e + 1], rows[:, e : e + 1], draw=generators(1, first=e)
        )
        assert torch.allclose(together[:, e], alone[:, 0], rtol=1e-9)
        assert same_states({name: value[e : e + 1] for name, value in state.items()}, own)


@each(FAMILY)
def test_members_that_change_lanes_go_on_as_before_and_a_fresh_lane_starts_anew(method, rng):
    losses, rows = course(rng)
    lanes = torch.tensor([2, 0])
    weights, state = run(method, losses, rows)
    expected, _ = run(method, losses, rows, state=state)
    moved = {name: value[lanes] for name, value in state.items()}
    got, _ = run(method, losses[:, lanes], rows[:, lanes], state=moved)
    assert torch.allclose(got, expected[:, lanes], rtol=1e-9)
    for name, value in method.init(1, N_TASKS).items():
        state[name][1:2] = value
    got, _ = run(method, losses, rows, state=state)
    assert torch.allclose(got[:, 1], weights[:, 1], rtol=1e-9)


@each(FAMILY)
def test_leading_axes_are_members(method, rng):
    losses, rows = course(rng, n_members=6)
    state = run(method, losses, rows)[1]
    flat, _ = step(method, losses[0], rows[0], state, generators(6))
    shaped, _ = step(
        method,
        losses[0].reshape(2, 3, -1),
        rows[0].reshape(2, 3, N_TASKS, -1),
        state,
        generators(6),
    )
    assert torch.equal(shaped, flat.reshape(2, 3, -1))


@each(FAMILY)
def test_weights_are_float64_whatever_the_losses_are(method, rng):
    losses, rows = course(rng)
    exact, _ = step(method, losses[0], rows[0], None, generators())
    rough, _ = step(method, losses[0].float(), rows[0], None, generators())
    assert rough.dtype == torch.float64
    assert torch.allclose(rough, exact, rtol=1e-5)


# ---------------------------------------------------------------------- tasks
@each(FAMILY)
def test_the_order_of_the_tasks_does_not_matter(method, rng):
    losses, rows = course(rng)
    order = torch.tensor([2, 0, 3, 1])
    weights, state = run(method, losses, rows)
    permuted, other = run(method, losses[..., order], rows[:, :, order])
    assert torch.allclose(permuted, weights[..., order], rtol=1e-9)
    assert same_states(
        {name: value if value.ndim == 1 else value[:, order] for name, value in state.items()},
        other,
    )


@each(FAMILY)
def test_an_absent_task_changes_nothing_for_the_others(method, rng):
    losses, rows = course(rng)
    present, here = torch.ones(N_MEMBERS, N_TASKS, dtype=torch.bool), torch.tensor([0, 2, 3])
    present[:, 1] = False
    losses[..., 1] = torch.nan
    state, smaller = None, None
    for values, gradients in zip(losses, rows, strict=True):
        weights, state = step(method, values, gradients, state, None, present)
        expected, smaller = step(method, values[:, here], gradients[:, here], smaller, None)
        assert torch.allclose(weights[:, here], expected, rtol=1e-9)
        assert (weights[:, 1] == 0).all()
    assert same_states(
        {name: value if value.ndim == 1 else value[:, here] for name, value in state.items()},
        smaller,
    )


@each(FAMILY)
def test_an_absent_task_keeps_its_state(method, rng):
    losses, rows = course(rng)
    _, state = run(method, losses, rows)
    present = torch.ones(N_MEMBERS, N_TASKS, dtype=torch.bool)
    present[1, 2] = False
    _, new = step(method, losses[0], rows[0], state, None, present)
    for name, value in new.items():
        assert value.ndim == 1 or torch.equal(
            value[1, 2].nan_to_num(-1.0), state[name][1, 2].nan_to_num(-1.0)
        )


@each(FAMILY)
def test_a_batch_without_any_task_has_no_weights(method, rng):
    losses, rows = course(rng)
    weights, _ = step(
        method, losses[0], rows[0], None, None, torch.zeros(N_MEMBERS, N_TASKS, dtype=torch.bool)
    )
    assert torch.equal(weights, torch.zeros_like(weights))


@each(FAMILY)
def test_a_single_task_gets_a_positive_weight(method, rng):
    losses, rows = course(rng, n_tasks=1)
    weights, _ = run(method, losses, rows, draw=generators())
    assert (weights > 0).all()


# ---------------------------------------------------------------------- losses that training
# produces
HARD = {
    "one zero": [0.0, 1.0, 2.0, 3.0],
    "all zero": [0.0, 0.0, 0.0, 0.0],
    "tiny": [1e-12, 2e-12, 1e-12, 3e-12],
    "huge": [1e12, 2e12, 1e12, 3e12],
    "one tiny": [1e-12, 1.0, 2.0, 1.0],
    "one huge": [1.0, 1e12, 2.0, 1.0],
    "far apart": [1e-12, 1e12, 1.0, 0.0],
    "float32's smallest": [1e-45, 1.0, 2.0, 1.0],
}


@each(FAMILY)
@pytest.mark.parametrize("name", HARD)
def test_weights_and_states_stay_finite_for(method, name, rng):
    losses, rows = course(rng)
    _, state = run(method, losses, rows)
    hard = tensor(HARD[name]).expand(N_MEMBERS, -1)
    for values in (hard, losses[0], hard.flip(-1), hard, losses[1]):
        weights, state = step(method, values, rows[0], state, generators())
        assert weights.isfinite().all()
        assert (weights >= 0).all()
        assert (weights.sum(-1) > 0).all() or (values == 0).all()
    assert all(value.isfinite().all() for value in state.values())


@each(FAMILY)
@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_a_member_that_diverged_gets_nan_keeps_its_state_and_disturbs_no_other(method, broken, rng):
    losses, rows = course(rng)
    _, state = run(method, losses, rows)
    whole, after = step(method, losses[0], rows[0], state, generators())
    losses[0, 1, 2] = broken
    weights, new = step(method, losses[0], rows[0], state, generators())
    others = torch.tensor([0, 2])
    assert weights[1].isnan().all()
    assert torch.equal(weights[others], whole[others])
    assert same_states(
        {name: value[1] for name, value in new.items()},
        {name: value[1] for name, value in state.items()},
    )
    assert same_states(
        {name: value[others] for name, value in new.items()},
        {name: value[others] for name, value in after.items()},
    )


@each([FAMO(), GradNorm(), ShapleyWeighted(UW(learning_rate=0.1))])
def test_a_signal_that_is_not_finite_leaves_its_networks_state_alone(method, rng):
    losses, _ = course(rng)
    signals = {
        name: torch.ones(N_MEMBERS, N_TASKS, dtype=torch.float64)
        for name in ("losses_after", "gradient_norms")
    }
    signals["gramian"] = torch.eye(N_TASKS, dtype=torch.float64).repeat(N_MEMBERS, 1, 1)
    for signal in signals.values():
        signal[0, 0] = torch.nan
    new = advance(method, losses[0], **signals)
    assert same_states({name: value[:1] for name, value in new.items()}, method.init(1, N_TASKS))
    assert not same_states(
        {name: value[1:] for name, value in new.items()}, method.init(2, N_TASKS)
    )


# ---------------------------------------------------------------------- scale
@each(INVERSE)
def test_a_loss_in_another_unit_gets_the_inverse_weight(method, rng):
    losses, rows = course(rng)
    units = tensor([1e-6, 1.0, 10.0, 1e6])
    assert torch.allclose(
        run(method, losses * units, rows)[0], run(method, losses, rows)[0] / units, rtol=1e-9
    )


@each(INDIFFERENT)
def test_a_loss_in_another_unit_gets_the_same_weight(method, rng):
    losses, rows = course(rng)
    units = tensor([1e-6, 1.0, 10.0, 1e6])
    assert torch.allclose(
        run(method, losses * units, rows)[0], run(method, losses, rows)[0], rtol=1e-9
    )


@each(COMMONLY_INDIFFERENT)
@pytest.mark.parametrize("scale", [2.0**-27, 2.0**27])
def test_all_losses_in_another_unit_get_the_same_weights(method, scale, rng):
    losses, rows = course(rng)
    states, weights = [None, None], [None, None]
    for values, gradients in zip(losses, rows, strict=True):
        for i, factor in enumerate((1.0, scale)):
            weights[i], states[i] = after_a_step(
                method,
                factor * values,
                states[i],
                losses_after=factor * values * torch.linspace(0.8, 0.9, N_TASKS),
                gradient_norms=factor * gradients.norm(dim=-1),
            )
        assert torch.allclose(*weights, rtol=1e-9)


# ---------------------------------------------------------------------- refusals
@each([method for method in FAMILY if not isinstance(method, RLW)])
def test_asked_for_weights_by_a_gramian_it_names_its_kind_and_what_to_use(method):
    for call in (method.weights, method.aggregate):
        with pytest.raises(
            TypeError,
            match=rf"{type(method).__name__} is a loss weighting.*Call "
            r"step.*aggregator=.*UPGrad",
        ):
            call(torch.eye(2))


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        (FAMO(), "losses_after"),
        (GradNorm(), "gradient_norms"),
        (ShapleyWeighted("rlw"), "gramian"),
        (SI(), "losses"),
    ],
    ids=repr,
)
def test_a_missing_signal_is_named(method, missing):
    signals = Signals() if missing == "losses" else Signals(losses=torch.ones(1, 2))
    with pytest.raises(ValueError, match=f"There is no signal '{missing}' here. Given: "):
        method.after_step(signals, method.step(signals, method.init(1, 2))[1])


def test_an_unknown_signal_is_refused():
    with pytest.raises(TypeError, match="Signals has no loss. There are losses, present, gramian"):
        Signals(loss=torch.ones(1, 2))


def test_a_negative_loss_is_refused_where_logarithms_or_ratios_are_taken():
    for method in (SI(), GLS(), DWA(), GradNorm(), STCH(), ReLoBRaLo(), IGB()):
        with pytest.raises(
            ValueError,
            match=rf"{type(method).__name__} needs losses of at least 0. Got -1 for the task at "
            r"position 1",
        ):
            loss_weights(method, tensor([1.0, -1.0]))
    for method in (RLW(), UW(), STCH(form="raw"), MinMax()):
        assert loss_weights(method, tensor([1.0, -1.0])).isfinite().all()


def test_a_state_or_mask_of_another_shape_is_refused():
    with pytest.raises(
        ValueError,
        match=r"state of UW must be of 1 networks and 2 tasks, like the losses. Got 'value' of "
        r"shape \(2, 2\)",
    ):
        loss_weights(UW(), torch.ones(2), UW().init(2, 2))
    with pytest.raises(
        ValueError, match=r"present must have the shape of the losses, \(2,\). Got \(3,\)"
    ):
        loss_weights(SI(), torch.ones(2), present=torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="SI needs losses of shape"):
        loss_weights(SI(), torch.tensor(1.0))
