from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from skmtl.base import Aggregator, FairnessTerm
from skmtl.network import Architecture, FleetData, Member, Training, train_fleet
from skmtl.network.batches import BatchStream, DeviceData, batch_shape, build_table

LAYOUTS = pytest.mark.parametrize("layout", ["wide", "long"])
CLOSE = dict(rtol=1e-9, atol=1e-9)


class UniformLosses(Aggregator):
    sees_absent_tasks = True

    def step(self, signals, state):
        return torch.full_like(signals.losses, 1.0 / signals.losses.shape[-1]), state


class UniformGradients(Aggregator):
    kind = "gradient_weights"

    def step(self, signals, state):
        gramian = signals.gramian
        return torch.full_like(gramian[..., 0], 1.0 / gramian.shape[-1]), state


class MeanOfRows(Aggregator):
    kind = "direction"

    def step(self, signals, state):
        return signals.jacobian.mean(-2), state


class LargeLossesFirst(Aggregator):
    def step(self, signals, state):
        return torch.softmax(signals.losses, -1), state


class ShortGradientsFirst(Aggregator):
    kind = "gradient_weights"

    def step(self, signals, state):
        return torch.softmax(-signals.gradient_norms, -1), state


class Signs(Aggregator):
    kind = "direction"

    def step(self, signals, state):
        return signals.jacobian.sign().sum(-2), state


class Gap(FairnessTerm):
    """Trunk: squared difference of the groups' mean scores, one task at a time. Heads: weighted
    mean of fourth powers.
    """

    def values(self, scores, labels, weights, groups):
        masks = [((groups == g) * weights).unsqueeze(2) for g in (0, 1)]
        means = [(scores * mask).sum((2, 3)) / mask.sum((2, 3)).clamp_min(1e-12) for mask in masks]
        return (means[0] - means[1]).square().sum(1), (
            (scores - labels.unsqueeze(2)) ** 4 * weights.unsqueeze(2)
        ).sum((1, 2, 3)) / 10


class Spy(FairnessTerm):
    """Adds nothing and keeps what it is shown."""

    def __init__(self):
        self.seen = []

    def values(self, scores, labels, weights, groups):
        self.seen.append(
            (
                scores.detach().clone(),
                labels.clone(),
                weights.clone(),
                None if groups is None else groups.clone(),
            )
        )
        return scores.sum((1, 2, 3)) * 0, scores.sum((1, 2, 3)) * 0


def uniform_weights(fleet):
    return [replace(member, task_weights=None) for member in fleet.members]


def assert_same_parameters(ours, others):
    for own, other in zip(ours, others, strict=True):
        for a, b in zip(own.parameters, other.parameters, strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)


def reference_run(
    architecture,
    data,
    member,
    training,
    n_iter,
    plain_scores,
    *,
    weigh_losses=None,
    direction=None,
    term=None,
):
    """SGD over squared errors with autograd for everything; ``direction`` maps the trunk's Jacobian
    (T, P) to (P,).
    """
    n_tasks = data.y.shape[1] if data.shared_rows else len(member.train)
    parameters = [
        torch.tensor(np.array(part), requires_grad=True)
        for part in architecture.initial_parameters(member.seed, n_tasks)
    ]
    split = 2 * len(architecture.hidden)
    optimiser = torch.optim.SGD(parameters, lr=member.learning_rate, momentum=0.9, nesterov=True)
    on_device = DeviceData(data, torch.float64, torch.device("cpu"))
    n_steps, n_rows = batch_shape(member.train, training.batch_size)
    table, stream = (
        build_table(on_device, [member.train], n_steps * n_rows),
        BatchStream(on_device, n_steps),
    )
    for epoch in range(n_iter):
        for batch in stream.batches(table, [(member.order_seed, epoch)]):
            x = batch.x[0].T.clone()
            own = [
                x if data.shared_rows else x[t * n_rows : (t + 1) * n_rows] for t in range(n_tasks)
            ]
            scores = torch.stack(
                [plain_scores(architecture, parameters, own[t], t).T for t in range(n_tasks)]
            )
            losses = ((scores[:, 0] - batch.labels[0]).square() * batch.weights[0]).sum(1)
            weights = (
                torch.full_like(losses, 1 / n_tasks)
                if direction is None
                else torch.ones_like(losses)
            )
            if weigh_losses is not None:
                weights = weigh_losses(losses.detach() / batch.weights[0].sum(1))
            total = (losses * weights).sum()
            to_trunk = to_heads = total
            if term is not None:
                extra = term.values(scores.unsqueeze(0), batch.labels, batch.weights, batch.groups)
                to_trunk, to_heads = total + extra[0].sum(), total + extra[1].sum()
            trunk = (
                torch.autograd.grad(to_trunk, parameters[:split], retain_graph=True)
                if split
                else ()
            )
            heads = torch.autograd.grad(to_heads, parameters[split:], retain_graph=True)
            if direction is not None:
                rows = [
                    torch.cat(
                        [
                            part.flatten()
                            for part in torch.autograd.grad(
                                loss, parameters[:split], retain_graph=True
                            )
                        ]
                    )
                    for loss in losses
                ]
                pieces = direction(torch.stack(rows)).split([part.numel() for part in trunk])
                trunk = [piece.view_as(part) for piece, part in zip(pieces, trunk, strict=True)]
            for parameter, gradient in zip(parameters, [*trunk, *heads], strict=True):
                parameter.grad = gradient
            optimiser.step()
    return [part.detach().numpy() for part in parameters]


