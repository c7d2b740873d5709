import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, check_cv

from skmtl.model_selection import MultiTaskKFold


def fold_of_rows(cv, X, y=None):
    """Fold that tests every row; raises unless test parts are a partition and training parts the
    rest.
    """
    folds = np.full(len(X), -1)
    for k, (train, test) in enumerate(cv.split(X, y)):
        assert (folds[test] == -1).all()
        assert np.array_equal(np.sort(np.r_[train, test]), np.arange(len(X)))
        folds[test] = k
    assert (folds >= 0).all()
    return folds


def spread(folds, mask, k):
    """Largest difference between two folds' numbers of the marked rows."""
    return np.ptp(np.bincount(folds[mask], minlength=k))


def with_gaps(Y, rng, share):
    """A copy with NaN in some cells; the first two rows stay complete."""
    Y = Y.astype(float)
    Y[2:][rng.random(Y[2:].shape) < share] = np.nan
    return Y


@pytest.fixture(params=[2, 3, 5])
def k(request):
    return request.param


# ---------------------------------------------------------------------- long form and one task
@pytest.mark.parametrize("shuffle", [True, False])
def test_rows_of_a_task_and_of_its_classes_differ_by_at_most_one_between_folds(k, shuffle, rng):
    task, y = (
        rng.choice(["a", "b", "c", "d"], size=83, p=[0.6, 0.25, 0.1, 0.05]),
        rng.integers(0, 3, size=83),
    )
    task[:2] = "d"  # a task with a single row would be warned of
    frame = pd.DataFrame({"x": rng.normal(size=83), "task": task})
    folds = fold_of_rows(MultiTaskKFold(k, task_column="task", shuffle=shuffle), frame, y)
    assert spread(folds, np.ones(83, dtype=bool), k) <= 1
    for name in np.unique(task):
        assert spread(folds, task == name, k) <= 1
        assert all(spread(folds, (task == name) & (y == c), k) <= 1 for c in range(3))


def test_continuous_targets_are_stratified_by_task(k, rng):
    task = rng.integers(0, 6, size=90)
    X = np.column_stack([rng.normal(size=(90, 2)), task])
    folds = fold_of_rows(MultiTaskKFold(k, task_column=-1), X, rng.normal(size=90))
    assert all(spread(folds, task == t, k) <= 1 for t in range(6))


def test_every_training_part_has_every_task_with_two_rows(k, rng):
    task = np.r_[np.repeat(np.arange(10), 2), np.repeat(10, 15)]
    X = rng.permutation(task)[:, None]
    for train, _ in MultiTaskKFold(k, task_column=0).split(X, rng.normal(size=35)):
        assert set(X[train, 0]) == set(range(11))


def test_missing_targets_in_long_form_do_not_upset_the_balance_of_the_others(k, rng):
    task, y = np.arange(60) % 2, rng.normal(size=60)
    y[rng.random(60) < 0.4] = np.nan
    folds = fold_of_rows(MultiTaskKFold(k, task_column=0), task[:, None], y)
    assert all(spread(folds, (task == t) & ~np.isnan(y), k) <= 1 for t in (0, 1))


def test_long_form_without_targets_is_stratified_by_task(k, rng):
    task = rng.choice(["a", "b"], size=31)
    folds = fold_of_rows(MultiTaskKFold(k, task_column="t"), pd.DataFrame({"t": task}))
    assert spread(folds, task == "a", k) <= 1


def test_one_task_has_fold_sizes_of_a_kfold_and_class_counts_of_a_stratified_one(k, rng):
    X, y = np.zeros((67, 1)), rng.choice(["yes", "no", "maybe"], size=67, p=[0.6, 0.3, 0.1])
    folds = fold_of_rows(MultiTaskKFold(k), X, y)
    assert sorted(np.bincount(folds)) == sorted(np.bincount(fold_of_rows(KFold(k), X)))
    for value in np.unique(y):
        assert spread(folds, y == value, k) <= 1


def test_one_continuous_task_is_a_plain_kfold(k, rng):
    X, y = np.zeros((67, 1)), rng.normal(size=67)
    expected = sorted(np.bincount(fold_of_rows(KFold(k), X)))
    assert sorted(np.bincount(fold_of_rows(MultiTaskKFold(k), X, y))) == expected
    assert sorted(np.bincount(fold_of_rows(MultiTaskKFold(k), X))) == expected


# ---------------------------------------------------------------------- wide targets
def test_wide_classification_balances_every_class_of_every_task(k, rng):
    Y = with_gaps(
        np.column_stack([rng.integers(0, 2, 200), rng.integers(0, 3, 200), rng.random(200) < 0.15]),
        rng,
        0.3,
    )
    folds = fold_of_rows(MultiTaskKFold(k), np.zeros((200, 1)), Y)
    assert spread(folds, np.ones(200, dtype=bool), k) <= 1
    for column in Y.T:
        assert spread(folds, ~np.isnan(column), k) <= 2
        assert all(spread(folds, column == c, k) <= 2 for c in range(3))


