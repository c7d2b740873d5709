"""Penalties as objects, as names, and as functions and classes of users."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV

from skmtl import MultiTaskClassifier
from skmtl.fairness import (
    MMD,
    MTAF,
    Correlation,
    PerTaskFairness,
    RateGap,
    correlation_penalty,
    gap_penalty,
    mmd_penalty,
)

TERMS = pytest.mark.parametrize("term", [MTAF, PerTaskFairness])
NAMED = pytest.mark.parametrize(
    ("name", "penalty", "function"),
    [
        ("mmd", MMD(), mmd_penalty),
        ("gap", RateGap(), gap_penalty),
        ("correlation", Correlation(), correlation_penalty),
    ],
    ids=["mmd", "gap", "correlation"],
)
FAST = {"n_members": 2, "max_iter": 4, "early_stopping": False, "dtype": "float64"}
NETWORK = MultiTaskClassifier((4,), **FAST, random_state=0)


def squared_gap(scores, groups):
    return (scores[groups == 0].mean() - scores[groups == 1].mean()).square()


class ScaledGap(BaseEstimator):
    """A penalty of a user's own class with a parameter."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def __call__(self, scores, groups):
        return self.scale * (scores[groups == 0].mean() - scores[groups == 1].mean()).abs()


class Plain:
    """A penalty of a class that knows nothing of scikit-learn."""

    def __call__(self, scores, groups):
        return (scores[groups == 0].mean() - scores[groups == 1].mean()).abs()


@pytest.fixture
def people(rng):
    group = rng.integers(0, 2, size=200)
    X = np.column_stack([rng.normal(size=(200, 2)), group + 0.1 * rng.normal(size=200)])
    Y = (X[:, :2] + group[:, None] + rng.normal(size=(200, 2)) > 0.5).astype(float)
    return X, Y, group


def assert_same(ours, expected, **tolerance):
    for own, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(own, other, **tolerance)


# ---------------------------------------------------------------------- objects and names
@TERMS
@NAMED
@pytest.mark.parametrize("criterion", ["fpr", "equalized_odds"])
def test_an_object_with_defaults_is_its_name_to_the_bit(
    random_batch, term, name, penalty, function, criterion
):
    batch = random_batch(tasks=3, n_groups=3, missing=0.1, unknown=0.1)
    for ours, expected in zip(
        term(penalty, criterion=criterion).values(*batch.arguments),
        term(name, criterion=criterion).values(*batch.arguments),
        strict=True,
    ):
        assert torch.equal(ours, expected)


@pytest.mark.parametrize(
    ("penalty", "options"),
    [
        (MMD(length=0.3), {"loss": "mmd", "length": 0.3}),
        (RateGap(threshold=0.2, temperature=0.1), {"loss": "gap", "threshold": 0.2}),
        (Correlation(pairs="mean"), {"loss": "correlation", "pairs": "mean"}),
    ],
)
def test_an_object_with_parameters_is_a_name_with_those_of_the_term(random_batch, penalty, options):
    batch = random_batch(n_groups=3)
    options = options | ({"temperature": 0.1} if options["loss"] == "gap" else {})
    for ours, expected in zip(
        MTAF(penalty, form="released").values(*batch.arguments),
        MTAF(**options, form="released").values(*batch.arguments),
        strict=True,
    ):
        assert torch.equal(ours, expected)


@NAMED
def test_an_object_called_is_the_function(rng, name, penalty, function):
    scores, groups = torch.tensor(rng.uniform(size=40)), torch.arange(40) % 3
    for pairs in ("max", "mean"):
        own = clone(penalty).set_params(pairs=pairs)
        assert torch.equal(own(scores, groups), function(scores, groups, pairs=pairs))


@NAMED
def test_objects_are_cloned_and_pickled_like_estimators(name, penalty, function):
    for copy in (clone(penalty), pickle.loads(pickle.dumps(penalty))):
        assert type(copy) is type(penalty)
        assert copy.get_params() == penalty.get_params()


