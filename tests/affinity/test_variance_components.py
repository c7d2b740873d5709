import warnings

import numpy as np
import pytest
from scipy.optimize import minimize

from skmtl.affinity.gain_regressor import PairwiseGainRegressor
from skmtl.affinity.variance_components import column_blocks, fit_components


def restricted_deviance(log_variances, design, target, blocks):
    """Minus twice the restricted log-likelihood with a constant mean, from the covariance of the
    rows.
    """
    *variances, noise = np.exp(log_variances)
    covariance = design * np.asarray(variances)[blocks] @ design.T + noise * np.eye(len(target))
    inverse, ones = np.linalg.inv(covariance), np.ones(len(target))
    information = ones @ inverse @ ones
    residual = target - ones @ inverse @ target / information
    return np.linalg.slogdet(covariance)[1] + np.log(information) + residual @ inverse @ residual


@pytest.fixture
def effects(rng):
    """Rows of 60 measurements with effects of 12 groups, three numbers and noise."""
    group = rng.integers(12, size=60)
    design = np.hstack([np.eye(12)[group], rng.normal(size=(60, 3))])
    target = design @ np.concatenate(
        [rng.normal(size=12), 0.7 * rng.normal(size=3)]
    ) + 0.8 * rng.normal(size=60)
    return design - design.mean(0), target - target.mean(), np.repeat([0, 1], [12, 3])


def test_variances_maximise_the_restricted_likelihood(effects):
    design, target, blocks = effects
    found = fit_components(design, target, blocks)
    reference = minimize(
        restricted_deviance,
        np.zeros(3),
        args=(design, target, blocks),
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 4000},
    )
    ours = np.log([found.variances[0], found.variances[-1], found.noise])
    assert restricted_deviance(ours, design, target, blocks) == pytest.approx(
        reference.fun, abs=1e-2
    )


def test_coefficients_are_those_of_ridge_with_a_penalty_a_block(effects):
    design, target, blocks = effects
    found = fit_components(design, target, blocks)
    system = design.T @ design + np.diag(found.noise / found.variances)
    np.testing.assert_allclose(found.coef, np.linalg.solve(system, design.T @ target), atol=1e-9)
    np.testing.assert_allclose(found.covariance, found.noise * np.linalg.inv(system), atol=1e-9)


def test_a_block_that_explains_nothing_is_shrunk_away(rng):
    useful, useless = rng.normal(size=(300, 4)), rng.normal(size=(300, 40))
    target = useful @ np.ones(4) + 0.1 * rng.normal(size=300)
    found = fit_components(np.hstack([useful, useless]), target, np.repeat([0, 1], [4, 40]))
    assert np.abs(found.coef[4:]).max() < 0.05 < 0.9 < np.abs(found.coef[:4]).min()


def test_the_unit_of_the_values_does_not_matter(effects):
    design, target, blocks = effects
    small, large = (fit_components(design, unit * target, blocks) for unit in (1e-6, 1e6))
    np.testing.assert_allclose(1e12 * small.coef, large.coef, rtol=1e-6)


def test_indicators_of_targets_and_of_sources_are_blocks_of_their_own():
    target, source, size = (
        np.eye(3)[[0, 1, 2, 0]],
        np.eye(3)[[1, 0, 0, 2]],
        np.array([[0.5], [1.5], [2.5], [3.5]]),
    )
    blocks = column_blocks(np.hstack([size, target, source]), np.array([1, 1, 2]))
    assert blocks.tolist() == [0, 0, 1, 2, 3, 3, 3, 4, 4, 4]


def test_effects_of_rarely_measured_tasks_are_pulled_to_zero(rng):
    target = np.repeat(np.arange(10), [2, *[20] * 9])
    gains = np.repeat(np.r_[2.0, rng.normal(size=9)], [2, *[20] * 9]) + 0.5 * rng.normal(size=182)
    model = PairwiseGainRegressor(alpha="reml", clip=None).fit(np.eye(10)[target], gains)
    raw = np.array([gains[target == k].mean() for k in range(10)]) - model.intercept_
    shrinkage = (model.coef_ - model.coef_[:, None]).ravel(), (raw - raw[:, None]).ravel()
    assert np.abs(shrinkage[0]).sum() < np.abs(shrinkage[1]).sum()
    counts, penalty = np.bincount(target), model.penalties_[0]
    np.testing.assert_allclose(np.diff((1 + penalty / counts) * model.coef_ - raw), 0, atol=1e-8)
    assert model.noise_ == pytest.approx(0.25, rel=0.4)


def test_a_block_of_columns_that_are_all_zero_overflows_nothing(rng):
    design = np.column_stack([rng.normal(size=(30, 2)), np.zeros((30, 2))])
    target = design[:, 0] + 0.1 * rng.normal(size=30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit_components(design, target, np.array([0, 0, 1, 1]))
    assert np.isfinite(found.coef).all()
    np.testing.assert_allclose(found.coef[2:], 0.0, atol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
def test_a_block_of_zeros_beside_large_values_gives_finite_coefficients(rng, scale):
    design = np.column_stack([rng.normal(size=(40, 2)), np.zeros((40, 3))])
    target = scale * (design[:, 0] + rng.normal(size=40))
    found = fit_components(design, target - target.mean(), np.array([0, 0, 1, 1, 1]))
    assert np.isfinite(found.coef).all()
    assert np.isfinite(found.noise)
    assert abs(found.coef[0]) > 0.1 * scale
    np.testing.assert_array_equal(found.coef[2:], 0.0)