def test_wide_continuous_targets_balance_the_labels_of_every_task(k, rng):
    Y = with_gaps(rng.normal(size=(150, 6)), rng, rng.uniform(0.1, 0.9, size=6))
    folds = fold_of_rows(MultiTaskKFold(k), np.zeros((150, 1)), pd.DataFrame(Y))
    assert all(spread(folds, ~np.isnan(column), k) <= 2 for column in Y.T)


def test_tasks_that_share_no_rows_are_balanced_in_wide_form_as_in_long_form(k, rng):
    task = rng.integers(0, 5, size=70)
    Y = np.full((70, 5), np.nan)
    Y[np.arange(70), task] = rng.normal(size=70)
    folds = fold_of_rows(MultiTaskKFold(k), np.zeros((70, 1)), Y)
    assert all(spread(folds, task == t, k) <= 1 for t in range(5))


def test_strings_and_gaps_of_none_are_classes(k, rng):
    Y = pd.DataFrame(
        {
            "word": rng.choice(["a", "b"], size=80),
            "number": pd.array(rng.integers(0, 2, size=80), dtype="Int64"),
            "flag": rng.random(80) < 0.5,
        }
    )
    Y.loc[rng.random(80) < 0.3, "word"] = None
    Y.loc[rng.random(80) < 0.3, "number"] = pd.NA
    folds = fold_of_rows(MultiTaskKFold(k), np.zeros((80, 1)), Y)
    for name, value in [("word", "a"), ("word", "b"), ("number", 0), ("number", 1), ("flag", True)]:
        assert spread(folds, (Y[name] == value).fillna(False).to_numpy(dtype=bool), k) <= 2


def test_a_rare_class_that_sits_in_rows_with_many_labels_is_still_spread(rng):
    Y = np.zeros((100, 4))
    Y[:5] = 1
    folds = fold_of_rows(MultiTaskKFold(5), np.zeros((100, 1)), Y)
    assert sorted(folds[:5]) == [0, 1, 2, 3, 4]


def test_tasks_with_few_labels_are_in_every_test_part_that_they_can_be_in(rng):
    for _ in range(20):
        Y = with_gaps(rng.integers(0, 2, size=(60, 8)), rng, rng.uniform(0.5, 0.9, size=8))
        folds = fold_of_rows(MultiTaskKFold(4), np.zeros((60, 1)), Y)
        for column in Y.T[(~np.isnan(Y)).sum(axis=0) >= 4]:
            assert set(folds[~np.isnan(column)]) == {0, 1, 2, 3}


def test_rows_without_any_label_are_dealt_too(k):
    Y = np.full((20, 3), np.nan)
    Y[:9] = 1.5
    folds = fold_of_rows(MultiTaskKFold(k), np.zeros((20, 1)), Y)
    assert spread(folds, np.ones(20, dtype=bool), k) <= 1
    assert spread(folds, np.arange(20) < 9, k) <= 1


# ---------------------------------------------------------------------- a splitter like others
LAYOUTS = ["long", "wide", "one task"]


@pytest.fixture(params=LAYOUTS)
def data(request, rng):
    X = np.column_stack([rng.normal(size=40), np.arange(40) % 3])
    if request.param == "wide":
        return {}, X, with_gaps(rng.integers(0, 2, size=(40, 3)), rng, 0.3)
    return ({"task_column": 1} if request.param == "long" else {}), X, rng.integers(0, 2, size=40)


def test_an_integer_seed_gives_the_same_folds_at_every_call_and_others_give_others(data):
    options, X, y = data
    cv = MultiTaskKFold(3, random_state=4, **options)
    assert np.array_equal(fold_of_rows(cv, X, y), fold_of_rows(cv, X, y))
    assert not np.array_equal(
        fold_of_rows(cv, X, y), fold_of_rows(MultiTaskKFold(3, random_state=5, **options), X, y)
    )


def test_a_generator_moves_on_from_call_to_call(data):
    options, X, y = data
    cv = MultiTaskKFold(3, random_state=np.random.RandomState(0), **options)
    assert not np.array_equal(fold_of_rows(cv, X, y), fold_of_rows(cv, X, y))


def test_without_shuffling_folds_depend_on_the_data_alone(data):
    options, X, y = data
    cv = MultiTaskKFold(3, shuffle=False, **options)
    assert np.array_equal(fold_of_rows(cv, X, y), fold_of_rows(cv, X, y))


def test_it_shows_its_parameters_counts_its_folds_and_asks_for_no_metadata():
    cv = MultiTaskKFold(4, task_column="school")
    assert (
        repr(cv) == "MultiTaskKFold(n_splits=4, random_state=None, shuffle=True,\n        "
        "task_column='school')"
    )
    assert cv.get_n_splits() == 4
    assert (
        cv.get_metadata_routing().split.requests
        == KFold().get_metadata_routing().split.requests
        == {}
    )
    assert check_cv(cv) is cv


