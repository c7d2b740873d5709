import itertools
import pickle
import warnings

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmtl.affinity import PairwiseGains
from skmtl.data import TaskSet
from skmtl.grouping.search import TaskGrouper
from skmtl.grouping.search.selection import RULES
from skmtl.grouping.search.task_grouper import METHODS as ALL_METHODS

METHODS = tuple(method for method in ALL_METHODS if method not in RULES)
OVERLAPPING = ("beam", "exhaustive")
PARTITIONS = ("sdp", "spectral")


def planted(sizes, inside=0.5, outside=-0.3):
    block = np.repeat(np.arange(len(sizes)), sizes)
    return np.where(block[:, None] == block, inside, outside), block


def same_partition(labels, block):
    return np.array_equal(labels[:, None] == labels, block[:, None] == block)


def gain(A, group, task):
    others = [other for other in group if other != task]
    return float(np.mean([A[task, other] for other in others])) if others else 0.0


def as_sets(grouper):
    return set(map(frozenset, grouper.groups_))


def waived(estimator):
    return (
        {"check_clustering": "sends (50, 2) rows of features where a square matrix of gains is due"}
        if estimator.affinity == "precomputed"
        else {}
    )


class Similarity:
    """A callable whose name in a test's identity does not change from process to process."""

    def __call__(self, rows):
        return rbf_kernel(rows)

    def __repr__(self):
        return "Similarity()"


@parametrize_with_checks(
    [TaskGrouper(), TaskGrouper("spectral", affinity=Similarity())],
    expected_failed_checks=waived,
    xfail_strict=True,
)
def test_estimator_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("n_groups", [None, 3])
@pytest.mark.parametrize("method", ALL_METHODS)
def test_fitted_attributes_follow_from_the_groups(method, n_groups, rng):
    A = rng.normal(size=(9, 9))
    grouper = TaskGrouper(method, n_groups=n_groups).fit(A)
    gains = np.array(
        [
            [gain(A, group, task) if task in group else -np.inf for task in range(9)]
            for group in grouper.groups_
        ]
    )
    np.testing.assert_allclose(grouper.predicted_gain_, gains.max(axis=0), atol=1e-12)
    np.testing.assert_allclose(gains[grouper.labels_, np.arange(9)], gains.max(axis=0), atol=1e-12)
    assert grouper.total_gain_ == pytest.approx(gains.max(axis=0).sum())
    assert set(grouper.labels_) == set(range(grouper.n_groups_))
    assert grouper.n_groups_ == len(grouper.groups_)
    assert all(isinstance(task, int) for group in grouper.groups_ for task in group)
    assert grouper.groups_ == sorted(tuple(sorted(group)) for group in grouper.groups_)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_groups", [None, 3])
def test_planted_blocks_are_found_wherever_the_tasks_stand(method, n_groups, rng):
    A, block = planted([4, 3, 5])
    order = rng.permutation(len(block))
    grouper = TaskGrouper(method, n_groups=n_groups).fit(A[np.ix_(order, order)])
    assert same_partition(grouper.labels_, block[order])
    assert grouper.n_groups_ == 3


@pytest.mark.parametrize("method", ["beam", "sdp", "spectral"])
def test_noisy_blocks_of_forty_tasks_are_found(method, rng):
    A, block = planted([15, 12, 13])
    grouper = TaskGrouper(method, n_groups=3).fit(A + rng.normal(scale=0.1, size=A.shape))
    assert same_partition(grouper.labels_, block)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_of_the_gains_does_not_matter(method, scale, rng):
    A = rng.normal(size=(8, 8))
    for n_groups in (None, 3):
        grouper, scaled = (
            TaskGrouper(method, n_groups=n_groups).fit(A * factor) for factor in (1.0, scale)
        )
        assert grouper.groups_ == scaled.groups_
        assert scaled.total_gain_ == pytest.approx(grouper.total_gain_ * scale)


@pytest.mark.parametrize("method", METHODS)
def test_tasks_that_all_harm_each_other_stay_alone(method, rng):
    grouper = TaskGrouper(method).fit(-rng.uniform(0.1, 1, size=(7, 7)))
    assert grouper.groups_ == [(task,) for task in range(7)]
    assert grouper.total_gain_ == 0


