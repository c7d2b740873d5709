"""A loss from a user's script, which defines values only, everywhere that a loss is used."""

import pickle
import re

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skmtl import (
    MultiTaskClassifier,
    MultiTaskRegressor,
    TaskGroupedRegressor,
    TaskSet,
    collect_pairwise_gains,
)
from skmtl.affinity import GradientTaskAffinity, TaggingAffinity
from skmtl.fairness import MTAF
from skmtl.losses import LogLoss, SquaredError, TaskLoss, resolve_loss
from skmtl.model_selection import FleetSearchCV

FAST = {"hidden_layer_sizes": (6,), "n_members": 2, "max_iter": 8, "dtype": "float64"}


class Pinball(TaskLoss):
    """Quantile loss."""

    degree = 1.0

    def __init__(self, quantile=0.5):
        self.quantile = quantile

    def values(self, scores, labels):
        residuals = labels - scores[:, :, 0]
        return torch.maximum(self.quantile * residuals, (self.quantile - 1) * residuals)


class PlainSquaredError(TaskLoss):
    def values(self, scores, labels):
        return (scores[:, :, 0] - labels) ** 2


class PlainLogLoss(LogLoss):
    def values(self, scores, labels):
        if scores.shape[2] == 1:
            return torch.nn.functional.softplus(scores[:, :, 0]) - labels * scores[:, :, 0]
        chosen = labels.long().unsqueeze(2)
        return -torch.log_softmax(scores, 2).gather(2, chosen).squeeze(2)


@pytest.fixture
def data(rng):
    X = rng.normal(size=(120, 3))
    Y = X @ rng.normal(size=(3, 3)) + 0.5 * rng.normal(size=(120, 3))
    Y[rng.random(Y.shape) < 0.2] = np.nan
    return X, Y


