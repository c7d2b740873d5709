"""TaskSet: names, layouts, immutability, pairs, round trips, splits."""

from __future__ import annotations

import copy
import itertools
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone

from skmtl import Task, TaskSet
from skmtl.data import encode_task_ids, split_rows, task_name, tidy_labels, wide_columns

KINDS = ("regression", "classification")


def long_set(rng, sizes=(5, 8, 13), kind="regression", frame=False):
    task = rng.permutation(np.repeat([f"t{i}" for i in range(len(sizes))], sizes))
    X = rng.normal(size=(len(task), 3))
    y = rng.normal(size=len(task)) if kind == "regression" else rng.integers(0, 3, len(task))
    return (
        TaskSet.from_long(
            pd.DataFrame(X, columns=["a", "b", "c"]) if frame else X, y, task, kind=kind
        ),
        X,
        y,
        task,
    )


def wide_set(rng, n=60, n_tasks=4, kind="classification", missing=0.3):
    X = rng.normal(size=(n, 3))
    Y = (
        rng.integers(0, 2, (n, n_tasks)).astype(float)
        if kind == "classification"
        else rng.normal(size=(n, n_tasks))
    )
    Y[rng.random((n, n_tasks)) < missing] = np.nan
    return TaskSet.from_wide(X, Y, kind=kind), X, Y


# ---------------------------------------------------------------------- names
@pytest.mark.parametrize(
    ("ids", "names"),
    [
        ([3, 1, 3, 2], ["3", "1", "2"]),
        ([7.0, 2.0, 7.0], ["7", "2"]),
        (np.array([7.0, 2.0, 7.0], dtype=np.float32), ["7", "2"]),
        (["b", "a", "b"], ["b", "a"]),
        (["7.0", "7"], ["7.0", "7"]),
        ([("x", 1), ("x", 2), ("x", 1)], ["('x', 1)", "('x', 2)"]),
        ([7.0, "a"], ["7", "a"]),
        ([True, False], ["True", "False"]),
        (pd.Series(["b", "a"], dtype="category"), ["b", "a"]),
        (pd.Series([2, 1], dtype="Int64"), ["2", "1"]),
        (pd.Series(["b", "a"], index=[5, 9]), ["b", "a"]),
        (pd.Index([4.0, 2.0]), ["4", "2"]),
    ],
)
def test_names_are_the_text_of_the_ids_in_order_of_first_appearance(ids, names):
    assert encode_task_ids(ids)[0] == names


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30))
def test_integers_integral_floats_and_their_texts_give_the_same_names_and_codes(ids):
    names, codes = encode_task_ids(ids)
    assert [names[code] for code in codes] == [str(value) for value in ids]
    for other in (
        np.array(ids, dtype=float),
        [str(value) for value in ids],
        pd.Series(ids, dtype="Int64"),
    ):
        assert encode_task_ids(other)[0] == names
        np.testing.assert_array_equal(encode_task_ids(other)[1], codes)


@pytest.mark.parametrize("value", [7.5, np.float32(0.25), float("inf")])
def test_a_number_that_is_not_integral_raises_and_asks_about_scaling(value):
    with pytest.raises(ValueError, match="not integral.*was the column scaled"):
        task_name(value)
    with pytest.raises(ValueError, match="was the column scaled"):
        TaskSet.from_long(np.zeros((2, 1)), [1.0, 2.0], [value, 1.0])


@pytest.mark.parametrize(
    "ids",
    [
        [1, "1"],
        np.array([1, "1"], dtype=object),
        pd.Series([7.0, "7"], dtype=object),
        ["None", 2, "2"],
        (2, "2"),
    ],
)
def test_two_ids_with_one_name_raise(ids):
    with pytest.raises(ValueError, match="Two different ids"):
        encode_task_ids(ids)


@pytest.mark.parametrize(
    "ids",
    [
        [1.0, np.nan, 2.0],
        ["a", None, "b"],
        pd.Series([1, None, 2], dtype="Int64"),
        pd.Series(["a", pd.NA, "b"], dtype="category"),
    ],
)
def test_a_missing_id_raises(ids):
    with pytest.raises(ValueError, match="task has 1 missing task ids"):
        TaskSet.from_long(np.zeros((3, 1)), [1.0, 2.0, 3.0], ids)


@pytest.mark.parametrize("ids", [np.zeros((2, 2)), [[1], [2]], 3])
def test_ids_that_are_no_column_raise(ids):
    with pytest.raises(ValueError, match=r"task must have shape \(n,\)"):
        encode_task_ids(ids)


