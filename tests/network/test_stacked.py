import numpy as np
import pytest
import torch

from skmtl.network import ACTIVATIONS, Architecture, StackedNetwork

E, T, P, B = 3, 4, 5, 7
TOLERANCE = dict(rtol=1e-10, atol=1e-11)

SHAPES = pytest.mark.parametrize(
    ("hidden", "head_hidden", "k"),
    [
        ((), (), 1),
        ((), (6,), 3),
        ((6,), (), 1),
        ((6,), (), 3),
        ((6,), (3, 4), 1),
        ((6, 3, 8), (), 1),
        ((6, 3, 8), (4,), 3),
    ],
    ids=lambda value: str(value).replace(" ", ""),
)
ROWS = pytest.mark.parametrize("shared_rows", [True, False], ids=["shared rows", "own rows"])


def build(rng, architecture, shared_rows):
    shapes = [(E, *shape) for shape in architecture.member_shapes(T)]
    parameters = [torch.tensor(rng.normal(size=shape) * 0.7) for shape in shapes]
    return StackedNetwork(architecture, parameters, shared_rows=shared_rows)


def draw_inputs(rng, shared_rows, n_rows=B):
    return torch.tensor(rng.normal(size=(E, P, n_rows if shared_rows else T * n_rows)))


def recorded_scores(network, x, plain_scores):
    """Scores (E, T, k, B) by autograd, and the leaves they depend on: each member's parameters in
    order.
    """
    leaves = [[part[e].clone().requires_grad_() for part in network.parameters] for e in range(E)]
    n_rows = x.shape[2] if network.shared_rows else x.shape[2] // T

    def scores(e, t):
        own = x[e] if network.shared_rows else x[e, :, t * n_rows : (t + 1) * n_rows]
        return plain_scores(network.architecture, leaves[e], own.T, t).T

    return torch.stack([torch.stack([scores(e, t) for t in range(T)]) for e in range(E)]), leaves


def gradients_of(total, leaves):
    """Gradients by autograd, stacked over members; zero where nothing depends on a leaf."""
    flat = [leaf for own in leaves for leaf in own]
    found = torch.autograd.grad(total, flat, retain_graph=True, materialize_grads=True)
    n = len(leaves[0])
    return [torch.stack(found[i::n]) for i in range(n)]


def assert_all_close(ours, reference):
    for own, other in zip(ours, reference, strict=True):
        torch.testing.assert_close(own, other, **TOLERANCE)


@ROWS
@SHAPES
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forward_and_backward_equal_autograd(
    rng, plain_scores, shared_rows, hidden, head_hidden, k, activation
):
    network = build(rng, Architecture(P, hidden, head_hidden, k, activation), shared_rows)
    x = draw_inputs(rng, shared_rows)
    reference, leaves = recorded_scores(network, x, plain_scores)
    scores = network.forward(x)
    torch.testing.assert_close(scores, reference.detach(), **TOLERANCE)
    dscores = torch.tensor(rng.normal(size=scores.shape))
    network.backward(dscores)
    assert_all_close(network.gradients, gradients_of((reference * dscores).sum(), leaves))


@ROWS
@SHAPES
def test_trunk_and_heads_follow_derivatives_of_their_own(
    rng, plain_scores, shared_rows, hidden, head_hidden, k
):
    network = build(rng, Architecture(P, hidden, head_hidden, k, "tanh"), shared_rows)
    x = draw_inputs(rng, shared_rows)
    reference, leaves = recorded_scores(network, x, plain_scores)
    for_heads, for_trunk = (torch.tensor(rng.normal(size=reference.shape)) for _ in range(2))
    network.forward(x)
    network.backward(for_heads, for_trunk)
    split = 2 * len(hidden)
    assert_all_close(
        network.gradients[:split], gradients_of((reference * for_trunk).sum(), leaves)[:split]
    )
    assert_all_close(
        network.gradients[split:], gradients_of((reference * for_heads).sum(), leaves)[split:]
    )


