"""Every kind of aggregator in the training loop, held against one network in plain PyTorch that
finds losses, Jacobians and states itself.
"""

from __future__ import annotations

import random as python_random
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from skmtl.aggregation import (
    AGGREGATORS,
    DWA,
    FAMO,
    GLS,
    IGB,
    MGDA,
    PIVRG,
    RLW,
    SI,
    STCH,
    UW,
    GradDrop,
    GradNorm,
    GradVac,
    MinMax,
    PCGrad,
    ReLoBRaLo,
    ShapleyWeighted,
    SVFair,
    TaskGradients,
    UPGrad,
)
from skmtl.base import Aggregator, FairnessTerm, Signals
from skmtl.network import Architecture, FleetData, Member, Training, train_fleet
from skmtl.network.batches import BatchStream, DeviceData, batch_shape, build_table

CLOSE = dict(rtol=1e-8, atol=1e-9)
LAYOUTS = pytest.mark.parametrize("layout", ["wide", "long"])
T = 3

LOSSES = [
    FAMO(learning_rate=0.2),
    GradNorm(learning_rate=0.2),
    ReLoBRaLo(alpha=0.5, rho=0.5),
    UW(learning_rate=0.2),
    DWA(),
    IGB(),
    STCH(warmup=1),
    MinMax(step_size=0.3),
    SI(),
    GLS(),
    RLW(),
    ShapleyWeighted("rlw", tau=0.2),
    ShapleyWeighted("dwa", tau=0.2),
    ShapleyWeighted(UW(0.2), tau=0.2),
]
GRADIENTS = [
    UPGrad(),
    MGDA(),
    PCGrad(),
    GradVac(),
    PIVRG(),
    SVFair(tau=0.2, max_norm=None),
    SVFair(tau=0.2, max_norm=0.3, head_gradient="weighted"),
    TaskGradients("svfair", every=3),
    TaskGradients(GradVac(), every=2, max_norm=0.2, head_gradient="weighted"),
    GradDrop(leak=0.2),
]


def names(aggregators):
    return [f"{k}-{str(aggregator).split('(')[0]}" for k, aggregator in enumerate(aggregators)]