@pytest.mark.parametrize("method", METHODS)
def test_tasks_that_all_help_each_other_equally_form_one_group(method):
    assert TaskGrouper(method).fit(np.full((7, 7), 0.2)).groups_ == [tuple(range(7))]


@pytest.mark.parametrize("method", METHODS)
def test_tasks_that_all_help_each_other_never_lose(method, rng):
    grouper = TaskGrouper(method).fit(rng.uniform(0.1, 1, size=(8, 8)))
    assert (grouper.predicted_gain_ >= 0).all()
    assert all(len(group) > 1 for group in grouper.groups_) or method in PARTITIONS


@pytest.mark.parametrize("method", METHODS)
def test_gains_of_zero_give_a_group_and_no_gain(method):
    grouper = TaskGrouper(method).fit(np.zeros((6, 6)))
    assert grouper.total_gain_ == 0
    assert grouper.n_groups_ == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_groups", [None, 1])
def test_a_single_task_forms_one_group(method, n_groups):
    grouper = TaskGrouper(method, n_groups=n_groups).fit([[np.nan]])
    assert grouper.groups_ == [(0,)]
    assert grouper.labels_.tolist() == [0]
    assert grouper.predicted_gain_.tolist() == [0.0]


@pytest.mark.parametrize("method", METHODS)
def test_one_group_holds_all_tasks_and_as_many_groups_as_tasks_are_possible(method, rng):
    A = rng.normal(size=(6, 6))
    assert TaskGrouper(method, n_groups=1).fit(A).groups_ == [tuple(range(6))]
    many = TaskGrouper(method, n_groups=6).fit(A)
    if method in PARTITIONS:
        assert many.groups_ == [(task,) for task in range(6)]
    else:
        assert many.total_gain_ == pytest.approx(
            np.maximum(np.where(np.eye(6), 0.0, A).max(axis=1), 0).sum()
        )


@pytest.mark.parametrize("method", METHODS)
def test_the_diagonal_is_ignored(method, rng):
    A = rng.normal(size=(7, 7))
    missing, large = A.copy(), A.copy()
    np.fill_diagonal(missing, np.nan)
    np.fill_diagonal(large, 1e9)
    groups = [TaskGrouper(method, n_groups=3).fit(matrix).groups_ for matrix in (A, missing, large)]
    assert groups[0] == groups[1] == groups[2]


@pytest.mark.parametrize("method", METHODS)
def test_a_gain_that_goes_one_way_only_is_read_from_the_row_of_the_target(method):
    A = np.array([[0.0, 0.9], [-0.2, 0.0]])
    grouper = TaskGrouper(method, n_groups=1).fit(A)
    np.testing.assert_allclose(grouper.predicted_gain_, [0.9, -0.2])
    both = TaskGrouper(method).fit(A)
    if method in OVERLAPPING:
        assert both.groups_ == [(0, 1), (1,)]
        assert both.labels_.tolist() == [0, 1]


@pytest.mark.parametrize("method", METHODS)
def test_a_fixed_random_state_gives_the_same_groups_and_leaves_the_global_one(method, rng):
    A = rng.normal(size=(14, 14))
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (TaskGrouper(method, n_groups=4, random_state=3).fit(A) for _ in range(2))
    assert first.groups_ == second.groups_
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_random_state_accepts_an_instance_and_none(rng):
    A = rng.normal(size=(10, 10))
    for state in (None, np.random.RandomState(0)):
        assert TaskGrouper(n_groups=3, random_state=state).fit(A).n_groups_ <= 3


@pytest.mark.parametrize("method", METHODS)
def test_a_grouper_pickles_and_clones(method, rng):
    A = rng.normal(size=(6, 6))
    grouper = TaskGrouper(method, n_groups=2).fit(A)
    assert pickle.loads(pickle.dumps(grouper)).groups_ == grouper.groups_
    np.testing.assert_array_equal(clone(grouper).fit_predict(A), grouper.labels_)


def test_the_input_is_left_as_it_was(rng):
    A = rng.normal(size=(6, 6))
    np.fill_diagonal(A, np.nan)
    before = A.copy()
    TaskGrouper().fit(A)
    np.testing.assert_array_equal(A, before)


