"""Classes, their types, and probabilities."""

import numpy as np
import pandas as pd
import pytest

from skmtl import MultiTaskClassifier
from skmtl.metrics import multitask_accuracy

FAST = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.02, "max_iter": 8, "random_state": 0}


def fitted(X, Y, **settings):
    return MultiTaskClassifier(**FAST | settings).fit(X, Y)


def missing(labels):
    """The labels as objects, the first one missing."""
    column = np.asarray(labels).astype(object)
    column[0] = None
    return column


@pytest.fixture
def three(rng):
    """Codes of three classes; all occur."""
    return np.r_[0, 0, 1, 2, rng.integers(0, 3, size=44)]


@pytest.mark.parametrize("values", [["a", "bb", "ccc"], [-1, 5, 7], [10, 20, 30]])
@pytest.mark.parametrize("form", ["flat", "wide", "long"])
def test_labels_keep_their_type_in_every_form(values, form, X, three):
    y = np.array(values)[three]
    if form == "flat":
        model = fitted(X, y)
        assert model.classes_.tolist() == values
    elif form == "wide":
        model = fitted(X, np.column_stack([y, y[::-1]]))
        assert [classes.tolist() for classes in model.classes_] == [values, values]
    else:
        X = np.column_stack([X, np.arange(48) % 2])
        model = fitted(X, y, task_column=-1)
        assert model.classes_.tolist() == values
    predicted = model.predict(X)
    assert predicted.dtype.kind == y.dtype.kind
    assert np.isin(predicted, values).all()


def test_integers_that_nan_had_turned_into_floats_come_back_as_integers(X, three):
    Y = np.column_stack([three, three]).astype(float)
    Y[0, 0] = Y[1, 1] = np.nan
    model = fitted(X, Y)
    assert [classes.dtype.kind for classes in model.classes_] == ["i", "i"]
    assert model.predict(X).dtype.kind == "i"


