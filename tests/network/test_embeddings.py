"""Embeddings of categories and of tasks in stacked networks, against autograd over one network at a
time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from skmtl.network import SOLVERS, Architecture, FleetData, StackedNetwork, train_fleet

E, P, B = 3, 4, 6
TABLES = ((5, 3), (4, 2))
TOLERANCE = dict(rtol=1e-10, atol=1e-11)
CLOSE = dict(rtol=1e-9, atol=1e-9)

# Rows are shared by all tasks, by the only task (as in prediction), or each task's own.
ROWS = pytest.mark.parametrize(
    ("shared_rows", "n_tasks", "task_dim"),
    [(True, 3, 0), (True, 1, 3), (False, 3, 0), (False, 3, 2), (False, 1, 2)],
    ids=["shared", "one shared task vector", "own", "own task vectors", "one own task vector"],
)
LAYERS = pytest.mark.parametrize(
    ("hidden", "head_hidden", "k"),
    [((), (), 1), ((), (5,), 3), ((6,), (), 2), ((6, 4), (5, 3), 1)],
    ids=lambda value: str(value).replace(" ", ""),
)
CATEGORIES = pytest.mark.parametrize("tables", [(), TABLES], ids=["no categories", "categories"])


class Case:
    """A stack with random parameters, inputs and codes, and what autograd says about it."""

    def __init__(self, rng, plain_scores, architecture, shared_rows, n_tasks, n_rows=B):
        self.rng, self.plain_scores, self.architecture, self.shared_rows, self.n_tasks = (
            rng,
            plain_scores,
            architecture,
            shared_rows,
            n_tasks,
        )
        parameters = [
            torch.tensor(rng.normal(size=(E, *shape)) * 0.7)
            for shape in architecture.member_shapes(n_tasks)
        ]
        self.network = StackedNetwork(architecture, parameters, shared_rows=shared_rows)
        self.draw(n_rows)

    def draw(self, n_rows):
        """New inputs and codes; the columns that the network fills hold NaN beforehand."""
        self.n_rows, columns = n_rows, n_rows * (1 if self.shared_rows else self.n_tasks)
        self.x = torch.full(
            (E, self.architecture.trunk_sizes[0], columns), torch.nan, dtype=torch.float64
        )
        self.x[:, :P] = torch.tensor(self.rng.normal(size=(E, P, columns)))
        self.codes = None
        if self.architecture.embeddings:
            self.codes = torch.stack(
                [
                    torch.tensor(self.rng.integers(levels, size=(E, columns)))
                    for levels, _ in self.architecture.embeddings
                ],
                1,
            )

    def own(self, t):
        return slice(None) if self.shared_rows else slice(t * self.n_rows, (t + 1) * self.n_rows)

    def per_task(self, plain):
        """Stack what a plain function gives for every member and task, (E, T, width, rows), and the
        leaves it depends on.
        """
        leaves = [
            [part[e].clone().requires_grad_() for part in self.network.parameters] for e in range(E)
        ]
        codes = [None] * E if self.codes is None else self.codes.mT
        found = [
            [
                plain(
                    self.architecture,
                    leaves[e],
                    self.x[e, :P].T[own],
                    t,
                    None if codes[e] is None else codes[e][own],
                ).T
                for t, own in self.slices()
            ]
            for e in range(E)
        ]
        return torch.stack([torch.stack(own) for own in found]), leaves

    def slices(self):
        return [(t, self.own(t)) for t in range(self.n_tasks)]

    def scores(self):
        return self.per_task(self.plain_scores)

    def derivative(self):
        return torch.tensor(
            self.rng.normal(size=(E, self.n_tasks, self.architecture.n_outputs, self.n_rows))
        )

    def forward(self):
        return self.network.forward(self.x, self.codes)


@pytest.fixture
def case(rng, plain_scores):
    def draw(
        shared_rows,
        n_tasks,
        task_dim,
        tables=TABLES,
        hidden=(6, 4),
        head_hidden=(5,),
        k=2,
        activation="tanh",
    ):
        architecture = Architecture(
            P, hidden, head_hidden, k, activation, embeddings=tables, task_embedding_dim=task_dim
        )
        return Case(rng, plain_scores, architecture, shared_rows, n_tasks)

    return draw


def gradients_of(total, leaves):
    """Gradients by autograd, stacked over members; zero where nothing depends on a leaf."""
    found = torch.autograd.grad(
        total, [leaf for own in leaves for leaf in own], retain_graph=True, materialize_grads=True
    )
    n = len(leaves[0])
    return [torch.stack(found[i::n]) for i in range(n)]


def assert_all_close(ours, reference):
    for own, other in zip(ours, reference, strict=True):
        torch.testing.assert_close(own, other, **TOLERANCE)


def trunk_positions(architecture, n_parameters):
    """Positions of what feeds or is the trunk: tables, trunk layers, and the tasks' vectors at the
    end.
    """
    n = architecture.n_trunk_parameters
    return [*range(n), n_parameters - 1] if architecture.task_embedding_dim else list(range(n))


# ---------------------------------------------------------------- the stack against autograd
@CATEGORIES
@ROWS
@LAYERS
@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_forward_and_backward_equal_autograd(
    case, shared_rows, n_tasks, task_dim, hidden, head_hidden, k, tables, activation
):
    own = case(shared_rows, n_tasks, task_dim, tables, hidden, head_hidden, k, activation)
    reference, leaves = own.scores()
    torch.testing.assert_close(own.forward(), reference.detach(), **TOLERANCE)
    dscores = own.derivative()
    own.network.backward(dscores)
    assert_all_close(own.network.gradients, gradients_of((reference * dscores).sum(), leaves))


@CATEGORIES
@ROWS
@LAYERS
def test_what_feeds_the_trunk_follows_the_trunks_derivative_and_heads_their_own(
    case, shared_rows, n_tasks, task_dim, hidden, head_hidden, k, tables
):
    own = case(shared_rows, n_tasks, task_dim, tables, hidden, head_hidden, k)
    reference, leaves = own.scores()
    for_heads, for_trunk = own.derivative(), own.derivative()
    own.forward()
    own.network.backward(for_heads, for_trunk)
    expected, trunk = (
        gradients_of((reference * for_heads).sum(), leaves),
        gradients_of((reference * for_trunk).sum(), leaves),
    )
    for position in trunk_positions(own.architecture, len(expected)):
        expected[position] = trunk[position]
    assert_all_close(own.network.gradients, expected)


@CATEGORIES
@ROWS
@LAYERS
def test_rows_of_the_trunk_jacobian_hold_the_tables_and_task_vectors_get_their_own_gradient(
    case, shared_rows, n_tasks, task_dim, hidden, head_hidden, k, tables
):
    own = case(shared_rows, n_tasks, task_dim, tables, hidden, head_hidden, k)
    reference, leaves = own.scores()
    dscores = own.derivative()
    own.forward()
    jacobian, n = own.network.trunk_jacobian(dscores), own.architecture.n_trunk_parameters
    assert jacobian.shape == (
        E,
        n_tasks,
        sum(part[0].numel() for part in own.network.parameters[:n]),
    )
    for t in range(n_tasks):
        gradients = gradients_of((reference[:, t] * dscores[:, t]).sum(), leaves)
        row = (
            torch.cat([part.flatten(1) for part in gradients[:n]], 1)
            if n
            else torch.zeros(E, 0, dtype=torch.float64)
        )
        torch.testing.assert_close(jacobian[:, t], row, **TOLERANCE)
        if task_dim:
            torch.testing.assert_close(
                own.network.gradients[-1][:, t], gradients[-1][:, t], **TOLERANCE
            )


@CATEGORIES
@ROWS
@LAYERS
def test_rows_of_the_trunk_jacobian_sum_to_the_gradient_of_backward(
    case, shared_rows, n_tasks, task_dim, hidden, head_hidden, k, tables
):
    own = case(shared_rows, n_tasks, task_dim, tables, hidden, head_hidden, k)
    own.forward()
    dscores = own.derivative()
    own.network.backward(dscores)
    expected = [part.clone() for part in own.network.gradients]
    for part in own.network.gradients:
        part.fill_(torch.nan)
    own.network.backward(dscores, trunk=False)
    own.network.set_trunk_gradient(own.network.trunk_jacobian(dscores).sum(1))
    assert_all_close(own.network.gradients, expected)


@ROWS
def test_backward_without_the_trunk_leaves_embeddings_alone(case, shared_rows, n_tasks, task_dim):
    own = case(shared_rows, n_tasks, task_dim)
    own.forward()
    positions = trunk_positions(own.architecture, len(own.network.gradients))
    for position in positions:
        own.network.gradients[position].fill_(3.25)
    own.network.backward(own.derivative(), trunk=False)
    assert all((own.network.gradients[position] == 3.25).all() for position in positions)


@ROWS
@pytest.mark.parametrize("hidden", [(), (6,)], ids=["no trunk", "trunk"])
def test_gradients_are_those_of_the_present_batch_alone(
    case, shared_rows, n_tasks, task_dim, hidden
):
    own = case(shared_rows, n_tasks, task_dim, hidden=hidden)
    for n_rows in (6, 2, 6, 1, 9, 9):
        own.draw(n_rows)
        reference, leaves = own.scores()
        torch.testing.assert_close(own.forward(), reference.detach(), **TOLERANCE)
        dscores = own.derivative()
        own.network.backward(dscores)
        assert_all_close(own.network.gradients, gradients_of((reference * dscores).sum(), leaves))


@ROWS
@pytest.mark.parametrize("hidden", [(), (6,), (6, 4)], ids=str)
def test_the_representation_is_what_the_heads_see(
    case, plain_representation, shared_rows, n_tasks, task_dim, hidden
):
    own = case(shared_rows, n_tasks, task_dim, hidden=hidden)
    expected, _ = own.per_task(plain_representation)
    expected = expected[:, 0] if shared_rows else torch.cat(list(expected.unbind(1)), 2)
    torch.testing.assert_close(
        own.network.representation(own.x, own.codes), expected.detach(), **TOLERANCE
    )


@ROWS
def test_the_numeric_inputs_and_the_codes_are_left_as_they_were(
    case, shared_rows, n_tasks, task_dim
):
    own = case(shared_rows, n_tasks, task_dim)
    x, codes, dscores = own.x[:, :P].clone(), own.codes.clone(), own.derivative()
    own.forward()
    own.network.trunk_jacobian(dscores)
    own.network.backward(dscores)
    assert torch.equal(own.x[:, :P], x)
    assert torch.equal(own.codes, codes)


def test_networks_that_embed_categories_ask_for_codes(case):
    own = case(True, 3, 0)
    with pytest.raises(ValueError, match="forward needs the codes"):
        own.network.forward(own.x)


# ---------------------------------------------------------------- the shape of a network
def test_shapes_are_tables_trunk_heads_and_task_vectors():
    architecture = Architecture(
        4, (6, 5), (3,), 2, embeddings=((7, 3), (9, 2)), task_embedding_dim=8
    )
    trunk, heads = (
        [(6, 4 + 3 + 2 + 8), (6, 1), (5, 6), (5, 1)],
        [(11, 3, 5), (11, 3, 1), (11, 2, 3), (11, 2, 1)],
    )
    assert architecture.member_shapes(11) == [(7, 3), (9, 2), *trunk, *heads, (11, 8)]
    assert architecture.n_parameters(11) == sum(
        int(np.prod(shape)) for shape in architecture.member_shapes(11)
    )
    assert [
        part.shape for part in architecture.initial_parameters(0, 11)
    ] == architecture.member_shapes(11)


@CATEGORIES
@pytest.mark.parametrize("task_dim", [0, 2])
@LAYERS
def test_weights_are_all_parameters_but_the_biases(tables, task_dim, hidden, head_hidden, k):
    architecture = Architecture(
        P, hidden, head_hidden, k, embeddings=tables, task_embedding_dim=task_dim
    )
    shapes = architecture.member_shapes(3)
    # A bias is a column; with three outputs or fewer no weight is one, for every layer here reads
    # more than one unit.
    assert list(architecture.weight_positions()) == [
        i for i, shape in enumerate(shapes) if shape[-1] != 1
    ]
    assert all(shapes[i][0] == 3 for i in architecture.weight_positions(trunk=False))
    assert len(architecture.weight_positions(trunk=False)) == len(head_hidden) + 1


def test_task_vectors_and_the_level_of_the_unknown_start_at_zero_and_nothing_else_does(rng):
    architecture = Architecture(3, (4,), (), 1, embeddings=((6, 3), (40, 16)), task_embedding_dim=5)
    first, second, *rest, vectors = architecture.initial_parameters(int(rng.integers(1000)), 7)
    assert not vectors.any()
    assert not first[0].any()
    assert not second[0].any()
    assert all(part.all() for part in (first[1:], second[1:], *rest))
    assert np.linalg.norm(second[1:], axis=1).mean() == pytest.approx(1.0, rel=0.2)


def test_embeddings_change_no_draw_of_what_reads_the_same_inputs(rng):
    seed, n_tasks = int(rng.integers(1000)), int(rng.integers(2, 6))
    plain = Architecture(3 + 4 + 2, (5,), (3,)).initial_parameters(seed, n_tasks)
    embedding = Architecture(
        3, (5,), (3,), embeddings=((6, 4),), task_embedding_dim=2
    ).initial_parameters(seed, n_tasks)
    for a, b in zip(plain, embedding[1:-1], strict=True):
        np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------- the fleet against a plain loop
LAYOUTS = pytest.mark.parametrize(("layout", "task_dim"), [("wide", 0), ("long", 0), ("long", 2)])


@LAYOUTS
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_member_with_embeddings_equals_a_plain_loop_and_decays_weights_only(
    random_fleet, plain_training, layout, task_dim, loss, solver
):
    fleet = random_fleet(
        layout,
        loss,
        2,
        solver=solver,
        max_iter=6,
        record=True,
        embeddings=TABLES,
        task_dim=task_dim,
    )
    for own, member in zip(
        train_fleet(fleet.architecture, fleet.data, fleet.members, fleet.training),
        fleet.members,
        strict=True,
    ):
        parameters, curve = plain_training(
            fleet.architecture, fleet.data, member, fleet.training, 6
        )
        for a, b in zip(own.parameters, parameters, strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)
        np.testing.assert_allclose(own.task_loss_curve, curve, **CLOSE)


@LAYOUTS
@pytest.mark.parametrize("hidden", [(), (5,)], ids=str)
@pytest.mark.parametrize("batch_size", [None, 7])
def test_codes_travel_with_their_rows_through_every_kind_of_batch(
    random_fleet, plain_training, layout, task_dim, hidden, batch_size
):
    fleet = random_fleet(
        layout,
        "squared_error",
        2,
        max_iter=4,
        batch_size=batch_size,
        embeddings=TABLES,
        task_dim=task_dim,
    )
    fleet.architecture = replace(fleet.architecture, hidden=hidden)
    for own, member in zip(
        train_fleet(fleet.architecture, fleet.data, fleet.members, fleet.training),
        fleet.members,
        strict=True,
    ):
        parameters, _ = plain_training(fleet.architecture, fleet.data, member, fleet.training, 4)
        for a, b in zip(own.parameters, parameters, strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)


@LAYOUTS
def test_scores_of_evaluation_rows_read_their_codes_and_their_own_task(
    random_fleet, plain_scores, layout, task_dim
):
    fleet = random_fleet(
        layout,
        "squared_error",
        3,
        split=True,
        n_iter_no_change=2,
        max_iter=5,
        embeddings=TABLES,
        task_dim=task_dim,
    )
    for own, member in zip(
        train_fleet(fleet.architecture, fleet.data, fleet.members, fleet.training),
        fleet.members,
        strict=True,
    ):
        parameters = [torch.tensor(part) for part in own.parameters]
        for t, scores in enumerate(own.scores):
            rows = member.evaluation[0 if layout == "wide" else t]
            expected = plain_scores(
                fleet.architecture,
                parameters,
                torch.tensor(fleet.data.X[rows]),
                t,
                torch.tensor(fleet.data.codes[rows]),
            )
            np.testing.assert_allclose(scores, expected, **CLOSE)


@LAYOUTS
def test_the_validation_loss_reads_codes_too(random_fleet, layout, task_dim):
    fleet = random_fleet(
        layout, "squared_error", 2, max_iter=3, embeddings=TABLES, task_dim=task_dim
    )
    for member in fleet.members:
        watched = replace(
            member, validation=member.train, evaluation=member.train, task_weights=None
        )
        (own,) = train_fleet(fleet.architecture, fleet.data, [watched], fleet.training)
        weight, losses = fleet.data.sample_weight, []
        for t, scores in enumerate(own.scores):
            rows = member.train[0 if layout == "wide" else t]
            y = fleet.data.y[rows, t] if layout == "wide" else fleet.data.y[rows]
            known = ~np.isnan(y)
            losses.append(
                np.average((scores[known, 0] - y[known]) ** 2, weights=weight[rows][known])
            )
        assert np.mean(losses) == pytest.approx(own.validation_curve.min(), rel=1e-9)


def test_a_level_that_no_row_has_moves_by_decay_alone(random_fleet):
    fleet = random_fleet(
        "long", "squared_error", 2, max_iter=3, batch_size=None, solver="sgd", embeddings=((5, 3),)
    )
    fleet.data.codes[:] = 1 + fleet.data.codes % 3
    members = [replace(fleet.members[0], alpha=0.0), replace(fleet.members[1], alpha=0.5)]
    for own, member in zip(
        train_fleet(fleet.architecture, fleet.data, members, fleet.training), members, strict=True
    ):
        start = fleet.architecture.initial_parameters(member.seed, 3)[0]
        assert not own.parameters[0][0].any()
        assert np.array_equal(own.parameters[0][4], start[4]) == (member.alpha == 0)
        ratio = own.parameters[0][4] / start[4]
        np.testing.assert_allclose(ratio, ratio[0], **CLOSE)


@pytest.mark.parametrize("solver", ["adam", "adamw"])
def test_a_frozen_trunk_keeps_the_embeddings_of_categories_and_tasks(rng, random_fleet, solver):
    fleet = random_fleet(
        "long",
        "squared_error",
        1,
        solver=solver,
        max_iter=3,
        train_trunk=False,
        embeddings=TABLES,
        task_dim=2,
    )
    begun = train_fleet(
        fleet.architecture, fleet.data, fleet.members, replace(fleet.training, train_trunk=True)
    )[0]
    member = replace(fleet.members[0], alpha=0.1, start=begun)
    (own,) = train_fleet(fleet.architecture, fleet.data, [member], fleet.training)
    positions = trunk_positions(fleet.architecture, len(own.parameters))
    for position, (a, b) in enumerate(zip(own.parameters, begun.parameters, strict=True)):
        assert np.array_equal(a, b) == (position in positions)


def test_members_with_embeddings_do_not_depend_on_their_neighbours_or_lanes(
    random_fleet, monkeypatch
):
    fleet = random_fleet(
        "long",
        "squared_error",
        7,
        split=True,
        n_iter_no_change=2,
        max_iter=8,
        learning_rate=(0.001, 0.1),
        embeddings=TABLES,
        task_dim=2,
    )
    together = train_fleet(fleet.architecture, fleet.data, fleet.members, fleet.training)
    alone = [
        train_fleet(fleet.architecture, fleet.data, [member], fleet.training)[0]
        for member in fleet.members
    ]
    monkeypatch.setattr("skmtl.network.planning.members_that_fit", lambda *_: 2)
    refilled = train_fleet(fleet.architecture, fleet.data, fleet.members, fleet.training)
    for own, *others in zip(together, alone, refilled, strict=True):
        for other in others:
            for a, b in zip(
                [*own.parameters, *own.scores], [*other.parameters, *other.scores], strict=True
            ):
                np.testing.assert_allclose(a, b, **CLOSE)


def test_the_callers_codes_are_left_alone(random_fleet):
    fleet = random_fleet("wide", "squared_error", 1, max_iter=2, embeddings=TABLES)
    before = fleet.data.codes.copy()
    fleet.data.codes.setflags(write=False)
    train_fleet(fleet.architecture, fleet.data, fleet.members, fleet.training)
    np.testing.assert_array_equal(fleet.data.codes, before)
    assert FleetData(fleet.data.X, fleet.data.y).codes is None
