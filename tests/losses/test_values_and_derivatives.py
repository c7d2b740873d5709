"""Values and derivatives of all losses equal independent references, also at extreme scales."""

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit, log_softmax
from torch.nn import functional

from skmtl.losses import LogLoss, SquaredError, TaskLoss

E, T, B = 2, 3, 5
# PyTorch's softplus is linear from 20 on, where it is off by exp(-20).
SOFTPLUS = 3e-9
CASES = pytest.mark.parametrize(
    ("loss", "k"), [(SquaredError(), 1), (LogLoss(), 1), (LogLoss(), 4)], ids=str
)


def draw(rng, loss, k, scale=1.0):
    """Scores, labels and weights in float64."""
    scores = torch.tensor(rng.normal(size=(E, T, k, B)) * scale)
    labels = rng.normal(size=(E, T, B)) * scale
    if loss.kind == "classification":
        labels = rng.integers(max(k, 2), size=(E, T, B)) * 1.0
    return scores, torch.tensor(labels), torch.tensor(rng.uniform(size=(E, T, B)))


def by_scipy(loss, scores, labels):
    """The loss of every cell in numpy."""
    scores, labels = scores.numpy(), labels.numpy()
    if isinstance(loss, SquaredError):
        return (scores[:, :, 0] - labels) ** 2
    if scores.shape[2] == 1:
        return -np.where(labels == 1, log_expit(scores[:, :, 0]), log_expit(-scores[:, :, 0]))
    index = labels.astype(int)[:, :, None]
    return -np.take_along_axis(log_softmax(scores, axis=2), index, axis=2)[:, :, 0]


def by_torch(loss, scores, labels):
    """The loss of every cell by PyTorch's own function."""
    if isinstance(loss, SquaredError):
        return functional.mse_loss(scores[:, :, 0], labels, reduction="none")
    if scores.shape[2] == 1:
        return functional.binary_cross_entropy_with_logits(
            scores[:, :, 0], labels, reduction="none"
        )
    return functional.cross_entropy(scores.permute(0, 2, 1, 3), labels.long(), reduction="none")


@CASES
@pytest.mark.parametrize("scale", [1e-6, 1.0, 30.0])
def test_values_equal_those_of_scipy_and_torch(rng, loss, k, scale):
    scores, labels, _ = draw(rng, loss, k, scale)
    values = loss.values(scores, labels)
    np.testing.assert_allclose(values, by_scipy(loss, scores, labels), rtol=1e-10, atol=SOFTPLUS)
    torch.testing.assert_close(values, by_torch(loss, scores, labels), rtol=1e-10, atol=SOFTPLUS)


@CASES
@pytest.mark.parametrize("scale", [1e-6, 1.0, 30.0])
def test_the_derivative_equals_that_of_automatic_differentiation(rng, loss, k, scale):
    scores, labels, weights = draw(rng, loss, k, scale)
    leaf = scores.clone().requires_grad_()
    (by_torch(loss, leaf, labels) * weights).sum().backward()
    closed = loss.derivative(scores, labels, weights)
    torch.testing.assert_close(closed, leaf.grad, rtol=1e-10, atol=1e-12)
    default = TaskLoss.derivative(loss, scores, labels, weights)
    torch.testing.assert_close(default, leaf.grad, rtol=1e-10, atol=SOFTPLUS)


@CASES
def test_the_derivative_is_the_limit_of_finite_differences(rng, loss, k):
    scores, labels, weights = draw(rng, loss, k)
    derivative = loss.derivative(scores, labels, weights)
    for c in range(k):
        moved = torch.zeros_like(scores)
        moved[:, :, c] = 1e-5
        difference = loss.values(scores + moved, labels) - loss.values(scores - moved, labels)
        torch.testing.assert_close(
            derivative[:, :, c], difference / 2e-5 * weights, rtol=1e-5, atol=1e-8
        )


@CASES
@pytest.mark.parametrize("general", [False, True])
def test_sums_and_derivative_are_the_weighted_values_and_the_derivative(rng, loss, k, general):
    scores, labels, weights = draw(rng, loss, k)
    out = torch.empty_like(scores)
    method = TaskLoss.sums_and_derivative if general else type(loss).sums_and_derivative
    sums, derivative = method(loss, scores, labels, weights, out)
    torch.testing.assert_close(sums, (loss.values(scores, labels) * weights).sum(2))
    torch.testing.assert_close(derivative, loss.derivative(scores, labels, weights))
    assert derivative is out


@CASES
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_extreme_scores_have_finite_values_and_derivatives(rng, loss, k, dtype, sign):
    scores, labels, weights = (part.to(dtype) for part in draw(rng, loss, k))
    scores[:, :, 0] = sign * 1e6
    assert torch.isfinite(loss.values(scores, labels)).all()
    assert torch.isfinite(loss.derivative(scores, labels, weights)).all()


@CASES
def test_no_second_difference_exceeds_the_curvature(rng, loss, k):
    scores, labels, _ = draw(rng, loss, k)
    bound = loss.curvature(k).bound
    # A step much below 1e-3 would leave rounding in the difference.
    size, sign = rng.uniform(1e-3, 2e-3, scores.shape), rng.choice([-1.0, 1.0], scores.shape)
    step = torch.tensor(size * sign)
    values = [loss.values(scores + sign * step, labels) for sign in (-1, 0, 1)]
    second = (values[0] - 2 * values[1] + values[2]) / (step**2).sum(2)
    assert (second <= bound * (1 + 1e-6) + 1e-6).all()


def test_an_unlikely_label_costs_its_logit_and_not_infinity(rng):
    logit = float(rng.uniform(40, 700))
    scores = torch.tensor([[[[logit, -logit]]]], dtype=torch.float64)
    labels = torch.tensor([[[0.0, 1.0]]], dtype=torch.float64)
    np.testing.assert_allclose(LogLoss().values(scores, labels), [[[logit, logit]]])
    derivative = LogLoss().derivative(scores, labels, torch.ones_like(labels))
    np.testing.assert_allclose(derivative[0, 0, 0], [expit(logit), expit(-logit) - 1])
