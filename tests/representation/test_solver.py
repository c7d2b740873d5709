"""The projected objective and its derivatives, compared with finite differences."""

import numpy as np
import pytest

from skmtl.representation.moments import Moments
from skmtl.representation.solver import _orthonormal, _Projected, extended, moment_start, solve


def random_moments(rng, n_tasks=5, p=6, rows=9, shared=False):
    X = rng.normal(size=(1 if shared else n_tasks, rows, p))
    y = rng.normal(size=(n_tasks, rows))
    second = X.transpose(0, 2, 1) @ X / rows
    cross = np.einsum("tnp,tn->tp", np.broadcast_to(X, (n_tasks, rows, p)), y) / rows
    weight = rng.dirichlet(np.ones(n_tasks))
    return Moments(second, cross, (y**2).mean(1), weight, np.zeros((n_tasks, p)), np.zeros(n_tasks))


@pytest.mark.parametrize("shared", [False, True])
def test_gradient_and_curvature_are_those_of_differences(rng, shared):
    moments = random_moments(rng, shared=shared)
    basis = _orthonormal(rng.normal(size=(2, 6)))
    fit = _Projected(moments, basis)
    step, unit = 1e-4, np.eye(12).reshape(12, 2, 6)
    values = {
        s: np.array([_Projected(moments, basis + s * step * e).value for e in unit])
        for s in (1, -1)
    }
    np.testing.assert_allclose(
        fit.gradient().ravel(), -(values[1] - values[-1]) / (4 * step), atol=1e-6
    )
    gradients = np.array(
        [
            _Projected(moments, basis - step * e).gradient()
            - _Projected(moments, basis + step * e).gradient()
            for e in unit
        ]
    )
    np.testing.assert_allclose(fit.curvature(), gradients.reshape(12, 12) / (2 * step), atol=1e-5)


@pytest.mark.parametrize("shared", [False, True])
def test_where_nothing_is_left_over_the_curvature_is_its_gauss_newton_term(rng, shared):
    moments = random_moments(rng, shared=shared)
    basis = _orthonormal(rng.normal(size=(2, 6)))
    coef = rng.normal(size=(5, 2)) @ basis
    second = np.broadcast_to(moments.second, (5, 6, 6))
    exact = Moments(
        moments.second,
        np.einsum("tab,tb->ta", second, coef),
        np.einsum("ta,tab,tb->t", coef, second, coef),
        moments.weight,
        moments.input_mean,
        moments.target_mean,
    )
    fit, direction = _Projected(exact, basis), rng.normal(size=(2, 6))
    assert fit.value == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(
        fit.times_curvature(direction).ravel(), fit.curvature() @ direction.ravel(), atol=1e-10
    )


def test_directions_are_added_to_a_subspace_and_never_raise_the_objective(rng):
    moments = random_moments(rng)
    start = solve(moments, 1, max_iter=200, tol=1e-12, rng=rng)
    wider = extended(moments, start.components, 3, rng)
    np.testing.assert_allclose(np.abs(wider @ start.components.T), [[1], [0], [0]], atol=1e-10)
    assert _Projected(moments, wider).value < start.value
    assert (
        solve(moments, 3, max_iter=200, tol=1e-12, rng=rng, start=start.components).value
        < start.value
    )


def test_the_moment_start_is_exact_where_tasks_have_equal_moments(rng):
    moments = random_moments(rng, shared=True)
    start = _Projected(moments, moment_start(moments, 2, rng))
    rivals = [
        _Projected(moments, _orthonormal(start.components + scale * rng.normal(size=(2, 6))))
        for scale in (1e-3, 0.1, 10.0)
        for _ in range(20)
    ]
    assert min(rival.value for rival in rivals) >= start.value
