import itertools
import pickle
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from joblib import Memory
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeRegressor

from skmtl import MultiTaskClassifier, MultiTaskRegressor, TaskSet
from skmtl.affinity import TaggingAffinity, collect_pairwise_gains
from skmtl.affinity import measure as measure_module
from skmtl.affinity.pair_sample import sampled_pairs, unordered_pairs
from skmtl.data import Groups
from skmtl.datasets import make_grouped_tasks
from skmtl.estimators import (
    GroupOutcome,
    fit_groups,
    measure_groups,
    read_settings,
    read_training_rows,
)
from skmtl.fairness import MTAF

FAST = {
    "hidden_layer_sizes": (6,),
    "n_members": 1,
    "learning_rate_init": 0.02,
    "max_iter": 6,
    "random_state": 0,
}
NETWORK = MultiTaskRegressor(**FAST)


@pytest.fixture
def tasks(rng):
    return make_grouped_tasks(
        5, 2, n_samples=(20, 40), n_features=4, random_state=int(rng.integers(2**31))
    ).task_set


@pytest.fixture
def classes(rng):
    return make_grouped_tasks(
        4,
        2,
        n_samples=(30, 40),
        n_features=4,
        kind="classification",
        random_state=int(rng.integers(2**31)),
    ).task_set


def long_rows(network, tasks):
    """The tasks with the layout of a table whose last column, "task", is the task."""
    X, y, task = tasks.to_long()
    settings = read_settings(clone(network).set_params(task_column="task"))
    return replace(read_training_rows(settings, X.assign(task=task), y), tasks=tasks)


def test_all_ordered_pairs_are_measured_by_default(tasks):
    gains = collect_pairwise_gains(tasks, NETWORK, random_state=0)
    assert gains.pairs.tolist() == tasks.pairs().tolist()
    assert gains.matrix.notna().to_numpy().all()


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_the_losses_are_those_of_single_and_pair_networks_of_the_same_fleet(kind, tasks, classes):
    tasks = tasks if kind == "regression" else classes
    network = NETWORK if kind == "regression" else MultiTaskClassifier(**FAST)
    gains = collect_pairwise_gains(tasks, network, random_state=0, n_repeats=2)
    rng = np.random.RandomState(0)
    rng.randint(np.iinfo(np.int32).max)
    for repeat, seed in enumerate(rng.randint(np.iinfo(np.int32).max, size=2).tolist()):
        train, test = tasks.train_test_split(0.3, seed)
        rows = long_rows(network, train)
        groups = [(name,) for name in tasks.names] + list(itertools.combinations(tasks.names, 2))
        fitted = dict(zip(groups, fit_groups(network, rows, groups, seed=seed), strict=True))
        for row, (target, source) in enumerate(gains.pairs):
            inputs = test[target].X.assign(task=target)
            pair = tuple(sorted((target, source), key=tasks.names.index))
            for group, found in (((target,), gains.single_losses), (pair, gains.pair_losses)):
                if kind == "regression":
                    expected = mean_squared_error(test[target].y, fitted[group].predict(inputs))
                else:
                    p = fitted[group].predict_proba(inputs)
                    expected = (
                        log_loss(test[target].y, p, labels=fitted[group].classes_)
                        if p.shape[1] > 1
                        else found[row, repeat]
                    )
                assert found[row, repeat] == pytest.approx(expected, rel=1e-4)


def test_a_group_of_one_learns_what_the_estimator_fitted_to_its_rows_learns(rng):
    # The scale of the inputs is that of all tasks; with standardized inputs of one and the same
    # rows nothing else differs.
    X = rng.normal(size=(60, 3)).clip(-2.5, 2.5)  # far values would be drawn in
    Y = np.column_stack([X[:, 0], X[:, 1]])
    settings = {
        "hidden_layer_sizes": (),
        "alpha": 0.0,
        "learning_rate_init": 0.05,
        "max_iter": 800,
        "n_iter_no_change": 800,
        "early_stopping": False,
        "batch_size": "full",
        "dtype": "float64",
    }
    train, test = TaskSet.from_wide(X, Y + 0.1 * rng.normal(size=Y.shape)).train_test_split(0.3, 0)
    outcome = measure_groups(
        MultiTaskRegressor(**settings), train, test, [("0",), ("1", "0")], seed=0
    )
    A, B = (np.column_stack([part["0"].X, np.ones(len(part["0"]))]) for part in (train, test))
    expected = mean_squared_error(test["0"].y, B @ np.linalg.lstsq(A, train["0"].y, rcond=None)[0])
    assert outcome[0].losses[0] == pytest.approx(expected, rel=5e-2)
    assert outcome[1].losses[1] == pytest.approx(expected, rel=5e-2)