@ROWS
@SHAPES
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_rows_of_the_trunk_jacobian_equal_autograd_task_by_task(
    rng, plain_scores, shared_rows, hidden, head_hidden, k, activation
):
    network = build(rng, Architecture(P, hidden, head_hidden, k, activation), shared_rows)
    x = draw_inputs(rng, shared_rows)
    reference, leaves = recorded_scores(network, x, plain_scores)
    dscores = torch.tensor(rng.normal(size=reference.shape))
    network.forward(x)
    jacobian = network.trunk_jacobian(dscores)
    for t in range(T):
        trunk = gradients_of((reference[:, t] * dscores[:, t]).sum(), leaves)[: 2 * len(hidden)]
        row = (
            torch.cat([part.flatten(1) for part in trunk], 1)
            if trunk
            else torch.zeros(E, 0, dtype=torch.float64)
        )
        torch.testing.assert_close(jacobian[:, t], row, **TOLERANCE)


@ROWS
@SHAPES
def test_rows_of_the_trunk_jacobian_sum_to_the_gradient_of_backward(
    rng, shared_rows, hidden, head_hidden, k
):
    network = build(rng, Architecture(P, hidden, head_hidden, k, "relu"), shared_rows)
    scores = network.forward(draw_inputs(rng, shared_rows))
    dscores = torch.tensor(rng.normal(size=scores.shape))
    total = network.trunk_jacobian(dscores).sum(1)
    network.backward(dscores)
    expected = [part.clone() for part in network.gradients]
    for part in network.gradients:
        part.fill_(torch.nan)
    network.backward(dscores, trunk=False)
    network.set_trunk_gradient(total)
    assert_all_close(network.gradients, expected)


@ROWS
def test_backward_after_the_jacobian_is_not_disturbed_by_it(rng, plain_scores, shared_rows):
    network = build(rng, Architecture(P, (6, 4), (3,), 2, "logistic"), shared_rows)
    x = draw_inputs(rng, shared_rows)
    reference, leaves = recorded_scores(network, x, plain_scores)
    dscores = torch.tensor(rng.normal(size=reference.shape))
    network.forward(x)
    first = network.trunk_jacobian(dscores)
    second = network.trunk_jacobian(dscores)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    network.backward(dscores)
    assert_all_close(network.gradients, gradients_of((reference * dscores).sum(), leaves))


@ROWS
def test_set_trunk_gradient_writes_columns_in_the_order_of_the_jacobian(rng, shared_rows):
    network = build(rng, Architecture(P, (6, 4), (), 1, "tanh"), shared_rows)
    direction = torch.tensor(
        rng.normal(size=(E, sum(part[0].numel() for part in network.parameters[:4])))
    )
    heads = [part.clone() for part in network.gradients[4:]]
    network.set_trunk_gradient(direction)
    torch.testing.assert_close(
        torch.cat([part.flatten(1) for part in network.gradients[:4]], 1), direction, rtol=0, atol=0
    )
    assert_all_close(network.gradients[4:], heads)


@ROWS
def test_backward_without_the_trunk_leaves_its_gradients_alone(rng, shared_rows):
    network = build(rng, Architecture(P, (6,), (3,), 1, "relu"), shared_rows)
    scores = network.forward(draw_inputs(rng, shared_rows))
    for part in network.gradients[:2]:
        part.fill_(3.25)
    network.backward(torch.ones_like(scores), trunk=False)
    assert all((part == 3.25).all() for part in network.gradients[:2])


@ROWS
@pytest.mark.parametrize("hidden", [(), (6, 4)], ids=["no trunk", "two layers"])
def test_buffers_serve_batches_of_changing_size(rng, plain_scores, shared_rows, hidden):
    network = build(rng, Architecture(P, hidden, (3,), 2, "relu"), shared_rows)
    for n_rows in (7, 3, 7, 1, 12, 12):
        x = draw_inputs(rng, shared_rows, n_rows)
        reference, leaves = recorded_scores(network, x, plain_scores)
        torch.testing.assert_close(network.forward(x), reference.detach(), **TOLERANCE)
        dscores = torch.tensor(rng.normal(size=reference.shape))
        network.backward(dscores)
        assert_all_close(network.gradients, gradients_of((reference * dscores).sum(), leaves))