def seam_fleet(random_fleet, layout, **settings):
    """Two SGD members without penalty or task weights."""
    fleet = random_fleet(
        layout,
        "squared_error",
        2,
        solver="sgd",
        max_iter=5,
        learning_rate=(0.005, 0.02),
        **settings,
    )
    fleet.members = [replace(member, task_weights=None, alpha=0.0) for member in fleet.members]
    return fleet


@LAYOUTS
@pytest.mark.parametrize("kind", [UniformLosses, UniformGradients, MeanOfRows])
def test_aggregators_of_equal_weight_move_the_trunk_like_the_mean(random_fleet, layout, kind):
    # One step of SGD. Unless losses are weighed, heads follow their own losses, T times steeper
    # than the mean.
    fleet = seam_fleet(random_fleet, layout)
    fleet.members = [replace(member, learning_rate=1e-3) for member in fleet.members]
    training = replace(fleet.training, max_iter=1, batch_size=None)
    mean = train_fleet(fleet.architecture, fleet.data, fleet.members, training)
    ours = train_fleet(fleet.architecture, fleet.data, fleet.members, training, aggregator=kind())
    split = 2 * fleet.architecture.n_trunk_layers
    factor = 1 if kind is UniformLosses else 3
    for member, own, other in zip(fleet.members, ours, mean, strict=True):
        start = fleet.architecture.initial_parameters(member.seed, 3)
        for k, (a, b) in enumerate(zip(own.parameters, other.parameters, strict=True)):
            np.testing.assert_allclose(
                a - start[k], (b - start[k]) * (1 if k < split else factor), **CLOSE
            )


@LAYOUTS
def test_equal_loss_weights_train_exactly_like_the_mean(random_fleet, layout):
    fleet = random_fleet(layout, "binary_cross_entropy", 3)
    fleet.members = uniform_weights(fleet)
    mean = train_fleet(fleet.architecture, fleet.data, fleet.members, fleet.training)
    assert_same_parameters(
        train_fleet(
            fleet.architecture,
            fleet.data,
            fleet.members,
            fleet.training,
            aggregator=UniformLosses(),
        ),
        mean,
    )


@LAYOUTS
def test_the_mean_of_the_jacobian_trains_like_equal_gradient_weights(random_fleet, layout):
    fleet = random_fleet(layout, "cross_entropy", 3, solver="adagrad")
    arguments = (fleet.architecture, fleet.data, fleet.members, fleet.training)
    assert_same_parameters(
        train_fleet(*arguments, aggregator=MeanOfRows()),
        train_fleet(*arguments, aggregator=UniformGradients()),
    )


@LAYOUTS
def test_loss_weighting_equals_autograd_of_the_weighted_loss(random_fleet, plain_scores, layout):
    fleet = seam_fleet(random_fleet, layout)
    trained = train_fleet(
        fleet.architecture, fleet.data, fleet.members, fleet.training, aggregator=LargeLossesFirst()
    )
    for member, own in zip(fleet.members, trained, strict=True):
        reference = reference_run(
            fleet.architecture,
            fleet.data,
            member,
            fleet.training,
            5,
            plain_scores,
            weigh_losses=lambda losses: torch.softmax(losses, -1),
        )
        for a, b in zip(own.parameters, reference, strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)