# ---------------------------------------------------------------------- long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frame", [False, True])
def test_long_form_gives_every_task_its_own_rows_in_their_order(rng, kind, frame):
    tasks, X, y, task = long_set(rng, kind=kind, frame=frame)
    assert tasks.kind == kind
    assert tasks.names == list(dict.fromkeys(task))
    assert tasks.n_features_in_ == 3
    for name in tasks.names:
        assert isinstance(tasks[name], Task)
        assert tasks[name].name == name
        np.testing.assert_array_equal(np.asarray(tasks[name].X), X[task == name])
        np.testing.assert_array_equal(tasks[name].y, y[task == name])
        np.testing.assert_array_equal(tasks.rows(name), np.flatnonzero(task == name))
        assert len(tasks[name]) == (task == name).sum()
    np.testing.assert_array_equal(tasks.sizes, [(task == name).sum() for name in tasks.names])
    assert [t.name for t in tasks] == tasks.names
    assert "t0" in tasks
    assert "t9" not in tasks
    assert len(tasks) == 3


def test_a_frame_keeps_its_columns_and_dtypes(rng):
    X = pd.DataFrame(
        {
            "x": [1.0, 2.0, 3.0, 4.0],
            "k": pd.Categorical(["u", "v", "u", "v"]),
            "n": np.array([1, 2, 3, 4], dtype=np.int8),
        },
        index=list("pqrs"),
    )
    for tasks in (
        TaskSet.from_long(X, [1.0, 2.0, 3.0, 4.0], [0, 1, 0, 1]),
        TaskSet.from_wide(X, rng.normal(size=(4, 2))),
    ):
        pd.testing.assert_frame_equal(tasks.X, X)
        assert list(tasks.feature_names_in_) == ["x", "k", "n"]
        pd.testing.assert_series_equal(tasks["0"].X.dtypes, X.dtypes)
        pd.testing.assert_series_equal(tasks.to_long()[0].dtypes, X.dtypes)
        pd.testing.assert_frame_equal(tasks.to_wide()[0], X)
        assert list(tasks.to_wide()[1].index) == list("pqrs")
    assert (
        TaskSet.from_long(X.to_numpy(), [1.0, 2.0, 3.0, 4.0], [0, 1, 0, 1]).feature_names_in_
        is None
    )
    assert (
        TaskSet.from_long(
            X.set_axis([0, 1, 2], axis=1), [1.0, 2.0, 3.0, 4.0], [0, 1, 0, 1]
        ).feature_names_in_
        is None
    )


@pytest.mark.parametrize(
    ("y", "dtype"),
    [
        (["yes", "no", "yes"], "U"),
        ([1, 0, 1], "i"),
        ([True, False, True], "b"),
        (pd.Series(["yes", "no", "yes"]), "OUT"),
        ([0.5, 1.5, 0.5], "f"),
    ],
)
def test_labels_keep_their_type_in_long_form(y, dtype):
    tasks = TaskSet.from_long(np.zeros((3, 1)), y, ["a", "a", "b"], kind="classification")
    assert tasks["a"].y.dtype.kind in dtype
    assert tasks["a"].y.tolist() == list(y)[:2]


@pytest.mark.parametrize(
    "y", [[1, 2, 3], ["1", "2", "3"], pd.Series([1, 2, 3], dtype="Int64"), [True, False, True]]
)
def test_targets_of_regression_are_float64(y):
    assert TaskSet.from_long(np.zeros((3, 1)), y, ["a", "a", "b"])["a"].y.dtype == np.float64


# ---------------------------------------------------------------------- wide
@pytest.mark.parametrize("kind", KINDS)
def test_wide_form_leaves_out_rows_without_a_label(rng, kind):
    tasks, X, Y = wide_set(rng, kind=kind)
    assert tasks.names == ["0", "1", "2", "3"]
    for t, name in enumerate(tasks.names):
        labeled = ~np.isnan(Y[:, t])
        np.testing.assert_array_equal(tasks[name].X, X[labeled])
        np.testing.assert_array_equal(tasks[name].y, Y[labeled, t])