class PlainNetwork:
    """One member trained with squared errors and SGD; losses, Jacobians and what an aggregator
    remembers are written out.
    """

    def __init__(self, fleet, member, aggregator, plain_scores):
        self.architecture, self.data, self.member, self.aggregator, self.plain_scores = (
            fleet.architecture,
            fleet.data,
            member,
            aggregator,
            plain_scores,
        )
        self.n_tasks = fleet.data.y.shape[1] if fleet.data.shared_rows else len(member.train)
        self.parameters = [
            torch.tensor(np.array(part), requires_grad=True)
            for part in fleet.architecture.initial_parameters(member.seed, self.n_tasks)
        ]
        self.split = 2 * len(fleet.architecture.hidden)
        self.optimiser = torch.optim.SGD(
            self.parameters, lr=member.learning_rate, momentum=0.9, nesterov=True
        )
        self.state = aggregator.init(1, self.n_tasks)
        self.generator = torch.Generator().manual_seed(member.order_seed)
        given = (
            torch.ones(self.n_tasks)
            if member.task_weights is None
            else torch.as_tensor(member.task_weights)
        )
        self.importance = given.double() / given.double().mean()
        self.weights, self.age, self.curve = (
            torch.full((self.n_tasks,), torch.nan, dtype=torch.float64),
            0,
            [],
        )
        self.held = self.weights.clone()

    def train(self, training, n_iter):
        data = DeviceData(self.data, torch.float64, torch.device("cpu"))
        n_steps, n_rows = batch_shape(self.member.train, training.batch_size)
        table, stream = (
            build_table(data, [self.member.train], n_steps * n_rows),
            BatchStream(data, n_steps),
        )
        for epoch in range(n_iter):
            self.noted, self.seen = [], []
            for batch in stream.batches(table, [(self.member.order_seed, epoch)]):
                x = batch.x[0].T.clone()
                self.rows = [
                    x if self.data.shared_rows else x[t * n_rows : (t + 1) * n_rows]
                    for t in range(self.n_tasks)
                ]
                self.labels, self.shares = batch.labels[0], batch.weights[0].sum(1)
                self.cells = batch.weights[0]
                self.present = (self.shares > 0) & (self.importance > 0)
                (
                    self.step_by_losses
                    if self.aggregator.kind == "loss_weights"
                    else self.step_by_gradients
                )()
                self.noted.append(torch.where(self.present, self.weights, torch.nan).numpy())
            if self.aggregator.kind == "loss_weights":
                sums, shares = (torch.stack(part).sum(0) for part in zip(*self.seen, strict=True))
                means = torch.where(shares > 0, sums / shares, 0.0)
                known = Signals(losses=means[None], present=(shares > 0)[None])
                self.state = self.aggregator.end_epoch(known, self.state)
            noted = np.array(self.noted)
            labeled = ~np.isnan(noted)
            self.curve.append(
                np.where(
                    labeled.any(0),
                    np.where(labeled, noted, 0).sum(0) / labeled.sum(0).clip(1),
                    np.nan,
                )
            )
        return [part.detach().numpy() for part in self.parameters]

    def sums(self):
        scores = torch.stack(
            [
                self.plain_scores(self.architecture, self.parameters, self.rows[t], t)[:, 0]
                for t in range(self.n_tasks)
            ]
        )
        return ((scores - self.labels).square() * self.cells).sum(1) * self.importance

    def means(self, sums):
        return torch.where(self.present, sums.detach() / self.shares.clamp(min=1e-300), 0.0)

    def jacobian(self, sums):
        rows = [
            torch.autograd.grad(one, self.parameters[: self.split], retain_graph=True)
            for one in sums
        ]
        return torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])

    def step_by_losses(self):
        sums = self.sums()
        losses, rows = self.means(sums), self.jacobian(sums)
        known = dict(losses=losses[None], present=self.present[None])
        weights, self.state = self.aggregator.step(
            Signals(
                generators=[self.generator],
                gramian=(rows @ rows.T)[None],
                gradient_norms=rows.norm(dim=1)[None],
                **known,
            ),
            self.state,
        )
        self.weights = weights[0]
        self.apply(torch.autograd.grad((self.weights * sums).sum(), self.parameters))
        shares = torch.where(self.present, self.shares, 0.0)
        self.seen.append((losses * shares, shares))
        after = Signals(losses_after=self.means(self.sums())[None], **known)
        self.state = self.aggregator.after_step(after, self.state)

    def step_by_gradients(self):
        sums = self.sums()
        rows, here = self.jacobian(sums), torch.nonzero(self.present)[:, 0]
        heads = [
            part.clone()
            for part in torch.autograd.grad(
                sums.sum(), self.parameters[self.split :], retain_graph=True
            )
        ]
        use, every = self.aggregator.trunk_step, getattr(self.aggregator, "every", 1)
        due, direction = self.age % every == 0, None
        method = self.aggregator
        if isinstance(method, TaskGradients):
            own = method.method
            method = AGGREGATORS[own]() if isinstance(own, str) else own
        self.age += 1
        if due and len(here):
            own = {
                name: self.state[name][np.ix_([0], *[here] * (self.state[name].ndim - 1))]
                for name in method.init(1, self.n_tasks)
            }
            shown = rows[here]
            result, new = method.step(
                Signals(
                    generators=[self.generator],
                    jacobian=shown[None],
                    gramian=(shown @ shown.T)[None],
                    scores=torch.zeros_like(shown[None, :, 0]),
                    tasks=here.numpy(),
                ),
                own,
            )
            for name, value in new.items():
                self.state[name][np.ix_([0], *[here] * (value.ndim - 1))] = value
            if method.kind == "gradient_weights":
                self.held[here] = result[0]
            else:
                direction = result[0]
        if direction is None:
            known = self.held[~self.held.isnan()]
            self.weights = self.held.nan_to_num(known.mean().item() if len(known) else 0.0)
            direction = self.weights @ rows
        scale = self.n_tasks if use.times_tasks else 1
        direction = scale * direction
        if use.max_norm is not None and direction.norm() > use.max_norm:
            direction = direction * use.max_norm / direction.norm()
        if use.head_gradient == "weighted":
            heads = [
                part * (scale * self.weights).view(-1, *[1] * (part.ndim - 1)) for part in heads
            ]
        pieces = direction.split([part.numel() for part in self.parameters[: self.split]])
        self.apply(
            [
                *(
                    piece.view_as(part)
                    for piece, part in zip(pieces, self.parameters, strict=False)
                ),
                *heads,
            ]
        )
        if self.aggregator.kind == "direction":
            self.weights = torch.full((self.n_tasks,), torch.nan, dtype=torch.float64)

    def apply(self, gradients):
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient.detach()
        self.optimiser.step()