def test_a_frame_keeps_its_names(rng):
    names = list("abcd")
    frame = pd.DataFrame(rng.normal(size=(4, 4)), index=names, columns=names)
    grouper = TaskGrouper().fit(frame)
    assert grouper.feature_names_in_.tolist() == names
    assert grouper.n_features_in_ == 4
    positions = TaskGrouper().fit(frame.to_numpy()).groups_
    assert grouper.groups_ == [tuple(names[t] for t in group) for group in positions]


def test_a_frame_whose_rows_and_columns_differ_in_order_is_refused(rng):
    frame = pd.DataFrame(rng.normal(size=(3, 3)), index=list("abc"), columns=list("bac"))
    with pytest.raises(ValueError, match="same order"):
        TaskGrouper().fit(frame)


def test_a_missing_gain_names_the_pair():
    A = np.ones((3, 3))
    A[1, 2] = np.nan
    with pytest.raises(
        ValueError, match=r"NaN as the gain of task 1 when trained with task 2 \(1 such pairs\)"
    ):
        TaskGrouper().fit(A)
    names = ["math", "art", "law"]
    with pytest.raises(ValueError, match="task 'art' when trained with task 'law'"):
        TaskGrouper().fit(pd.DataFrame(A, index=names, columns=names))


def test_an_infinite_gain_is_refused():
    A = np.ones((3, 3))
    A[0, 2] = -np.inf
    with pytest.raises(ValueError, match="infinity as the gain of task 0 when trained with task 2"):
        TaskGrouper().fit(A)


def test_a_matrix_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match=r"square matrix of pairwise gains.*\(3, 2\)"):
        TaskGrouper().fit(np.ones((3, 2)))


def test_a_callable_affinity_describes_tasks_by_rows(rng):
    rows = np.concatenate([rng.normal(size=(4, 3)), rng.normal(loc=30, size=(4, 3))])
    grouper = TaskGrouper("spectral", n_groups=2, affinity=rbf_kernel).fit(rows)
    assert same_partition(grouper.labels_, np.repeat([0, 1], 4))
    assert not grouper.__sklearn_tags__().input_tags.pairwise
    assert TaskGrouper().__sklearn_tags__().input_tags.pairwise
    with pytest.raises(ValueError, match=r"must return an array of shape \(8, 8\)"):
        TaskGrouper(affinity=lambda rows: rows).fit(rows)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"method": "x"},
            r"The 'method' parameter of TaskGrouper must be one of 'beam', .* Got 'x' instead\.",
        ),
        (
            {"affinity": "rbf"},
            r"The 'affinity' parameter of TaskGrouper must be 'precomputed' or a callable\. Got "
            r"'rbf' instead\.",
        ),
        (
            {"n_groups": 0},
            r"The 'n_groups' parameter of TaskGrouper must be an int in the range \[1, inf\) or "
            r"None\. Got 0 instead\.",
        ),
        ({"n_groups": 2.0}, "'n_groups'.*Got 2.0 instead"),
        ({"n_groups": True}, "'n_groups'.*Got True instead"),
        ({"n_groups": 5}, "'n_groups'.*at most the number of tasks, n_samples=4.*Got 5"),
        ({"max_group_size": 0}, "'max_group_size'.*Got 0"),
        ({"max_group_size": "2"}, "'max_group_size'.*Got '2'"),
        (
            {"max_group_size": 2, "method": "sdp"},
            "'max_group_size'.*must be None with method='sdp'",
        ),
        (
            {"max_group_size": 2, "method": "spectral"},
            "'max_group_size'.*must be None with method='spectral'",
        ),
        ({"max_group_size": 1, "n_groups": 3}, "4 tasks do not fit into n_groups=3"),
        ({"beam_width": 0}, "'beam_width'.*Got 0"),
        ({"beam_width": None}, "'beam_width'.*Got None"),
        ({"max_candidates": -1}, "'max_candidates'.*Got -1"),
        ({"max_candidates": 1.5}, "'max_candidates'.*Got 1.5"),
    ],
)
def test_a_bad_parameter_is_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        TaskGrouper(**parameters).fit(np.ones((4, 4)))


def test_numpy_integers_are_integers(rng):
    assert TaskGrouper("sdp", n_groups=np.int64(2)).fit(rng.normal(size=(5, 5))).n_groups_ == 2