@pytest.mark.parametrize(
    ("column", "expected", "dtype"),
    [
        ([1.0, np.nan, 0.0], [1, 0], "i"),
        ([0.5, np.nan, 1.5], [0.5, 1.5], "f"),
        (np.array(["yes", None, "no"], dtype=object), ["yes", "no"], "U"),
        (np.array([True, None, False], dtype=object), [True, False], "b"),
        (pd.array([1, None, 0], dtype="Int64"), [1, 0], "i"),
        (pd.Categorical(["yes", None, "no"]), ["yes", "no"], "U"),
    ],
)
def test_labels_get_back_the_type_that_missing_values_took_from_them(column, expected, dtype):
    y = TaskSet.from_wide(np.zeros((3, 1)), pd.DataFrame({"a": column}), kind="classification")[
        "a"
    ].y
    assert y.dtype.kind == dtype
    assert y.tolist() == expected
    assert type(y.tolist()[0]) is type(expected[0])


def test_tidy_labels_leaves_numbers_that_are_not_whole_alone():
    labels = np.array([0.5, 1.0])
    assert tidy_labels(labels) is labels


@pytest.mark.parametrize(
    ("Y", "names"),
    [
        (pd.DataFrame({"u": [1.0], "v": [2.0]}), ["u", "v"]),
        (pd.DataFrame([[1.0, 2.0]], columns=[3, 4.0]), ["3", "4"]),
        (pd.Series([1.0], name="u"), ["u"]),
        (pd.Series([1.0]), ["0"]),
        ([[1.0, 2.0]], ["0", "1"]),
        ([1.0], ["0"]),
    ],
)
def test_names_of_a_wide_target(Y, names):
    assert wide_columns(Y)[0] == names
    assert TaskSet.from_wide([[0.0]], Y).names == names


@pytest.mark.parametrize("columns", [["a", "a"], [1, "1"], [1.0, "1"]])
def test_two_target_columns_with_one_name_raise(columns):
    with pytest.raises(ValueError, match="two columns named"):
        TaskSet.from_wide(np.zeros((2, 1)), pd.DataFrame(np.ones((2, 2)), columns=columns))


