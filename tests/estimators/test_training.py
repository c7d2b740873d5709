"""What training promises: curves, seeds, members, early stopping, and that it learns."""

import numpy as np
import pytest
import torch

from skmtl import MultiTaskClassifier, MultiTaskRegressor

FAST = {"hidden_layer_sizes": (6,), "learning_rate_init": 0.01, "max_iter": 5, "random_state": 0}
FULL = FAST | {"dtype": "float64", "batch_size": "full", "early_stopping": False}
BOTH = [MultiTaskRegressor, MultiTaskClassifier]
LINEAR = {
    "hidden_layer_sizes": (),
    "solver": "adam",
    "batch_size": "full",
    "n_members": 1,
    "learning_rate_init": 0.05,
    "max_iter": 1500,
    "n_iter_no_change": 1500,
    "early_stopping": False,
    "dtype": "float64",
}


def outputs(model, X):
    return (
        np.hstack(model.predict_proba(X))
        if isinstance(model, MultiTaskClassifier)
        else model.predict(X)
    )


@pytest.fixture
def targets(Y, labels):
    return {MultiTaskRegressor: Y, MultiTaskClassifier: labels}


@pytest.mark.parametrize("kind", BOTH)
def test_a_seed_gives_the_same_network_every_time(kind, X, targets):
    y = targets[kind]
    np.testing.assert_array_equal(
        outputs(kind(**FAST).fit(X, y), X), outputs(kind(**FAST).fit(X, y), X)
    )
    assert not np.allclose(
        outputs(kind(**FAST).fit(X, y), X), outputs(kind(**FAST | {"random_state": 1}).fit(X, y), X)
    )


def test_a_random_state_instance_moves_on(X, Y):
    state = np.random.RandomState(0)
    first, second = (
        MultiTaskRegressor(**FAST | {"random_state": state}).fit(X, Y).predict(X) for _ in range(2)
    )
    assert not np.allclose(first, second)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("seed", [0, None])
def test_the_global_generators_are_left_alone(kind, seed, X, targets):
    before, tensor = np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    kind(
        **FAST
        | {"random_state": seed if seed is not None else np.random.RandomState(1), "n_members": 2}
    ).fit(X, targets[kind]).predict(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), tensor)


@pytest.mark.parametrize("kind", BOTH)
def test_fit_does_not_change_parameters(kind, X, targets):
    widths, weights = [6, 4], {"0": 2.0}
    model = kind(**FAST | {"hidden_layer_sizes": widths, "task_weights": weights})
    before = dict(model.get_params())
    model.fit(X, targets[kind])
    assert all(model.get_params()[name] is value for name, value in before.items())
    assert widths == [6, 4]
    assert weights == {"0": 2.0}


@pytest.mark.parametrize("widths", [(6,), [6], 6, np.array([6])])
def test_one_layer_may_be_given_as_a_number_or_a_sequence(widths, X, Y):
    np.testing.assert_array_equal(
        MultiTaskRegressor(**FAST | {"hidden_layer_sizes": widths}).fit(X, Y).predict(X),
        MultiTaskRegressor(**FAST).fit(X, Y).predict(X),
    )


@pytest.mark.parametrize("kind", BOTH)
def test_members_are_averaged(kind, X, targets, rng):
    model = kind(**FULL | {"n_members": 3}).fit(X, targets[kind])
    singles = []
    for member in model.members_:
        one = kind(**FULL).fit(X, targets[kind])
        one.members_ = [member]
        singles.append(outputs(one, X))
    assert not np.allclose(singles[0], singles[1])
    np.testing.assert_allclose(outputs(model, X), np.mean(singles, axis=0), atol=1e-12)


def test_a_member_is_the_network_that_would_be_trained_alone(X, Y):
    alone, three = (
        MultiTaskRegressor(**FULL).fit(X, Y),
        MultiTaskRegressor(**FULL | {"n_members": 3}).fit(X, Y),
    )
    for own, first in zip(alone.members_[0], three.members_[0], strict=True):
        np.testing.assert_allclose(own, first, atol=1e-9)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("early_stopping", [False, "auto"])