@pytest.mark.parametrize("method", OVERLAPPING)
@pytest.mark.parametrize("n_groups", [None, 4])
def test_no_group_exceeds_the_largest_size(method, n_groups, rng):
    grouper = TaskGrouper(method, n_groups=n_groups, max_group_size=3).fit(
        rng.uniform(size=(11, 11))
    )
    assert max(map(len, grouper.groups_)) <= 3
    assert {task for group in grouper.groups_ for task in group} == set(range(11))


@pytest.mark.parametrize("method", OVERLAPPING)
def test_groups_that_exactly_fit_the_tasks_are_found(method, rng):
    grouper = TaskGrouper(method, n_groups=3, max_group_size=3).fit(rng.normal(size=(9, 9)))
    assert sorted(task for group in grouper.groups_ for task in group) == list(range(9))
    assert list(map(len, grouper.groups_)) == [3, 3, 3]


@pytest.mark.parametrize("method", OVERLAPPING)
def test_a_budget_is_not_spent_where_one_more_group_gains_nothing(method):
    A, block = planted([3, 4])
    grouper = TaskGrouper(method, n_groups=5).fit(A)
    assert same_partition(grouper.labels_, block)


@pytest.mark.parametrize("method", OVERLAPPING)
def test_without_a_budget_every_task_gets_its_best_gain(method, rng):
    A = rng.normal(size=(10, 10))
    np.fill_diagonal(A, 0)
    np.testing.assert_allclose(TaskGrouper(method).fit(A).predicted_gain_, A.max(axis=1))


