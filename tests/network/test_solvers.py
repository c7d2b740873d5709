from dataclasses import replace

import numpy as np
import pytest
import torch

from skmtl.network import Architecture, train_fleet
from skmtl.network.solvers import SOLVERS, ParameterBlock, build_solver

SHAPES = [(3, 4, 2), (3, 4, 1), (3, 2, 3, 4), (3, 2, 3, 1)]
ENTERS, LEAVES, LAST = 17, 34, 50


class Plain:
    """The torch.optim optimizer of one network, with epsilon in Adam where skmtl has it."""

    def __init__(self, name, start, rate):
        self.name, self.k = name, 0
        self.parameters = [part.clone().requires_grad_() for part in start]
        self.optimiser = {
            "adam": lambda p: torch.optim.Adam(p, lr=rate),
            "adamw": lambda p: torch.optim.Adam(p, lr=rate),
            "adagrad": lambda p: torch.optim.Adagrad(
                p, lr=rate, initial_accumulator_value=0.1, eps=1e-8
            ),
            "sgd": lambda p: torch.optim.SGD(p, lr=rate, momentum=0.9, nesterov=True),
        }[name](self.parameters)

    def step(self, gradients):
        self.k += 1
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient.clone()
        if self.name.startswith("adam"):
            self.optimiser.param_groups[0]["eps"] = 1e-8 / np.sqrt(1 - 0.999**self.k)
        self.optimiser.step()


def blocks_of(rng):
    parameters = ParameterBlock(SHAPES, torch.float64, torch.device("cpu"))
    parameters.flat.copy_(torch.tensor(rng.normal(size=parameters.flat.shape)))
    return parameters, parameters.like()


def assert_equal(parameters, lane, plain, atol=1e-11):
    for part, reference in zip(parameters.tensors, plain.parameters, strict=True):
        torch.testing.assert_close(part[lane], reference.detach(), rtol=1e-10, atol=atol)


@pytest.mark.parametrize("scale", [1.0, 1e-8])
@pytest.mark.parametrize("name", SOLVERS)
def test_fifty_steps_equal_torch_for_members_that_enter_and_leave(rng, name, scale):
    parameters, gradients = blocks_of(rng)
    rates = torch.tensor(10 ** rng.uniform(-4, -1, size=3))
    solver = build_solver(name, parameters, gradients, rates.clone())
    lanes = {
        lane: (lane, Plain(name, [part[lane] for part in parameters.tensors], float(rates[lane])))
        for lane in range(3)
    }
    for k in range(LAST):
        if k == ENTERS:
            rate = float(rng.uniform(0.01, 0.1))
            for part in parameters.tensors:
                part[1] = torch.tensor(rng.normal(size=part[1].shape))
            solver.restart(torch.tensor([1]), torch.tensor([rate], dtype=torch.float64))
            lanes[1] = (1, Plain(name, [part[1] for part in parameters.tensors], rate))
        if k == LEAVES:
            keep = torch.tensor([1, 2])
            parameters, gradients = parameters.select(keep), gradients.select(keep)
            solver = solver.select(keep, parameters, gradients)
            lanes = {member: (lane, lanes[member][1]) for lane, member in enumerate(keep.tolist())}
        gradients.flat.copy_(torch.tensor(scale * rng.normal(size=gradients.flat.shape)))
        for lane, plain in lanes.values():
            plain.step([part[lane] for part in gradients.tensors])
        solver.step()
    assert len(lanes) == 2
    for lane, plain in lanes.values():
        assert_equal(parameters, lane, plain)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_zero_gradient_from_the_start_moves_nothing(rng, name):
    parameters, gradients = blocks_of(rng)
    before = parameters.flat.clone()
    solver = build_solver(name, parameters, gradients, torch.ones(3, dtype=torch.float64))
    for _ in range(3):
        solver.step()
    assert torch.equal(parameters.flat, before)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_member_with_infinite_gradients_moves_no_other(rng, name):
    drawn = torch.tensor(rng.normal(size=(5, blocks_of(rng)[0].flat.numel())))
    start = torch.tensor(rng.normal(size=drawn.shape[1]))
    ends = []
    for spoiled in (False, True):
        parameters, gradients = blocks_of(rng)
        parameters.flat.copy_(start)
        solver = build_solver(
            name, parameters, gradients, torch.tensor([0.1, 0.01, 0.05], dtype=torch.float64)
        )
        for row in drawn:
            gradients.flat.copy_(row)
            if spoiled:
                for part in gradients.tensors:
                    part[1] = torch.inf
            solver.step()
        ends.append(parameters)
    assert all(
        torch.equal(a[[0, 2]], b[[0, 2]])
        for a, b in zip(*(end.tensors for end in ends), strict=True)
    )
    assert not torch.isfinite(ends[1].tensors[0][1]).any()


def test_a_block_hands_out_views_of_one_buffer(rng):
    block, other = blocks_of(rng)
    assert [tuple(part.shape) for part in block.tensors] == SHAPES
    assert torch.equal(
        torch.cat([part.flatten() for part in block.tensors]),
        block.flat[: sum(part.numel() for part in block.tensors)],
    )
    assert block.flat.numel() % 64 == 0
    block.flat.fill_(2.5)
    assert all((part == 2.5).all() for part in block.tensors)
    assert not other.flat.any()


def test_selected_members_keep_their_order_and_are_copies(rng):
    block, _ = blocks_of(rng)
    before = [part.clone() for part in block.tensors]
    rest = block.select(torch.tensor([2, 0]))
    assert all(
        torch.equal(part, old[[2, 0]]) for part, old in zip(rest.tensors, before, strict=True)
    )
    rest.flat.zero_()
    assert all(torch.equal(part, old) for part, old in zip(block.tensors, before, strict=True))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("layout", ["wide", "long"])
def test_a_penalty_acts_on_weights_and_not_on_biases(random_fleet, plain_training, solver, layout):
    # Decoupled for adamw, a gradient for the others; the reference has both written out.
    fleet = random_fleet(layout, "squared_error", 2, solver=solver, max_iter=4)
    fleet.members[0] = replace(fleet.members[0], alpha=3.0)
    trained = train_fleet(fleet.architecture, fleet.data, fleet.members, fleet.training)
    for own, member in zip(trained, fleet.members, strict=True):
        reference, _ = plain_training(fleet.architecture, fleet.data, member, fleet.training, 4)
        for ours, other in zip(own.parameters, reference, strict=True):
            np.testing.assert_allclose(ours, other, rtol=1e-9, atol=1e-9)


def test_adamw_shrinks_weights_by_rate_times_alpha_where_the_gradient_is_zero(rng, random_fleet):
    # Inputs and targets of zero and no biases in play: the first layer's weights see no gradient at
    # all.
    fleet = random_fleet("wide", "squared_error", 1, solver="adamw", max_iter=3, batch_size=None)
    fleet.architecture = Architecture(4, (6,), (), 1, "tanh")
    fleet.data.X[:] = 0.0
    member = fleet.members[0]
    start = fleet.architecture.initial_parameters(member.seed, 3)
    (trained,) = train_fleet(fleet.architecture, fleet.data, [member], fleet.training)
    np.testing.assert_allclose(
        trained.parameters[0], start[0] * (1 - member.learning_rate * member.alpha) ** 3, rtol=1e-12
    )
