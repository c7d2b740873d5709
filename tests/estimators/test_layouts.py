"""Wide and long form, names of tasks, and that one is the other."""

import numpy as np
import pandas as pd
import pytest

from skmtl import MultiTaskClassifier, MultiTaskRegressor

SMALL = {
    "hidden_layer_sizes": (6,),
    "learning_rate_init": 0.01,
    "dtype": "float64",
    "random_state": 3,
}
FULL = SMALL | {"batch_size": "full", "early_stopping": False, "max_iter": 12}
BOTH = [MultiTaskRegressor, MultiTaskClassifier]


def one_label_a_row(rng, n=60, n_tasks=3):
    """Inputs, wide targets with one label a row, task of every row, label of every row."""
    X, task = (
        rng.normal(size=(n, 4)),
        np.r_[np.arange(n_tasks), rng.integers(0, n_tasks, size=n - n_tasks)],
    )
    y = X[:, 0] * (task + 1) + rng.normal(size=n)
    Y = np.full((n, n_tasks), np.nan)
    Y[np.arange(n), task] = y
    return X, Y, task, y


@pytest.mark.parametrize(
    "settings", [FULL, SMALL | {"max_iter": 6, "batch_size": 4}, SMALL | {"max_iter": 25}]
)
@pytest.mark.parametrize("kind", BOTH)
def test_a_wide_target_with_one_label_a_row_gives_the_network_of_the_long_form(kind, settings, rng):
    X, Y, task, y = one_label_a_row(rng)
    if kind is MultiTaskClassifier:
        y, Y = (y > 0).astype(int), np.where(np.isnan(Y), np.nan, Y > 0)
    wide = kind(**settings).fit(X, Y)
    long = kind(**settings, task_column="task", task_embedding_dim=0).fit(
        pd.DataFrame(X, columns=list("abcd")).assign(task=task), y
    )
    own = wide.predict_proba(X) if kind is MultiTaskClassifier else wide.predict(X)
    for t, name in enumerate(wide.task_names_):
        rows = pd.DataFrame(X, columns=list("abcd")).assign(task=int(name))
        if kind is MultiTaskClassifier:
            np.testing.assert_allclose(
                own[t],
                long.predict_proba(rows)[:, np.isin(long.classes_, wide.classes_[t])],
                atol=1e-6,
            )
        else:
            np.testing.assert_allclose(own[:, t], long.predict(rows), atol=1e-6)


@pytest.mark.parametrize("kind", BOTH)
def test_permuting_the_task_columns_permutes_the_predictions_only(kind, X, Y, labels, rng):
    Y = labels if kind is MultiTaskClassifier else Y
    order = rng.permutation(3)
    straight, permuted = kind(**FULL).fit(X, Y).score, kind(**FULL).fit(X, Y[:, order])
    assert straight(X, Y) == pytest.approx(permuted.score(X, Y[:, order]), abs=1e-9)
    if kind is MultiTaskRegressor:
        np.testing.assert_allclose(
            MultiTaskRegressor(**FULL).fit(X, Y).predict(X)[:, order],
            permuted.predict(X),
            atol=1e-6,
        )


def test_permuting_the_rows_of_the_long_form_permutes_the_predictions_only(long_form, rng):
    X, y, _ = long_form
    order = np.r_[0:3, 3 + rng.permutation(len(X) - 3)]
    first = MultiTaskRegressor(**FULL, task_column=-1).fit(X, y)
    second = MultiTaskRegressor(**FULL, task_column=-1).fit(X[order], y[order])
    np.testing.assert_allclose(first.predict(X), second.predict(X), atol=1e-6)


@pytest.mark.parametrize("position", [0, 2, -1])
def test_the_task_column_may_stand_anywhere_in_an_array(position, long_form):
    X, y, task = long_form
    expected = MultiTaskRegressor(**FULL, task_column=-1).fit(X, y).predict(X)
    moved = np.insert(X[:, :-1], position % 5, task, axis=1)
    np.testing.assert_array_equal(
        MultiTaskRegressor(**FULL, task_column=position).fit(moved, y).predict(moved), expected
    )