@pytest.mark.parametrize("method", PARTITIONS)
@pytest.mark.parametrize("n_groups", [1, 2, 5, 8, 9])
def test_a_partition_has_exactly_as_many_groups_as_asked(method, n_groups, rng):
    for A in (rng.normal(size=(9, 9)), np.ones((9, 9)), planted([5, 4])[0]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            grouper = TaskGrouper(method, n_groups=n_groups).fit(A)
        assert grouper.n_groups_ == n_groups
        assert sorted(task for group in grouper.groups_ for task in group) == list(range(9))


@pytest.mark.parametrize("method", PARTITIONS)
def test_the_number_of_groups_chosen_has_the_largest_total(method, rng):
    A = rng.normal(size=(8, 8)) + 0.3
    totals = [TaskGrouper(method, n_groups=number).fit(A).total_gain_ for number in range(1, 9)]
    assert TaskGrouper(method).fit(A).total_gain_ == pytest.approx(max(totals))


def test_one_harmful_task_is_left_alone_by_every_method():
    A = np.full((6, 6), 0.4)
    A[5], A[:, 5] = -0.5, -0.5
    for method in METHODS:
        assert as_sets(TaskGrouper(method).fit(A)) == {frozenset(range(5)), frozenset([5])}, method


def test_a_failed_solver_is_named_and_replaced(monkeypatch):
    A, block = planted([4, 3])
    solve = cp.Problem.solve

    def broken(problem, *, solver, **options):
        if solver == "CLARABEL":
            raise cp.SolverError("no licence")
        return solve(problem, solver=solver, **options)

    monkeypatch.setattr(cp.Problem, "solve", broken)
    with pytest.warns(ConvergenceWarning, match="CLARABEL found no solution.*no licence"):
        grouper = TaskGrouper("sdp", n_groups=2).fit(A)
    assert same_partition(grouper.labels_, block)


@pytest.mark.filterwarnings(
    "ignore:CLARABEL found no:sklearn.exceptions.ConvergenceWarning",
    "ignore:SCS found no:sklearn.exceptions.ConvergenceWarning",
)
def test_spectral_clustering_takes_over_where_no_solver_works(monkeypatch):
    def broken(problem, *, solver, **options):
        raise cp.SolverError("out of order")

    monkeypatch.setattr(cp.Problem, "solve", broken)
    A, block = planted([4, 3])
    with pytest.warns(ConvergenceWarning, match="using method='spectral' instead"):
        grouper = TaskGrouper("sdp", n_groups=2).fit(A)
    assert same_partition(grouper.labels_, block)


# ---------------------------------------------------------------------- names
def test_groups_of_tasks_named_by_numbers_hold_the_names_not_positions(rng):
    names = [str(k) for k in range(1, 30)]
    frame = pd.DataFrame(rng.normal(size=(29, 29)), index=names, columns=names)
    grouper = TaskGrouper("sdp", n_groups=4).fit(frame)
    assert sorted(name for group in grouper.groups_ for name in group) == sorted(names)
    for name, label in zip(names, grouper.labels_, strict=True):
        assert name in grouper.groups_[label]


def test_labels_on_one_axis_of_a_frame_are_names_and_counted_axes_are_positions(rng):
    A = rng.normal(size=(4, 4))
    for names in (list("abcd"), [10, 20, 30, 40]):
        for frame in (pd.DataFrame(A, index=names), pd.DataFrame(A, columns=names)):
            if isinstance(names[0], int) and isinstance(frame.index, pd.RangeIndex):
                continue
            assert {t for group in TaskGrouper().fit(frame).groups_ for t in group} == set(names)
    assert {t for group in TaskGrouper().fit(pd.DataFrame(A)).groups_ for t in group} == set(
        range(4)
    )


def test_measured_gains_are_taken_as_they_are(rng):
    names = list("abcd")
    pairs = np.array(list(itertools.permutations(names, 2)), dtype=object)
    gains = PairwiseGains(names, pairs, np.ones((12, 1)), rng.uniform(0.5, 1.5, size=(12, 1)))
    assert TaskGrouper().fit(gains).groups_ == TaskGrouper().fit(gains.matrix).groups_
    some = PairwiseGains(names, pairs[1:], np.ones((11, 1)), np.ones((11, 1)))
    with pytest.raises(ValueError, match=r"NaN as the gain of task 'a'.*'b'.*predict_affinity"):
        TaskGrouper().fit(some)


def test_what_is_no_matrix_is_refused_with_what_is_wanted():
    with pytest.raises(TypeError, match=r"\(T, T\) matrix of gains or the PairwiseGains.*Got dict"):
        TaskGrouper().fit({"a": 1})


def test_a_description_of_tasks_by_named_rows_gives_groups_of_names(rng):
    rows = np.concatenate([rng.normal(size=(4, 3)), rng.normal(loc=30, size=(4, 3))])
    frame = pd.DataFrame(rows, index=list("abcdefgh"))
    grouper = TaskGrouper("spectral", n_groups=2, affinity=rbf_kernel).fit(frame)
    assert sorted(grouper.groups_) == [tuple("abcd"), tuple("efgh")]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            [("a", "b"), ("b", "a")],
            ValueError,
            r"list of text, such as 'a'.*affinity_matrix\(pairs",
        ),
        (["a", "b"], ValueError, r"\(T, T\) matrix of gains"),
        (TaskSet.from_wide(np.eye(4), np.eye(4), kind="regression"), TypeError, "Got TaskSet"),
        (np.full((3, 3), 1e308), ValueError, "task 0 when trained with task 1.*too large"),
        (np.ma.array(np.eye(3), mask=np.eye(3)[::-1] > 0), ValueError, "NaN as the gain of task 0"),
    ],
)
def test_lists_of_pairs_task_sets_masks_and_huge_gains_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        TaskGrouper().fit(given)


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (list("aab"), list("aab"), "two tasks named 'a'"),
        (["a", None, "b"], ["a", None, "b"], "missing label"),
        (list("abc"), list("abd"), "No column is named 'c'"),
    ],
)
def test_a_frame_that_does_not_tell_its_tasks_apart_is_refused(rows, columns, message):
    with pytest.raises(ValueError, match=message):
        TaskGrouper().fit(pd.DataFrame(np.ones((3, 3)), index=rows, columns=columns))


@pytest.mark.parametrize("names", [["a", 1, 2], [("a", 1), ("a", 2), ("b", 1)], [1.0, 2.0, 3.5]])
def test_labels_of_any_kind_name_the_tasks(names):
    labels = pd.Index(names, dtype=object, tupleize_cols=False)
    grouper = TaskGrouper(n_groups=1).fit(pd.DataFrame(np.ones((3, 3)), labels, labels))
    assert grouper.groups_ == [tuple(names)]
