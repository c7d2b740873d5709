"""The aggregator parameter of the multi-task regressor and classifier."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.aggregation import (
    AGGREGATORS,
    DWA,
    FAMO,
    PIVRG,
    UW,
    GradVac,
    ShapleyWeighted,
    SVFair,
    TaskGradients,
    UPGrad,
)

NAMES = sorted(AGGREGATORS)
WRAPPERS = [
    ShapleyWeighted("rlw"),
    ShapleyWeighted("dwa"),
    ShapleyWeighted("uw"),
    TaskGradients("svfair", every=2),
    TaskGradients("upgrad", at="representation"),
]
EVERY = pytest.mark.parametrize("aggregator", [*NAMES, *WRAPPERS], ids=str)
SMALL = dict(max_iter=2, n_members=2, hidden_layer_sizes=(4,), random_state=0, early_stopping=False)
WATCHED = dict(early_stopping="auto")
# What learns from logarithms of losses sees no unit of a loss, and therefore no weight of a task.
UNITLESS = ("igb", "si", "stch")


def settings(aggregator, options):
    return SMALL | (WATCHED if aggregator == "pivrg" else {}) | options


def regressor(aggregator, **options):
    return MultiTaskRegressor(aggregator=aggregator, **settings(aggregator, options))


def classifier(aggregator, **options):
    return MultiTaskClassifier(aggregator=aggregator, **settings(aggregator, options))


def in_range(entry):
    return all(
        0 <= entry[name] <= 1 for name in ("negative_cosine_fraction", "voldet") if name in entry
    )


# ---------------------------------------------------------------------- every name, every shape of
# data
@EVERY
def test_every_aggregator_learns_regression_with_missing_labels(X, Y, aggregator):
    before = repr(aggregator)
    model = regressor(aggregator).fit(X, Y)
    assert np.isfinite(model.predict(X)).all()
    assert model.aggregation_weights_.shape == model.task_loss_curve_.shape == (2, 3)
    assert (
        np.isnan(model.aggregation_weights_).all()
        if aggregator == "graddrop"
        else (model.aggregation_weights_ >= 0).all() or aggregator in ("config", "imtlg")
    )
    assert all(in_range(entry) for entry in model.history_)
    assert repr(aggregator) == before


@EVERY
def test_every_aggregator_learns_labels_of_several_classes(X, Y, aggregator):
    codes = np.column_stack(
        [
            np.digitize(column, np.nanquantile(column, cuts))
            for column, cuts in zip(Y.T, ([0.5], [0.3, 0.6], [0.5]), strict=True)
        ]
    )
    labels = np.where(np.isnan(Y), np.nan, codes)
    model = classifier(aggregator).fit(X, labels)
    probabilities = model.predict_proba(X)
    assert [part.shape[1] for part in probabilities] == [2, 3, 2]
    assert all(np.isfinite(part).all() for part in probabilities)


@pytest.mark.parametrize("aggregator", NAMES)
def test_every_aggregator_learns_two_binary_tasks(X, labels, aggregator):
    model = classifier(aggregator).fit(X, labels[:, :2])
    assert model.aggregation_weights_.shape == (2, 2)


@pytest.mark.parametrize("aggregator", [*NAMES, *WRAPPERS[:-1]], ids=str)
def test_every_aggregator_learns_in_long_form(long_form, aggregator):
    X, y, task = long_form
    assert np.isfinite(regressor(aggregator, task_column=4).fit(X, y).predict(X)).all()
    assert len(classifier(aggregator, task_column=4).fit(X, y > np.median(y)).predict(X)) == len(
        task
    )


@EVERY
def test_a_single_task_has_nothing_to_aggregate(X, Y, aggregator):
    y = np.nan_to_num(Y[:, 0])
    ours, mean = (regressor(kind, early_stopping=False).fit(X, y) for kind in (aggregator, "mean"))
    np.testing.assert_array_equal(ours.predict(X), mean.predict(X))
    np.testing.assert_array_equal(ours.aggregation_weights_, np.ones((2, 1)))
    assert ours.history_ == mean.history_


def test_the_mean_by_name_by_object_and_by_default_is_the_same(X, Y):
    fitted = [
        regressor(aggregator).fit(X, Y).predict(X) for aggregator in ("mean", AGGREGATORS["mean"]())
    ]
    fitted.append(MultiTaskRegressor(**SMALL).fit(X, Y).predict(X))
    assert all(np.array_equal(fitted[0], other) for other in fitted[1:])


def test_a_subclass_of_the_mean_is_not_taken_for_it(X, Y):
    class First(AGGREGATORS["mean"]):
        def step(self, signals, state):
            weights, state = super().step(signals, state)
            weights[:, 1:] = 0
            return weights, state

    assert not (regressor(First()).fit(X, Y).aggregation_weights_[:, 1:] > 0).any()


# ---------------------------------------------------------------------- scikit-learn
def test_a_grid_runs_over_names_and_over_parameters_of_an_object(X, Y):
    filled = np.nan_to_num(Y)
    names = GridSearchCV(
        regressor("mean"), {"aggregator": ["mean", "svfair", "famo", UPGrad()]}, cv=2
    ).fit(X, filled)
    assert len(names.cv_results_["params"]) == 4
    assert np.isfinite(names.cv_results_["mean_test_score"]).all()
    taus = GridSearchCV(
        regressor(SVFair(max_norm=None)), {"aggregator__tau": [0.05, 1.0]}, cv=2
    ).fit(X, filled)
    scores = taus.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[0] != scores[1]
    assert taus.best_estimator_.aggregator.tau in (0.05, 1.0)


@EVERY
def test_clones_copies_and_names_survive(X, Y, aggregator):
    model = clone(regressor(aggregator)).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert repr(clone(model)) == repr(again)
    if aggregator != "mean":
        assert "aggregator=" in repr(model)
    if not isinstance(aggregator, str):
        assert clone(model).aggregator is not aggregator
        assert {f"aggregator__{name}" for name in aggregator.get_params()} <= set(
            model.get_params()
        )


@pytest.mark.parametrize("value", ["nosuch", None, 3, UPGrad])
def test_what_is_no_aggregator_is_refused_before_anything_is_trained(X, Y, value):
    with pytest.raises(ValueError, match="The 'aggregator' parameter must be one of mean"):
        regressor(value).fit(X, Y)


@pytest.mark.parametrize(
    "aggregator",
    [
        SVFair(tau=-1),
        SVFair(max_norm=0),
        FAMO(learning_rate=-1),
        UW("fast"),
        DWA(0),
        ShapleyWeighted("mean"),
        GradVac(2),
    ],
    ids=str,
)
def test_bad_parameters_of_an_aggregator_are_named(X, Y, aggregator):
    with pytest.raises(
        (ValueError, TypeError),
        match="(tau|max_norm|learning_rate|temperature|method|beta)|could not convert|must be",
    ):
        regressor(aggregator).fit(X, Y)


# ---------------------------------------------------------------------- going on
@pytest.mark.parametrize(
    "aggregator",
    ["mean", "dwa", "famo", "gradvac", "svfair", "graddrop", TaskGradients("upgrad", every=3)],
    ids=str,
)
def test_passes_and_weights_of_partial_fit_add_up(X, Y, aggregator):
    model = regressor(aggregator)
    for k in range(3):
        model.partial_fit(X, Y)
        assert model.aggregation_weights_.shape == model.task_loss_curve_.shape == (k + 1, 3)
    assert [entry["iteration"] for entry in model.history_] == [1, 2, 3]
    fitted = clone(model).set_params(warm_start=True).fit(X, Y)
    first = fitted.predict(X)
    fitted.fit(X, Y)
    assert fitted.aggregation_weights_.shape == (2, 3)
    assert not np.array_equal(fitted.predict(X), first)


@pytest.mark.parametrize(
    ("aggregator", "entry"),
    [
        (GradVac(), "targets"),
        (FAMO(), "value"),
        (DWA(), "last"),
        (TaskGradients("mgda", every=2), "due"),
    ],
    ids=str,
)
def test_what_an_aggregator_remembers_outlives_calls_of_partial_fit_and_copies(
    X, Y, aggregator, entry
):
    model = regressor(aggregator).partial_fit(X, Y)
    remembered = [one.aggregator_state[entry].copy() for one in model.model_.networks]
    copied = pickle.loads(pickle.dumps(model)).partial_fit(X, Y)
    model.partial_fit(X, Y)
    np.testing.assert_array_equal(copied.predict(X), model.predict(X))
    assert not any(
        np.array_equal(one.aggregator_state[entry], old)
        for one, old in zip(model.model_.networks, remembered, strict=True)
    )
    forgetful = regressor(aggregator).partial_fit(X, Y)
    for one in forgetful.model_.networks:
        one.aggregator_state = {}
    assert not np.array_equal(
        forgetful.partial_fit(X, Y).partial_fit(X, Y).predict(X), model.partial_fit(X, Y).predict(X)
    )


def test_dwa_weighs_all_tasks_alike_in_the_first_two_passes_whether_or_not_they_are_one_call(X, Y):
    model = regressor("dwa", max_iter=4)
    np.testing.assert_allclose(model.fit(X, Y).aggregation_weights_[:2], 1.0)
    assert not np.allclose(model.aggregation_weights_[2], 1.0)
    parts = regressor("dwa")
    for _ in range(3):
        parts.partial_fit(X, Y)
    np.testing.assert_allclose(parts.aggregation_weights_[:2], 1.0)
    assert not np.allclose(parts.aggregation_weights_[2], 1.0)


def test_another_aggregator_may_go_on(X, Y):
    model = regressor("uw").partial_fit(X, Y)
    for aggregator in ("famo", "gradvac", TaskGradients("upgrad", every=2), "mean", "dwa"):
        model.set_params(aggregator=aggregator).partial_fit(X, Y)
    assert np.isfinite(model.predict(X)).all()


# ---------------------------------------------------------------------- weights of tasks
@pytest.mark.parametrize("aggregator", NAMES)
def test_task_weights_enter_and_their_scale_does_not(X, Y, aggregator):
    uniform, once, twice = (
        regressor(aggregator, task_weights=weights, solver="sgd", dtype="float64")
        .fit(X, Y)
        .predict(X)
        for weights in (None, [1, 2, 5], [2, 4, 10])
    )
    np.testing.assert_allclose(once, twice, rtol=1e-7)
    assert np.allclose(uniform, once, rtol=1e-7) == (aggregator in UNITLESS)


@pytest.mark.parametrize("aggregator", sorted(set(NAMES) - {"mean"}))
def test_the_labels_of_a_task_of_weight_zero_are_of_no_influence(X, Y, aggregator):
    other = Y.copy()
    other[:, 1] = Y[::-1, 1]
    other[np.isnan(Y[:, 1]), 1] = np.nan
    other[~np.isnan(Y[:, 1]) & np.isnan(other[:, 1]), 1] = 0.0
    ours, others = (
        regressor(aggregator, task_weights=[1, 0, 1]).fit(X, target) for target in (Y, other)
    )
    np.testing.assert_array_equal(ours.predict(X)[:, [0, 2]], others.predict(X)[:, [0, 2]])
    assert np.isnan(ours.aggregation_weights_[:, 1]).all()


# ---------------------------------------------------------------------- what history tells
@pytest.mark.parametrize(
    "name",
    sorted(name for name, kind in AGGREGATORS.items() if kind.kind == "gradient_weights"),
)
def test_history_tells_how_far_gradients_are_in_conflict(X, Y, name):
    history = regressor(name).fit(X, Y).history_
    assert all(
        {"negative_cosine_fraction", "voldet"} <= set(entry) and in_range(entry)
        for entry in history
    )


def test_of_two_tasks_a_network_has_conflict_or_none_and_history_holds_the_mean(X, Y):
    # Each network's last batch of a pass says 0 or 1.
    for entry in regressor("pcgrad", n_members=4, max_iter=3).fit(X, Y[:, :2]).history_:
        assert entry["negative_cosine_fraction"] * 4 in range(5)
        assert 0 < entry["voldet"] < 1


def test_passes_in_which_nothing_was_measured_are_not_said_to_be_free_of_conflict(X, Y):
    history = (
        regressor(TaskGradients("upgrad", every=3), batch_size="full", max_iter=4)
        .fit(X, Y)
        .history_
    )
    for entry in history[1:3]:
        assert np.isnan(entry.get("voldet", np.nan))


def test_weighings_of_losses_have_no_diagnostics(X, Y):
    assert set(regressor("dwa").fit(X, Y).history_[0]) == {"iteration", "loss"}


# ---------------------------------------------------------------------- single-task baselines
def test_a_task_behind_its_single_task_network_gets_the_higher_priority(rng, monkeypatch):
    seen = []

    class Spied(PIVRG):
        def step(self, signals, state):
            seen.append(signals.scores.clone())
            return super().step(signals, state)

    X = rng.normal(size=(120, 3))
    Y = np.column_stack([X[:, 0], np.sin(3 * X[:, 1])]) + 0.05 * rng.normal(size=(120, 2))
    MultiTaskRegressor(
        aggregator=Spied(),
        max_iter=5,
        n_members=3,
        hidden_layer_sizes=(4,),
        random_state=0,
        early_stopping=True,
    ).fit(X, Y)
    assert (seen[0] == 0).all()
    scores = seen[-1]
    assert scores.shape == (3, 2)
    assert (scores != 0).all()
    behind = scores[:, 0] > scores[:, 1]
    priorities = PIVRG().priorities(scores)
    assert ((priorities[:, 0] > priorities[:, 1]) == behind).all()


@pytest.mark.parametrize("aggregator", [PIVRG(), TaskGradients("pivrg")], ids=str)
def test_without_validation_rows_scores_are_missing_and_a_warning_says_so(X, Y, aggregator):
    with pytest.warns(
        UserWarning, match="takes its scores from validation rows, of which there are none here"
    ):
        regressor(aggregator).fit(X, Y)


def test_one_task_needs_no_baseline_and_no_warning(X, Y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regressor("pivrg", early_stopping=False).fit(X, np.nan_to_num(Y[:, 0]))


def test_many_members_of_which_one_diverges_are_scored(X, Y):
    # A huge step size ends members at different passes; whoever is left trains on.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MultiTaskRegressor(
            aggregator="pivrg",
            n_members=12,
            max_iter=6,
            hidden_layer_sizes=(4,),
            solver="sgd",
            learning_rate_init=30.0,
            random_state=0,
        )
        model.fit(X, Y)
    assert np.isfinite(model.aggregation_weights_[0]).all()


# ---------------------------------------------------------------------- rare and solved tasks
def related_tasks(rng, case):
    """1000 rows for training, as many for the test, and 5 related tasks.

    "rare": the first has labels in 2 % of the rows. "solved": the first is linear and free of
    noise, the others are neither.
    """
    X = rng.normal(size=(2000, 6))
    directions = np.eye(6)[0] + 0.4 * rng.normal(size=(5, 6))
    signal = X @ directions.T
    Y = np.tanh(signal) + 0.5 * signal + 0.3 * rng.normal(size=signal.shape)
    if case == "solved":
        Y[:, 1:] = (
            np.sin(2 * signal[:, 1:]) + 0.7 * signal[:, 1:] + 0.6 * rng.normal(size=(2000, 4))
        )
        Y[:, 0] = X[:, 0]
    train = Y[:1000].copy()
    if case == "rare":
        train[rng.permutation(1000)[20:], 0] = np.nan
    return X[:1000], train, X[1000:], Y[1000:]


@pytest.mark.parametrize("case", ["rare", "solved"])
@pytest.mark.parametrize("name", NAMES)
def test_every_task_ends_below_the_loss_of_its_training_mean(rng, name, case):
    X, Y, X_test, Y_test = related_tasks(rng, case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = MultiTaskRegressor(
            aggregator=name, n_members=1, max_iter=10, hidden_layer_sizes=(32,), random_state=0
        ).fit(X, Y)
    losses = ((model.predict(X_test) - Y_test) ** 2).mean(0)
    of_mean = ((np.nanmean(Y, axis=0) - Y_test) ** 2).mean(0)
    assert (losses < of_mean).all(), f"{name}, {case}: {np.round(losses / of_mean, 2)}"