@LAYOUTS
@pytest.mark.parametrize(
    ("aggregator", "direction"),
    [
        (
            ShortGradientsFirst(),
            lambda jacobian: torch.softmax(-jacobian.norm(dim=-1), -1) @ jacobian,
        ),
        (Signs(), lambda jacobian: jacobian.sign().sum(-2)),
    ],
    ids=["weights", "jacobian"],
)
def test_gradient_aggregators_see_the_jacobian_that_autograd_gives(
    random_fleet, plain_scores, layout, aggregator, direction
):
    fleet = seam_fleet(random_fleet, layout)
    trained = train_fleet(
        fleet.architecture, fleet.data, fleet.members, fleet.training, aggregator=aggregator
    )
    for member, own in zip(fleet.members, trained, strict=True):
        reference = reference_run(
            fleet.architecture,
            fleet.data,
            member,
            fleet.training,
            5,
            plain_scores,
            direction=direction,
        )
        for a, b in zip(own.parameters, reference, strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)


@pytest.mark.parametrize(
    "aggregator",
    [LargeLossesFirst(), ShortGradientsFirst(), Signs()],
    ids=["losses", "gradients", "jacobian"],
)
@LAYOUTS
def test_aggregated_members_do_not_depend_on_their_neighbours(random_fleet, layout, aggregator):
    fleet = random_fleet(layout, "squared_error", 4)
    together = train_fleet(
        fleet.architecture, fleet.data, fleet.members, fleet.training, aggregator=aggregator
    )
    alone = [
        train_fleet(
            fleet.architecture, fleet.data, [member], fleet.training, aggregator=aggregator
        )[0]
        for member in fleet.members
    ]
    assert_same_parameters(together, alone)


@LAYOUTS
@pytest.mark.parametrize("split", [False, True], ids=["blind", "validation"])
def test_an_infinite_weight_that_a_saturated_unit_hides_from_the_loss_is_divergence(
    random_fleet, layout, split
):
    class InfiniteBias(Aggregator):
        kind = "direction"

        def step(self, signals, state):
            direction = signals.jacobian.mean(-2)
            direction[:, -1] = torch.inf
            return direction, state

    fleet = random_fleet(layout, "squared_error", 1, split=split, solver="sgd")
    with pytest.warns(ConvergenceWarning, match="member 0"):
        (own,) = train_fleet(
            fleet.architecture, fleet.data, fleet.members, fleet.training, aggregator=InfiniteBias()
        )
    assert (own.n_iter, own.best_iteration, own.diverged) == (1, 0, True)
    for part, start in zip(
        own.parameters, fleet.architecture.initial_parameters(fleet.members[0].seed, 3), strict=True
    ):
        np.testing.assert_array_equal(part, start)


@LAYOUTS
@pytest.mark.parametrize("hidden", [(), (6,), (6, 5)], ids=["no trunk", "one layer", "two layers"])
def test_a_term_sends_its_two_gradients_to_trunk_and_heads(
    rng, random_fleet, plain_scores, layout, hidden
):
    fleet = seam_fleet(random_fleet, layout)
    fleet.architecture = replace(fleet.architecture, hidden=hidden)
    fleet.data = replace(fleet.data, groups=rng.integers(-1, 2, size=len(fleet.data.X)))
    trained = train_fleet(
        fleet.architecture, fleet.data, fleet.members, fleet.training, terms=[Gap()]
    )
    for member, own in zip(fleet.members, trained, strict=True):
        reference = reference_run(
            fleet.architecture, fleet.data, member, fleet.training, 5, plain_scores, term=Gap()
        )
        for a, b in zip(own.parameters, reference, strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)


@LAYOUTS
def test_terms_add_up(rng, random_fleet, layout):
    fleet = seam_fleet(random_fleet, layout)
    fleet.data = replace(fleet.data, groups=rng.integers(-1, 2, size=len(fleet.data.X)))

    class Twice(Gap):
        def values(self, *arguments):
            return tuple(2 * value for value in super().values(*arguments))

    arguments = (fleet.architecture, fleet.data, fleet.members, fleet.training)
    assert_same_parameters(
        train_fleet(*arguments, terms=[Gap(), Gap()]), train_fleet(*arguments, terms=[Twice()])
    )


@LAYOUTS
def test_a_term_of_gradient_zero_changes_nothing(random_fleet, layout):
    fleet = random_fleet(layout, "cross_entropy", 3)
    arguments = (fleet.architecture, fleet.data, fleet.members, fleet.training)
    assert_same_parameters(train_fleet(*arguments, terms=[Spy()]), train_fleet(*arguments))