def steered_fleet(random_fleet, layout, n_members=2, *, rare=False, **settings):
    """SGD members with task weights and no penalty; ``rare`` leaves the last of the tasks one label
    in every member's rows.
    """
    options = dict(solver="sgd", max_iter=3, learning_rate=(0.003, 0.01), record=True) | settings
    fleet = random_fleet(layout, "squared_error", n_members, n_tasks=T, **options)
    fleet.members = [replace(member, alpha=0.0) for member in fleet.members]
    if rare:
        y = fleet.data.y.copy()
        y[:, -1] = np.nan
        for member in fleet.members:
            y[member.train[0][0], -1] = 1.0
        fleet.data = replace(fleet.data, y=y)
    return fleet


def train(fleet, aggregator, members=None, **options):
    return train_fleet(
        fleet.architecture,
        fleet.data,
        members or fleet.members,
        fleet.training,
        aggregator=aggregator,
        **options,
    )


def assert_same(ours, others):
    for own, other in zip(ours, others, strict=True):
        for a, b in zip(own.parameters, other.parameters, strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)
        np.testing.assert_allclose(own.aggregation_weights, other.aggregation_weights, **CLOSE)


# ---------------------------------------------------------------------- against autograd
@pytest.mark.parametrize("layout", ["wide", "rare", "long"])
@pytest.mark.parametrize("aggregator", [*LOSSES, *GRADIENTS], ids=names([*LOSSES, *GRADIENTS]))
def test_training_equals_a_plain_loop_with_autograd(random_fleet, plain_scores, layout, aggregator):
    fleet = steered_fleet(
        random_fleet, "long" if layout == "long" else "wide", rare=layout == "rare"
    )
    before = repr(aggregator.__dict__)
    for member, own in zip(fleet.members, train(fleet, aggregator), strict=True):
        reference = PlainNetwork(fleet, member, aggregator, plain_scores)
        for a, b in zip(own.parameters, reference.train(fleet.training, 3), strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)
        np.testing.assert_allclose(own.aggregation_weights, reference.curve, **CLOSE)
    assert repr(aggregator.__dict__) == before


def test_shapley_weighting_and_gradient_norms_leave_terms_out_but_training_follows_them(
    random_fleet,
):
    # A term on the scores turns every parameter, while the Gramian of the first step is that
    # without it.
    class Push(FairnessTerm):
        def values(self, scores, labels, weights, groups):
            return scores.sum((1, 2, 3)), 2 * scores.sum((1, 2, 3))

    class Keep(Aggregator):
        def __init__(self):
            self.seen = []

        def step(self, signals, state):
            self.seen.append(signals.gramian)
            return torch.ones_like(signals.losses), state

    fleet = steered_fleet(random_fleet, "wide", max_iter=1)
    plain, pushed = Keep(), Keep()
    first, second = train(fleet, plain), train(fleet, pushed, terms=[Push()])
    torch.testing.assert_close(plain.seen[0], pushed.seen[0], rtol=1e-12, atol=0)
    assert not any(
        np.array_equal(a, b) for a, b in zip(first[0].parameters, second[0].parameters, strict=True)
    )


