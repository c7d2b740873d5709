"""Signals are computed once and only if an aggregator reads them; user-defined aggregators."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from skmtl import MultiTaskRegressor
from skmtl.aggregation import AGGREGATORS, TaskGradients
from skmtl.base import Aggregator, Signals
from skmtl.model_selection import FleetSearchCV
from skmtl.network import StackedNetwork


class RootLosses(Aggregator):
    def __init__(self, power=0.5):
        self.power = power

    def step(self, signals, state):
        roots = signals.losses**self.power
        return roots / roots.sum(-1, keepdim=True), state


class CountedSteps(Aggregator):
    """Remembers how often it was asked, after how many steps, and after how many epochs."""

    kind = "gradient_weights"
    last = None

    def init(self, n_networks, n_tasks, *, device=None):
        names = ("asked", "after", "epochs")
        return {name: torch.zeros(n_networks, n_tasks, device=device) for name in names}

    def step(self, signals, state):
        return torch.ones_like(signals.gradient_norms), {**state, "asked": state["asked"] + 1}

    def after_step(self, signals, state):
        assert (signals.losses_after != signals.losses).any()
        return {**state, "after": state["after"] + 1}

    def end_epoch(self, signals, state):
        type(self).last = {**state, "epochs": state["epochs"] + 1}
        return type(self).last


def regressor(aggregator, **settings):
    usual = {"max_iter": 3, "batch_size": 8, "n_members": 2, "early_stopping": False}
    return MultiTaskRegressor((4,), aggregator=aggregator, random_state=0, **usual | settings)


@pytest.fixture
def X(rng):
    return rng.normal(size=(32, 3))


@pytest.fixture
def Y(rng):
    return rng.normal(size=(32, 3))


def counting(calls, function):
    """A function that counts its calls."""
    return lambda *args: calls.append(1) or function(*args)


@pytest.mark.parametrize(
    "aggregator", [*sorted(set(AGGREGATORS) - {"pivrg"}), RootLosses()], ids=str
)
def test_a_method_that_reads_no_gradient_pays_for_none(X, Y, monkeypatch, aggregator):
    calls = []
    for name in ("trunk_jacobian", "representation_gramian"):
        counted = counting(calls, getattr(StackedNetwork, name))
        monkeypatch.setattr(StackedNetwork, name, counted)
    regressor(aggregator).fit(X, Y)
    kind = AGGREGATORS[aggregator].kind if isinstance(aggregator, str) else aggregator.kind
    assert bool(calls) == (kind != "loss_weights" or aggregator == "gradnorm")
    assert len(calls) in (0, 12)  # 3 epochs of 4 steps


def test_weights_that_are_kept_read_no_gradient(X, Y, monkeypatch):
    calls = []
    counted = counting(calls, StackedNetwork.trunk_jacobian)
    monkeypatch.setattr(StackedNetwork, "trunk_jacobian", counted)
    regressor(TaskGradients("upgrad", every=4)).fit(X, Y)
    assert len(calls) == 3


def test_a_signal_is_computed_once_when_it_is_read():
    calls = []
    signals = Signals(gramian=lambda: calls.append(1) or torch.eye(3)[None])
    part = signals.part(np.array([0]), np.array([0, 2]))
    assert not signals.was_read("gramian")
    assert part.gramian.shape == (1, 2, 2)
    assert signals.was_read("gramian")
    assert torch.equal(part.gramian, part.gramian)
    assert len(calls) == 1


def test_a_method_sees_steps_what_comes_after_them_and_epochs(X, Y):
    Y = Y.copy()
    Y[1:, 2] = np.nan
    regressor(CountedSteps()).fit(X, Y)
    state = CountedSteps.last
    np.testing.assert_array_equal(state["epochs"], np.full((2, 3), 3.0))
    for name in ("asked", "after"):  # the last task has one label, in one batch of each epoch
        np.testing.assert_array_equal(state[name], np.tile([12.0, 12.0, 3.0], (2, 1)))


def test_a_users_aggregator_is_searched_pickled_and_continued(X, Y):
    search = FleetSearchCV(regressor(RootLosses()), {"aggregator__power": [0.5, 2.0]}, cv=2)
    fitted = search.fit(X, Y).best_estimator_
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    assert np.isfinite(again.partial_fit(X, Y).predict(X)).all()
    with pytest.raises(ValueError, match="a subclass of skmtl.base.Aggregator with a step"):
        regressor(Aggregator()).fit(X, Y)