def test_groups_are_ignored_with_a_warning():
    with pytest.warns(UserWarning, match="groups parameter is ignored by MultiTaskKFold"):
        MultiTaskKFold(2).split(np.zeros((4, 1)), np.arange(4), groups=[0, 0, 1, 1])


@pytest.mark.parametrize(
    "y", [pd.DataFrame({"math": [1.5] + [np.nan] * 5, "art": np.arange(6) + 0.5}), None]
)
def test_a_task_with_a_single_row_is_named_in_a_warning_and_tested_once(y):
    X = pd.DataFrame({"task": ["math"] + ["art"] * 5})
    cv = MultiTaskKFold(3, task_column="task" if y is None else None)
    with pytest.warns(UserWarning, match="task 'math'"):
        parts = list(cv.split(X, y))
    assert sum(0 in test for _, test in parts) == 1


@pytest.mark.filterwarnings("ignore:A single row has a label")
def test_all_labels_of_a_task_in_one_test_part_are_warned_of(monkeypatch):
    Y = np.where(np.eye(6, 6) > 0, 1.5, np.nan)
    Y[1, 0] = 2.5
    dealt = np.array([0, 0, 1, 1, 2, 2])
    monkeypatch.setattr("skmtl.splitting.splitters.deal_label_sets", lambda *_: dealt)
    with pytest.warns(UserWarning, match="All labels of task '0' are in one test part"):
        folds = fold_of_rows(MultiTaskKFold(3), np.zeros((6, 1)), Y)
    np.testing.assert_array_equal(folds, dealt)


# ---------------------------------------------------------------------- large targets
def split_in_five(Y):
    list(MultiTaskKFold(5, random_state=0).split(np.zeros((len(Y), 1)), Y))


def test_whole_numbers_of_many_values_take_memory_in_proportion_to_the_rows(rng):
    Y = rng.integers(0, 2000, size=(4000, 3))
    tracemalloc.start()
    split_in_five(Y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < len(Y) * 2000 * 8  # far less than one number per row and value


def test_many_values_and_many_tasks_are_dealt_in_seconds(rng):
    Y = (rng.random((1500, 600)) < 0.05).astype(float)
    Y[rng.random(Y.shape) < 0.85] = np.nan
    start = time.process_time()
    split_in_five(Y)
    split_in_five(rng.integers(0, 1200, size=(2500, 5)))
    assert time.process_time() - start < 15  # a guard against minutes: it takes two seconds


def test_a_sparse_table_of_labels_deals_as_a_dense_one_does(rng, monkeypatch):
    Y = with_gaps(rng.integers(0, 3, size=(90, 6)), rng, 0.4)
    cv = MultiTaskKFold(4, random_state=0)
    dense = fold_of_rows(cv, np.zeros((90, 1)), Y)
    monkeypatch.setattr("skmtl.splitting.dealing._MOST_CELLS", 0)
    monkeypatch.setattr("skmtl.splitting.row_swaps._FEW_ROUNDS", 10)
    monkeypatch.setattr("skmtl.splitting.row_swaps._FEW_SWAPS", 1000)
    sparse = fold_of_rows(cv, np.zeros((90, 1)), Y)
    for column in Y.T:
        for value in (0, 1, 2):
            assert spread(sparse, column == value, 4) <= spread(dense, column == value, 4) + 1


# ---------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_splits": 1}, ValueError, "n_splits must be an int of at least 2. Got 1"),
        ({"n_splits": 2.5}, ValueError, "n_splits"),
        ({"n_splits": True}, ValueError, "n_splits"),
        ({"n_splits": 7}, ValueError, "n_splits=7 greater than the number of samples: n_samples=6"),
        ({"shuffle": False, "random_state": 0}, ValueError, "random_state has no effect"),
        ({"shuffle": "yes"}, TypeError, "shuffle"),
        (
            {"task_column": "school"},
            ValueError,
            "task_column='school' names a column, but X is not a DataFrame",
        ),
        ({"task_column": 2}, ValueError, "task_column=2"),
        ({"task_column": 1}, ValueError, "task_column has 1 missing"),
    ],
)
def test_wrong_settings_raise_as_soon_as_split_is_called(options, error, message):
    X = np.column_stack([np.arange(6.0), [0, 0, 1, 1, 1, np.nan]])
    with pytest.raises(error, match=message):
        MultiTaskKFold(**{"n_splits": 2, **options}).split(X, np.arange(6))


def test_targets_that_do_not_fit_raise():
    X = pd.DataFrame({"task": ["a", "b"] * 3})
    with pytest.raises(ValueError, match="With task_column, y must have shape"):
        MultiTaskKFold(2, task_column="task").split(X, np.zeros((6, 2)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MultiTaskKFold(2).split(X, np.zeros(5))
    with pytest.raises(ValueError, match="y must have shape"):
        MultiTaskKFold(2).split(X, np.zeros((6, 2, 2)))
    with pytest.raises(
        ValueError, match="task_column='t' is not a column of X, which has the columns"
    ):
        MultiTaskKFold(2, task_column="t").split(X)