def test_losses_of_known_outcomes_become_gains(tasks, monkeypatch):
    """A fleet of known scores: alone every task costs 2, in a pair 1 plus its position."""
    monkeypatch.setattr(
        measure_module,
        "measure_groups",
        lambda estimator, train, test, groups, **options: [
            GroupOutcome((2.0,) if len(g) == 1 else tuple(1.0 + tasks.names.index(n) for n in g))
            for g in groups
        ],
    )
    gains = collect_pairwise_gains(tasks, NETWORK, random_state=0)
    expected = [(2 - (1 + tasks.names.index(target))) / 2 for target, _ in gains.pairs]
    np.testing.assert_allclose(gains.values, expected)


def test_a_gain_is_the_same_alone_and_among_others(tasks):
    everything = collect_pairwise_gains(tasks, NETWORK, random_state=0, n_repeats=2)
    for target, source in (tasks.names[:2], tasks.names[:0:-2]):
        one = collect_pairwise_gains(
            tasks, NETWORK, pairs=[(target, source)], random_state=0, n_repeats=2
        )
        assert one.values[0] == pytest.approx(everything.matrix.loc[target, source], abs=1e-6)


def test_gains_do_not_depend_on_the_number_of_jobs(tasks):
    values = [
        collect_pairwise_gains(tasks, NETWORK, random_state=0, n_jobs=n_jobs).values
        for n_jobs in (None, 1, 2, -1)
    ]
    for other in values[1:]:
        np.testing.assert_allclose(other, values[0], atol=1e-6)