@pytest.mark.parametrize("labels", [["no", "yes"], [False, True]])
def test_missing_strings_and_booleans_come_back_in_their_type(labels, X, three):
    Y = pd.DataFrame({"u": missing(np.array(labels)[three % 2]), "v": np.array(labels)[three // 2]})
    model = fitted(X, Y)
    assert [classes.tolist() for classes in model.classes_] == [labels, labels]
    assert model.predict(X).dtype.kind == np.array(labels).dtype.kind


def test_missing_strings_in_a_list_are_missing_and_no_class(X, three):
    Y = [["a", "x"], ["b", np.nan], *([["a", "b"][k % 2], ["x", "y"][k // 2]] for k in three[2:])]
    assert [classes.tolist() for classes in fitted(X, Y).classes_] == [["a", "b"], ["x", "y"]]


def test_nullable_columns_are_labels_like_others(X, three):
    Y = pd.DataFrame(
        {
            "i": pd.array(missing(three), dtype="Int64"),
            "b": pd.array(missing(three > 0), dtype="boolean"),
        }
    )
    model = fitted(X, Y)
    assert [classes.tolist() for classes in model.classes_] == [[0, 1, 2], [False, True]]
    assert 0 <= model.score(X, Y) <= 1


def test_a_categorical_target_gives_its_categories_back(X, three):
    y = pd.Series(np.array(["a", "b", "c"])[three], dtype="category")
    model = fitted(X, y)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert 0 <= model.score(X, y) <= 1


def test_tasks_may_have_labels_of_different_types(X, three):
    Y = pd.DataFrame({"word": np.array(["a", "b", "c"])[three], "number": three % 2})
    model = fitted(X, Y)
    predicted = model.predict(X)
    assert [set(map(type, column)) for column in predicted.T] == [{str}, {int}]
    assert model.score(X, Y) == pytest.approx(
        np.mean([(predicted[:, t] == Y.iloc[:, t]).mean() for t in range(2)])
    )


def test_tasks_of_different_sizes_get_probabilities_of_their_own_classes(X, three, rng):
    Y = np.column_stack(
        [three > 0, three, np.r_[np.arange(5), rng.integers(0, 5, size=43)] + 10]
    ).astype(float)
    Y[0, 0] = np.nan
    model = fitted(X, Y)
    P = model.predict_proba(X)
    assert [p.shape for p in P] == [(48, 2), (48, 3), (48, 5)]
    for t, (p, classes) in enumerate(zip(P, model.classes_, strict=True)):
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-12)
        assert (p > 0).all()
        np.testing.assert_array_equal(model.predict(X)[:, t], classes[p.argmax(1)])


def test_a_flat_target_gives_one_array_and_a_wide_one_a_list(X, three):
    assert fitted(X, three).predict_proba(X).shape == (48, 3)
    assert isinstance(fitted(X, three[:, None]).predict_proba(X), list)
    assert isinstance(fitted(X, three[:, None]).classes_, list)


def test_the_long_form_has_a_column_for_every_class_and_zeros_for_foreign_ones(X, three):
    task = np.arange(48) % 2
    y = np.where(task == 0, three % 2, 5 + three)
    y[:4] = [0, 5, 1, 6]
    XL = np.column_stack([X, task])
    model = fitted(XL, y, task_column=-1)
    P = model.predict_proba(XL)
    assert model.classes_.tolist() == sorted(set(y.tolist()))
    assert (P[task == 0][:, 2:] == 0).all()
    assert (P[task == 1][:, :2] == 0).all()
    np.testing.assert_allclose(P.sum(1), 1, atol=1e-12)
    for t in (0, 1):
        assert np.isin(model.predict(XL)[task == t], y[task == t]).all()


def test_a_task_with_one_class_is_certain_of_it(X, three):
    model = fitted(X, np.column_stack([np.full(48, 4), three]))
    assert model.classes_[0].tolist() == [4]
    np.testing.assert_array_equal(model.predict_proba(X)[0], np.ones((48, 1)))
    assert (model.predict(X)[:, 0] == 4).all()


def test_a_flat_target_of_one_class_is_certain_of_it(X):
    np.testing.assert_array_equal(fitted(X, np.full(48, 4)).predict(X), np.full(48, 4))


def test_a_task_with_one_class_in_long_form_is_certain_of_it(X):
    task = np.arange(48) % 2
    XL, y = np.column_stack([X, task]), np.where(task == 1, 1, np.arange(48) // 2 % 2)
    model = fitted(XL, y, task_column=-1)
    np.testing.assert_array_equal(model.predict_proba(XL)[task == 1], np.tile([0.0, 1.0], (24, 1)))


def test_two_class_probabilities_are_the_same_from_a_binary_and_from_a_larger_fleet_head(X, rng):
    # A linear logistic fit to convergence does not depend on how many scores the head has for other
    # tasks.
    y = (X[:, 0] + rng.normal(size=48) > 0).astype(int)
    settings = {
        "hidden_layer_sizes": (),
        "alpha": 0.05,
        "learning_rate_init": 0.05,
        "max_iter": 1500,
        "n_iter_no_change": 1500,
        "early_stopping": False,
        "dtype": "float64",
    }
    weights = {"task_weights": [1, 0]}
    alone = fitted(X, y[:, None], **settings).predict(X)[:, 0]
    joint = fitted(X, np.column_stack([y, np.arange(48) % 3]), **settings | weights).predict(X)[
        :, 0
    ]
    assert (alone == joint).mean() > 0.95


@pytest.mark.parametrize("form", ["wide", "long"])
def test_the_score_is_the_mean_accuracy_of_the_tasks_without_nan(form, X, labels, rng):
    if form == "wide":
        model, target, task = fitted(X, labels), labels, None
        expected = np.mean(
            [
                (model.predict(X)[k, t] == labels[k, t]).mean()
                for t, k in enumerate(~np.isnan(labels.T))
            ]
        )
    else:
        task = np.arange(48) % 3
        X, target = np.column_stack([X, task]), rng.integers(0, 2, size=48)
        model = fitted(X, target, task_column=-1)
        expected = np.mean([(model.predict(X) == target)[task == t].mean() for t in range(3)])
    assert model.score(X, target) == pytest.approx(expected)
    assert model.score(X, target) == multitask_accuracy(target, model.predict(X), task=task)


def test_a_logistic_model_is_that_of_scikit_learn(X, rng):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    y = (X[:, 0] - X[:, 1] + rng.normal(size=48) > 0).astype(int)
    Z = StandardScaler().fit_transform(X)
    alpha = 0.1  # alpha/2 |w|^2 + mean loss = LogisticRegression with C = 1 / (n alpha)
    model = fitted(
        X,
        y,
        hidden_layer_sizes=(),
        solver="adam",
        batch_size="full",
        alpha=alpha,
        learning_rate_init=0.05,
        max_iter=1500,
        n_iter_no_change=1500,
        early_stopping=False,
        dtype="float64",
    )
    reference = LogisticRegression(C=1 / (48 * alpha), tol=1e-10, max_iter=1000).fit(Z, y)
    np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(Z), atol=1e-2)


def test_three_classes_are_told_apart(rng):
    X = rng.normal(size=(200, 2))
    y = np.array(["left", "right", "up"])[np.where(X[:, 1] > 0.5, 2, (X[:, 0] > 0).astype(int))]
    assert fitted(X, y, max_iter=200, learning_rate_init=0.03).score(X, y) > 0.85
