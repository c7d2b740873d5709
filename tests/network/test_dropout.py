"""Dropout: one mask for forward and reverse pass, a generator for every member, none where nothing
is trained.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from skmtl.network import Architecture, StackedNetwork, train_fleet

E, T, P, B = 3, 4, 5, 7
KEEP = 0.6
TOLERANCE = dict(rtol=1e-10, atol=1e-11)
CLOSE = dict(rtol=1e-9, atol=1e-9)
ROWS = pytest.mark.parametrize("shared_rows", [True, False], ids=["shared rows", "own rows"])
LAYERS = pytest.mark.parametrize(
    ("hidden", "head_hidden"), [((6,), ()), ((), (4,)), ((6, 5), (4, 3)), ((), ())], ids=str
)
LAYOUTS = pytest.mark.parametrize(("layout", "task_dim"), [("wide", 0), ("long", 2)])


class Case:
    """A stack that leaves units out, and autograd over networks that are given the same factors."""

    def __init__(self, rng, plain_scores, shared_rows, hidden, head_hidden, activation="tanh"):
        self.rng, self.plain_scores, self.shared_rows, self.factors = (
            rng,
            plain_scores,
            shared_rows,
            [],
        )
        self.architecture = Architecture(P, hidden, head_hidden, 2, activation)
        parameters = [
            torch.tensor(rng.normal(size=(E, *shape)) * 0.7)
            for shape in self.architecture.member_shapes(T)
        ]
        self.network = StackedNetwork(
            self.architecture, parameters, shared_rows=shared_rows, dropout=self.drop
        )
        self.x = torch.tensor(rng.normal(size=(E, P, B if shared_rows else T * B)))

    def drop(self, mask):
        mask.copy_(torch.tensor(self.rng.random(tuple(mask.shape)) < KEEP) / KEEP)
        self.factors.append(mask.clone())

    def reference(self):
        """Scores (E, T, k, B) by autograd under the factors of the last forward pass, and their
        leaves.
        """
        leaves = [
            [part[e].clone().requires_grad_() for part in self.network.parameters] for e in range(E)
        ]

        def scores(e, t):
            own = slice(None) if self.shared_rows else slice(t * B, (t + 1) * B)
            trunk = [
                part.view(E, -1, part.shape[2])[e].mT[own]
                for part in self.factors[: len(self.architecture.hidden)]
            ]
            factors = trunk + [
                part.view(E, T, -1, B)[e, t].mT for part in self.factors[len(trunk) :]
            ]
            return self.plain_scores(
                self.architecture, leaves[e], self.x[e].mT[own], t, None, factors
            ).mT

        return torch.stack(
            [torch.stack([scores(e, t) for t in range(T)]) for e in range(E)]
        ), leaves

    def derivative(self):
        return torch.tensor(self.rng.normal(size=(E, T, 2, B)))


@pytest.fixture
def case(rng, plain_scores):
    return lambda *arguments: Case(rng, plain_scores, *arguments)


def gradients_of(total, leaves):
    found = torch.autograd.grad(
        total, [leaf for own in leaves for leaf in own], retain_graph=True, materialize_grads=True
    )
    return [torch.stack(found[i :: len(leaves[0])]) for i in range(len(leaves[0]))]


def assert_all_close(ours, reference):
    for own, other in zip(ours, reference, strict=True):
        torch.testing.assert_close(own, other, **TOLERANCE)


# ---------------------------------------------------------------- the stack
@ROWS
@LAYERS
@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_one_mask_serves_forward_backward_and_jacobian(
    case, shared_rows, hidden, head_hidden, activation
):
    own = case(shared_rows, hidden, head_hidden, activation)
    scores = own.network.forward(own.x)
    assert len(own.factors) == len(hidden) + len(head_hidden)  # every hidden layer, once
    reference, leaves = own.reference()
    torch.testing.assert_close(scores, reference.detach(), **TOLERANCE)
    dscores, n = own.derivative(), 2 * len(hidden)
    jacobian = own.network.trunk_jacobian(dscores)
    for t in range(T):
        trunk = gradients_of((reference[:, t] * dscores[:, t]).sum(), leaves)[:n]
        row = (
            torch.cat([part.flatten(1) for part in trunk], 1)
            if n
            else torch.zeros(E, 0, dtype=torch.float64)
        )
        torch.testing.assert_close(jacobian[:, t], row, **TOLERANCE)
    own.network.backward(dscores)
    assert_all_close(own.network.gradients, gradients_of((reference * dscores).sum(), leaves))
    assert len(own.factors) == len(hidden) + len(head_hidden)


@ROWS
@LAYERS
def test_trunk_and_heads_follow_derivatives_of_their_own_through_one_mask(
    case, shared_rows, hidden, head_hidden
):
    own = case(shared_rows, hidden, head_hidden)
    own.network.forward(own.x)
    reference, leaves = own.reference()
    for_heads, for_trunk, n = own.derivative(), own.derivative(), 2 * len(hidden)
    own.network.backward(for_heads, for_trunk)
    assert_all_close(
        own.network.gradients[:n], gradients_of((reference * for_trunk).sum(), leaves)[:n]
    )
    assert_all_close(
        own.network.gradients[n:], gradients_of((reference * for_heads).sum(), leaves)[n:]
    )


@ROWS
def test_every_forward_pass_draws_anew_and_inference_drops_nothing(case, plain_scores, shared_rows):
    own = case(shared_rows, (6,), (4,))
    first, second = own.network.forward(own.x).clone(), own.network.forward(own.x).clone()
    assert not torch.equal(first, second)
    inference = own.network.for_inference()
    whole = inference.forward(own.x).clone()
    assert torch.equal(whole, inference.forward(own.x))
    own.factors = []
    torch.testing.assert_close(whole, own.reference()[0].detach(), **TOLERANCE)


# ---------------------------------------------------------------- the fleet
def recorded_factors(monkeypatch):
    """Factors of every layer and step that a fleet draws."""
    from skmtl.network.lane_dropout import LaneDropout

    seen, draw = [], LaneDropout.__call__

    def noted(self, mask):
        draw(self, mask)
        seen.append(mask.clone())

    monkeypatch.setattr(LaneDropout, "__call__", noted)
    return seen


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_units_are_left_out_with_the_given_share_and_the_rest_keeps_the_mean(
    random_fleet, monkeypatch, dropout
):
    seen = recorded_factors(monkeypatch)
    fleet = random_fleet("long", "squared_error", 4, dropout=dropout, max_iter=12)
    train_fleet(fleet.architecture, fleet.data, fleet.members, fleet.training)
    factors = torch.cat([mask.flatten() for mask in seen]).numpy()
    np.testing.assert_allclose(np.unique(factors), [0.0, 1 / (1 - dropout)])
    five_errors = 5 * np.sqrt(dropout / (1 - dropout) / len(factors))
    assert factors.mean() == pytest.approx(1.0, abs=five_errors)


@LAYOUTS
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_member_with_dropout_equals_a_plain_loop_with_the_members_own_generator(
    random_fleet, plain_training, layout, task_dim, solver
):
    fleet = random_fleet(
        layout,
        "squared_error",
        2,
        dropout=0.3,
        solver=solver,
        max_iter=5,
        record=True,
        task_dim=task_dim,
    )
    for own, member in zip(
        train_fleet(fleet.architecture, fleet.data, fleet.members, fleet.training),
        fleet.members,
        strict=True,
    ):
        parameters, curve = plain_training(
            fleet.architecture, fleet.data, member, fleet.training, 5
        )
        for a, b in zip(own.parameters, parameters, strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)
        np.testing.assert_allclose(own.task_loss_curve, curve, **CLOSE)


@LAYOUTS
@pytest.mark.parametrize("n_lanes", [2, 512])
def test_a_member_with_dropout_does_not_depend_on_its_neighbours(
    rng, random_fleet, monkeypatch, layout, task_dim, n_lanes
):
    settings = dict(
        split=True, n_iter_no_change=2, max_iter=8, learning_rate=(0.001, 0.1), sizes=(13, 20)
    )
    fleet = random_fleet(layout, "squared_error", 9, dropout=0.4, task_dim=task_dim, **settings)
    alone = [
        train_fleet(fleet.architecture, fleet.data, [member], fleet.training)[0]
        for member in fleet.members
    ]
    monkeypatch.setattr("skmtl.network.planning.members_that_fit", lambda *_: n_lanes)
    order = rng.permutation(9)
    together = train_fleet(
        fleet.architecture, fleet.data, [fleet.members[i] for i in order], fleet.training
    )
    for own, i in zip(together, order, strict=True):
        assert (own.n_iter, own.best_iteration) == (alone[i].n_iter, alone[i].best_iteration)
        for a, b in zip(
            [*own.parameters, *own.scores], [*alone[i].parameters, *alone[i].scores], strict=True
        ):
            np.testing.assert_allclose(a, b, **CLOSE)


def test_members_of_one_order_leave_the_same_units_out_and_others_do_not(random_fleet, monkeypatch):
    seen = recorded_factors(monkeypatch)
    fleet = random_fleet("wide", "squared_error", 1, dropout=0.5, max_iter=1)
    members = [
        fleet.members[0],
        replace(fleet.members[0], learning_rate=0.5),
        replace(fleet.members[0], order_seed=fleet.members[0].order_seed + 1),
    ]
    train_fleet(fleet.architecture, fleet.data, members, fleet.training)
    for mask in seen:
        assert torch.equal(mask[0], mask[1])
        assert not torch.equal(mask[0], mask[2])


@LAYOUTS
def test_validation_losses_and_scores_are_those_of_the_whole_network(
    random_fleet, plain_scores, layout, task_dim
):
    fleet = random_fleet(
        layout, "squared_error", 2, dropout=0.6, split=True, max_iter=4, task_dim=task_dim
    )
    members = [
        replace(member, evaluation=member.validation, task_weights=None) for member in fleet.members
    ]
    for own, member in zip(
        train_fleet(fleet.architecture, fleet.data, members, fleet.training), members, strict=True
    ):
        losses, parameters = [], [torch.tensor(part) for part in own.parameters]
        for t in range(3):
            rows = member.validation[0 if layout == "wide" else t]
            y = fleet.data.y[rows, t] if layout == "wide" else fleet.data.y[rows]
            whole = plain_scores(
                fleet.architecture, parameters, torch.tensor(fleet.data.X[rows]), t
            ).numpy()
            np.testing.assert_allclose(own.scores[t], whole, **CLOSE)
            known = ~np.isnan(y)
            if known.any():
                losses.append(
                    np.average(
                        (whole[known, 0] - y[known]) ** 2,
                        weights=fleet.data.sample_weight[rows][known],
                    )
                )
        assert np.mean(losses) == pytest.approx(own.validation_curve.min(), rel=1e-9)


def test_dropout_without_hidden_layers_changes_nothing(random_fleet):
    fleet = random_fleet("wide", "squared_error", 1, max_iter=3)
    fleet.architecture = replace(fleet.architecture, hidden=(), head_hidden=())
    (plain,) = train_fleet(fleet.architecture, fleet.data, fleet.members, fleet.training)
    (dropped,) = train_fleet(
        fleet.architecture, fleet.data, fleet.members, replace(fleet.training, dropout=0.5)
    )
    assert all(
        np.array_equal(a, b) for a, b in zip(plain.parameters, dropped.parameters, strict=True)
    )


def test_dropout_leaves_the_global_generators_alone(random_fleet):
    fleet = random_fleet("wide", "squared_error", 2, dropout=0.5, max_iter=2)
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    train_fleet(fleet.architecture, fleet.data, fleet.members, fleet.training)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_before)
