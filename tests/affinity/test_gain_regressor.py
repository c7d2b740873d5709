import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmtl.affinity.gain_regressor import PairwiseGainRegressor
from skmtl.affinity.penalty_choice import ALPHAS, LINEAR_SCALES

STRICT = PairwiseGainRegressor(alpha=1.0, clip=None)
COPIES_LEAK = (
    "with alpha='cv' a copied row predicts its left-out copy, a weighted row does not; "
    "with 'reml' it is one more measurement"
)


def waived(estimator):
    return (
        {"check_sample_weight_equivalence_on_dense_data": COPIES_LEAK}
        if isinstance(estimator.alpha, str)
        else {}
    )


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def pairs(rng):
    """Features, gains and pair numbers of 60 rows: 28 pairs in both directions, 4 in one."""
    X = rng.normal(size=(60, 4))
    y = X[:, 0] * X[:, 1] - 0.5 * X[:, 2] + 0.7 * rng.normal(size=60)
    return X, y, np.concatenate([np.repeat(np.arange(28), 2), np.arange(28, 32)])


@pytest.mark.filterwarnings("ignore:Skipping check:UserWarning")
@parametrize_with_checks(
    [
        STRICT,
        PairwiseGainRegressor(alpha=1.0),
        PairwiseGainRegressor(),
        PairwiseGainRegressor(alpha="reml"),
    ],
    expected_failed_checks=waived,
    xfail_strict=True,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("n_rows", [8, 60])
@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_fixed_penalty_equals_a_scikit_learn_pipeline(rng, n_rows, degree, weighted):
    X, y = rng.normal(3.0, 2.0, size=(n_rows, 4)), rng.normal(size=n_rows)
    weight = rng.integers(1, 5, size=n_rows).astype(float) if weighted else None
    routed = (
        {}
        if weight is None
        else {
            f"{step}__sample_weight": weight
            for step in ("standardscaler-1", "standardscaler-2", "ridge")
        }
    )
    reference = make_pipeline(
        StandardScaler(),
        PolynomialFeatures(degree, include_bias=False),
        StandardScaler(),
        Ridge(alpha=0.8),
    )
    ours = PairwiseGainRegressor(degree=degree, alpha=0.8, clip=None, linear_features=None).fit(
        X, y, sample_weight=weight
    )
    unseen = rng.normal(3.0, 2.0, size=(20, 4))
    np.testing.assert_allclose(
        ours.predict(unseen), reference.fit(X, y, **routed).predict(unseen), rtol=1e-8, atol=1e-10
    )
    np.testing.assert_allclose(ours.coef_, reference[-1].coef_, rtol=1e-7, atol=1e-9)
    assert ours.intercept_ == pytest.approx(np.average(y, weights=weight))


def test_no_penalty_is_least_squares(pairs):
    X, y, _ = pairs
    ours = PairwiseGainRegressor(degree=1, alpha=0.0, clip=None).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), LinearRegression().fit(X, y).predict(X))


def left_out_error(terms, y, weight, groups, alpha):
    """Weighted squared error of ridge regression with a free intercept, refitted without each group
    in turn.
    """
    error = 0.0
    design = np.column_stack([np.ones(len(y)), terms])
    penalty = np.diag(np.repeat([0.0, alpha], [1, terms.shape[1]]))
    for kept, out in LeaveOneGroupOut().split(terms, y, groups):
        weighted = design[kept].T * weight[kept]
        coef = np.linalg.solve(weighted @ design[kept] + penalty, weighted @ y[kept])
        error += weight[out] @ (design[out] @ coef - y[out]) ** 2
    return error