@pytest.mark.parametrize("aggregator", ["mean", "famo", "mgda"])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_loss_that_only_defines_values_trains_like_its_closed_form(
    data, aggregator, early_stopping
):
    settings = FAST | {
        "aggregator": aggregator,
        "early_stopping": early_stopping,
        "random_state": 0,
    }
    plain = MultiTaskRegressor(loss=PlainSquaredError(), **settings).fit(*data)
    ours = MultiTaskRegressor(**settings).fit(*data)
    np.testing.assert_allclose(plain.predict(data[0]), ours.predict(data[0]), rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(plain.task_loss_curve_, ours.task_loss_curve_, rtol=1e-8)


@pytest.mark.parametrize(
    ("n_classes", "fair"), [([2, 2, 2], False), ([2, 4, 3], False), ([2, 2, 2], True)], ids=str
)
def test_a_classification_loss_that_only_defines_values_trains_like_its_closed_form(
    rng, n_classes, fair
):
    X = rng.normal(size=(90, 3))
    Y = np.column_stack([np.r_[np.arange(k), rng.integers(k, size=90 - k)] for k in n_classes])
    settings = FAST | {"random_state": 0}
    given = {}
    if fair:
        settings["fairness"], given = MTAF(), {"sensitive_features": rng.integers(2, size=90)}
    plain = MultiTaskClassifier(loss=PlainLogLoss(), **settings).fit(X, Y, **given)
    ours = MultiTaskClassifier(**settings).fit(X, Y, **given)
    for a, b in zip(plain.predict_proba(X), ours.predict_proba(X), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


def test_quantiles_are_predicted_in_the_units_of_the_target(rng):
    X = rng.normal(size=(600, 1))
    y = 100 + 50 * rng.normal(size=600)
    model = MultiTaskRegressor(
        (4,), loss=Pinball(0.9), max_iter=60, learning_rate_init=0.02, n_members=1, random_state=0
    ).fit(X, y)
    assert np.mean(y < model.predict(X)) == pytest.approx(0.9, abs=0.06)


def test_partial_fit_goes_on_with_the_same_loss(data):
    X, Y = data
    model = MultiTaskRegressor(loss=Pinball(), **FAST, random_state=0)
    for _ in range(3):
        model.partial_fit(X, Y)
    assert model.n_iter_ == 3
    assert np.isfinite(model.predict(X)).all()


def test_a_search_over_parameters_of_a_loss_equals_ordinary_fits(data):
    X, Y = data
    Y = np.nan_to_num(Y)
    base = MultiTaskRegressor(loss=Pinball(), **FAST, random_state=0)
    grid = {"loss__quantile": [0.1, 0.5, 0.9]}
    search = FleetSearchCV(base, grid, cv=2, refit=False).fit(X, Y)
    for quantile, split in zip(grid["loss__quantile"], search.cv_results_["params"], strict=True):
        assert split == {"loss__quantile": quantile}
    scores = search.cv_results_["mean_test_score"]
    assert len(set(np.round(scores, 6))) == 3


def test_only_estimators_with_equal_losses_train_in_one_fleet(data, monkeypatch):
    from skmtl.estimators import fit_together, train_jobs

    fleets = []
    train = train_jobs.train_fleet

    def spy(architecture, table, members, *rest, **options):
        fleets.append(len(members))
        return train(architecture, table, members, *rest, **options)

    monkeypatch.setattr(train_jobs, "train_fleet", spy)
    X, Y = data
    losses = ["squared_error", Pinball(0.5), SquaredError(), Pinball(0.5), Pinball(0.2)]
    models = [MultiTaskRegressor(loss=loss, **FAST, random_state=0) for loss in losses]
    outcomes = fit_together(models, [(X, Y, {})] * 5)
    assert [outcome.error for outcome in outcomes] == [None] * 5
    assert sorted(fleets) == [2, 4, 4]
    for model in models:
        np.testing.assert_allclose(
            model.predict(X), clone(model).fit(X, Y).predict(X), rtol=1e-7, atol=1e-8
        )


@pytest.fixture
def long(rng):
    X, task = rng.normal(size=(160, 3)), np.repeat(np.arange(4), 40)
    y = X[:, 0] * (1 + task) + rng.normal(size=160)
    return X, y, task


def test_gains_and_affinities_are_measured_with_the_loss(long):
    tasks = TaskSet.from_long(*long, kind="regression")
    own, ours = (
        collect_pairwise_gains(
            tasks, MultiTaskRegressor(loss=loss, **FAST), pairs=0.5, random_state=0
        )
        for loss in (PlainSquaredError(), "squared_error")
    )
    # The mean loss of a loss without a degree is in standardized units: gains, which are relative,
    # are the same.
    np.testing.assert_allclose(own.values, ours.values, rtol=1e-6, atol=1e-8)
    tagging = [
        TaggingAffinity(MultiTaskRegressor(loss=loss, **FAST), random_state=0).fit(tasks).affinity_
        for loss in (PlainSquaredError(), "squared_error")
    ]
    np.testing.assert_allclose(*tagging, rtol=1e-6, atol=1e-8)
    quantiles = collect_pairwise_gains(
        tasks, MultiTaskRegressor(loss=Pinball(0.9), **FAST), pairs=0.5, random_state=0
    )
    assert np.isfinite(quantiles.values).all()


def test_an_affinity_that_needs_a_curvature_asks_for_it(long):
    tasks = TaskSet.from_long(*long, kind="regression")
    with pytest.raises(ValueError, match=r"Define curvature\(n_scores\) in Pinball"):
        GradientTaskAffinity(MultiTaskRegressor(loss=Pinball(), **FAST), random_state=0).fit(tasks)


def test_tasks_are_grouped_by_the_loss(long):
    X, y, task = long
    X = np.column_stack([X, task])
    base = MultiTaskRegressor(loss=Pinball(0.9), **FAST)
    model = TaskGroupedRegressor(base, task_column=3, n_repeats=1, random_state=0).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert np.isfinite(model.choice_["validation_loss"]).all()


def test_a_fitted_estimator_with_its_own_loss_survives_pickling_and_cloning(data):
    X, Y = data
    model = MultiTaskRegressor(loss=Pinball(0.3), **FAST, random_state=0).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    copy = clone(model).set_params(loss__quantile=0.4)
    assert (copy.loss, model.loss) == (Pinball(0.4), Pinball(0.3))
    assert copy.get_params()["loss__quantile"] == 0.4


def test_losses_are_equal_if_class_and_parameters_are():
    assert Pinball(0.3) == Pinball(0.3)
    assert len({Pinball(0.3), Pinball(0.3), Pinball(0.4), SquaredError()}) == 3
    assert SquaredError() != LogLoss()


def test_a_subclass_with_other_values_inherits_no_closed_form(rng):
    class Shifted(SquaredError):
        def values(self, scores, labels):
            return (scores[:, :, 0] - labels - 1.0) ** 2

    scores, labels = torch.tensor(rng.normal(size=(1, 1, 1, 4))), torch.zeros(1, 1, 4).double()
    derivative = Shifted().derivative(scores, labels, torch.ones_like(labels))
    torch.testing.assert_close(derivative, 2 * (scores - 1.0))
    assert Shifted().curvature(1) is None


@pytest.mark.parametrize("loss", ["hinge", "log_loss", LogLoss(), None, SquaredError])
def test_a_regressor_names_the_losses_that_it_knows(data, loss):
    with pytest.raises(ValueError, match=r"The 'loss' parameter must be .*'squared_error'.*Got"):
        MultiTaskRegressor(loss=loss).fit(*data)


@pytest.mark.parametrize("loss", ["squared_error", SquaredError(), 3])
def test_a_classifier_names_the_losses_that_it_knows(data, loss):
    message = re.escape("The 'loss' parameter must be 'log_loss', or an object")
    with pytest.raises(ValueError, match=message):
        MultiTaskClassifier(loss=loss).fit(data[0], np.nan_to_num(data[1]) > 0)


def test_an_object_is_taken_as_it_is():
    loss = Pinball(0.2)
    assert resolve_loss(loss, "regression") is loss


def test_a_loss_without_values_says_what_is_missing(data):
    class Empty(TaskLoss):
        pass

    with pytest.raises(NotImplementedError, match="Empty must define values"):
        MultiTaskRegressor(loss=Empty(), **FAST).fit(*data)