def test_a_seed_gives_the_same_gains_and_another_seed_others(tasks):
    first, again, other = (
        collect_pairwise_gains(tasks, NETWORK, random_state=seed).values for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_given_pairs_keep_their_order_and_their_gains(tasks, rng):
    order = rng.permutation(len(tasks.pairs()))[:9]
    pairs = tasks.pairs()[order]
    gains = collect_pairwise_gains(tasks, NETWORK, pairs=pairs, random_state=0)
    assert gains.pairs.tolist() == pairs.tolist()
    turned = collect_pairwise_gains(tasks, NETWORK, pairs=pairs[::-1], random_state=0)
    np.testing.assert_allclose(turned.values[::-1], gains.values, atol=1e-6)


@pytest.mark.parametrize(
    ("fraction", "n_drawn"), [(0.01, 1), (0.3, 3), (0.5, 5), (1.0, 10), (1, 10)]
)
def test_a_fraction_draws_unordered_pairs_and_both_directions_of_each(fraction, n_drawn, tasks):
    gains = collect_pairwise_gains(
        tasks,
        MultiTaskRegressor(max_iter=1, hidden_layer_sizes=(2,)),
        pairs=fraction,
        random_state=0,
    )
    assert len(gains.pairs) == 2 * n_drawn
    assert len({frozenset(pair) for pair in gains.pairs}) == n_drawn
    assert {tuple(pair) for pair in gains.pairs} == {tuple(pair[::-1]) for pair in gains.pairs}


def test_pairs_drawn_by_a_fraction_depend_on_the_seed_only(tasks):
    drawn = [
        collect_pairwise_gains(tasks, Ridge(), pairs=0.3, random_state=seed).pairs.tolist()
        for seed in (0, 0, 1, 2, 3)
    ]
    assert drawn[0] == drawn[1]
    assert any(other != drawn[0] for other in drawn[2:])


def test_repeats_have_splits_of_their_own_and_the_table_their_means(tasks):
    gains = collect_pairwise_gains(tasks, NETWORK, n_repeats=3, random_state=0)
    assert gains.single_losses.shape == (20, 3)
    assert (gains.single_losses.std(axis=1) > 0).all()
    np.testing.assert_allclose(gains.table["stl_loss"], gains.single_losses.mean(1))
    assert np.isfinite(gains.reliability)


def test_the_single_loss_of_a_target_is_the_same_with_every_source(tasks):
    table = collect_pairwise_gains(tasks, NETWORK, random_state=0).table
    assert (table.groupby("target")["stl_loss"].nunique() == 1).all()


@pytest.mark.parametrize("place", ["path", "memory"])
@pytest.mark.parametrize("estimator", [NETWORK, Ridge()])
def test_a_repeated_call_with_memory_recomputes_nothing(
    place, estimator, tasks, tmp_path, monkeypatch
):
    calls = []
    for name in ("measure_groups", "_fit_and_score"):
        original = getattr(measure_module, name)
        monkeypatch.setattr(
            measure_module,
            name,
            lambda *given, _original=original, **options: (
                calls.append(1),
                _original(*given, **options),
            )[1],
        )
    memory = str(tmp_path) if place == "path" else Memory(tmp_path, verbose=0)
    first = collect_pairwise_gains(tasks, estimator, memory=memory, n_repeats=2, random_state=0)
    done = len(calls)
    second = collect_pairwise_gains(
        pickle.loads(pickle.dumps(tasks)),
        estimator,
        memory=memory,
        n_repeats=2,
        random_state=0,
        n_jobs=1,
        verbose=0,
    )
    assert done > 0
    assert len(calls) == done
    np.testing.assert_array_equal(first.values, second.values)
    third = collect_pairwise_gains(tasks, estimator, memory=memory, n_repeats=3, random_state=0)
    assert len(calls) < 2 * done
    np.testing.assert_array_equal(third.single_losses[:, :2], first.single_losses)


@pytest.mark.parametrize("change", ["estimator", "data", "seed"])
def test_memory_does_not_answer_another_question(change, tasks, tmp_path):
    first = collect_pairwise_gains(tasks, NETWORK, memory=str(tmp_path), random_state=0)
    estimator = MultiTaskRegressor(**FAST | {"alpha": 10.0}) if change == "estimator" else NETWORK
    if change == "data":
        X, y, task = tasks.to_long()
        tasks = TaskSet.from_long(X, y[::-1], task)
    second = collect_pairwise_gains(
        tasks, estimator, memory=str(tmp_path), random_state=int(change == "seed")
    )
    assert not np.allclose(first.values, second.values)


def stacked_loop(tasks, estimator, loss, seed):
    """Gains of a scikit-learn estimator on stacked rows, by a loop over pairs."""
    rng = np.random.RandomState(seed)
    rng.randint(np.iinfo(np.int32).max)
    train, test = tasks.train_test_split(0.3, int(rng.randint(np.iinfo(np.int32).max, size=1)[0]))
    values = []
    for target, source in tasks.pairs():
        alone = estimator.fit(train[target].X, train[target].y)
        single = loss(alone, test[target])
        pair = sorted((target, source), key=tasks.names.index)
        both = estimator.fit(
            pd.concat([train[name].X for name in pair]),
            np.concatenate([train[name].y for name in pair]),
        )
        values.append(1 - loss(both, test[target]) / single)
    return values


def test_ridge_gives_the_gains_of_a_loop_over_stacked_rows(tasks):
    gains = collect_pairwise_gains(tasks, Ridge(), random_state=5)
    expected = stacked_loop(
        tasks, Ridge(), lambda model, task: mean_squared_error(task.y, model.predict(task.X)), 5
    )
    np.testing.assert_allclose(gains.values, expected, rtol=1e-9)


def test_logistic_regression_gives_the_gains_of_a_loop_over_stacked_rows(classes):
    gains = collect_pairwise_gains(classes, LogisticRegression(), random_state=5)
    expected = stacked_loop(
        classes,
        LogisticRegression(),
        lambda model, task: log_loss(task.y, model.predict_proba(task.X), labels=model.classes_),
        5,
    )
    np.testing.assert_allclose(gains.values, expected, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:The gain is NaN:UserWarning")
def test_a_classifier_without_probabilities_is_measured_by_its_error_rate(classes):
    gains = collect_pairwise_gains(classes, LinearSVC(random_state=0), random_state=5)
    expected = stacked_loop(
        classes,
        LinearSVC(random_state=0),
        lambda model, task: np.mean(task.y != model.predict(task.X)) or np.nan,
        5,
    )
    np.testing.assert_allclose(
        gains.values[np.isfinite(expected)], np.array(expected)[np.isfinite(expected)], rtol=1e-9
    )


def test_an_estimator_without_a_seed_of_its_own_gets_one(tasks):
    tree = DecisionTreeRegressor(max_features=1)
    first, second = (collect_pairwise_gains(tasks, tree, random_state=0).values for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert tree.get_params()["random_state"] is None


def test_the_estimator_and_the_tasks_are_left_as_they_were(tasks):
    network = MultiTaskRegressor(**FAST)
    before, X = network.get_params(), tasks.X.copy()
    collect_pairwise_gains(tasks, network, random_state=0)
    assert network.get_params() == before
    assert not hasattr(network, "task_names_")
    pd.testing.assert_frame_equal(tasks.X, X)


def test_wide_tasks_that_share_rows_are_measured(rng):
    X = rng.normal(size=(50, 3))
    tasks = TaskSet.from_wide(X, X[:, [0, 0, 1]] + 0.1 * rng.normal(size=(50, 3)))
    gains = collect_pairwise_gains(tasks, NETWORK, random_state=0)
    assert np.isfinite(gains.values).all()


def test_planted_partners_gain_more_than_strangers(rng):
    data = make_grouped_tasks(
        6, 2, n_samples=40, n_features=6, noise=0.3, random_state=int(rng.integers(2**31))
    )
    network = MultiTaskRegressor((16,), learning_rate_init=0.02, max_iter=150)
    gains = collect_pairwise_gains(data.task_set, network, n_repeats=3, random_state=0)
    same = data.labels[:, None] == data.labels
    matrix = gains.matrix.to_numpy()
    # medians: a task that is easy alone has gains of -200 % now and then
    assert np.median(matrix[same & ~np.eye(6, dtype=bool)]) > np.median(matrix[~same])


def test_small_tasks_are_named_in_a_warning(rng):
    X, task = rng.normal(size=(49, 2)), np.r_[np.repeat(["big", "large"], 20), np.repeat("tiny", 9)]
    with pytest.warns(
        UserWarning, match=r"fewer than 10 rows to measure on are mostly noise: tiny\."
    ):
        collect_pairwise_gains(TaskSet.from_long(X, X[:, 0], task), Ridge())


def test_a_single_loss_of_zero_is_named_in_a_warning(rng):
    task = np.repeat(["even", "odd", "other"], 20)
    X, y = rng.normal(size=(60, 2)), np.where(task == "odd", 0, np.arange(60) % 2)
    with pytest.warns(
        UserWarning,
        match=r"gain is NaN where the single-task test loss is zero or not finite: target odd\.",
    ):
        gains = collect_pairwise_gains(
            TaskSet.from_long(X, y, task, kind="classification"),
            DummyClassifier(strategy="most_frequent"),
            n_repeats=2,
        )
    assert set(gains.pairs[np.isnan(gains.values), 0]) == {"odd"}
    assert np.isfinite(gains.table["gain_se"]).sum() == np.isfinite(gains.values).sum()


def test_progress_is_told_for_every_group(tasks, capsys):
    collect_pairwise_gains(tasks, NETWORK, random_state=0, verbose=1, n_repeats=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" in ")[0] for line in lines] == [
        f"[skmtl] Gains of pairs, repeat {k} of 2: 15 of 15" for k in (1, 2)
    ]


def test_weights_of_tasks_count_in_pairs(tasks):
    weighted = MultiTaskRegressor(**FAST, task_weights={tasks.names[0]: 50.0})
    plain, other = (
        collect_pairwise_gains(tasks, network, random_state=0) for network in (NETWORK, weighted)
    )
    touched = (plain.pairs == tasks.names[0]).any(axis=1)
    np.testing.assert_allclose(plain.values[~touched], other.values[~touched], atol=1e-6)
    assert (np.abs(plain.values - other.values)[touched] > 1e-6).all()
    np.testing.assert_allclose(plain.single_losses, other.single_losses, rtol=1e-6)


def test_the_outcome_of_a_group_says_how_long_it_trained(tasks):
    train, test = tasks.train_test_split(0.3, 0)
    outcomes = measure_groups(NETWORK, train, test, [tasks.names[:2], tasks.names], seed=0)
    assert [len(outcome.losses) for outcome in outcomes] == [2, 5]
    assert all(1 <= outcome.n_iter <= 6 and not outcome.diverged for outcome in outcomes)


# ---------------------------------------------------------------------- samples of pairs
@pytest.mark.parametrize("n_tasks", [2, 3, 7, 40])
def test_the_place_of_a_pair_counts_all_unordered_pairs_in_order(n_tasks):
    everything = list(itertools.combinations(range(n_tasks), 2))
    i, j = unordered_pairs(np.arange(len(everything)), n_tasks)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == everything


def test_a_small_sample_of_many_pairs_is_drawn_without_a_list_of_all(rng):
    n_tasks = 100_000
    names = [str(k) for k in range(n_tasks)]
    tracemalloc.start()
    pairs = sampled_pairs(names, 1e-6, np.random.RandomState(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e7
    assert len(pairs) == 2 * round(1e-6 * n_tasks * (n_tasks - 1) / 2)
    assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs) // 2
    np.testing.assert_array_equal(pairs[::2], pairs[1::2, ::-1])


# ---------------------------------------------------------------------- refusals
def test_a_fairness_term_is_refused_with_a_reason_and_never_ignored(classes):
    with pytest.raises(ValueError, match=r"without sensitive features.*Set fairness=None"):
        collect_pairwise_gains(classes, MultiTaskClassifier(**FAST, fairness=MTAF()))


def test_a_task_of_one_class_has_gains_of_nan_and_is_named_in_a_warning(rng):
    X, task = rng.normal(size=(120, 3)), np.arange(120) % 4
    y = np.where(task == 2, 1, X[:, 0] > 0).astype(int)
    tasks = TaskSet.from_long(X, y, task, kind="classification")
    with pytest.warns(UserWarning, match="not finite: target 2"):
        gains = collect_pairwise_gains(tasks, LogisticRegression(), random_state=0)
    of_two = gains.pairs[:, 0] == "2"
    assert np.isnan(gains.values[of_two]).all()
    assert np.isfinite(gains.values[~of_two]).all()


def test_an_estimator_that_fails_on_a_task_says_on_which(tasks):
    with pytest.raises(ValueError, match=r"KNeighborsRegressor cannot be .* task 'task_0'"):
        collect_pairwise_gains(tasks, KNeighborsRegressor(algorithm="wrong"), random_state=0)


def test_a_warning_about_hundreds_of_tasks_stays_short(rng):
    n_tasks = 300
    names = np.repeat([f"a task with a long name, number {k}" for k in range(n_tasks)], 4)
    X = rng.normal(size=(len(names), 1))
    tasks = TaskSet.from_long(X, np.ones(len(names)), names)
    with pytest.warns(UserWarning, match=r"\.\.\. \(300 in all\)") as heard:
        collect_pairwise_gains(tasks, Ridge(), pairs=0.01, random_state=0)
    assert max(len(str(warning.message)) for warning in heard) <= 500


def test_a_task_with_one_class_has_no_gain_and_is_named(rng):
    X, task = rng.normal(size=(120, 3)), np.arange(120) % 4
    y = np.where(task == 2, 1, X[:, 0] > 0).astype(int)
    tasks = TaskSet.from_long(X, y, task, kind="classification")
    with pytest.warns(UserWarning, match="target 2"):
        gains = collect_pairwise_gains(tasks, LogisticRegression(), random_state=0)
    matrix = gains.matrix
    assert matrix.loc["2", ["0", "1", "3"]].isna().all()
    assert matrix.loc[["0", "1", "3"]].notna().to_numpy().all()


def test_a_fairness_term_is_refused_where_no_groups_are_known(classes):
    network = MultiTaskClassifier(**FAST, fairness=MTAF())
    with pytest.raises(ValueError, match="fairness=MTAF.*Set fairness=None"):
        collect_pairwise_gains(classes, network, random_state=0)
    with pytest.raises(ValueError, match="fairness=MTAF.*Set fairness=None"):
        TaggingAffinity(network, random_state=0).fit(classes)


def test_a_fairness_term_is_honored_where_groups_are_known(classes):
    train, test = classes.train_test_split(0.3, 0)
    pair = [tuple(classes.names[:2])]
    people = Groups((train.X.iloc[:, 0] > 0).to_numpy().astype(np.int64), ["f", "m"])

    def losses(**settings):
        network = MultiTaskClassifier(**FAST | {"max_iter": 20}, **settings)
        known = {"people": people} if settings else {}
        return measure_groups(network, train, test, pair, seed=0, **known)[0].losses

    plain, fair = losses(), losses(fairness=MTAF("mmd", weight=50.0))
    assert losses(fairness=MTAF("mmd", weight=0.0)) == plain
    assert not np.allclose(plain, fair)