@pytest.mark.parametrize("n_rows", [12, 60], ids=["fewer rows than terms", "more rows than terms"])
@pytest.mark.parametrize("grouping", ["none", "pairs", "triples and singles"])
@pytest.mark.parametrize("weighted", [False, True])
def test_chosen_penalty_has_the_smallest_error_when_each_group_is_left_out(
    pairs, rng, n_rows, grouping, weighted
):
    X, y, pair = (part[:n_rows] for part in pairs)
    triples = np.where(np.arange(n_rows) % 5 < 3, np.arange(n_rows) // 5, 100 + np.arange(n_rows))
    groups = {"none": None, "pairs": pair, "triples and singles": triples}[grouping]
    weight = rng.uniform(0.5, 2.0, size=n_rows) if weighted else np.ones(n_rows)
    model = PairwiseGainRegressor(clip=None).fit(
        X, y, sample_weight=weight if weighted else None, groups=groups
    )
    terms = model._terms.of(X)
    candidates = ALPHAS * weight.mean()
    errors = [
        left_out_error(terms, y, weight, np.arange(n_rows) if groups is None else groups, alpha)
        for alpha in candidates
    ]
    assert model.alpha_ == pytest.approx(candidates[np.argmin(errors)])


def test_scale_of_indicators_is_chosen_by_the_same_error(rng):
    source = np.arange(80) % 10
    X = np.hstack([rng.normal(size=(80, 3)), np.eye(10)[source]])
    y = rng.normal(size=10)[source] + 0.3 * rng.normal(size=80)
    model = PairwiseGainRegressor(clip=None).fit(X, y)
    terms = model._terms.of(X)
    errors = {
        (scale, alpha): left_out_error(
            np.hstack([terms[:, :9], scale * terms[:, 9:]]), y, np.ones(80), np.arange(80), alpha
        )
        for scale in LINEAR_SCALES
        for alpha in ALPHAS
    }
    scale, alpha = min(errors, key=errors.__getitem__)
    assert scale == model.linear_scale_ > 1
    assert model.alpha_ == pytest.approx(alpha)
    reference = Ridge(alpha=alpha).fit(np.hstack([terms[:, :9], scale * terms[:, 9:]]), y)
    np.testing.assert_allclose(
        model.coef_, reference.coef_ * np.repeat([1, scale], [9, 10]), atol=1e-9
    )


def test_both_directions_of_a_pair_in_one_group_change_the_penalty_when_they_share_noise(rng):
    X = np.repeat(rng.normal(size=(40, 6)), 2, axis=0)
    y = np.repeat(rng.normal(size=40), 2)
    alone, together = (
        PairwiseGainRegressor().fit(X, y),
        PairwiseGainRegressor().fit(X, y, groups=np.repeat(np.arange(40), 2)),
    )
    assert together.alpha_ > 100 * alone.alpha_


def test_chosen_penalty_follows_the_unit_of_the_weights(pairs, rng):
    X, y, groups = pairs
    weight = rng.uniform(0.5, 2.0, size=len(y))
    small, large = (
        PairwiseGainRegressor(clip=None).fit(X, y, sample_weight=unit * weight, groups=groups)
        for unit in (1e-3, 1e5)
    )
    assert large.alpha_ == pytest.approx(1e8 * small.alpha_)
    np.testing.assert_allclose(large.predict(X), small.predict(X))


def test_gains_are_clipped_at_their_quantiles(pairs):
    X, y, _ = pairs
    y = y.copy()
    y[3] = -1e4
    model = PairwiseGainRegressor(alpha=1.0, clip=0.05).fit(X, y)
    low, high = np.quantile(y, [0.05, 0.95])
    assert model.clip_range_ == pytest.approx((low, high))
    np.testing.assert_allclose(model.predict(X), STRICT.fit(X, np.clip(y, low, high)).predict(X))


@pytest.mark.parametrize("quantile", [0.0, 0.005, 0.07, 0.31])
def test_clipping_counts_a_weight_of_k_as_k_copies(rng, quantile):
    y, weight = rng.normal(size=50), rng.integers(0, 4, size=50)
    X = rng.normal(size=(50, 2))
    model = PairwiseGainRegressor(alpha=1.0, clip=quantile).fit(X, y, sample_weight=weight)
    assert model.clip_range_ == pytest.approx(
        tuple(np.quantile(np.repeat(y, weight), [quantile, 1 - quantile]))
    )


def test_weights_that_sum_to_one_do_not_clip_everything(pairs):
    X, y, _ = pairs
    model = PairwiseGainRegressor().fit(X, y, sample_weight=np.full(len(y), 1 / len(y)))
    assert model.clip_range_ == (y.min(), y.max())


def test_binary_columns_enter_linearly_only(rng):
    X = np.column_stack([rng.normal(size=30), np.arange(30) % 2, rng.normal(size=30)])
    model = PairwiseGainRegressor(alpha=1.0).fit(X, rng.normal(size=30))
    np.testing.assert_array_equal(model.linear_features_, [1])
    assert list(model.terms_) == ["x0", "x2", "x0^2", "x0 x2", "x2^2", "x1"]
    assert (
        list(
            clone(model)
            .set_params(linear_features=None)
            .fit(X, rng.normal(size=30))
            .linear_features_
        )
        == []
    )


@pytest.mark.parametrize("linear", [["size", "gap"], [0, 2], ["size", -1]])
def test_linear_columns_can_be_listed_by_name_or_index(rng, linear):
    X = pd.DataFrame(rng.normal(5, 3, size=(30, 3)), columns=["size", "mean", "gap"])
    y = rng.normal(size=30)
    model = PairwiseGainRegressor(alpha=2.0, clip=None, linear_features=linear).fit(X, y)
    assert list(model.terms_) == ["mean", "mean^2", "size", "gap"]
    standard = StandardScaler().fit_transform(X)
    terms = np.column_stack(
        [standard[:, 1], StandardScaler().fit_transform(standard[:, [1]] ** 2), standard[:, [0, 2]]]
    )
    np.testing.assert_allclose(model.coef_, Ridge(alpha=2.0).fit(terms, y).coef_)
    np.testing.assert_array_equal(model.feature_names_in_, X.columns)


def test_indicators_alone_are_random_effects_shrunk_by_their_counts(rng):
    source = np.repeat([0, 1], [20, 5])
    y = np.where(source == 0, -1.0, 1.0)
    model = PairwiseGainRegressor(alpha=5.0, clip=None).fit(np.eye(2)[source], y)
    reference = Ridge(alpha=5.0).fit(np.eye(2)[source], y)
    np.testing.assert_allclose(model.predict(np.eye(2)), reference.predict(np.eye(2)))


@pytest.mark.parametrize("alpha", ["cv", "reml", 1.0, 0.0])
@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_very_few_pairs_give_finite_predictions(rng, alpha, n_rows):
    model = PairwiseGainRegressor(alpha=alpha).fit(
        rng.normal(size=(n_rows, 3)), rng.normal(size=n_rows)
    )
    assert np.isfinite(model.predict(rng.normal(size=(5, 3)))).all()


@pytest.mark.parametrize("groups", [None, "one"])
def test_constant_gains_are_predicted_everywhere(rng, groups):
    X = rng.normal(size=(12, 3))
    model = PairwiseGainRegressor().fit(
        X, np.full(12, 0.2), groups=None if groups is None else np.zeros(12)
    )
    np.testing.assert_allclose(model.predict(10 * X), 0.2)


def test_school_sized_problem_finds_task_effects(rng):
    target, source = np.nonzero(~np.eye(40, dtype=bool))
    X = np.hstack([rng.normal(size=(1560, 5)), np.eye(40)[target], np.eye(40)[source]])
    truth = rng.normal(size=40)[target] + rng.normal(size=40)[source] + X[:, 0] * X[:, 1]
    measured = rng.permutation(1560)[:400]
    unseen = np.setdiff1d(np.arange(1560), measured)
    model = PairwiseGainRegressor().fit(X[measured], truth[measured] + rng.normal(size=400))
    assert np.corrcoef(model.predict(X[unseen]), truth[unseen])[0, 1] > 0.85


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"degree": 0}, "'degree' parameter"),
        ({"degree": 1.5}, "'degree' parameter"),
        ({"alpha": -1.0}, "'alpha' parameter"),
        ({"alpha": "auto"}, "'alpha' parameter"),
        ({"clip": 0.5}, "'clip' parameter"),
        ({"clip": -0.1}, "'clip' parameter"),
        ({"linear_features": "all"}, "'linear_features' parameter"),
        ({"linear_features": ["size"]}, "contains column 'size'"),
        ({"linear_features": [4]}, "indices from 0 to 3"),
    ],
)
def test_wrong_parameters_are_refused_by_name(pairs, parameters, message):
    X, y, _ = pairs
    with pytest.raises(ValueError, match=message):
        PairwiseGainRegressor(**parameters).fit(X, y)