@LAYOUTS
def test_row_t_of_the_jacobian_holds_the_trunk_part_of_a_term_and_heads_follow_their_own(
    random_fleet, plain_scores, layout
):
    # The term is a sum over tasks, so that row t is the gradient of task t's loss and of its part
    # of the term.
    class Pull(FairnessTerm):
        def values(self, scores, labels, weights, groups):
            return (scores.square().sum(2) * weights).sum((1, 2)), 3 * (
                (scores**4).sum(2) * weights
            ).sum((1, 2))

    fleet = steered_fleet(random_fleet, layout, max_iter=2)
    fleet.members = [replace(member, task_weights=None) for member in fleet.members]

    class WithTerm(PlainNetwork):
        def step_by_gradients(self):
            scores = torch.stack(
                [
                    self.plain_scores(self.architecture, self.parameters, self.rows[t], t)[:, 0]
                    for t in range(T)
                ]
            )
            losses = ((scores - self.labels).square() * self.cells).sum(1)
            rows = self.jacobian(losses + (scores.square() * self.cells).sum(1))
            heads = torch.autograd.grad(
                (losses + 3 * (scores**4 * self.cells).sum(1)).sum(), self.parameters[self.split :]
            )
            self.weights = self.aggregator.weights((rows @ rows.T)[None])[0]
            pieces = (self.weights @ rows).split(
                [part.numel() for part in self.parameters[: self.split]]
            )
            self.apply(
                [
                    *(
                        piece.view_as(part)
                        for piece, part in zip(pieces, self.parameters, strict=False)
                    ),
                    *heads,
                ]
            )

    for member, own in zip(fleet.members, train(fleet, UPGrad(), terms=[Pull()]), strict=True):
        for a, b in zip(
            own.parameters,
            WithTerm(fleet, member, UPGrad(), plain_scores).train(fleet.training, 2),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, **CLOSE)


# ---------------------------------------------------------------------- absent tasks
class Spied(MGDA):
    """MGDA that keeps the Gramians it was shown."""

    def __init__(self):
        self.shown = []

    def step(self, signals, state):
        self.shown.append(signals.gramian.clone())
        return super().step(signals, state)


def halves(rng, y):
    """One linear network, 16 rows in one batch a pass, targets (16, T)."""
    data = FleetData(rng.normal(size=(16, 3)), y)
    training = Training(solver="sgd", batch_size=None, max_iter=1, record=True, dtype="float64")
    return (
        Architecture(3, (4,), (), 1, "tanh"),
        data,
        [Member([np.arange(16)], seed=int(rng.integers(1000)), learning_rate=0.1)],
        training,
    )


def test_a_task_without_a_label_in_the_batch_is_left_out_and_is_no_zero_gradient(rng):
    # MGDA gives a zero gradient all the weight, which would stop the trunk.
    y = rng.normal(size=(16, 3))
    y[:, 1] = np.nan
    architecture, data, members, training = halves(rng, y)
    spied = Spied()
    (own,) = train_fleet(architecture, data, members, training, aggregator=spied)
    assert spied.shown[0].shape == (1, 2, 2)
    start = architecture.initial_parameters(members[0].seed, 3)
    assert not np.allclose(own.parameters[0], start[0])
    np.testing.assert_array_equal(np.isnan(own.aggregation_weights), [[False, True, False]])
    np.testing.assert_allclose(np.nansum(own.aggregation_weights), 1.0)
    np.testing.assert_array_equal(own.parameters[2][1], start[2][1])


@pytest.mark.parametrize(
    "aggregator",
    [MGDA(), FAMO(), DWA(), GradNorm(), RLW(), PCGrad(), SVFair()],
    ids=lambda a: type(a).__name__,
)
def test_a_weight_is_missing_only_where_a_task_had_no_label_in_the_pass(rng, aggregator):
    y = rng.normal(size=(48, 3))
    y[1:, 1], y[:, 2] = np.nan, np.nan
    data = FleetData(rng.normal(size=(48, 3)), y)
    training = Training(solver="sgd", batch_size=8, max_iter=4, record=True, dtype="float64")
    members = [
        Member([np.arange(48)], seed=1, learning_rate=0.01),
        Member([np.arange(1, 48)], seed=2, learning_rate=0.01),
    ]
    ours = train_fleet(
        Architecture(3, (4,), (), 1, "tanh"),
        data,
        members,
        training,
        aggregator=aggregator,
        together=True,
    )
    np.testing.assert_array_equal(
        np.isnan(ours[0].aggregation_weights), np.tile([False, False, True], (4, 1))
    )
    np.testing.assert_array_equal(
        np.isnan(ours[1].aggregation_weights), np.tile([False, True, True], (4, 1))
    )


