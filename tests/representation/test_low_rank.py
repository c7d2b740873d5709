"""The low-rank regressor, compared with alternating least squares, closed forms, planted spaces."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmtl.representation import LowRankMultiTaskRegressor
from skmtl.utils.estimator_checks import (
    parametrize_with_checks as parametrize_with_multitask_checks,
)

NO_DRAWS = "where the tasks determine the subspace nothing is drawn"
NO_INTERCEPT = "a line through the origin is not the same after a shift of the targets"
RANK_ONE = "one direction does not hold all tasks"


@pytest.mark.filterwarnings("ignore:Skipping check:UserWarning")
@parametrize_with_checks(
    [LowRankMultiTaskRegressor(), LowRankMultiTaskRegressor(alpha=0.1, fit_intercept=True)],
    expected_failed_checks=lambda _: {},
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def exceptions(estimator):
    found = {"check_other_seed_gives_other_predictions": NO_DRAWS}
    if not estimator.fit_intercept:
        found |= {
            "check_units_of_targets_do_not_matter": NO_INTERCEPT,
            "check_constant_target": NO_INTERCEPT,
        }
    if estimator.rank == 1 and not estimator.fit_intercept:
        found["check_gaps_in_targets_are_skipped"] = RANK_ONE
    return found


@parametrize_with_multitask_checks(
    [LowRankMultiTaskRegressor(), LowRankMultiTaskRegressor(rank=2, fit_intercept=True)],
    expected_failed_checks=exceptions,
)
def test_multitask_contract(estimator, check):
    check(estimator)


# ---------------------------------------------------------------------- problems and references
@pytest.fixture
def long_form(rng):
    """12 noisy tasks near a 3-dimensional subspace of 7 inputs, with 9 to 20 rows."""
    coef = rng.normal(size=(12, 3)) @ rng.normal(size=(3, 7)) + 0.2 * rng.normal(size=(12, 7))
    task = np.repeat(np.arange(12), rng.integers(9, 21, size=12))
    X = rng.normal(size=(len(task), 7))
    return X, (X * coef[task]).sum(1) + 0.5 * rng.normal(size=len(task)), task


def objective(X, y, task, coef, alpha=0.0, weights=None):
    losses = [
        np.mean((y[task == t] - X[task == t] @ own) ** 2) + alpha * own @ own
        for t, own in enumerate(coef)
    ]
    return np.average(losses, weights=weights)


def best_heads(X, y, task, basis, alpha=0.0):
    """Heads of every task, by ridge regression within the rows of an orthonormal basis."""
    inside = [(X[task == t] @ basis.T, y[task == t]) for t in range(task.max() + 1)]
    return np.array(
        [
            np.linalg.solve(z.T @ z / len(z) + alpha * np.eye(len(basis)), z.T @ own / len(z))
            for z, own in inside
        ]
    )


def alternating(X, y, task, rank, alpha, rng, n_iter):
    """Plain alternating least squares from a random start."""
    basis = np.linalg.qr(rng.normal(size=(X.shape[1], rank)))[0].T
    root = 1 / np.sqrt(np.bincount(task))[task]
    for _ in range(n_iter):
        heads = best_heads(X, y, task, basis, alpha)
        design = (root[:, None, None] * heads[task][:, :, None] * X[:, None, :]).reshape(len(X), -1)
        ridge = np.kron(
            np.sqrt(alpha) * np.linalg.cholesky(heads.T @ heads + 1e-12 * np.eye(rank)).T,
            np.eye(X.shape[1]),
        )
        target = np.concatenate([root * y, np.zeros(len(ridge))])
        free = np.linalg.lstsq(np.vstack([design, ridge]), target, rcond=None)[0].reshape(rank, -1)
        basis = np.linalg.qr(free.T)[0].T
    return best_heads(X, y, task, basis, alpha) @ basis


# ---------------------------------------------------------------------- the minimum
@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("rank", [1, 3])
def test_no_alternating_least_squares_from_random_starts_finds_a_lower_objective(
    long_form, rng, rank, alpha
):
    X, y, task = long_form
    model = LowRankMultiTaskRegressor(rank, task_column=-1, alpha=alpha, tol=1e-12).fit(
        np.column_stack([X, task]), y
    )
    ours = objective(X, y, task, model.coef_, alpha)
    rivals = [
        objective(X, y, task, alternating(X, y, task, rank, alpha, rng, 30), alpha)
        for _ in range(2)
    ]
    assert ours <= min(rivals) * 1.02  # a local minimum may differ a little
    np.testing.assert_allclose(
        model.heads_, best_heads(X, y, task, model.components_, alpha), atol=1e-8
    )


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_the_subspace_is_stationary(long_form, rng, alpha):
    X, y, task = long_form
    model = LowRankMultiTaskRegressor(2, task_column=-1, alpha=alpha, tol=0.0).fit(
        np.column_stack([X, task]), y
    )
    ours = objective(X, y, task, model.coef_, alpha)
    for _ in range(10):
        basis = np.linalg.qr((model.components_ + 1e-3 * rng.normal(size=(2, 7))).T)[0].T
        assert objective(X, y, task, best_heads(X, y, task, basis, alpha) @ basis, alpha) > ours


def test_full_rank_is_a_regression_for_every_task(long_form):
    X, y, task = long_form
    model = LowRankMultiTaskRegressor(7, task_column=-1, fit_intercept=True).fit(
        np.column_stack([X, task]), y
    )
    for t in range(12):
        reference = LinearRegression().fit(X[task == t], y[task == t])
        np.testing.assert_allclose(model.coef_[t], reference.coef_, atol=1e-8)
        assert model.intercept_[t] == pytest.approx(reference.intercept_)


def test_shared_rows_are_solved_at_once_by_reduced_rank_regression(rng):
    X, Y = rng.normal(size=(40, 6)) @ rng.normal(size=(6, 6)), rng.normal(size=(40, 5))
    model = LowRankMultiTaskRegressor(2).fit(X, Y)
    full = np.linalg.lstsq(X, Y, rcond=None)[0]
    _, _, directions = np.linalg.svd(X @ full)
    np.testing.assert_allclose(model.coef_.T, full @ directions[:2].T @ directions[:2], atol=1e-8)
    assert model.n_iter_ == 1


def test_a_gap_in_the_labels_changes_the_solver_but_hardly_the_answer(rng):
    X, Y = rng.normal(size=(2000, 6)), rng.normal(size=(2000, 5))
    Y[:, 1:] += 2 * X[:, :1]
    gap = Y.copy()
    gap[0, 0] = np.nan
    np.testing.assert_allclose(
        LowRankMultiTaskRegressor(2).fit(X, gap).coef_,
        LowRankMultiTaskRegressor(2).fit(X, Y).coef_,
        atol=0.05,
    )


def test_a_planted_subspace_is_recovered_from_fewer_rows_than_inputs(rng):
    coef = rng.normal(size=(200, 4)) @ np.linalg.qr(rng.normal(size=(20, 4)))[0].T
    task = np.repeat(np.arange(200), 12)
    X = rng.normal(size=(2400, 20))
    model = LowRankMultiTaskRegressor(4, task_column=-1).fit(
        np.column_stack([X, task]), (X * coef[task]).sum(1)
    )
    np.testing.assert_allclose(model.coef_, coef, atol=1e-6)
    np.testing.assert_allclose(model.components_ @ model.components_.T, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(model.heads_ @ model.components_, model.coef_, atol=1e-12)


# ---------------------------------------------------------------------- settings
def test_the_basis_is_turned_so_that_heads_are_uncorrelated_strongest_first(long_form):
    X, y, task = long_form
    heads = LowRankMultiTaskRegressor(3, task_column=-1).fit(np.column_stack([X, task]), y).heads_
    moments = heads.T @ heads
    np.testing.assert_allclose(moments, np.diag(np.diag(moments)), atol=1e-8 * moments[0, 0])
    assert (np.diff(np.diag(moments)) <= 0).all()


def test_a_task_of_twice_the_weight_counts_as_two_tasks(long_form):
    X, y, task = long_form
    again = np.concatenate([np.arange(len(task)), np.flatnonzero(task == 4)])
    twin = np.concatenate([task, np.full((task == 4).sum(), 12)])
    weighted = LowRankMultiTaskRegressor(2, task_column=-1, task_weights={4: 2.0}, tol=1e-14).fit(
        np.column_stack([X, task]), y
    )
    doubled = LowRankMultiTaskRegressor(2, task_column=-1, tol=1e-14).fit(
        np.column_stack([X[again], twin]), y[again]
    )
    np.testing.assert_allclose(weighted.coef_, doubled.coef_[:12], atol=1e-5)


def test_a_large_weight_makes_a_minority_heard():
    X = np.vstack([np.eye(3)] * 5)
    task = np.repeat(np.arange(5), 3)
    y = np.where(task < 4, X[:, 0], X[:, 1])
    table = np.column_stack([X, task])
    assert abs(LowRankMultiTaskRegressor(task_column=-1).fit(table, y).components_[0]).argmax() == 0
    assert (
        abs(
            LowRankMultiTaskRegressor(task_column=-1, task_weights=[1, 1, 1, 1, 9])
            .fit(table, y)
            .components_[0]
        ).argmax()
        == 1
    )


def test_more_dimensions_than_tasks_change_nothing_but_fill_the_basis(rng):
    X = rng.normal(size=(30, 6))
    y = X @ rng.normal(size=6)
    one, four = (LowRankMultiTaskRegressor(rank, random_state=0).fit(X, y) for rank in (1, 4))
    np.testing.assert_allclose(four.coef_, one.coef_, atol=1e-10)
    np.testing.assert_allclose(four.components_ @ four.components_.T, np.eye(4), atol=1e-12)


def test_conjugate_gradients_find_what_the_written_out_system_finds(long_form, monkeypatch):
    X, y, task = long_form
    model = LowRankMultiTaskRegressor(2, task_column=-1, tol=1e-12, max_iter=2000).fit(
        np.column_stack([X, task]), y
    )
    monkeypatch.setattr("skmtl.representation.solver._WRITTEN_OUT", 0)
    np.testing.assert_allclose(
        clone(model).fit(np.column_stack([X, task]), y).coef_, model.coef_, atol=1e-3
    )


def test_too_few_steps_are_told(long_form):
    X, y, task = long_form
    with pytest.warns(ConvergenceWarning, match="max_iter=1"):
        LowRankMultiTaskRegressor(2, task_column=-1, max_iter=1).fit(np.column_stack([X, task]), y)


def test_tasks_are_told_by_name_in_a_frame(long_form):
    X, y, task = long_form
    frame = pd.DataFrame(X, columns=list("abcdefg")).assign(school=[f"school_{t}" for t in task])
    model = LowRankMultiTaskRegressor(3, task_column="school").fit(frame, y)
    by_position = LowRankMultiTaskRegressor(3, task_column=-1).fit(np.column_stack([X, task]), y)
    assert model.task_names_[:2] == ["school_0", "school_1"]
    np.testing.assert_allclose(
        model.predict(frame), by_position.predict(np.column_stack([X, task])), atol=1e-10
    )
    with pytest.raises(ValueError, match="Task 'nowhere' was not in fit"):
        model.predict(frame.assign(school="nowhere"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rank": 0}, "'rank' parameter"),
        ({"rank": 8}, "larger than the number of inputs, 7"),
        ({"alpha": -1.0}, "'alpha' parameter"),
        ({"task_weights": {"99": 1.0}}, "names the task '99'"),
        ({"task_weights": [1.0]}, "must hold 12 finite weights"),
        (
            {"task_column": "school"},
            "task_column='school' names a column, but X is not a DataFrame",
        ),
        ({"task_column": 9}, "out of range"),
    ],
)
def test_wrong_parameters_are_refused_by_name(long_form, parameters, message):
    X, y, task = long_form
    with pytest.raises(ValueError, match=message):
        LowRankMultiTaskRegressor(**{"task_column": -1} | parameters).fit(
            np.column_stack([X, task]), y
        )


def test_a_task_whose_rows_all_have_weight_zero_is_named(long_form):
    X, y, task = long_form
    with pytest.raises(ValueError, match="task '3': no sample"):
        LowRankMultiTaskRegressor(task_column=-1).fit(
            np.column_stack([X, task]), y, sample_weight=(task != 3).astype(float)
        )


@pytest.mark.parametrize(("inputs", "targets", "named"), [(1e200, 1, "X"), (1, 1e200, "Task '0'")])
def test_numbers_whose_squares_overflow_are_refused(inputs, targets, named):
    X = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(ValueError, match=f"{named}.*square overflows"):
        LowRankMultiTaskRegressor(1).fit(X * inputs, X * targets)