# ---------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: TaskSet.from_long(np.zeros((3, 1)), [1.0, 2.0], [1, 1, 2]),
            "X has 3 rows, but y has 2",
        ),
        (
            lambda: TaskSet.from_long(np.zeros((3, 1)), [1.0, 2.0, 3.0], [1, 1]),
            "X has 3 rows, but task has 2",
        ),
        (
            lambda: TaskSet.from_wide(np.zeros((3, 1)), np.zeros((2, 2))),
            "X has 3 rows, but Y has 2",
        ),
        (
            lambda: TaskSet.from_long(np.zeros((3, 1)), [1.0, np.nan, 3.0], ["a", "b", "b"]),
            "Task 'b' has a missing target in y",
        ),
        (
            lambda: TaskSet.from_long(np.zeros((3, 1)), [1.0, np.inf, 3.0], ["a", "b", "b"]),
            "infinity",
        ),
        (
            lambda: TaskSet.from_long(np.zeros((3, 1)), ["x", "y", "z"], ["a", "b", "b"]),
            "not numbers",
        ),
        (
            lambda: TaskSet.from_long(np.zeros((3, 1)), np.zeros((3, 2)), ["a", "b", "b"]),
            r"y must have shape \(n,\)",
        ),
        (
            lambda: TaskSet.from_long(np.zeros(3), [1.0, 2.0, 3.0], ["a", "b", "b"]),
            r"X must have shape \(n, p\)",
        ),
        (lambda: TaskSet.from_long(np.zeros((0, 2)), [], []), "at least one row and one column"),
        (
            lambda: TaskSet.from_long(np.zeros((2, 0)), [1.0, 2.0], [1, 1]),
            "at least one row and one column",
        ),
        (
            lambda: TaskSet.from_long(
                pd.DataFrame(np.zeros((2, 2)), columns=["a", "a"]), [1.0, 2.0], [1, 1]
            ),
            "X has two columns named 'a'",
        ),
        (
            lambda: TaskSet.from_long(np.zeros((2, 1)), [1.0, 2.0], [1, 1], kind="ranking"),
            "kind must be",
        ),
        (lambda: TaskSet.from_wide(np.zeros((2, 1)), [1.0, 2.0], kind="ranking"), "kind must be"),
        (
            lambda: TaskSet.from_wide(np.zeros((2, 1)), [[1.0, np.nan], [2.0, np.nan]]),
            "Task '1' has no labeled row",
        ),
        (lambda: TaskSet.from_wide(np.zeros((2, 1)), np.zeros((2, 0))), "no columns"),
        (lambda: TaskSet.from_wide(np.zeros((2, 1)), np.zeros((2, 2, 2))), "3 dimensions"),
    ],
)
def test_unusable_data_raise_and_say_why(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_an_unknown_task_is_named(rng):
    tasks = long_set(rng)[0]
    for name in ("t9", 7, ["t0"]):
        with pytest.raises(KeyError, match="No task .* in this TaskSet; it has 't"):
            tasks[name]


# ---------------------------------------------------------------------- immutability
def test_a_task_set_cannot_be_changed(rng):
    tasks = long_set(rng)[0]
    with pytest.raises(AttributeError, match="immutable"):
        tasks.kind = "classification"
    with pytest.raises(AttributeError, match="immutable"):
        tasks.extra = 1
    with pytest.raises(AttributeError, match="immutable"):
        del tasks.kind
    for array in (tasks.X, tasks["t0"].y, tasks.rows("t0")):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    tasks.names.append("t9")
    assert len(tasks.names) == 3
    with pytest.raises(AttributeError):
        tasks["t0"].y = None


@pytest.mark.parametrize("frame", [False, True])
def test_changing_the_data_it_was_made_of_changes_nothing(rng, frame):
    X, y, Y = rng.normal(size=(6, 2)), rng.normal(size=6), rng.normal(size=(6, 2))
    X = pd.DataFrame(X, columns=["a", "b"]) if frame else X
    long, wide = TaskSet.from_long(X, y, [0, 0, 0, 1, 1, 1]), TaskSet.from_wide(X, Y)
    before = [
        copy.deepcopy(part)
        for tasks in (long, wide)
        for part in (np.asarray(tasks["0"].X), tasks["0"].y)
    ]
    if frame:
        X.iloc[:, :] = 0.0
        X["c"] = 1.0
    else:
        X[:] = 0.0
    y[:] = 0.0
    Y[:] = 0.0
    after = [part for tasks in (long, wide) for part in (np.asarray(tasks["0"].X), tasks["0"].y)]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_columns_added_to_the_frame_it_gave_out_stay_outside(rng):
    tasks = long_set(rng, frame=True)[0]
    for table in (tasks.X, tasks.to_wide()[0], tasks.to_long()[0], tasks["t0"].X):
        table["new"] = 1.0
    assert list(tasks.X.columns) == ["a", "b", "c"]


def test_clone_of_an_estimator_shares_the_task_set(rng):
    class Holder(BaseEstimator):
        def __init__(self, tasks=None):
            self.tasks = tasks

    tasks = long_set(rng)[0]
    assert clone(tasks) is tasks
    assert clone(Holder(tasks)).tasks is tasks


@pytest.mark.parametrize(
    "again",
    [lambda t: pickle.loads(pickle.dumps(t)), copy.deepcopy, copy.copy],
    ids=["pickle", "deepcopy", "copy"],
)
@pytest.mark.parametrize("frame", [False, True])
def test_a_task_set_can_be_pickled_and_copied(rng, again, frame):
    tasks = long_set(rng, frame=frame)[0]
    twin = again(tasks)
    assert twin.names == tasks.names
    assert twin.kind == tasks.kind
    for name in tasks.names:
        np.testing.assert_array_equal(np.asarray(twin[name].X), np.asarray(tasks[name].X))
        np.testing.assert_array_equal(twin[name].y, tasks[name].y)
        assert not twin[name].y.flags.writeable


def test_equal_task_sets_have_one_joblib_hash():
    sets = [long_set(np.random.default_rng(seed))[0] for seed in (0, 0, 1)]
    assert joblib.hash(sets[0]) == joblib.hash(sets[1]) != joblib.hash(sets[2])


# ---------------------------------------------------------------------- pairs and subsets
@given(st.integers(1, 7))
def test_pairs_are_all_ordered_pairs_of_different_tasks(n_tasks):
    names = [f"t{i}" for i in range(n_tasks)]
    pairs = TaskSet.from_long(np.zeros((n_tasks, 1)), np.zeros(n_tasks), names).pairs()
    assert pairs.shape == (n_tasks * (n_tasks - 1), 2)
    assert pairs.tolist() == [
        [target, source] for target, source in itertools.product(names, names) if target != source
    ]


def test_one_task_has_no_pairs():
    assert TaskSet.from_wide([[0.0]], [1.0]).pairs().shape == (0, 2)


def test_a_subset_has_the_tasks_asked_for_in_that_order(rng):
    tasks = long_set(rng)[0]
    part = tasks.subset(["t2", "t0"])
    assert part.names == ["t2", "t0"]
    np.testing.assert_array_equal(part["t2"].X, tasks["t2"].X)
    with pytest.raises(KeyError, match="No task 't9'"):
        tasks.subset(["t0", "t9"])


@pytest.mark.parametrize(
    ("names", "message"), [([], "at least one task"), (["t0", "t0"], "'t0' twice")]
)
def test_a_subset_of_nothing_or_with_a_task_twice_raises(rng, names, message):
    with pytest.raises(ValueError, match=message):
        long_set(rng)[0].subset(names)


# ---------------------------------------------------------------------- round trips
@pytest.mark.parametrize("kind", KINDS)
def test_long_form_comes_back_task_after_task(rng, kind):
    tasks = long_set(rng, kind=kind)[0]
    X, y, task = tasks.to_long()
    assert list(dict.fromkeys(task)) == tasks.names
    again = TaskSet.from_long(X, y, task, kind=kind)
    for name in tasks.names:
        np.testing.assert_array_equal(again[name].X, tasks[name].X)
        np.testing.assert_array_equal(again[name].y, tasks[name].y)
        assert again[name].y.dtype == tasks[name].y.dtype


@given(
    seed=st.integers(0, 2**16),
    kind=st.sampled_from(KINDS),
    missing=st.sampled_from([0.0, 0.3, 0.7]),
)
def test_wide_form_comes_back_as_it_was(seed, kind, missing):
    tasks, X, Y = wide_set(np.random.default_rng(seed), n=40, kind=kind, missing=missing)
    X_again, Y_again = tasks.to_wide()
    np.testing.assert_array_equal(X_again, X)
    np.testing.assert_array_equal(Y_again.to_numpy(), Y)
    assert list(Y_again.columns) == tasks.names


def test_long_to_wide_to_long_keeps_every_label(rng):
    tasks, X, y, task = long_set(rng)
    X_wide, Y = tasks.to_wide()
    np.testing.assert_array_equal(X_wide, X)
    assert (Y.notna().sum(axis=1) == 1).all()
    np.testing.assert_array_equal(
        Y.to_numpy()[np.arange(len(y)), [tasks.names.index(name) for name in task]], y
    )
    again = TaskSet.from_wide(X_wide, Y)
    assert again.names == tasks.names
    np.testing.assert_array_equal(again.to_long()[1], tasks.to_long()[1])


def test_text_labels_survive_the_wide_form():
    Y = pd.DataFrame({"a": ["x", None, "y"], "b": [None, "x", "x"]}, dtype=object)
    back = TaskSet.from_wide(np.zeros((3, 1)), Y, kind="classification").to_wide()[1]
    np.testing.assert_array_equal(back.isna(), Y.isna())
    assert back["a"].dropna().tolist() == ["x", "y"]


# ---------------------------------------------------------------------- splits
@given(
    seed=st.integers(0, 2**16),
    sizes=st.lists(st.integers(2, 40), min_size=1, max_size=5),
    test_size=st.floats(0.05, 0.95),
    kind=st.sampled_from(KINDS),
)
def test_every_task_gets_the_ceiling_of_its_share_and_no_row_is_lost(seed, sizes, test_size, kind):
    tasks = long_set(np.random.default_rng(seed), sizes=sizes, kind=kind)[0]
    train, test = tasks.train_test_split(test_size=test_size, random_state=seed)
    assert train.names == test.names == tasks.names
    for name in tasks.names:
        n = len(tasks[name])
        assert len(test[name]) == min(int(np.ceil(test_size * n)), n - 1)
        np.testing.assert_array_equal(
            np.sort(np.concatenate([train.rows(name), test.rows(name)])), tasks.rows(name)
        )
        for part in (train, test):
            np.testing.assert_array_equal(
                part[name].y, tasks[name].y[np.isin(tasks.rows(name), part.rows(name))]
            )


@given(
    seed=st.integers(0, 2**16),
    counts=st.lists(st.integers(1, 30), min_size=2, max_size=5),
    test_size=st.floats(0.1, 0.9),
)
def test_classes_keep_their_share_to_within_one_row_and_their_last_training_row(
    seed, counts, test_size
):
    y = np.repeat(np.arange(len(counts)), counts)
    held = split_rows(y, test_size, np.random.RandomState(seed), stratify=True)
    n_test = int(np.clip(np.ceil(test_size * len(y)), 1, len(y) - 1))
    assert held.sum() == n_test
    got = np.bincount(y[held], minlength=len(counts))
    if n_test <= len(y) - len(counts):
        assert (got < counts).all()
    large = np.array(counts) * min(test_size, 1 - test_size) >= 2
    if large.all():
        assert (np.abs(got - np.array(counts) * n_test / len(y)) <= 1).all()


@given(
    seed=st.integers(0, 2**16),
    kind=st.sampled_from(KINDS),
    missing=st.sampled_from([0.0, 0.4]),
    test_size=st.sampled_from([0.2, 0.3, 0.5]),
)
def test_a_row_shared_by_tasks_is_never_on_both_sides(seed, kind, missing, test_size):
    tasks = wide_set(np.random.default_rng(seed), n=80, kind=kind, missing=missing)[0]
    train, test = tasks.train_test_split(test_size=test_size, random_state=seed)
    sides = [
        np.unique(np.concatenate([part.rows(name) for name in tasks.names]))
        for part in (train, test)
    ]
    assert np.intersect1d(*sides).size == 0
    for name in tasks.names:
        assert len(train[name]) + len(test[name]) == len(tasks[name])
        assert abs(len(test[name]) - test_size * len(tasks[name])) <= 0.15 * len(tasks[name])
        if kind == "classification":
            assert set(train[name].y) == set(test[name].y) == {0, 1}


def test_rows_labeled_for_all_tasks_are_split_in_the_exact_share(rng):
    tasks = wide_set(rng, n=50, kind="regression", missing=0.0)[0]
    assert set(tasks.train_test_split(test_size=0.3, random_state=0)[1].sizes) == {15}


def test_a_split_depends_on_its_seed_alone(rng):
    for tasks in (long_set(rng)[0], wide_set(rng)[0]):
        rows = [
            [
                list(part.rows(name))
                for part in tasks.train_test_split(random_state=seed)
                for name in tasks.names
            ]
            for seed in (0, 0, 1)
        ]
        assert rows[0] == rows[1] != rows[2]
        with_state = tasks.train_test_split(random_state=np.random.RandomState(0))
        assert [list(part.rows(name)) for part in with_state for name in tasks.names] == rows[0]


@pytest.mark.parametrize(
    ("test_size", "error"),
    [
        (0.0, ValueError),
        (1.0, ValueError),
        (-0.1, ValueError),
        (np.nan, ValueError),
        (True, TypeError),
        ("half", TypeError),
    ],
)
def test_a_test_size_out_of_range_raises(rng, test_size, error):
    with pytest.raises(error, match="test_size must be a float strictly between 0 and 1"):
        long_set(rng)[0].train_test_split(test_size=test_size)


def test_a_task_with_one_row_cannot_be_split_and_is_named(rng):
    with pytest.raises(ValueError, match="Task 't1' has 1 row"):
        long_set(rng, sizes=(4, 1))[0].train_test_split()


def test_its_text_tells_how_many_tasks_features_and_rows(rng):
    assert repr(long_set(rng)[0]) == "TaskSet(3 regression tasks, 3 features, 5..13 rows per task)"


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_a_part_held_out_depends_neither_on_the_order_nor_on_the_names_of_the_tasks(rng, kind):
    Y = (
        rng.normal(size=(60, 4))
        if kind == "regression"
        else rng.integers(0, 3, size=(60, 4)).astype(float)
    )
    Y[rng.random(Y.shape) < 0.2] = np.nan
    X, order = rng.normal(size=(60, 2)), [2, 0, 3, 1]
    _, held = TaskSet.from_wide(X, Y, kind=kind).hold_out(0.3, seed=4)
    _, other = TaskSet.from_wide(
        X, pd.DataFrame(Y[:, order], columns=list("abcd")), kind=kind
    ).hold_out(0.3, seed=4)
    for name, k in zip("abcd", order, strict=True):
        np.testing.assert_array_equal(other.rows(name), held.rows(str(k)))


def test_a_part_held_out_of_tasks_with_rows_of_their_own_is_that_of_the_task_alone(rng):
    X, task = rng.normal(size=(50, 2)), rng.permutation(np.repeat([0, 1], 25))
    both = TaskSet.from_long(X, X[:, 0], task).hold_out(0.3, seed=1)[1]
    for name in "01":
        own = task == int(name)
        alone = TaskSet.from_long(X[own], X[own, 0], task[own]).hold_out(0.3, seed=1)[1]
        np.testing.assert_array_equal(alone.targets(name), both.targets(name))