@LAYOUTS
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_a_term_sees_scores_labels_weights_and_groups_of_the_batch(
    rng, random_fleet, plain_scores, layout, loss
):
    # Learning rate 0: scores stay those of the initial parameters, so inputs can be told from them.
    # Groups name the rows.
    fleet = random_fleet(layout, loss, 2, max_iter=2)
    fleet.members = [replace(member, learning_rate=0.0) for member in fleet.members]
    n, k = len(fleet.data.X), fleet.architecture.n_outputs
    fleet.data = replace(fleet.data, groups=np.arange(n))
    spy = Spy()
    train_fleet(
        fleet.architecture, fleet.data, fleet.members, fleet.training, terms=[spy], n_workers=1
    )
    steps = -(-max(len(rows) for rows in fleet.members[0].train) // 8)
    assert len(spy.seen) == 2 * steps
    parameters = [
        [
            torch.tensor(np.array(part))
            for part in fleet.architecture.initial_parameters(member.seed, 3)
        ]
        for member in fleet.members
    ]
    for scores, labels, weights, groups in spy.seen:
        assert scores.shape == (2, 3, k, 8)
        assert labels.shape == weights.shape == (2, 3, 8)
        assert groups.shape == (2, 1 if layout == "wide" else 3, 8)
        for e in range(2):
            for t in range(3):
                rows = groups[e, 0 if layout == "wide" else t].numpy()
                y = fleet.data.y[rows, t] if layout == "wide" else fleet.data.y[rows]
                np.testing.assert_array_equal(labels[e, t].numpy(), np.nan_to_num(y))
                np.testing.assert_array_equal(weights[e, t].numpy() == 0, np.isnan(y))
                expected = plain_scores(
                    fleet.architecture, parameters[e], torch.tensor(fleet.data.X[rows]), t
                ).T
                torch.testing.assert_close(scores[e, t], expected, **CLOSE)


def test_a_term_is_told_that_there_are_no_groups(random_fleet):
    fleet, spy = random_fleet("wide", "squared_error", 1, max_iter=1), Spy()
    train_fleet(fleet.architecture, fleet.data, fleet.members, fleet.training, terms=[spy])
    assert all(groups is None for *_, groups in spy.seen)


@LAYOUTS
@pytest.mark.parametrize("solver", ["adam", "adamw", "adagrad", "sgd"])
@pytest.mark.parametrize(
    "aggregator", [None, ShortGradientsFirst(), Signs()], ids=["mean", "gradients", "jacobian"]
)
def test_a_frozen_trunk_keeps_its_very_weights_while_heads_learn(
    random_fleet, layout, solver, aggregator
):
    fleet = random_fleet(
        layout, "squared_error", 3, solver=solver, train_trunk=False, split=True, n_iter_no_change=3
    )
    trained = train_fleet(
        fleet.architecture, fleet.data, fleet.members, fleet.training, aggregator=aggregator
    )
    split = 2 * fleet.architecture.n_trunk_layers
    for member, own in zip(fleet.members, trained, strict=True):
        start = fleet.architecture.initial_parameters(member.seed, 3)
        assert all(
            np.array_equal(a, b) for a, b in zip(own.parameters[:split], start[:split], strict=True)
        )
        if own.best_iteration > 0:
            assert not any(
                np.array_equal(a, b)
                for a, b in zip(own.parameters[split:], start[split:], strict=True)
            )


def test_heads_on_a_frozen_trunk_equal_heads_on_its_outputs(rng):
    # A linear trunk drawn by the same seed, applied to the inputs by hand, then heads alone from
    # the same draw.
    X, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    seed = int(rng.integers(1000))
    whole = Architecture(3, (4,), (), 1, "identity")
    weight, bias, *heads = whole.initial_parameters(seed, 2)
    training = Training(solver="sgd", batch_size=16, max_iter=6, train_trunk=False, dtype="float64")
    member = Member(train=[np.arange(40)], seed=seed, learning_rate=0.01, alpha=0.3)
    (ours,) = train_fleet(whole, FleetData(X, y), [member], training)

    class Given(Architecture):
        def initial_parameters(self, seed, n_tasks):
            return heads

    (reference,) = train_fleet(
        Given(4, (), (), 1, "identity"), FleetData(X @ weight.T + bias.T, y), [member], training
    )
    for a, b in zip(ours.parameters[2:], reference.parameters, strict=True):
        np.testing.assert_allclose(a, b, **CLOSE)