@pytest.mark.parametrize("column", ["school", 1, -4])
def test_the_task_column_of_a_frame_is_found_by_name_and_by_position(column, long_form):
    X, y, task = long_form
    frame = pd.DataFrame(X[:, :-1], columns=list("abcd"))
    frame.insert(1, "school", task)
    model = MultiTaskRegressor(**FULL, task_column=column).fit(frame, y)
    np.testing.assert_array_equal(
        model.predict(frame), MultiTaskRegressor(**FULL, task_column=-1).fit(X, y).predict(X)
    )
    assert model.feature_names_in_.tolist() == ["a", "school", "b", "c", "d"]


@pytest.mark.parametrize(
    "ids",
    [
        lambda task: task,
        lambda task: task.astype(int),
        lambda task: task.astype(int).astype(str),
        lambda task: pd.Categorical(task.astype(int).astype(str)),
        lambda task: task.astype(int).astype(object),
        lambda task: pd.array(task.astype(int), dtype="Int64"),
    ],
)
def test_ids_may_be_floats_integers_strings_or_categories(ids, long_form):
    X, y, task = long_form
    frame = pd.DataFrame(X[:, :-1], columns=list("abcd")).assign(task=ids(task))
    model = MultiTaskRegressor(**FULL, task_column="task").fit(frame, y)
    assert model.task_names_ == ["7", "3", "12"]
    np.testing.assert_array_equal(
        model.predict(frame), MultiTaskRegressor(**FULL, task_column=-1).fit(X, y).predict(X)
    )


def test_an_object_array_may_hold_names_beside_numbers(long_form):
    X, y, task = long_form
    mixed = np.column_stack(
        [
            X[:, :-1].astype(object),
            np.array(["s", "t", "u"])[np.unique(task, return_inverse=True)[1]],
        ]
    )
    model = MultiTaskRegressor(**FULL, task_column=-1).fit(mixed, y)
    assert sorted(model.task_names_) == ["s", "t", "u"]
    assert model.predict(mixed).shape == y.shape


def test_an_id_may_change_its_type_between_fit_and_predict(long_form):
    X, y, task = long_form
    frame = pd.DataFrame(X[:, :-1], columns=list("abcd"))
    model = MultiTaskRegressor(**FULL, task_column="task").fit(frame.assign(task=task), y)
    np.testing.assert_array_equal(
        model.predict(frame.assign(task=task.astype(int).astype(str))),
        model.predict(frame.assign(task=task)),
    )


def test_predicting_some_tasks_only_gives_what_predicting_all_does(long_form):
    X, y, task = long_form
    model = MultiTaskRegressor(**FULL, task_column=-1).fit(X, y)
    np.testing.assert_allclose(model.predict(X[task == 3]), model.predict(X)[task == 3], atol=1e-12)


@pytest.mark.parametrize("kind", BOTH)
def test_an_unknown_task_at_predict_raises_and_is_named(kind, long_form):
    X, y, _ = long_form
    model = kind(**FULL, task_column=-1).fit(X, y > 0)
    X[-1, -1] = 99
    with pytest.raises(ValueError, match="Task '99' was not in fit.*'7'"):
        model.predict(X)


def test_names_of_wide_tasks_are_the_columns_of_the_frame_or_positions(X, Y):
    assert MultiTaskRegressor(**FULL).fit(X, Y).task_names_ == ["0", "1", "2"]
    assert MultiTaskRegressor(**FULL).fit(
        X, pd.DataFrame(Y, columns=["u", "v", 3])
    ).task_names_ == ["u", "v", "3"]
    assert MultiTaskRegressor(**FULL).fit(X, pd.Series(X[:, 0], name="price")).task_names_ == [
        "price"
    ]


@pytest.mark.parametrize("kind", BOTH)
def test_shapes_follow_the_target(kind, X):
    y = (X[:, 0] > 0).astype(int)
    assert kind(**FULL).fit(X, y).predict(X).shape == (48,)
    assert kind(**FULL).fit(X, y[:, None]).predict(X).shape == (48, 1)
    assert kind(**FULL).fit(X, np.column_stack([y, 1 - y])).predict(X).shape == (48, 2)


def test_a_one_dimensional_target_is_one_task(X, Y):
    y = np.nan_to_num(Y[:, 0])
    flat, column = (
        MultiTaskRegressor(**FULL).fit(X, y),
        MultiTaskRegressor(**FULL).fit(X, y[:, None]),
    )
    np.testing.assert_array_equal(flat.predict(X), column.predict(X)[:, 0])
    assert flat.n_outputs_ == 1


