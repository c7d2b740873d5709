"""Population minimum and bounds on worked examples; no other subspace is better."""

import numpy as np
import pytest

from skmtl.representation import minority_risk_bounds, population_minimum, task_risks


def losses(coefs, basis):
    """Excess risk of every task under its best head, by least squares."""
    return np.array(
        [
            np.sum((basis.T @ np.linalg.lstsq(basis.T, beta, rcond=None)[0] - beta) ** 2)
            for beta in coefs
        ]
    )


def on_the_sphere(rng, count, size):
    draws = rng.normal(size=(count, size))
    return draws / np.linalg.norm(draws, axis=1, keepdims=True)


@pytest.mark.parametrize("rank", [1, 2, 4, 6])
def test_no_random_subspace_beats_the_population_minimum(rng, rank):
    coefs = rng.normal(size=(9, 6)) * rng.uniform(0.1, 2, size=6)
    components, risks = population_minimum(coefs, rank)
    np.testing.assert_allclose(components @ components.T, np.eye(rank), atol=1e-12)
    np.testing.assert_allclose(risks, losses(coefs, components), atol=1e-12)
    eigenvalues = np.linalg.eigvalsh(coefs.T @ coefs)
    assert risks.sum() == pytest.approx(eigenvalues[: 6 - rank].sum(), abs=1e-10)
    rivals = [
        components + scale * rng.normal(size=(rank, 6))
        for scale in (1e-3, 0.1, 100.0)
        for _ in range(30)
    ]
    assert min(losses(coefs, rival).mean() for rival in rivals) >= risks.mean() - 1e-12


def test_a_minority_direction_is_taken_where_it_is_worth_more_than_the_weakest_of_the_majority():
    # 5 tasks along e1, 1 along e2 (majority); 2 tasks along e3 (minority): two dimensions go to e1
    # and e3.
    coefs = np.eye(3)[[0, 0, 0, 0, 0, 1, 2, 2]]
    components, risks = population_minimum(coefs, 2)
    np.testing.assert_allclose(np.abs(components), [[1, 0, 0], [0, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(risks, [0, 0, 0, 0, 0, 1, 0, 0], atol=1e-12)
    majority, minority = minority_risk_bounds(np.eye(2)[[0, 0, 0, 0, 0, 1]], [[1.0], [1.0]])
    # H_maj = diag(5, 1) / 6 and H_min = 1: kappa_0 = 5, kappa_1 = 6, T_min / T_maj = 1 / 3
    assert (majority, minority) == (pytest.approx(5 / 3), pytest.approx(-1.0))
    assert risks[:6].mean() == pytest.approx(1 / 6)


def test_more_tasks_of_the_majority_leave_the_minority_with_nothing():
    coefs = np.eye(4)[[0, 0, 0, 1, 1, 1, 2, 3]]
    _, risks = population_minimum(coefs, 2)
    np.testing.assert_allclose(risks, [0] * 6 + [1, 1], atol=1e-12)
    assert minority_risk_bounds(np.eye(2)[[0, 0, 0, 1, 1, 1]], np.eye(2)) == (
        pytest.approx(1 / 3),
        pytest.approx(2 / 3),
    )


@pytest.mark.parametrize("lengths", ["unit", "any"])
def test_the_bounds_hold_at_the_population_minimum(rng, lengths):
    for _ in range(40):
        n_majority, n_minority = int(rng.integers(3, 30)), int(rng.integers(1, 12))
        majority, minority = on_the_sphere(rng, n_majority, 3), on_the_sphere(rng, n_minority, 2)
        if lengths == "any":
            majority, minority = (
                majority * rng.uniform(0.2, 3, size=(n_majority, 1)),
                minority * rng.uniform(0.2, 3, size=(n_minority, 1)),
            )
        basis = np.linalg.qr(rng.normal(size=(7, 5)))[0].T
        _, risks = population_minimum(np.vstack([majority @ basis[:3], minority @ basis[3:]]), 3)
        upper, lower = minority_risk_bounds(majority, minority)
        assert risks[:n_majority].mean() <= upper + 1e-12
        assert risks[n_majority:].mean() >= lower - 1e-12


def test_the_printed_bound_fails_for_short_heads_and_ours_does_not():
    majority, minority = np.ones((10, 1)), np.full((1, 1), 0.5)
    _, risks = population_minimum([[1.0, 0.0]] * 10 + [[0.0, 0.5]], 1)
    printed = 1 - 0.25 / 1.0 * 0.1  # kappa_1 T_min / T_maj
    assert risks[10] == pytest.approx(0.25)
    assert minority_risk_bounds(majority, minority)[1] <= risks[10] < printed


def test_task_risks_are_squared_distances(rng):
    coef, true = rng.normal(size=(2, 4, 3))
    np.testing.assert_allclose(
        task_risks(coef, true),
        [np.linalg.norm(a - b) ** 2 for a, b in zip(coef, true, strict=True)],
    )
    X = rng.normal(size=(200_000, 3))
    np.testing.assert_allclose(
        task_risks(coef, true), ((X @ (coef - true).T) ** 2).mean(0), rtol=0.05
    )


def test_what_cannot_be_bounded_or_compared_is_refused():
    with pytest.raises(ValueError, match="do not span its 2 dimensions"):
        minority_risk_bounds([[1.0, 0.0]], [[1.0]])
    with pytest.raises(ValueError, match="heads_minority contains only zeros"):
        minority_risk_bounds([[1.0]], [[0.0]])
    with pytest.raises(ValueError, match="same shape"):
        task_risks([[1.0]], [[1.0, 2.0]])
    with pytest.raises(ValueError, match="rank"):
        population_minimum([[1.0, 2.0]], 3)


def test_coefficients_whose_squares_overflow_are_refused():
    big = np.full((3, 2), 1e200)
    for call in (
        lambda: population_minimum(big, 1),
        lambda: task_risks(big, -big),
        lambda: minority_risk_bounds(big, big),
    ):
        with pytest.raises(ValueError, match="square overflows"):
            call()