@TERMS
@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (MMD(length=0), "The 'length' parameter of MMD must be a number > 0. Got 0"),
        (RateGap(threshold=2), "The 'threshold' parameter of RateGap must be a number between 0"),
        (RateGap(temperature=np.nan), "The 'temperature' parameter of RateGap must be None or"),
        (Correlation(pairs="min"), "The 'pairs' parameter of Correlation must be 'max' or 'mean'"),
        (MMD, "or a penalty: an object such as MMD\\(\\), or a function"),
        (["gap", 3], "Got 3 instead for task 'grade'"),
    ],
)
def test_a_penalty_that_cannot_be_used_raises_and_is_named(term, penalty, message):
    with pytest.raises(ValueError, match=message):
        term(penalty).for_tasks(["bar", "grade"])


@TERMS
@pytest.mark.parametrize(
    "ignored", [{"length": 0.2}, {"temperature": 0.1}, {"threshold": [0.2, 0.5]}, {"pairs": "mean"}]
)
def test_a_parameter_that_an_object_would_ignore_raises(term, ignored):
    with pytest.raises(
        ValueError, match=f"The '{next(iter(ignored))}' parameter of .* is used only"
    ):
        term(MMD(), **ignored).for_tasks(["bar", "grade"])
    term(["gap", MMD()], **ignored).for_tasks(["bar", "grade"])


@TERMS
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"weight": [1.0, np.nan]}, "'weight' parameter of .* Got nan instead for task 'grade'"),
        ({"weight": None}, "'weight' parameter"),
        ({"weight": [[1.0], [2.0, 3.0]]}, "'weight' parameter"),
        ({"weight": {"bar": 1.0}}, "'weight' parameter"),
        ({"weight": np.inf}, "'weight' parameter"),
        ({"criterion": "dp"}, "must be one of fpr, tpr, equalized_odds"),
        ({"criterion": ["fpr"]}, "'criterion' parameter of .* has 1 values, but there are 2 tasks"),
        ({"positive_class": -1}, "'positive_class' parameter"),
        ({"length": "long"}, "'length' parameter"),
        ({"temperature": 0}, "'temperature' parameter"),
        ({"pairs": ["max", "mean"]}, "'pairs' parameter"),
    ],
)
def test_broken_parameters_raise_in_fit_and_are_named(people, term, parameters, message):
    X, Y, group = people
    names = {"bar": Y[:, 0], "grade": Y[:, 1]}
    model = clone(NETWORK).set_params(fairness=term(**parameters))
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=message) as caught:
        model.fit(X, pandas.DataFrame(names), sensitive_features=group)
    assert len(str(caught.value)) < 500


# ---------------------------------------------------------------------- a user's own
@TERMS
@pytest.mark.parametrize("own", [gap_penalty, lambda s, g: gap_penalty(s, g), Plain()])
@pytest.mark.parametrize("criterion", ["fpr", "tpr", "equalized_odds"])
def test_a_callable_is_what_the_same_penalty_by_name_is(random_batch, term, own, criterion):
    batch = random_batch(tasks=3, missing=0.1, unknown=0.1)
    for ours, expected in zip(
        term(own, criterion=criterion, weight=[0.5, 1.0, 2.0]).values(*batch.arguments),
        term("gap", criterion=criterion, weight=[0.5, 1.0, 2.0]).values(*batch.arguments),
        strict=True,
    ):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-14)
        for slope, other in zip(
            torch.autograd.grad(ours.sum(), batch.scores, retain_graph=True),
            torch.autograd.grad(expected.sum(), batch.scores, retain_graph=True),
            strict=True,
        ):
            torch.testing.assert_close(slope, other, rtol=1e-12, atol=1e-14)


@TERMS
def test_a_callable_may_stand_beside_names_for_single_tasks(random_batch, term):
    batch = random_batch(tasks=3)
    for ours, expected in zip(
        term(["mmd", gap_penalty, MMD()]).values(*batch.arguments),
        term(["mmd", "gap", "mmd"]).values(*batch.arguments),
        strict=True,
    ):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-14)