def test_rows_without_any_label_change_nothing(X, Y, rng):
    known = ~np.isnan(Y).all(axis=1)
    more = np.vstack([X[known], 1e3 * rng.normal(size=(20, 4))])
    expected = MultiTaskRegressor(**FULL).fit(X[known], Y[known])
    found = MultiTaskRegressor(**FULL).fit(more, np.vstack([Y[known], np.full((20, 3), np.nan)]))
    np.testing.assert_allclose(found.predict(X), expected.predict(X), atol=1e-6)


def test_a_hole_in_one_task_does_not_take_the_row_from_the_others(X):
    Y = X[:, :2].copy()
    Y[5:, 1] = np.nan
    model = MultiTaskRegressor(
        hidden_layer_sizes=(),
        batch_size="full",
        learning_rate_init=0.1,
        max_iter=400,
        n_iter_no_change=400,
        alpha=0,
        early_stopping=False,
    ).fit(X, Y)
    np.testing.assert_allclose(model.predict(X)[:, 0], X[:, 0], atol=0.05)


@pytest.mark.parametrize("dtype", ["float32", "float64", "auto"])
def test_predictions_are_float64_whatever_training_used(dtype, X, Y, labels):
    settings = SMALL | {"dtype": dtype, "max_iter": 2}
    assert MultiTaskRegressor(**settings).fit(X, Y).predict(X).dtype == np.float64
    assert MultiTaskClassifier(**settings).fit(X, labels).predict_proba(X)[0].dtype == np.float64


def test_many_rows_are_predicted_as_few_are(X, Y, rng):
    model = MultiTaskRegressor(**FULL).fit(X, Y)
    many = rng.normal(size=(5000, 4))
    np.testing.assert_allclose(
        model.predict(many),
        np.vstack([model.predict(part) for part in np.array_split(many, 7)]),
        atol=1e-12,
    )


def test_a_frame_whose_columns_are_in_another_order_is_refused(long_form):
    X, y, _ = long_form
    frame = pd.DataFrame(X, columns=[*list("abcd"), "task"])
    model = MultiTaskRegressor(**FULL, task_column="task").fit(frame, y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["task", "b", "a", "c", "d"]])


def test_the_inputs_are_left_as_they_were(long_form, X, Y):
    frame = pd.DataFrame(long_form[0], columns=list("abcde"))
    before, labels = frame.copy(), Y.copy()
    MultiTaskRegressor(**FULL, task_column="e").fit(frame, long_form[1]).predict(frame)
    MultiTaskRegressor(**FULL).fit(X, Y)
    pd.testing.assert_frame_equal(frame, before)
    np.testing.assert_array_equal(Y, labels)


def test_fitting_again_with_another_layout_forgets_the_first(X, Y, labels):
    model = MultiTaskRegressor(**FULL).fit(X, Y).fit(X[:, :2], X[:, 0])
    assert model.n_features_in_ == 2
    assert model.predict(X[:, :2]).shape == (48,)
    classifier = MultiTaskClassifier(**FULL).fit(X, labels).fit(X, labels[:, 0] == 1)
    assert isinstance(classifier.classes_, np.ndarray)


def test_units_of_a_target_do_not_matter(X, Y):
    plain, scaled = (
        MultiTaskRegressor(**FULL).fit(X, Y),
        MultiTaskRegressor(**FULL).fit(X, 1e4 * Y + 1e5),
    )
    np.testing.assert_allclose(scaled.predict(X), 1e4 * plain.predict(X) + 1e5, rtol=1e-5)


def test_units_of_an_input_do_not_matter_when_inputs_are_standardised(X, Y):
    plain, scaled = (
        MultiTaskRegressor(**FULL).fit(X, Y),
        MultiTaskRegressor(**FULL).fit(1e4 * X + 1e5, Y),
    )
    np.testing.assert_allclose(scaled.predict(1e4 * X + 1e5), plain.predict(X), atol=1e-5)
    raw = MultiTaskRegressor(**FULL, standardize=False).fit(X, Y)
    assert not np.allclose(raw.predict(X), plain.predict(X))