@pytest.mark.parametrize("name", sorted(AGGREGATORS))
def test_a_task_of_weight_zero_is_absent(random_fleet, name):
    # Its head stays where it was, and its labels are of no influence.
    fleet = steered_fleet(random_fleet, "wide", 1, max_iter=2)
    fleet.members = [replace(fleet.members[0], task_weights=np.array([1.0, 0.0, 2.0]))]
    (own,) = train(fleet, AGGREGATORS[name]())
    head = 2 * len(fleet.architecture.hidden)
    start = fleet.architecture.initial_parameters(fleet.members[0].seed, T)
    for part, first in zip(own.parameters[head:], start[head:], strict=True):
        np.testing.assert_array_equal(part[1], first[1])
    y = fleet.data.y.copy()
    y[:, 1] *= 3
    fleet.data = replace(fleet.data, y=y)
    assert_same([own], train(fleet, AGGREGATORS[name]()))


@pytest.mark.parametrize(
    "aggregator",
    [
        UPGrad(),
        MGDA(),
        TaskGradients("upgrad", every=3),
        GradDrop(),
        SI(),
        FAMO(),
        GradNorm(),
        UW(),
        RLW(),
    ],
    ids=str,
)
def test_a_first_batch_in_which_nothing_counts_stops_nobody(rng, aggregator):
    # One row in forty-eight counts: most batches hold no label of a task that has weight, the first
    # ones among them.
    y = rng.normal(size=(48, 2))
    y[1:, 0] = np.nan
    data = FleetData(rng.normal(size=(48, 3)), y)
    training = Training(solver="sgd", batch_size=8, max_iter=3, dtype="float64")
    members = [
        Member(
            [np.arange(48)],
            seed=k,
            order_seed=k,
            learning_rate=0.01,
            task_weights=np.array([1.0, 0.0]),
        )
        for k in range(6)
    ]
    ours = train_fleet(
        Architecture(3, (4,), (), 1, "tanh"), data, members, training, aggregator=aggregator
    )
    assert not any(own.diverged for own in ours)
    if isinstance(aggregator, TaskGradients):
        return  # the row that counts may come in no step that asks for weights
    for own, member in zip(ours, members, strict=True):
        assert not np.allclose(
            own.parameters[0],
            Architecture(3, (4,), (), 1, "tanh").initial_parameters(member.seed, 2)[0],
            rtol=1e-9,
            atol=0,
        )


def test_a_parameter_with_one_entry_for_each_task_holds_where_a_task_is_absent(random_fleet):
    fleet = steered_fleet(random_fleet, "wide", 1, rare=True)
    several, one = (train(fleet, GradDrop(leak=leak)) for leak in ([0.3] * T, 0.3))
    assert_same(several, one)


def test_weights_that_a_plug_in_keeps_are_not_written_to(random_fleet):
    class Constant(Aggregator):
        kind = "gradient_weights"

        def __init__(self, weight):
            self.weight = weight

        def step(self, signals, state):
            return self.weight.expand(signals.gramian.shape[:-1]), state

    fleet = steered_fleet(random_fleet, "wide", 3, rare=True)
    weight = torch.tensor(0.5, dtype=torch.float64)
    train(fleet, Constant(weight))
    assert weight == 0.5


# ---------------------------------------------------------------------- members on their own
EVERYONE = [
    *(kind() for kind in AGGREGATORS.values()),
    ShapleyWeighted("uw"),
    TaskGradients(GradVac(), every=3),
    TaskGradients("pcgrad", at="representation"),
]