@TERMS
def test_a_callable_is_only_called_where_two_groups_have_rows(random_batch, term):
    batch = random_batch()
    seen = []

    def spy(scores, groups):
        seen.append(len(groups.unique()))
        return scores.sum() * 0

    term(spy).values(*batch.arguments)
    assert seen
    assert min(seen) == 2
    seen.clear()
    groups = torch.zeros_like(batch.groups)
    for value in term(spy).values(batch.scores, batch.labels, batch.weights, groups):
        assert not value.any()
    assert not seen


@TERMS
def test_a_network_with_nan_scores_spoils_no_other_under_a_callable(random_batch, term):
    batch = random_batch()
    scores = batch.scores.detach().clone()
    scores[1] = torch.nan
    for ours, sound in zip(
        term(squared_gap).values(scores, *batch.arguments[1:]),
        term(squared_gap).values(*batch.arguments),
        strict=True,
    ):
        torch.testing.assert_close(ours[[0, 2]], sound[[0, 2]])


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (lambda s, g: 0.5, TypeError, "The penalty <lambda> must return a floating point tensor"),
        (lambda s, g: s, TypeError, "with one element. Got Tensor, shape"),
        (lambda s, g: (s > 0.5).sum(), TypeError, "floating point"),
        (lambda s, g: s.detach().mean(), ValueError, "without a gradient"),
    ],
)
def test_a_callable_that_returns_no_number_to_follow_raises(people, returned, error, message):
    X, Y, group = people
    model = clone(NETWORK).set_params(fairness=MTAF(returned, criterion="equalized_odds"))
    with pytest.raises(error, match=message):
        model.fit(X, Y, sensitive_features=group)


@TERMS
def test_training_with_a_callable_is_training_with_the_same_penalty_by_name(people, term):
    X, Y, group = people
    fitted = [
        clone(NETWORK).set_params(fairness=term(loss)).fit(X, Y, sensitive_features=group)
        for loss in (gap_penalty, "gap")
    ]
    assert_same(*(model.predict_proba(X) for model in fitted), rtol=1e-9, atol=1e-12)
    plain = clone(NETWORK).fit(X, Y)
    assert not np.allclose(plain.predict_proba(X)[0], fitted[0].predict_proba(X)[0])


@pytest.mark.parametrize(
    ("penalty", "parameter", "values"),
    [(MMD(), "length", [0.05, 0.5]), (ScaledGap(), "scale", [0.1, 10.0])],
)
def test_parameters_of_a_penalty_are_searched(people, penalty, parameter, values):
    X, Y, group = people
    grid = {f"fairness__loss__{parameter}": values}
    search = GridSearchCV(clone(NETWORK).set_params(fairness=MTAF(penalty)), grid, cv=2)
    search.fit(X, Y, sensitive_features=group)
    found = search.best_estimator_.fairness.loss
    assert getattr(found, parameter) == search.best_params_[f"fairness__loss__{parameter}"]
    assert getattr(penalty, parameter) not in values


def test_a_fitted_network_with_an_own_penalty_pickles(people):
    X, Y, group = people
    for loss in (squared_gap, ScaledGap(2.0)):
        model = clone(NETWORK).set_params(fairness=PerTaskFairness(loss))
        model.fit(X, Y, sensitive_features=group)
        again = pickle.loads(pickle.dumps(model))
        assert_same(again.predict_proba(X), model.predict_proba(X), rtol=0)


@pytest.mark.parametrize(
    "term",
    [
        MTAF(),
        MTAF(MMD(length=0.2), weight=[1.0, 2.0], form="released"),
        PerTaskFairness([RateGap(temperature=0.1), Correlation()]),
    ],
)
def test_skops_saves_terms_and_penalties_with_types_of_skmtl_only(people, term):
    skops = pytest.importorskip("skops.io")
    X, Y, group = people
    model = clone(NETWORK).set_params(fairness=term).fit(X, Y, sensitive_features=group)
    for one in (term, model):
        saved = skops.dumps(one)
        types = skops.get_untrusted_types(data=saved)
        assert all(name.startswith("skmtl.") for name in types)
        again = skops.loads(saved, trusted=types)
        assert repr(again) == repr(one)
    assert_same(again.predict_proba(X), model.predict_proba(X), rtol=0)
