import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from skmtl import TaskSet
from skmtl.affinity.featurizer import TaskRelationFeaturizer
from skmtl.affinity.featurizer.catalogue import EXTENDED, FEATURES, TRANSFERS
from skmtl.affinity.featurizer.transfer import ridge_coefficients


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


@pytest.fixture
def rows(rng):
    sizes, weights = (30, 12, 50), rng.normal(size=(3, 4))
    X = [rng.normal(size=(n, 4)) for n in sizes]
    return X, [A @ w + 0.5 * rng.normal(size=len(A)) for A, w in zip(X, weights, strict=True)]


@pytest.fixture
def tasks(rows):
    X, y = rows
    return TaskSet.from_long(
        np.concatenate(X), np.concatenate(y), np.repeat(["a", "b", "c"], [len(A) for A in X])
    )


@pytest.mark.parametrize("shape", [(40, 5), (6, 20)])
def test_the_penalty_is_that_of_the_smallest_leave_one_out_error(rng, shape):
    X = rng.normal(size=shape)
    y = X[:, 0] + rng.normal(size=len(X))
    reference = RidgeCV(alphas=np.logspace(-1, 5, 19)).fit(X, y)
    np.testing.assert_allclose(ridge_coefficients(X, y), reference.coef_, atol=1e-8)


def test_transfers_are_correlations_of_models_fitted_by_scikit_learn(tasks, rows):
    X, y = rows
    featurizer = TaskRelationFeaturizer(tasks, features=list(TRANSFERS), standardize=False).fit()
    models = [
        RidgeCV(alphas=np.logspace(-1, 5, 19)).fit(A, (b - b.mean()) / b.std())
        for A, b in zip(X, y, strict=True)
    ]
    found = dict(zip(TRANSFERS, featurizer.transform([["a", "b"]])[0], strict=True))
    a, b = models[:2]
    assert found["transfer_to_target"] == pytest.approx(correlation(b.predict(X[0]), y[0]))
    assert found["transfer_to_source"] == pytest.approx(correlation(a.predict(X[1]), y[1]))
    assert found["agreement_on_target"] == pytest.approx(
        correlation(a.predict(X[0]), b.predict(X[0]))
    )
    assert found["agreement_on_source"] == pytest.approx(
        correlation(a.predict(X[1]), b.predict(X[1]))
    )
    assert found["coefficient_cosine"] == pytest.approx(
        a.coef_ @ b.coef_ / np.linalg.norm(a.coef_) / np.linalg.norm(b.coef_)
    )


def test_extended_features_are_all_features_and_the_transfers(tasks):
    extended, plain = (
        TaskRelationFeaturizer(tasks, features=what, random_state=0).fit()
        for what in ("extended", "all")
    )
    assert tuple(extended.get_feature_names_out()) == EXTENDED == FEATURES + TRANSFERS
    np.testing.assert_array_equal(
        extended.transform(tasks.pairs())[:, : len(FEATURES)], plain.transform(tasks.pairs())
    )


def test_tasks_without_variation_have_no_transfer(rng):
    X = np.concatenate([rng.normal(size=(10, 2)), np.ones((5, 2)), rng.normal(size=(1, 2))])
    y = np.concatenate([np.ones(10), rng.normal(size=6)])
    tasks = TaskSet.from_long(X, y, np.repeat(["labels", "inputs", "one row"], [10, 5, 1]))
    assert (
        TaskRelationFeaturizer(tasks, features=list(TRANSFERS)).fit().transform(tasks.pairs()) == 0
    ).all()


def test_single_losses_are_a_column_of_the_target_before_the_indicators(tasks):
    featurizer = TaskRelationFeaturizer(
        tasks, features=["size_gap"], task_indicators=True, single_losses={"a": np.e, "b": np.e**3}
    ).fit()
    assert featurizer.get_feature_names_out()[1] == "single_loss_target"
    np.testing.assert_allclose(
        featurizer.transform([["a", "b"], ["b", "a"], ["c", "a"]])[:, 1], [1, 3, 2]
    )


def test_a_single_loss_of_an_unknown_task_is_named(tasks):
    with pytest.raises(ValueError, match="'single_losses' parameter .* contains task 'z'"):
        TaskRelationFeaturizer(tasks, single_losses={"z": 1.0}).fit()
