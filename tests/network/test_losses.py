import pytest
import torch

from skmtl.losses import LogLoss, SquaredError
from skmtl.network import LaneLoss

E, T, B = 3, 4, 6
N_CLASSES = torch.tensor([[2.0, 5.0, 3.0, 4.0], [5.0, 5.0, 2.0, 2.0], [3.0, 4.0, 5.0, 2.0]])
KINDS = ["squared_error", "binary_cross_entropy", "cross_entropy"]


def draw(rng, kind):
    """A loss with random scores, labels and weights, float64."""
    weights = torch.tensor(rng.uniform(0.0, 2.0, size=(E, T, B)))
    if kind == "squared_error":
        return (
            LaneLoss(SquaredError()),
            torch.tensor(rng.normal(size=(E, T, 1, B))),
            torch.tensor(rng.normal(size=(E, T, B))),
            weights,
        )
    if kind == "binary_cross_entropy":
        return (
            LaneLoss(LogLoss()),
            torch.tensor(rng.normal(size=(E, T, 1, B)) * 5),
            torch.tensor(rng.integers(2, size=(E, T, B)) * 1.0),
            weights,
        )
    labels = torch.floor(torch.tensor(rng.random((E, T, B))) * N_CLASSES[..., None])
    return (
        LaneLoss(LogLoss(), N_CLASSES.double(), 5),
        torch.tensor(rng.normal(size=(E, T, 5, B)) * 3),
        labels,
        weights,
    )


def reference(plain_losses, kind, scores, labels):
    """Losses (E, T, B), task by task, by torch.nn.functional."""
    rows = [
        [plain_losses(kind, scores[e, t].T, labels[e, t], int(N_CLASSES[e, t])) for t in range(T)]
        for e in range(E)
    ]
    return torch.stack([torch.stack(row) for row in rows])


@pytest.mark.parametrize("kind", KINDS)
def test_values_equal_those_of_torch(rng, plain_losses, kind):
    loss, scores, labels, _ = draw(rng, kind)
    torch.testing.assert_close(
        loss.values(scores, labels),
        reference(plain_losses, kind, scores, labels),
        rtol=1e-12,
        atol=1e-12,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_derivative_equals_autograd_of_the_weighted_sum(rng, plain_losses, kind):
    loss, scores, labels, weights = draw(rng, kind)
    leaf = scores.clone().requires_grad_()
    (expected,) = torch.autograd.grad(
        (reference(plain_losses, kind, leaf, labels) * weights).sum(), leaf
    )
    derivative = loss.derivative(scores, labels, weights)
    assert derivative.shape == scores.shape
    torch.testing.assert_close(derivative, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_labels_and_weights_are_left_as_they_were(rng, kind):
    loss, *inputs = draw(rng, kind)
    before = [value.clone() for value in inputs]
    loss.values(*inputs[:2])
    loss.derivative(*inputs)
    assert all(torch.equal(value, old) for value, old in zip(inputs, before, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_of_weight_zero_has_derivative_zero(rng, kind):
    loss, scores, labels, weights = draw(rng, kind)
    weights[0, 1, 2] = weights[2, 3] = 0.0
    derivative = loss.derivative(scores, labels, weights)
    assert not derivative[0, 1, :, 2].any()
    assert not derivative[2, 3].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_values_and_derivatives_of_extreme_scores_are_finite(rng, kind, sign, dtype):
    loss, scores, labels, weights = draw(rng, kind)
    if kind == "cross_entropy":
        loss = LaneLoss(LogLoss(), N_CLASSES.to(dtype), 5)
        scores = torch.zeros_like(scores)
        scores[:, :, 0] = sign * 1e4
    else:
        scores = torch.full_like(scores, sign * 1e4)
    scores, labels, weights = scores.to(dtype), labels.to(dtype), weights.to(dtype)
    assert torch.isfinite(loss.values(scores, labels)).all()
    assert torch.isfinite(loss.derivative(scores, labels, weights)).all()


def test_extreme_logits_cost_their_distance_to_the_label(rng):
    logits, labels = (
        torch.tensor([[[[1e4, -1e4, 1e4, -1e4]]]], dtype=torch.float64),
        torch.tensor([[[0.0, 1.0, 1.0, 0.0]]], dtype=torch.float64),
    )
    torch.testing.assert_close(
        LogLoss().values(logits, labels),
        torch.tensor([[[1e4, 1e4, 0.0, 0.0]]], dtype=torch.float64),
    )


def test_surplus_logits_change_nothing_and_get_no_gradient(rng):
    loss, scores, labels, weights = draw(rng, "cross_entropy")
    surplus = (torch.arange(5) >= N_CLASSES[..., None])[..., None].expand_as(scores)
    other = torch.where(surplus, torch.tensor(rng.normal(size=scores.shape) * 1e4), scores)
    assert torch.equal(loss.values(scores, labels), loss.values(other, labels))
    derivative = loss.derivative(other, labels, weights)
    assert torch.equal(derivative, loss.derivative(scores, labels, weights))
    assert not derivative[surplus].any()


def test_two_classes_cost_what_the_difference_of_their_logits_costs_in_the_binary_loss(rng):
    scores, labels = (
        torch.tensor(rng.normal(size=(E, T, 2, B)) * 4),
        torch.tensor(rng.integers(2, size=(E, T, B)) * 1.0),
    )
    multi = LogLoss().values(scores, labels)
    torch.testing.assert_close(
        multi,
        LogLoss().values(scores[:, :, 1:] - scores[:, :, :1], labels),
        rtol=1e-12,
        atol=1e-12,
    )