def test_curves_and_history_have_an_entry_for_every_pass(
    kind, n_members, early_stopping, X, targets
):
    model = kind(
        **FAST
        | {
            "n_members": n_members,
            "early_stopping": early_stopping,
            "max_iter": 40,
            "n_iter_no_change": 3,
            "learning_rate_init": 0.1,
        }
    ).fit(X, targets[kind])
    assert model.loss_curve_.shape == (model.n_iter_,)
    assert model.task_loss_curve_.shape == (model.n_iter_, 3)
    assert np.isfinite(model.task_loss_curve_).all()
    assert [entry["iteration"] for entry in model.history_] == list(range(1, model.n_iter_ + 1))
    np.testing.assert_allclose([entry["loss"] for entry in model.history_], model.loss_curve_)
    assert all(
        ("validation_loss" in entry) == (early_stopping == "auto") for entry in model.history_
    )
    assert 0 <= model.best_iteration_ <= model.n_iter_
    assert len(model.members_) == n_members


def test_the_training_loss_falls(X, Y):
    curve = MultiTaskRegressor(**FULL | {"max_iter": 100}).fit(X, Y).loss_curve_
    assert curve[-1] < 0.5 * curve[0]


def test_early_stopping_keeps_the_weights_of_the_lowest_validation_loss(X, rng):
    model = MultiTaskRegressor(
        (64,),
        learning_rate_init=0.05,
        max_iter=150,
        early_stopping=True,
        n_members=1,
        random_state=0,
    ).fit(X, rng.normal(size=(48, 2)))
    watched = [entry["validation_loss"] for entry in model.history_]
    assert model.n_iter_ < 150
    assert model.best_iteration_ == np.argmin(watched) + 1


def test_early_stopping_names_the_task_that_is_too_small(X):
    Y = X[:, :2].copy()
    Y[9:, 1] = np.nan
    with pytest.raises(
        ValueError,
        match="Task '1' has 9 labeled rows in y; MultiTaskRegressor needs at least "
        "10.*early_stopping=False",
    ):
        MultiTaskRegressor(early_stopping=True).fit(X, Y)


def test_early_stopping_in_long_form_names_the_task_that_is_too_small(X):
    task = np.r_[np.full(3, 17), np.full(45, 2)]
    with pytest.raises(ValueError, match="Task '17' has 3 labeled rows"):
        MultiTaskClassifier(early_stopping=True, task_column=-1).fit(
            np.column_stack([X, task]), np.arange(48) % 2
        )


@pytest.mark.parametrize("part", range(5))
def test_early_stopping_auto_never_raises(part, rng):
    for _ in range(10):
        n, n_tasks, kind = rng.integers(2, 15), rng.integers(1, 4), BOTH[rng.integers(2)]
        X, Y = rng.normal(size=(n, 2)), rng.normal(size=(n, n_tasks))
        Y = (Y > 0).astype(float) if kind is MultiTaskClassifier else Y
        if rng.random() < 0.5:
            task = np.r_[np.arange(min(n, n_tasks)), rng.integers(0, n_tasks, size=n)][:n]
            model = kind(**FAST | {"max_iter": 2, "task_column": -1}).fit(
                np.column_stack([X, task]), Y[:, 0]
            )
            assert model.predict(np.column_stack([X, task])).shape == (n,)
        else:
            holes = rng.random(Y.shape) < 0.4
            holes[0] = False
            model = kind(**FAST | {"max_iter": 2}).fit(X, np.where(holes, np.nan, Y))
            assert model.predict(X).shape == (n, n_tasks)


def test_a_linear_model_without_penalty_is_least_squares_for_every_task(X, Y):
    predicted = MultiTaskRegressor(**LINEAR, alpha=0.0).fit(X, Y).predict(X)
    A = np.column_stack([X, np.ones(48)])
    for t in range(3):
        known = ~np.isnan(Y[:, t])
        coef = np.linalg.lstsq(A[known], Y[known, t], rcond=None)[0]
        np.testing.assert_allclose(predicted[:, t], A @ coef, atol=2e-2 * np.nanstd(Y[:, t]))


