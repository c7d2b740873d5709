import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.utils import check_random_state

from skmtl import MultiTaskRegressor, TaskSet
from skmtl.affinity import LinearSurrogate
from skmtl.affinity.linear_surrogate import membership_ridge
from skmtl.estimators import measure_groups

NETWORK = MultiTaskRegressor((4,), max_iter=4, n_members=1)


def test_the_coefficients_are_those_of_one_ridge_regression_a_target(rng):
    members = rng.random((40, 6)) < 0.5
    gains = np.where(members & (rng.random((40, 6)) < 0.9), rng.normal(size=(40, 6)), np.nan)
    coefficients, intercepts = membership_ridge(members, gains, 0.7)
    for t in range(6):
        known = np.isfinite(gains[:, t])
        others = np.delete(np.arange(6), t)
        ridge = Ridge(alpha=0.7).fit(members[known][:, others].astype(float), gains[known, t])
        np.testing.assert_allclose(coefficients[t, others], ridge.coef_, rtol=1e-8, atol=1e-12)
        assert coefficients[t, t] == 0
        assert intercepts[t] == pytest.approx(ridge.intercept_)


def test_a_source_that_helps_one_target_stands_in_the_row_of_that_target(rng):
    members = rng.random((60, 5)) < 0.6
    gains = np.where(members, 0.1, np.nan)
    gains[members[:, 0] & members[:, 3], 0] += 0.5
    coefficients, intercepts = membership_ridge(members, gains, 1e-6)
    expected = np.zeros((5, 5))
    expected[0, 3] = 0.5
    np.testing.assert_allclose(coefficients, expected, atol=1e-5)
    np.testing.assert_allclose(intercepts, 0.1, atol=1e-5)


def test_tasks_that_never_meet_and_tasks_without_a_gain_have_coefficients_of_zero():
    members = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]], dtype=bool)
    gains = np.where(members, [0.2, 0.1, 0.3, 0.4], np.nan)
    coefficients, intercepts = membership_ridge(members, gains, 0.1)
    assert (coefficients == 0).all()
    np.testing.assert_allclose(intercepts, [0.2, 0.1, 0.3, 0.0])


def test_the_gains_of_groups_are_those_of_trained_groups_over_tasks_alone(few_tasks):
    fitted = LinearSurrogate(NETWORK, n_groups=5, group_size=3, n_repeats=2, random_state=4).fit(
        few_tasks
    )
    names = few_tasks.names
    groups = [[name] for name in names] + [
        [name for name, inside in zip(names, group, strict=True) if inside]
        for group in fitted.groups_
    ]
    seeds = check_random_state(int(check_random_state(4).randint(np.iinfo(np.int32).max)))
    losses = []
    for _ in range(2):
        seed = int(seeds.randint(np.iinfo(np.int32).max))
        train, test = few_tasks.hold_out(0.3, seed)
        outcomes = measure_groups(NETWORK, train, test, groups, seed=seed)
        losses.append(
            [
                dict(zip(group, outcome.losses, strict=True))
                for group, outcome in zip(groups, outcomes, strict=True)
            ]
        )
    for row, group in enumerate(groups[4:]):
        for name in names:
            found = fitted.group_gains_.loc[row, name]
            if name not in group:
                assert np.isnan(found)
                continue
            alone, together = (
                np.mean([repeat[k][name] for repeat in losses])
                for k in (names.index(name), 4 + row)
            )
            assert found == pytest.approx(1 - together / alone)
    np.testing.assert_allclose(
        fitted.affinity_, membership_ridge(fitted.groups_, fitted.group_gains_.to_numpy(), 1.0)[0]
    )


def test_a_group_gains_its_constant_and_the_coefficients_of_the_others(few_tasks):
    fitted = LinearSurrogate(NETWORK, n_groups=6, group_size=3, random_state=0).fit(few_tasks)
    a, b, c, _ = few_tasks.names
    gains = fitted.predict_groups([[a, b, c]])
    assert gains.loc[0, b] == pytest.approx(
        fitted.intercept_[1] + fitted.affinity_.loc[b, a] + fitted.affinity_.loc[b, c]
    )


def test_by_default_every_task_is_in_groups_of_five_about_forty_times(rng):
    X = rng.normal(size=(120, 2))
    fitted = LinearSurrogate(
        MultiTaskRegressor((2,), max_iter=1, batch_size="full"), random_state=0
    ).fit(TaskSet.from_long(X, X[:, 0], np.arange(120) % 12))
    assert fitted.groups_.shape == (96, 12)
    assert (fitted.groups_.sum(1) == 5).all()
    assert abs(fitted.groups_.sum(0) - 40).max() < 30


def test_a_task_whose_loss_alone_is_zero_is_unknown_and_named(rng, monkeypatch):
    tasks = TaskSet.from_long(rng.normal(size=(30, 2)), rng.normal(size=30), np.arange(30) % 3)
    surrogate = LinearSurrogate(NETWORK, n_groups=4, random_state=0)
    measure = surrogate._measure

    def without_a_loss(*arguments):
        alone, together = measure(*arguments)
        return np.array([alone[0], 0.0, alone[2]]), together

    monkeypatch.setattr(surrogate, "_measure", without_a_loss)
    with pytest.warns(UserWarning, match="target 1"):
        surrogate.fit(tasks)
    assert surrogate.affinity_.loc["1", ["0", "2"]].isna().all()
    assert surrogate.affinity_.loc[["0", "2"]].notna().to_numpy().all()


def test_parameters_out_of_range_are_refused(few_tasks):
    for name, value in {"n_groups": 0, "group_size": 1, "alpha": 0.0, "test_size": 0.0}.items():
        with pytest.raises(ValueError, match=f"The '{name}' parameter of LinearSurrogate"):
            LinearSurrogate(**{name: value}).fit(few_tasks)