@pytest.mark.parametrize("aggregator", EVERYONE, ids=names(EVERYONE))
def test_a_member_depends_on_no_neighbour_and_no_lane(random_fleet, monkeypatch, aggregator):
    fleet = steered_fleet(
        random_fleet,
        "wide",
        3,
        rare=True,
        split=True,
        max_iter=4,
        n_iter_no_change=1,
        solver="adam",
    )
    fleet.members = [
        replace(member, baselines=np.array([0.5, 2.0, 1.0])) for member in fleet.members
    ]
    state, numpy_state, plain_state = (
        torch.get_rng_state(),
        np.random.get_state()[1].copy(),  # noqa: NPY002
        python_random.getstate(),
    )
    before = repr(vars(aggregator)), aggregator.get_params()
    together = train(fleet, aggregator)
    monkeypatch.setattr("skmtl.network.planning.members_that_fit", lambda *_: 2)
    refilled = train(fleet, aggregator)
    alone = [train(fleet, aggregator, [member])[0] for member in fleet.members]
    assert_same(together, alone)
    assert_same(refilled, alone)
    assert (
        [own.n_iter for own in together]
        == [own.n_iter for own in alone]
        == [own.n_iter for own in refilled]
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert python_random.getstate() == plain_state
    assert (repr(vars(aggregator)), aggregator.get_params()) == before


@pytest.mark.parametrize(
    "aggregator", [GradDrop(), GradVac(), RLW(), UW(), TaskGradients("nash", every=2)], ids=str
)
def test_a_long_member_depends_on_no_neighbour_and_no_lane(random_fleet, monkeypatch, aggregator):
    fleet = steered_fleet(
        random_fleet, "long", 4, split=True, max_iter=5, n_iter_no_change=1, solver="adam"
    )
    alone = [train(fleet, aggregator, [member])[0] for member in fleet.members]
    monkeypatch.setattr("skmtl.network.planning.members_that_fit", lambda *_: 2)
    assert_same(train(fleet, aggregator), alone)


class Unsure(Aggregator):
    """Has no solution for members whose first gradient is longer than the second."""

    kind = "gradient_weights"

    def init(self, n_networks, n_tasks, *, device=None):
        return {"unsolved": torch.zeros(n_networks)}

    def step(self, signals, state):
        gramian = signals.gramian
        return torch.ones_like(gramian[..., 0]), {
            "unsolved": (gramian[:, 0, 0] > gramian[:, 1, 1]).double()
        }

    def diagnostics(self, gramian):
        return {"largest": gramian.flatten(1).amax(1)}


def test_what_is_said_of_a_member_does_not_depend_on_its_neighbours(rng):
    # The targets of the tasks differ in size: by the rows of the members, the first or the second
    # has the longer gradient.
    y = rng.normal(size=(32, 2)) * np.repeat([[100.0, 1.0], [1.0, 100.0]], 16, axis=0)
    members = [
        Member([np.arange(16)], learning_rate=0.0),
        Member([np.arange(16, 32)], learning_rate=0.0),
    ]
    training = Training(solver="sgd", batch_size=None, max_iter=1, record=True, dtype="float64")
    arguments = (Architecture(2, (3,), (), 1, "identity"), FleetData(rng.normal(size=(32, 2)), y))
    alone = [
        train_fleet(*arguments, [member], training, aggregator=Unsure())[0] for member in members
    ]
    assert alone[0].diagnostics[0]["unsolved"] == 1
    assert not alone[1].diagnostics[0].get("unsolved", 0.0)
    both = train_fleet(*arguments, members, training, aggregator=Unsure())
    for own, other in zip(both, alone, strict=True):
        assert own.diagnostics[0].get("unsolved", 0.0) == other.diagnostics[0].get("unsolved", 0.0)
        np.testing.assert_allclose(
            own.diagnostics[0]["largest"], other.diagnostics[0]["largest"], **CLOSE
        )


def test_warnings_that_are_not_of_a_solver_reach_the_user(random_fleet):
    class Chatty(Aggregator):
        kind = "gradient_weights"

        def step(self, signals, state):
            warnings.warn("this weighting is deprecated", FutureWarning, stacklevel=1)
            return torch.ones_like(signals.gramian[..., 0]), state

    fleet = steered_fleet(random_fleet, "wide", 1, max_iter=1, batch_size=None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (own,) = train(fleet, Chatty())
    assert [warning.category for warning in caught] == [FutureWarning]
    assert "unsolved" not in own.diagnostics[0]


# ---------------------------------------------------------------------- scores, states, divergence
def test_scores_reach_the_weighting_in_percent_above_the_baselines(random_fleet):
    class Seen(PIVRG):
        given = []

        def step(self, signals, state):
            self.given.append(signals.scores.clone())
            return super().step(signals.replaced(scores=0 * signals.scores), state)

    fleet = steered_fleet(random_fleet, "wide", 1, split=True, batch_size=None)
    rows = fleet.members[0].validation
    baselines = np.array([0.5, 0.0, 2.0])
    fleet.members = [replace(fleet.members[0], baselines=baselines, evaluation=rows)]
    seen = Seen()
    train(fleet, seen)
    fleet.training = replace(fleet.training, max_iter=1)
    (own,) = train(fleet, Seen())
    weights = np.where(
        np.isnan(fleet.data.y[rows[0]]), 0.0, fleet.data.sample_weight[rows[0], None]
    )
    errors = (
        np.column_stack([scores[:, 0] for scores in own.scores])
        - np.nan_to_num(fleet.data.y[rows[0]])
    ) ** 2
    losses = (errors * weights).sum(0) / weights.sum(0)
    np.testing.assert_array_equal(seen.given[0], np.zeros((1, T)))
    np.testing.assert_allclose(
        seen.given[1][0], [100 * (losses[0] / 0.5 - 1), 0.0, 100 * (losses[2] / 2.0 - 1)], rtol=1e-9
    )


def test_one_diverged_member_does_not_end_the_others_under_scores(random_fleet):
    fleet = steered_fleet(random_fleet, "wide", 12, split=True, max_iter=6, n_iter_no_change=50)
    fleet.members = [replace(member, baselines=np.ones(T)) for member in fleet.members]
    fleet.members[0] = replace(fleet.members[0], learning_rate=1e200)
    with pytest.warns(UserWarning, match="diverged"):
        trained = train(fleet, PIVRG())
    assert [own.diverged for own in trained] == [True] + [False] * 11
    assert_same(trained[1:], [train(fleet, PIVRG(), [member])[0] for member in fleet.members[1:]])


@pytest.mark.parametrize("name", sorted(set(AGGREGATORS) - {"pivrg"}))
def test_a_diverged_member_leaves_the_others_alone(random_fleet, name):
    fleet = steered_fleet(random_fleet, "wide", 12, max_iter=2, sizes=(16, 16))
    members = [replace(fleet.members[0], learning_rate=1e200), *fleet.members[1:]]
    with pytest.warns(UserWarning, match="diverged"):
        trained = train(fleet, AGGREGATORS[name](), members)
    assert trained[0].diverged
    assert_same(
        trained[1:3], [train(fleet, AGGREGATORS[name](), [member])[0] for member in members[1:3]]
    )


@pytest.mark.parametrize(
    "aggregator",
    [GradVac(), FAMO(), UW(), DWA(), TaskGradients("upgrad", every=3), PCGrad()],
    ids=str,
)
def test_training_in_two_parts_keeps_what_the_aggregator_remembers(
    random_fleet, plain_scores, aggregator
):
    fleet = steered_fleet(random_fleet, "wide", 2, keep_solver_state=True, max_iter=2)
    fleet.members = [replace(member, order_seed=0) for member in fleet.members]
    first = train(fleet, aggregator)
    more = train(
        fleet,
        aggregator,
        [
            replace(member, order_seed=1, start=start)
            for member, start in zip(fleet.members, first, strict=True)
        ],
    )
    for member, own in zip(fleet.members, more, strict=True):
        reference = PlainNetwork(fleet, member, aggregator, plain_scores)
        reference.train(fleet.training, 2)
        reference.member = replace(member, order_seed=1)
        reference.generator = torch.Generator().manual_seed(1)
        for a, b in zip(own.parameters, reference.train(fleet.training, 2), strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)


def test_another_aggregator_does_not_go_on_from_what_the_first_remembers(random_fleet):
    # The weights of the losses that UW has learned and the logits of FAMO go by the same names.
    fleet = steered_fleet(random_fleet, "wide", 1, keep_solver_state=True, max_iter=2)
    (first,) = train(fleet, UW(learning_rate=0.5))
    again = replace(fleet.members[0], start=first)
    fresh = replace(fleet.members[0], start=replace(first, aggregator_state={}))
    assert_same(train(fleet, FAMO(), [again]), train(fleet, FAMO(), [fresh]))


def test_lanes_of_different_age_ask_for_weights_each_at_its_own_steps(rng, monkeypatch):
    # Members of 2 steps a pass and every=3; they leave at different passes, so that lanes are
    # refilled out of step.
    x = rng.normal(size=(40, 3))
    y = np.column_stack([x[:, 0], x[:, 1] - x[:, 0]]) + 0.5 * rng.normal(size=(40, 2))
    rows = [rng.permutation(40) for _ in range(6)]
    members = [
        Member([own[:20]], [own[20:]], seed=k, order_seed=k, learning_rate=0.05)
        for k, own in enumerate(rows)
    ]
    training = Training(
        solver="adam",
        batch_size=10,
        max_iter=9,
        n_iter_no_change=1,
        tol=0.02,
        dtype="float64",
        record=True,
    )
    arguments = (Architecture(3, (4,), (), 1, "tanh"), FleetData(x, y))
    for aggregator in (
        TaskGradients("upgrad", every=3),
        TaskGradients("svfair", every=3, at="representation", head_gradient="weighted"),
    ):
        alone = [
            train_fleet(*arguments, [member], training, aggregator=aggregator)[0]
            for member in members
        ]
        with monkeypatch.context() as patched:
            patched.setattr("skmtl.network.planning.members_that_fit", lambda *_: 3)
            assert_same(train_fleet(*arguments, members, training, aggregator=aggregator), alone)


def test_passes_without_a_measurement_say_nothing_of_conflict(random_fleet):
    # Three steps a pass and weights every fifth step: the second and third pass see one Gramian
    # each, some later pass none.
    fleet = steered_fleet(random_fleet, "wide", 1, max_iter=4, batch_size=None)
    (own,) = train(fleet, TaskGradients("upgrad", every=3))
    assert ["voldet" in entry for entry in own.diagnostics] == [True, False, False, True]


@pytest.mark.parametrize("hidden", [(), (4,)], ids=["no trunk", "trunk"])
@pytest.mark.parametrize("name", sorted(AGGREGATORS))
def test_every_aggregator_trains_with_or_without_a_trunk_and_a_single_task_as_the_mean(
    rng, hidden, name
):
    architecture = Architecture(3, hidden, (), 1, "tanh")
    x, y = rng.normal(size=(24, 3)), rng.normal(size=(24, 2))
    training = Training(solver="sgd", batch_size=8, max_iter=2, dtype="float64", record=True)
    members = [Member([np.arange(24)], learning_rate=0.01)]
    (own,) = train_fleet(
        architecture, FleetData(x, y), members, training, aggregator=AGGREGATORS[name]()
    )
    assert all(np.isfinite(part).all() for part in own.parameters)
    (single,) = train_fleet(
        architecture, FleetData(x, y[:, :1]), members, training, aggregator=AGGREGATORS[name]()
    )
    (mean,) = train_fleet(architecture, FleetData(x, y[:, :1]), members, training)
    assert_same([single], [mean])


def test_dropout_alone_does_not_move_the_weights_of_famo(rng):
    # Learning rate 0: no loss falls, whichever units are dropped, so there is nothing to learn.
    x = rng.normal(size=(400, 4))
    y = np.column_stack([3 * x[:, 0], 0.1 * rng.normal(size=400)])
    training = Training(
        solver="sgd",
        batch_size=200,
        max_iter=10,
        dropout=0.5,
        dtype="float64",
        keep_solver_state=True,
    )
    members = [Member([np.arange(400)], learning_rate=0.0)]
    (own,) = train_fleet(
        Architecture(4, (8,), (), 1, "tanh"),
        FleetData(x, y),
        members,
        training,
        aggregator=FAMO(weight_decay=0.0),
    )
    np.testing.assert_allclose(own.aggregator_state["value"], 0.0, atol=1e-6)