@ROWS
@pytest.mark.parametrize("n_rows", [B, 3])
def test_inference_between_forward_and_backward_changes_no_gradient(
    rng, plain_scores, shared_rows, n_rows
):
    network = build(rng, Architecture(P, (6, 4), (3,), 2, "tanh"), shared_rows)
    inference = network.for_inference()
    x, other = draw_inputs(rng, shared_rows), draw_inputs(rng, shared_rows, n_rows)
    reference, leaves = recorded_scores(network, x, plain_scores)
    dscores = torch.tensor(rng.normal(size=reference.shape))
    scores = network.forward(x)
    watched = inference.forward(other).clone()
    torch.testing.assert_close(
        watched, recorded_scores(network, other, plain_scores)[0].detach(), **TOLERANCE
    )
    torch.testing.assert_close(scores, reference.detach(), **TOLERANCE)
    network.backward(dscores)
    assert_all_close(network.gradients, gradients_of((reference * dscores).sum(), leaves))


@ROWS
def test_inference_follows_parameters_that_change(rng, plain_scores, shared_rows):
    network = build(rng, Architecture(P, (6,), (), 1, "tanh"), shared_rows)
    inference = network.for_inference()
    x = draw_inputs(rng, shared_rows)
    inference.forward(x)
    for part in network.parameters:
        part.mul_(-1.3)
    torch.testing.assert_close(
        inference.forward(x), recorded_scores(network, x, plain_scores)[0].detach(), **TOLERANCE
    )


@ROWS
def test_forward_and_backward_leave_inputs_and_derivatives_as_they_were(rng, shared_rows):
    network = build(rng, Architecture(P, (6,), (3,), 1, "relu"), shared_rows)
    x = draw_inputs(rng, shared_rows)
    dscores = torch.tensor(rng.normal(size=(E, T, 1, B)))
    before = x.clone(), dscores.clone()
    network.forward(x)
    network.trunk_jacobian(dscores)
    network.backward(dscores, 2 * dscores)
    assert torch.equal(x, before[0])
    assert torch.equal(dscores, before[1])


@ROWS
def test_a_member_with_nan_weights_spoils_no_other(rng, shared_rows):
    network = build(rng, Architecture(P, (6, 4), (3,), 2, "relu"), shared_rows)
    x = draw_inputs(rng, shared_rows)
    scores = network.forward(x).clone()
    dscores = torch.tensor(rng.normal(size=scores.shape))
    network.backward(dscores)
    gradients = [part.clone() for part in network.gradients]
    for part in network.parameters:
        part[1] = torch.nan
    assert torch.equal(network.forward(x)[[0, 2]], scores[[0, 2]])
    network.backward(dscores)
    assert all(
        torch.equal(part[[0, 2]], other[[0, 2]])
        for part, other in zip(network.gradients, gradients, strict=True)
    )


@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_initial_parameters_lie_within_glorots_bounds(rng, activation):
    architecture = Architecture(30, (40, 20), (10,), 3, activation)
    draws = architecture.initial_parameters(int(rng.integers(1000)), 2)
    assert [draw.shape for draw in draws] == architecture.member_shapes(2)
    for weight, bias in zip(draws[::2], draws[1::2], strict=True):
        bound = np.sqrt((2.0 if activation == "logistic" else 6.0) / sum(weight.shape[-2:]))
        assert max(np.abs(weight).max(), np.abs(bias).max()) <= bound
        assert np.abs(weight).max() > 0.5 * bound


def test_initial_parameters_depend_on_the_seed_and_not_on_the_number_of_tasks(rng):
    architecture = Architecture(4, (6,), (5,), 2)
    seed = int(rng.integers(1000))
    few, many, other = (
        architecture.initial_parameters(*arguments)
        for arguments in ((seed, 2), (seed, 9), (seed + 1, 2))
    )
    for a, b, c in zip(few, many, other, strict=True):
        if a.ndim == 2:
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_array_equal(np.broadcast_to(a[:1], b.shape), b)
        assert not np.array_equal(a, c)


def test_number_of_parameters_is_that_of_the_shapes():
    architecture = Architecture(4, (6, 5), (3,), 2)
    assert architecture.n_parameters(3) == (4 * 6 + 6) + (6 * 5 + 5) + 3 * (
        (5 * 3 + 3) + (3 * 2 + 2)
    )
    assert architecture.n_parameters(3) == sum(
        part.size for part in architecture.initial_parameters(0, 3)
    )
