"""What aggregators, losses and fairness terms of users return is checked."""

import numpy as np
import pytest
import torch

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.base import Aggregator, FairnessTerm
from skmtl.losses import Huber, TaskLoss

FAST = {"hidden_layer_sizes": (4,), "n_members": 2, "max_iter": 2, "random_state": 0}


class Weights(Aggregator):
    """An aggregator that returns what a function of the losses and the state returns."""

    def __init__(self, made=None):
        self.made = made

    def step(self, signals, state):
        return self.made(signals.losses, state)


class Values(TaskLoss):
    def __init__(self, made=None):
        self.made = made

    def values(self, scores, labels):
        return self.made((labels - scores[:, :, 0]) ** 2)


class Term(FairnessTerm):
    def __init__(self, made=None):
        self.made = made

    def values(self, scores, labels, weights, groups):
        return self.made((scores**2).sum((1, 2, 3)))


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(40, 3))
    return X, X[:, :2] + 0.1


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda w, s: (w[0], s), ValueError, r"one per network and task.*Got shape \(2,\)"),
        (lambda w, s: (w[:, 0], s), ValueError, r"Got shape \(2,\)"),
        (lambda w, s: (w[..., None], s), ValueError, r"Got shape \(2, 2, 1\)"),
        (lambda w, s: w, TypeError, "two things"),
        (lambda w, s: None, TypeError, "two things.*NoneType"),
        (lambda w, s: (w.numpy(), s), TypeError, "as a tensor.*ndarray"),
        (lambda w, s: (w.to(torch.complex64), s), TypeError, "real numbers"),
        (lambda w, s: (w, None), TypeError, "dictionary of tensors"),
        (lambda w, s: (w, {"a": 3.0}), TypeError, "float for 'a'"),
    ],
)
def test_a_step_that_returns_the_wrong_thing_says_what_is_wanted(rows, made, error, message):
    with pytest.raises(error, match=f"Weights.step must return.*{message}"):
        MultiTaskRegressor(aggregator=Weights(made), **FAST).fit(*rows)


@pytest.mark.parametrize("shape", ["trunk", "tasks"])
def test_a_direction_of_the_wrong_width_says_what_is_wanted(rows, shape):
    class Direction(Aggregator):
        kind = "direction"

        def step(self, signals, state):
            jacobian = signals.jacobian
            return (jacobian if shape == "tasks" else jacobian.mean(1)[:, :3]), state

    with pytest.raises(ValueError, match="one number per network and parameter, here of shape"):
        MultiTaskRegressor(aggregator=Direction(), **FAST).fit(*rows)


@pytest.mark.parametrize(
    ("state", "error"), [(None, TypeError), ({"a": 3.0}, TypeError), ({"a": 7}, ValueError)]
)
def test_a_first_state_of_the_wrong_form_says_what_is_wanted(rows, state, error):
    class Stateful(Weights):
        def init(self, n_networks, n_tasks, *, device=None):
            return {"a": torch.ones(7, 7, 7)} if state == {"a": 7} else state

    with pytest.raises(error, match=r"Stateful\.init must return"):
        MultiTaskRegressor(aggregator=Stateful(lambda w, s: (w, s)), **FAST).fit(*rows)


def test_an_unknown_kind_of_aggregator_is_rejected(rows):
    class Odd(Weights):
        kind = "weights"

    with pytest.raises(ValueError, match=r"Odd\.kind must be one of loss_weights, gradient_weight"):
        MultiTaskRegressor(aggregator=Odd(lambda w, s: (w, s)), **FAST).fit(*rows)


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda v: v.mean(), ValueError, "one loss per network, task and row"),
        (lambda v: v.mean(-1), ValueError, "one loss per network, task and row"),
        (lambda v: v[:, :, None], ValueError, "one loss per network, task and row"),
        (lambda v: v.detach(), ValueError, "without a gradient"),
        (lambda v: torch.ones_like(v), ValueError, "without a gradient"),
        (lambda v: v.detach().numpy(), TypeError, "a tensor of floating point numbers"),
        (lambda v: v.long(), TypeError, "a tensor of floating point numbers"),
        (lambda v: None, TypeError, "a tensor of floating point numbers"),
    ],
)
@pytest.mark.parametrize("aggregator", ["mean", "mgda"])
def test_a_loss_that_returns_the_wrong_thing_says_what_is_wanted(
    rows, made, error, message, aggregator
):
    with pytest.raises(error, match=f"Values.values .*{message}"):
        MultiTaskRegressor(loss=Values(made), aggregator=aggregator, **FAST).fit(*rows)


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda v: v, TypeError, "two tensors"),
        (lambda v: None, TypeError, "two tensors"),
        (lambda v: (v, v, v), TypeError, "two tensors.*a tuple of 3"),
        (lambda v: (v.mean(), v.mean()), ValueError, "one number per network"),
        (lambda v: (v[:, None], v[:, None]), ValueError, "one number per network"),
        (lambda v: (v.detach(), v), ValueError, "without a gradient"),
    ],
)
def test_a_fairness_term_that_returns_the_wrong_thing_says_what_is_wanted(
    rows, made, error, message
):
    X, Y = rows
    with pytest.raises(error, match=f"Term.values .*{message}"):
        MultiTaskClassifier(fairness=Term(made), **FAST).fit(
            X, Y > 0, sensitive_features=np.arange(40) % 2
        )


@pytest.mark.parametrize("delta", ["1", None, -1.0, float("nan")])
def test_a_delta_that_is_no_positive_number_is_rejected(rows, delta):
    with pytest.raises(ValueError, match="'delta' parameter of Huber must be > 0"):
        MultiTaskRegressor(loss=Huber(delta=delta), **FAST).fit(*rows)
