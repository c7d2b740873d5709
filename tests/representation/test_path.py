"""Paths over ranks name the planted minority, and their risks are those of separate fits."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge, RidgeCV

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.datasets import make_majority_minority_tasks
from skmtl.model_selection import MultiTaskKFold
from skmtl.representation import LowRankMultiTaskRegressor, representation_path
from skmtl.representation.ridge import PENALTIES, leave_one_out_ridge

LOW_RANK = LowRankMultiTaskRegressor(task_column="task")


def planted(seed, **settings):
    small = {
        "n_majority": 24,
        "n_minority": 3,
        "n_samples": 50,
        "n_features": 10,
        "majority_rank": 2,
        "minority_rank": 2,
        "noise": 0.2,
    }
    bunch = make_majority_minority_tasks(**small | settings, random_state=seed)
    return bunch, bunch.data.assign(task=bunch.task), bunch.target


def test_the_planted_minority_is_named_in_at_least_nine_of_ten_draws(rng):
    found = []
    for seed in rng.integers(0, 2**31, size=10):
        bunch, X, y = planted(seed)
        path = representation_path(LOW_RANK, X, y, ranks=[2, 4], cv=3)
        found.append(path.starved_tasks(2) == bunch.minority and path.smallest_rank_ == 4)
    assert sum(found) >= 9


def test_risks_are_those_of_models_fitted_fold_by_fold(rng):
    _, X, y = planted(int(rng.integers(1000)), n_majority=5, n_minority=2)
    folds = MultiTaskKFold(3, task_column="task", random_state=4)
    path = representation_path(
        LOW_RANK, X, y, ranks=[4, 1], cv=folds
    )  # reported in the order that was asked for
    alone = representation_path(
        LOW_RANK, X, y, ranks=[4], cv=folds
    )  # a first rank starts like a fit
    squares = {rank: np.empty(len(y)) for rank in (4, 1)}
    for train, test in folds.split(X, y):
        for rank, own in squares.items():
            model = LowRankMultiTaskRegressor(rank, task_column="task").fit(
                X.iloc[train], y.iloc[train]
            )
            own[test] = (model.predict(X.iloc[test]) - y.iloc[test]) ** 2
    for rank, found in ((4, alone.risks[0]), (1, path.risks[1])):
        expected = (
            pd.Series(squares[rank]).groupby(X["task"].to_numpy()).mean()[list(path.task_names)]
        )
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert path.table.shape == (14, 6)
    assert path.explained.shape == (2, 7)


def test_wide_targets_with_gaps_give_the_risks_of_the_same_data_in_long_form(rng):
    X, Y = rng.normal(size=(60, 5)), rng.normal(size=(60, 3))
    Y[np.arange(60), rng.integers(0, 3, size=60)] = np.nan
    rows, tasks = np.nonzero(~np.isnan(Y))
    folds = [(np.arange(20, 60), np.arange(20)), (np.arange(40), np.arange(40, 60))]

    class Fixed:
        def __init__(self, chosen):
            self.chosen = chosen

        def split(self, X, y):
            return iter(self.chosen)

    wide = representation_path(LowRankMultiTaskRegressor(), X, Y, ranks=[1, 3], cv=Fixed(folds))
    in_long = [tuple(np.flatnonzero(np.isin(rows, part)) for part in fold) for fold in folds]
    long = representation_path(
        LowRankMultiTaskRegressor(task_column=-1),
        np.column_stack([X[rows], tasks]),
        Y[rows, tasks],
        ranks=[1, 3],
        cv=Fixed(in_long),
    )
    order = [long.task_names.index(name) for name in wide.task_names]
    np.testing.assert_allclose(wide.risks, long.risks[:, order], rtol=1e-4)
    np.testing.assert_allclose(wide.single_task_risks, long.single_task_risks[order], rtol=1e-8)
    np.testing.assert_allclose(wide.trivial_risks, long.trivial_risks[order], rtol=1e-8)


def test_weights_make_the_minority_heard(rng):
    bunch, X, y = planted(int(rng.integers(1000)))
    heavy = representation_path(
        LOW_RANK, X, y, ranks=[2], cv=3, task_weights=dict.fromkeys(bunch.minority, 1000.0)
    )
    assert not set(heavy.starved_tasks(2)) & set(bunch.minority)
    assert heavy.starved_tasks(2)
    assert heavy.smallest_rank_ is None


def test_tasks_without_signal_are_not_called_starved(rng):
    X, Y = rng.normal(size=(80, 4)), rng.normal(size=(80, 4))
    Y[:, :3] += 3 * X[:, [0]]
    path = representation_path(LowRankMultiTaskRegressor(), X, Y, ranks=[1])
    assert path.starved_tasks(1) == []
    assert path.smallest_rank_ == 1


def test_networks_narrow_at_the_last_shared_layer_starve_a_minority():
    _, X, y = planted(
        0, n_majority=10, n_minority=2, majority_rank=1, minority_rank=1, n_samples=60, n_features=4
    )
    settings = {
        "batch_size": "full",
        "learning_rate_init": 0.03,
        "alpha": 0.0,
        "n_members": 1,
        "early_stopping": False,
        "task_embedding_dim": 0,
    }
    network = MultiTaskRegressor(
        (4,), activation="identity", task_column="task", max_iter=150, random_state=0, **settings
    )
    path = representation_path(network, X, y, ranks=[1, 2], cv=2)
    assert path.starved_tasks(1) == ["minority_0", "minority_1"]
    assert path.smallest_rank_ == 2
    assert network.hidden_layer_sizes == (4,)


def test_networks_take_wide_targets_with_gaps(rng):
    X, Y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    Y[:5, 0] = np.nan
    path = representation_path(
        MultiTaskRegressor((4, 3), max_iter=3, n_members=1, random_state=0),
        X,
        Y,
        ranks=[1, 2],
        cv=2,
    )
    assert np.isfinite(path.risks).all()
    assert np.isfinite(path.single_task_risks).all()


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("shape", [(20, 4), (5, 9)], ids=["tall", "flat"])
def test_a_tasks_own_model_is_the_ridge_regression_of_scikit_learn(rng, shape, fit_intercept):
    X = rng.normal(size=shape)
    y = X[:, 0] + 0.5 * rng.normal(size=len(X)) + 2 * fit_intercept
    coef, intercept = leave_one_out_ridge(X, y, fit_intercept=fit_intercept)
    power = np.linalg.svd(X - X.mean(0) * fit_intercept)[1] ** 2
    grid = PENALTIES * power.mean()
    chosen = RidgeCV(alphas=grid[8:], fit_intercept=fit_intercept).fit(
        X, y
    )  # below that its arithmetic gives out, and penalties hardly matter
    same = Ridge(alpha=chosen.alpha_, fit_intercept=fit_intercept).fit(X, y)
    np.testing.assert_allclose(coef, same.coef_, atol=1e-3)
    assert intercept == pytest.approx(same.intercept_, abs=1e-3)


def test_what_cannot_be_measured_is_refused(rng):
    X, Y = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    with pytest.raises(TypeError, match="Got MultiTaskClassifier"):
        representation_path(MultiTaskClassifier(), X, Y, ranks=[1])
    for ranks in ([], [0], [1.5]):
        with pytest.raises(ValueError, match="ranks must hold whole numbers"):
            representation_path(LowRankMultiTaskRegressor(), X, Y, ranks=ranks)
    with pytest.raises(ValueError, match="rank=4 is larger than the number of inputs"):
        representation_path(LowRankMultiTaskRegressor(), X, Y, ranks=[4])
    Y[1:, 1] = np.nan
    with (
        pytest.warns(UserWarning, match="single row"),
        pytest.raises(ValueError, match="Task '1' has no labeled row in the training rows"),
    ):
        representation_path(LowRankMultiTaskRegressor(), X, Y, ranks=[1], cv=2)
    with pytest.raises(ValueError, match="rank must be one of"):
        representation_path(
            LowRankMultiTaskRegressor(), X, Y[:, :1], ranks=[1], cv=2
        ).starved_tasks(3)


@pytest.mark.parametrize("ranks", [None, 0, [], [1.5], "ab"])
def test_ranks_that_are_no_whole_numbers_are_refused(ranks):
    X = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(ValueError, match="ranks must hold whole numbers"):
        representation_path(LowRankMultiTaskRegressor(), X, X, ranks=ranks)