def test_wrong_weights_and_groups_are_refused(pairs):
    X, y, groups = pairs
    with pytest.raises(ValueError, match="Negative values"):
        PairwiseGainRegressor().fit(X, y, sample_weight=-np.ones(len(y)))
    with pytest.raises(ValueError, match="at least one non-zero"):
        PairwiseGainRegressor().fit(X, y, sample_weight=np.zeros(len(y)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        PairwiseGainRegressor().fit(X, y, groups=groups[:-1])
    with pytest.raises(ValueError, match="groups must have shape"):
        PairwiseGainRegressor().fit(X, y, groups=np.column_stack([groups, groups]))


@pytest.mark.parametrize("alpha", ["cv", "reml", 1.0])
@pytest.mark.parametrize("number", [1e80, 1e160, 1e250, -1e308])
def test_a_huge_number_in_a_column_raises_with_its_name_or_gives_finite_predictions(
    rng, alpha, number
):
    X = pd.DataFrame(rng.normal(size=(30, 3)), columns=["a", "b", "c"])
    y, large = rng.normal(size=30), X.copy()
    large.loc[4, "b"] = number
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for fitted_to, asked in ((large, X), (large, large), (X, large)):
            found = finite_or_told(PairwiseGainRegressor(alpha=alpha), fitted_to, y, asked)
            assert found is None or "'b'" in found


def finite_or_told(model, X, y, asked):
    """Message of the error, or None where the predictions are finite."""
    try:
        predicted = model.fit(X, y).predict(asked)
    except ValueError as error:
        return str(error)
    assert np.isfinite(predicted).all()
    return None


def test_gains_too_large_to_be_squared_raise_without_a_warning(rng):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="gains in y are too large"):
            PairwiseGainRegressor(clip=None).fit(rng.normal(size=(9, 2)), 1e200 * np.arange(9.0))
