import numpy as np
import pytest
import torch
from scipy.special import huber
from torch.nn.functional import huber_loss

from skmtl import MultiTaskRegressor, TaskSet
from skmtl.affinity import GradientTaskAffinity
from skmtl.losses import Huber, TaskLoss, resolve_loss
from skmtl.model_selection import FleetSearchCV

DELTAS = pytest.mark.parametrize("delta", [1e-3, 1.0, 1.35, 50.0])


def draw(rng, scale=2.0):
    """Scores, labels and weights in float64."""
    shapes = (2, 3, 1, 7), (2, 3, 7), (2, 3, 7)
    return [torch.tensor(rng.normal(size=shape) * scale) for shape in shapes]


@DELTAS
def test_values_equal_those_of_scipy_and_torch(rng, delta):
    scores, labels, _ = draw(rng)
    values = Huber(delta).values(scores, labels)
    residuals = scores[:, :, 0] - labels
    np.testing.assert_allclose(values, huber(delta, residuals.numpy()), rtol=1e-12)
    expected = huber_loss(scores[:, :, 0], labels, reduction="none", delta=delta)
    torch.testing.assert_close(values, expected, rtol=1e-12, atol=1e-15)


@DELTAS
def test_the_derivative_equals_that_of_automatic_differentiation(rng, delta):
    scores, labels, weights = draw(rng)
    leaf = scores.clone().requires_grad_()
    (huber_loss(leaf[:, :, 0], labels, reduction="none", delta=delta) * weights).sum().backward()
    out = torch.empty_like(scores)
    assert Huber(delta).derivative(scores, labels, weights, out) is out
    torch.testing.assert_close(out, leaf.grad, rtol=1e-12, atol=1e-15)
    default = TaskLoss.derivative(Huber(delta), scores, labels, weights)
    torch.testing.assert_close(default, leaf.grad, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_residuals_of_any_size_have_finite_values_and_derivatives(rng, scale):
    scores, labels, weights = (part.float() for part in draw(rng, scale))
    assert torch.isfinite(Huber().values(scores, labels)).all()
    assert torch.isfinite(Huber().derivative(scores, labels, weights / scale)).all()


def test_held_out_losses_are_in_squared_units_of_the_target(rng):
    y = rng.normal(3.0, 200.0, size=30)
    coding, outputs = Huber().learn_codings({"a": y})["a"], rng.normal(size=30)
    expected = np.mean(huber(1.35 * y.std(), outputs - y))
    assert Huber().mean_loss(coding, y, outputs) == pytest.approx(expected)


def test_outliers_move_the_predictions_less_than_under_the_squared_error(rng):
    X = rng.normal(size=(400, 2))
    truth = X @ [3.0, -2.0]
    y = truth + 0.1 * rng.normal(size=400)
    y[rng.permutation(400)[:60]] += 40.0
    errors = {
        loss: np.mean(
            (
                MultiTaskRegressor(loss=loss, n_members=1, max_iter=60, random_state=0)
                .fit(X, y)
                .predict(X)
                - truth
            )
            ** 2
        )
        for loss in ("huber", "squared_error")
    }
    assert errors["huber"] < 0.8 * errors["squared_error"]


def test_a_very_large_delta_trains_like_half_the_squared_error(rng):
    X = rng.normal(size=(60, 2))
    settings = {"max_iter": 5, "n_members": 1, "dtype": "float64", "random_state": 0, "alpha": 0.0}
    huge, squared = (
        MultiTaskRegressor(loss=loss, solver="sgd", learning_rate_init=rate, **settings).fit(X, X)
        for loss, rate in ((Huber(1e9), 0.02), ("squared_error", 0.01))
    )
    np.testing.assert_allclose(huge.predict(X), squared.predict(X), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(2 * huge.loss_curve_, squared.loss_curve_, rtol=1e-9)


def test_a_search_finds_delta_by_its_name(rng):
    X = rng.normal(size=(80, 2))
    base = MultiTaskRegressor(loss=Huber(), max_iter=4, n_members=1, random_state=0)
    search = FleetSearchCV(base, {"loss__delta": [0.1, 1.0]}, cv=2).fit(X, X)
    assert search.best_estimator_.loss.delta in (0.1, 1.0)


def test_affinities_from_regressions_know_its_curvature(rng):
    X, task = rng.normal(size=(80, 2)), np.repeat([0, 1], 40)
    tasks = TaskSet.from_long(X, X[:, 0] + rng.normal(size=80), task, kind="regression")
    base = MultiTaskRegressor((4,), loss="huber", max_iter=3)
    affinity = GradientTaskAffinity(base, n_dimensions=5, random_state=0).fit(tasks).affinity_
    assert np.isfinite(np.asarray(affinity)).all()


def test_its_name_gives_an_object():
    assert resolve_loss("huber", "regression") == Huber(delta=1.35)


@pytest.mark.parametrize("delta", [0.0, -1.0, float("nan")])
def test_a_delta_that_is_not_positive_raises(delta):
    with pytest.raises(ValueError, match="'delta' parameter of Huber must be > 0"):
        MultiTaskRegressor(loss=Huber(delta)).fit(np.eye(12), np.arange(12.0))
