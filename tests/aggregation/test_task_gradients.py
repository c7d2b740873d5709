"""TaskGradients: gradients at the representation, weights kept for several steps, clipping."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skmtl import MultiTaskRegressor
from skmtl.aggregation import PIVRG, GradDrop, GradVac, PCGrad, SVFair, TaskGradients, UPGrad
from skmtl.aggregation.task_gradients import GRADIENT_METHODS
from skmtl.base import Aggregator, Signals, TrunkStep
from skmtl.network import Architecture, FleetData, Member, StackedNetwork, Training, train_fleet
from tests.aggregation.conftest import gaussian, gramian


class Spied(UPGrad):
    """UPGrad that keeps what it was shown."""

    def __init__(self):
        self.shown = []

    def step(self, signals, state):
        self.shown.append(signals.gramian.clone())
        return super().step(signals, state)


def problem(rng, hidden=(6, 5), heads=(), task_rows=None, **settings):
    x = rng.normal(size=(32, 3))
    y = (
        np.column_stack([x[:, 0], x[:, 1] - x[:, 0], rng.normal(size=32)])
        if task_rows is None
        else x[:, 0] - x[:, 1]
    )
    rows = [np.arange(32)] if task_rows is None else task_rows
    members = [Member(rows, seed=k, order_seed=k, learning_rate=0.02) for k in range(2)]
    options = dict(solver="sgd", batch_size=8, max_iter=3, dtype="float64", record=True) | settings
    return Architecture(3, hidden, heads, 1, "tanh"), FleetData(x, y), members, Training(**options)


def assert_same(ours, others):
    for own, other in zip(ours, others, strict=True):
        for a, b in zip(own.parameters, other.parameters, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


# ---------------------------------------------------------------------- as a plain method
@pytest.mark.parametrize("name", sorted(GRADIENT_METHODS))
def test_weights_direction_state_and_diagnostics_are_the_methods(name, rng):
    ours, method, jacobian = (
        TaskGradients(name),
        GRADIENT_METHODS[name](),
        torch.stack([gaussian(rng), gaussian(rng)]),
    )
    matrix = gramian(jacobian)
    assert torch.equal(ours.weights(matrix), method.weights(matrix))
    assert torch.equal(ours.aggregate(jacobian), method.aggregate(jacobian))
    assert (ours.needs_baselines, ours.trunk_step) == (method.needs_baselines, method.trunk_step)
    first, second = (
        of.step(
            Signals(
                gramian=matrix,
                scores=torch.zeros(2, 5),
                generators=[torch.Generator().manual_seed(k) for k in range(2)],
            ),
            of.init(2, 5),
        )
        for of in (ours, method)
    )
    assert torch.equal(first[0], second[0])
    assert all(torch.equal(first[1][key], second[1][key]) for key in second[1])
    assert all(
        torch.equal(ours.diagnostics(matrix)[key], value)
        for key, value in method.diagnostics(matrix).items()
    )


def test_scores_and_generators_are_passed_on(rng):
    matrix, scores = gramian(gaussian(rng)), torch.linspace(0, 60, 5)
    assert torch.equal(
        TaskGradients("pivrg").weights(matrix, scores=scores),
        PIVRG().weights(matrix, scores=scores),
    )
    draws = [
        TaskGradients("pcgrad").weights(matrix, generator=torch.Generator().manual_seed(1)),
        PCGrad().weights(matrix, generator=torch.Generator().manual_seed(1)),
    ]
    assert torch.equal(*draws)


def test_by_default_nothing_is_changed(rng):
    arguments = problem(rng)
    assert_same(
        train_fleet(*arguments, aggregator=TaskGradients(SVFair(tau=0.1))),
        train_fleet(*arguments, aggregator=SVFair(tau=0.1)),
    )


def test_parameters_of_the_method_can_be_set_through_it():
    ours = clone(TaskGradients(SVFair(), every=2)).set_params(method__tau=0.3, every=5)
    assert (ours.method.tau, ours.every) == (0.3, 5)


# ---------------------------------------------------------------------- every
@pytest.mark.parametrize("every", [1, 2, 3, 5, 100])
def test_weights_are_asked_for_every_so_many_steps(rng, every):
    spied = Spied()
    train_fleet(*problem(rng), aggregator=TaskGradients(spied, every=every))  # 3 epochs of 4 steps
    assert len(spied.shown) == -(-12 // every)


@pytest.mark.parametrize("at", ["parameters", "representation"])
def test_weights_that_never_change_may_be_kept_for_any_number_of_steps(rng, at):
    class Fixed(Aggregator):
        kind = "gradient_weights"
        trunk_step = TrunkStep(max_norm=0.3, head_gradient="weighted", times_tasks=True)

        def step(self, signals, state):
            weights = torch.tensor([0.2, 0.5, 1.5], dtype=torch.float64)
            return weights.expand(signals.gramian.shape[:-1]), state

    arguments = problem(rng)
    once, always = (
        train_fleet(*arguments, aggregator=TaskGradients(Fixed(), every=every, at=at))
        for every in (100, 1)
    )
    assert_same(once, always)
    np.testing.assert_allclose(once[0].aggregation_weights, np.tile([0.2, 0.5, 1.5], (3, 1)))


# ---------------------------------------------------------------------- at
@pytest.mark.parametrize("heads", [(), (4,)], ids=["linear heads", "deep heads"])
def test_at_the_representation_the_gradients_are_those_of_the_trunks_outputs(rng, heads):
    # Of the first step of a full batch, by autograd; the trunk then follows the weighted sum of the
    # losses.
    architecture, data, members, training = problem(rng, heads=heads, batch_size=None, max_iter=1)
    spied = Spied()
    ours = train_fleet(
        architecture, data, members, training, aggregator=TaskGradients(spied, at="representation")
    )
    x, y = torch.tensor(data.X), torch.tensor(data.y)
    for member, own, shown in zip(members, ours, spied.shown[0], strict=True):
        parts = [
            torch.tensor(part, requires_grad=True)
            for part in architecture.initial_parameters(member.seed, 3)
        ]
        z = x
        for weight, bias in zip(parts[:4:2], parts[1:4:2], strict=True):
            z = torch.tanh(z @ weight.mT + bias.mT)
        losses = []
        for t in range(3):
            seen = z
            layers = list(zip(parts[4::2], parts[5::2], strict=True))
            for weight, bias in layers[:-1]:
                seen = torch.tanh(seen @ weight[t].mT + bias[t].mT)
            losses.append(
                ((seen @ layers[-1][0][t].mT + layers[-1][1][t].mT)[:, 0] - y[:, t]).square().mean()
            )
        rows = torch.stack(
            [torch.autograd.grad(loss, z, retain_graph=True)[0].flatten() for loss in losses]
        )
        torch.testing.assert_close(shown, rows @ rows.T, rtol=1e-9, atol=1e-12)
        weights = UPGrad().weights(rows @ rows.T)
        gradients = torch.autograd.grad(
            sum(w * loss for w, loss in zip(weights, losses, strict=True)), parts[:4]
        )
        for after, start, gradient in zip(own.parameters, parts, gradients, strict=False):
            np.testing.assert_allclose(
                after, (start - 0.02 * 1.9 * gradient).detach(), rtol=1e-9, atol=1e-10
            )  # Nesterov's first step is 1 + 0.9


def test_a_network_whose_trunk_is_one_linear_layer_of_one_row_weighs_alike_at_both(rng):
    # g_i = x' (dL_i / dz), so that all inner products are those at the representation times |x|^2 +
    # 1.
    x, y = rng.normal(size=(1, 3)), rng.normal(size=(1, 3))
    arguments = (
        Architecture(3, (4,), (), 1, "identity"),
        FleetData(x, y),
        [Member([np.arange(1)], learning_rate=0.01)],
    )
    training = Training(solver="sgd", batch_size=None, max_iter=3, dtype="float64")
    assert_same(
        *(
            train_fleet(*arguments, training, aggregator=TaskGradients("upgrad", at=at))
            for at in ("parameters", "representation")
        )
    )


def test_the_representation_is_refused_where_tasks_have_rows_of_their_own(rng):
    arguments = problem(rng, task_rows=[np.arange(16), np.arange(16, 32)])
    with pytest.raises(
        ValueError,
        match=r"at='representation'.*uses gradients at the representation.*share rows .*Set "
        r"at=\"parameters\"",
    ):
        train_fleet(*arguments, aggregator=TaskGradients("upgrad", at="representation"))


def test_an_estimator_refuses_the_representation_in_long_form_and_takes_every(rng):
    X = np.column_stack([rng.normal(size=(40, 2)), np.arange(40) % 3])
    model = MultiTaskRegressor(
        aggregator=TaskGradients("upgrad", at="representation"),
        task_column=2,
        max_iter=2,
        n_members=1,
    )
    with pytest.raises(ValueError, match="which requires that tasks share rows"):
        model.fit(X, X[:, 0])
    assert model.set_params(aggregator__at="parameters", aggregator__every=3).fit(
        X, X[:, 0]
    ).aggregation_weights_.shape == (2, 3)


# ---------------------------------------------------------------------- length and heads
def test_the_length_is_the_methods_or_that_which_is_set(rng):
    assert TaskGradients("svfair").trunk_step == TrunkStep(max_norm=1.0, times_tasks=True)
    assert TaskGradients("svfair", max_norm=None).trunk_step == TrunkStep(
        max_norm=None, times_tasks=True
    )
    assert TaskGradients("svfair", max_norm=2).trunk_step.max_norm == 2.0
    assert TaskGradients(SVFair(head_gradient="weighted")).trunk_step.head_gradient == "weighted"
    assert (
        TaskGradients(
            SVFair(head_gradient="weighted"), head_gradient="own"
        ).trunk_step.head_gradient
        == "own"
    )
    arguments = problem(rng, batch_size=None, max_iter=1)
    for max_norm in (1e-3, 1e-2):
        ours = train_fleet(*arguments, aggregator=TaskGradients("upgrad", max_norm=max_norm))
        for member, own in zip(arguments[2], ours, strict=True):
            start = arguments[0].initial_parameters(member.seed, 3)
            moved = np.concatenate(
                [(a - b).ravel() for a, b in zip(own.parameters[:4], start[:4], strict=True)]
            )
            np.testing.assert_allclose(np.linalg.norm(moved), 0.02 * 1.9 * max_norm, rtol=1e-9)


def test_a_gradient_that_is_short_enough_is_not_clipped(rng):
    arguments = problem(rng)
    assert_same(
        *(
            train_fleet(*arguments, aggregator=TaskGradients("upgrad", max_norm=max_norm))
            for max_norm in (1e6, None)
        )
    )


def test_weighted_heads_move_by_the_weight_of_their_task(rng):
    arguments = problem(rng, batch_size=None, max_iter=1)
    own, weighted = (
        train_fleet(*arguments, aggregator=TaskGradients("mgda", head_gradient=heads))
        for heads in ("own", "weighted")
    )
    for member, first, second in zip(arguments[2], own, weighted, strict=True):
        start = arguments[0].initial_parameters(member.seed, 3)
        for a, b, s in zip(first.parameters[4:], second.parameters[4:], start[4:], strict=True):
            scale = first.aggregation_weights[0].reshape(-1, *[1] * (s.ndim - 1))
            np.testing.assert_allclose(b - s, (a - s) * scale, rtol=1e-7, atol=1e-12)


def test_clipping_is_network_by_network_and_leaves_zero_gradients_alone():
    architecture = Architecture(2, (3,), (), 1)
    parameters = [
        torch.zeros(3, *shape, dtype=torch.float64) for shape in architecture.member_shapes(2)
    ]
    network = StackedNetwork(architecture, parameters, shared_rows=True)
    for part in network.gradients:
        part.copy_(torch.tensor([0.0, 1e-3, 5.0]).view(-1, *[1] * (part.ndim - 1)).expand_as(part))
    heads = [part.clone() for part in network.gradients[2:]]
    network.clip_trunk_gradient(1.0, scale=2.0)
    length = torch.cat([part.flatten(1) for part in network.gradients[:2]], 1).norm(dim=1)
    torch.testing.assert_close(
        length, torch.tensor([0.0, 6e-3, 1.0], dtype=torch.float64)
    )  # nine entries of 1e-3, doubled
    assert all(torch.equal(a, b) for a, b in zip(heads, network.gradients[2:], strict=True))


# ---------------------------------------------------------------------- bad parameters
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"at": "trunk"},
            r"The 'at' parameter of TaskGradients must be one of \('parameters', "
            r"'representation'\). Got 'trunk' instead",
        ),
        (
            {"every": 0},
            "The 'every' parameter of TaskGradients must be a whole number of at least 1. Got 0 "
            "instead",
        ),
        ({"every": 1.5}, "'every' parameter .* Got 1.5"),
        (
            {"max_norm": 0.0},
            "'max_norm' parameter of TaskGradients must be a finite number greater than 0. Got 0.0",
        ),
        ({"max_norm": "none"}, "'max_norm' parameter of TaskGradients .* Got 'none'"),
        (
            {"head_gradient": "mean"},
            "'head_gradient' parameter of TaskGradients must be one of .*'own', 'weighted', "
            "'method'.* Got 'mean'",
        ),
        (
            {"method": "graddrop"},
            "'method' parameter of TaskGradients must be one of mgda, .*or a gradient weighting "
            "such as UPGrad.* Got 'graddrop'",
        ),
        ({"method": "mean"}, "'method' parameter of TaskGradients .* Got 'mean'"),
        ({"method": GradDrop()}, r"'method' parameter of TaskGradients .* Got GradDrop\(\)"),
        ({"method": TaskGradients("upgrad")}, "'method' parameter of TaskGradients"),
        ({"method": GradVac}, "'method' parameter of TaskGradients"),
    ],
    ids=str,
)
@pytest.mark.parametrize("n_tasks", [1, 2])
def test_bad_parameters_are_named_by_fit(rng, options, message, n_tasks):
    X, Y = rng.normal(size=(30, 2)), rng.normal(size=(30, n_tasks))
    aggregator = TaskGradients(**({"method": "upgrad"} | options))
    with pytest.raises(ValueError, match=message):
        MultiTaskRegressor(aggregator=aggregator, max_iter=1, n_members=1).fit(X, Y)