def test_a_linear_model_with_penalty_is_ridge_on_standardised_data(X, rng):
    from sklearn.linear_model import Ridge

    y, alpha = X[:, 0] + rng.normal(size=48), 0.3
    Z, z = (X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std()
    # mean squared error + alpha/2 |w|^2 = Ridge with alpha n / 2
    reference = Ridge(alpha=alpha * 48 / 2).fit(Z, z).predict(Z) * y.std() + y.mean()
    np.testing.assert_allclose(
        MultiTaskRegressor(**LINEAR, alpha=alpha).fit(X, y).predict(X), reference, atol=2e-2
    )


def test_a_hidden_layer_learns_what_no_line_can(rng):
    X = rng.uniform(-1, 1, size=(300, 2))
    Y = np.column_stack([X[:, 0] * X[:, 1] > 0, X[:, 0] * X[:, 1] < 0.1]).astype(int)
    settings = {"learning_rate_init": 0.02, "max_iter": 200, "random_state": 0}
    assert MultiTaskClassifier((32,), **settings).fit(X, Y).score(X, Y) > 0.9
    assert MultiTaskClassifier((), **settings).fit(X, Y[:, :1]).score(X, Y[:, :1]) < 0.75


@pytest.mark.parametrize("solver", ["adam", "adamw", "adagrad", "sgd"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_every_solver_learns_with_every_activation(solver, activation, X):
    model = MultiTaskRegressor(
        (16,),
        solver=solver,
        activation=activation,
        learning_rate_init=0.05,
        max_iter=60,
        random_state=0,
        early_stopping=False,
    )
    assert model.fit(X, X[:, :2]).score(X, X[:, :2]) > 0.5


def test_heads_may_have_hidden_layers(X):
    settings = {
        "learning_rate_init": 0.03,
        "max_iter": 200,
        "n_iter_no_change": 200,
        "early_stopping": False,
        "random_state": 0,
    }
    model = MultiTaskRegressor((8,), (5,), **settings).fit(X, X[:, :2])
    assert model.score(X, X[:, :2]) > 0.5
    assert [stack.shape[-1] for stack in model.members_[0]] != [
        stack.shape[-1] for stack in MultiTaskRegressor((8,), max_iter=1).fit(X, X).members_[0]
    ]


@pytest.mark.parametrize("n_rows", [2, 3])
def test_two_or_three_rows_are_enough(n_rows, X):
    assert MultiTaskRegressor(**FAST).fit(X[:n_rows], X[:n_rows, :2]).predict(X).shape == (48, 2)
    assert MultiTaskClassifier(**FAST).fit(X[:n_rows], [0, 1, 1][:n_rows]).predict(X).shape == (48,)


def test_a_constant_target_and_constant_inputs_do_no_harm(X):
    predicted = (
        MultiTaskRegressor(**FULL | {"max_iter": 300, "n_iter_no_change": 300})
        .fit(X, np.full((48, 2), 7.0))
        .predict(X)
    )
    np.testing.assert_allclose(predicted, 7, atol=0.5)
    assert np.isfinite(MultiTaskRegressor(**FAST).fit(np.ones((48, 3)), X).predict(X[:, :3])).all()


def test_a_network_that_diverges_warns_and_still_predicts_finite_numbers(X, Y):
    from sklearn.exceptions import ConvergenceWarning

    with pytest.warns(ConvergenceWarning, match="learning_rate_init"):
        model = MultiTaskRegressor(
            solver="sgd", learning_rate_init=1e4, max_iter=30, random_state=0
        ).fit(X, Y)
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("n_members", [1, 2])
def test_curves_of_a_network_that_diverges_bear_nan_without_another_warning(n_members, X, Y):
    from sklearn.exceptions import ConvergenceWarning

    with pytest.warns(ConvergenceWarning) as caught:
        model = MultiTaskRegressor(
            solver="sgd",
            learning_rate_init=1e4,
            max_iter=30,
            n_members=n_members,
            early_stopping=False,
            random_state=0,
        ).fit(X, Y)
    assert {warning.category for warning in caught} == {ConvergenceWarning}
    assert model.loss_curve_.shape == (model.n_iter_,)


def test_verbose_prints_one_line(X, Y, capsys):
    MultiTaskRegressor(**FAST | {"verbose": 1}).fit(X, Y)
    assert capsys.readouterr().out.startswith("[MultiTaskRegressor] 3 tasks, 5 epochs")
