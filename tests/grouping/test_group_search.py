import itertools
import time

import cvxpy as cp
import numpy as np
import pytest

from skmtl.grouping.search.beam import beam_groups, grow_groups
from skmtl.grouping.search.exchange import Serving, merge
from skmtl.grouping.search.exhaustive import exhaustive_groups
from skmtl.grouping.search.number_of_groups import best_partition, partition_gain
from skmtl.grouping.search.score import group_gains, serve
from skmtl.grouping.search.sdp import round_solution, solve_relaxation
from skmtl.grouping.search.serving import best_groups, serving_values
from skmtl.grouping.search.spectral import spectral_groups


def random_affinity(rng, n_tasks):
    A = rng.normal(size=(n_tasks, n_tasks)) + 0.5 * rng.normal()
    np.fill_diagonal(A, 0)
    return A / np.abs(A).max()


def all_groups(n_tasks, max_group_size):
    sets = np.array(list(itertools.product([False, True], repeat=n_tasks)))[1:]
    return sets[sets.sum(axis=1) <= max_group_size]


def total(A, groups):
    return serve(A, groups)[2].sum()


def enumerated_total(A, n_groups, max_group_size):
    gains = np.array(
        [
            [
                (sum(A[i, j] for j in np.flatnonzero(group)) / max(group.sum() - 1, 1))
                if group[i]
                else -np.inf
                for i in range(len(A))
            ]
            for group in all_groups(len(A), max_group_size)
        ]
    )
    return max(
        gains[list(chosen)].max(axis=0).sum()
        for chosen in itertools.combinations(range(len(gains)), min(n_groups, len(gains)))
    )


def test_gain_in_a_group_is_the_mean_over_the_other_members(rng):
    A = random_affinity(rng, 6)
    for row, group in zip(group_gains(A, all_groups(6, 6)), all_groups(6, 6), strict=True):
        for i in range(6):
            others = [A[i, j] for j in range(6) if group[j] and j != i]
            expected = (np.mean(others) if others else 0.0) if group[i] else -np.inf
            assert row[i] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("max_group_size", [2, 4, 6])
def test_the_best_group_for_a_set_equals_the_best_of_all_groups_around_it(max_group_size, rng):
    A = random_affinity(rng, 6)
    sets = all_groups(6, 6)
    values = serving_values(A, sets, max_group_size)
    gains = group_gains(A, all_groups(6, max_group_size))
    for served, value in zip(sets, values, strict=True):
        around = gains[np.isfinite(gains[:, served]).all(axis=1)][:, served].sum(axis=1)
        assert value == pytest.approx(around.max(initial=-np.inf), abs=1e-12)
    possible = np.isfinite(values)
    groups = best_groups(A, sets[possible], max_group_size)
    reached = np.where(sets[possible], group_gains(A, groups), 0).sum(axis=1)
    np.testing.assert_allclose(reached, values[possible], atol=1e-8)
    assert groups.sum(axis=1).max() <= max_group_size


@pytest.mark.parametrize(
    ("n_tasks", "n_groups", "max_group_size"),
    [(4, 2, 4), (4, 3, 2), (4, 4, 4), (5, 2, 5), (5, 3, 3), (5, 3, 5), (6, 2, 6), (6, 2, 3)],
)
def test_exhaustive_search_equals_enumeration_of_all_sets_of_groups(
    n_tasks, n_groups, max_group_size, rng
):
    A = random_affinity(rng, n_tasks)
    groups = exhaustive_groups(A, n_groups, max_group_size)
    assert len(groups) <= n_groups
    assert groups.any(axis=0).all()
    assert total(A, groups) == pytest.approx(
        enumerated_total(A, n_groups, max_group_size), abs=1e-9
    )


def test_exhaustive_search_takes_the_fewest_groups_among_equals(rng):
    A = rng.integers(0, 2, size=(5, 5)).astype(float)
    np.fill_diagonal(A, 0)
    found = serve(A, exhaustive_groups(A, None, 5))
    for fewer in range(1, len(found[0])):
        assert enumerated_total(A, fewer, 5) < found[2].sum() - 1e-9


def test_exhaustive_search_names_its_limit():
    with pytest.raises(ValueError, match="at most 15 tasks, but A has 16"):
        exhaustive_groups(np.zeros((16, 16)), 2, 16)


@pytest.mark.parametrize("n_groups", [None, 1, 2, 3, 5])
@pytest.mark.parametrize("max_group_size", [3, 11])
def test_beam_search_comes_within_three_percent_of_the_optimum(n_groups, max_group_size, rng):
    if n_groups is not None and n_groups * max_group_size < 11:
        pytest.skip("the tasks do not fit")
    for _ in range(3):
        A = random_affinity(rng, 11)
        optimum = total(A, exhaustive_groups(A, n_groups, max_group_size))
        found = beam_groups(A, n_groups, max_group_size, 10, 50_000, np.random.RandomState(0))
        assert found.any(axis=0).all()
        assert found.sum(axis=1).max() <= max_group_size
        assert optimum - 0.03 * abs(optimum) - 1e-9 <= total(A, found) <= optimum + 1e-9


def test_beam_search_does_not_need_many_candidates(rng):
    A = random_affinity(rng, 9)
    optimum = total(A, exhaustive_groups(A, 3, 9))
    assert total(A, beam_groups(A, 3, 9, 1, 1, np.random.RandomState(0))) >= optimum - 0.1 * abs(
        optimum
    )


def test_groups_grow_from_every_task_and_are_distinct(rng):
    A = random_affinity(rng, 12)
    groups = grow_groups(A, 3, 10_000, 5)
    assert len(np.unique(groups, axis=0)) == len(groups)
    assert groups.sum(axis=1).max() == 5
    assert groups[groups.sum(axis=1) == 5].any(axis=0).all()
    for task in range(12):
        pairs = [
            A[task, other] + A[other, task] if other != task else -np.inf for other in range(12)
        ]
        best = np.isin(np.arange(12), [task, int(np.argmax(pairs))])
        assert (groups == best).all(axis=1).any()


def test_a_wide_beam_keeps_every_group(rng):
    assert len(grow_groups(random_affinity(rng, 7), 1000, 10_000, 7)) == 2**7 - 1


def test_the_budget_of_candidates_is_kept(rng):
    assert len(grow_groups(random_affinity(rng, 10), 5, 37, 10)) == 10 + 37


def test_local_search_keeps_its_books(rng):
    A = random_affinity(rng, 10)
    serving = Serving(A, rng.integers(0, 3, size=10), 3, 10)
    before = serving.total
    serving.climb()
    fresh = Serving(A, serving.labels, 3, 10)
    assert serving.total >= before
    np.testing.assert_allclose(serving.value, fresh.value)
    np.testing.assert_allclose(serving.remove, fresh.remove)
    np.testing.assert_allclose(serving.add, fresh.add)


def test_no_move_and_no_swap_improves_what_local_search_returns(rng):
    A = random_affinity(rng, 8)
    labels = Serving(A, rng.integers(0, 3, size=8), 3, 8).climb().labels

    def value(labels):
        return serving_values(A, np.arange(3)[:, None] == labels, 8).sum()

    for task, target in itertools.product(range(8), range(3)):
        assert value(np.where(np.arange(8) == task, target, labels)) <= value(labels) + 1e-8
    for first, second in itertools.combinations(range(8), 2):
        swapped = labels.copy()
        swapped[[first, second]] = labels[[second, first]]
        assert value(swapped) <= value(labels) + 1e-8


def test_merging_dissolves_groups_where_no_two_fit_together():
    labels = merge(np.zeros((6, 6)), np.array([0, 0, 1, 1, 2, 2]), 2, 3)
    assert sorted(np.bincount(labels)) == [3, 3]


def test_the_relaxation_finds_three_planted_blocks():
    block = np.repeat([0, 1, 2], [4, 3, 5])
    same = block[:, None] == block
    A = np.where(same, 1.0, -0.5)
    np.fill_diagonal(A, 0)
    ideal = same / np.bincount(block)[block]
    X = solve_relaxation(A, 3)
    np.testing.assert_allclose(X, ideal, atol=1e-3)
    assert (A * X).sum() == pytest.approx((A * ideal).sum(), rel=1e-3)
    labels = round_solution(A, X, 3)
    assert np.array_equal(labels[:, None] == labels, same)


@pytest.mark.parametrize("n_tasks", [8, 24])
def test_both_solvers_reach_the_same_objective_and_bound_every_partition(n_tasks, rng):
    A = random_affinity(rng, n_tasks)
    X = solve_relaxation(A, 3)
    both = (A + A.T) / 2
    Y = cp.Variable((n_tasks, n_tasks), symmetric=True)
    problem = cp.Problem(
        cp.Maximize(cp.trace(both @ Y)),
        [Y >> 0, Y >= 0, Y @ np.ones(n_tasks) == 1, cp.trace(Y) == 3],
    )
    expected = problem.solve(solver="SCS" if n_tasks <= 20 else "CLARABEL")
    assert (both * X).sum() == pytest.approx(expected, rel=5e-3, abs=5e-3)
    for _ in range(20):
        labels = np.concatenate([np.arange(3), rng.integers(0, 3, size=n_tasks - 3)])
        partition = (labels[:, None] == labels) / np.bincount(labels)[labels]
        assert (both * partition).sum() <= expected + 5e-3


@pytest.mark.parametrize("n_groups", [1, 2, 4, 7])
def test_rounding_gives_exactly_the_number_of_groups_even_for_a_constant_solution(n_groups, rng):
    for X in (np.full((7, 7), 1 / 7), rng.uniform(size=(7, 7))):
        assert len(np.unique(round_solution(np.zeros((7, 7)), (X + X.T) / 2, n_groups))) == n_groups


def test_the_number_of_groups_is_refined_around_the_best_of_a_grid():
    asked = []
    block = np.arange(60) % 11
    A = np.where(block[:, None] == block, 1.0, -1.0)
    np.fill_diagonal(A, 0)

    def partition(number):
        asked.append(number)
        return block if number == 11 else np.arange(60) % number

    labels = best_partition(A, partition, try_all_up_to=30)
    assert partition_gain(A, labels) >= 0
    assert len(asked) == len(set(asked)) < 25
    np.testing.assert_array_equal(best_partition(A, partition, try_all_up_to=60), block)


def test_spectral_groups_are_exact_in_number_where_k_means_finds_too_few():
    A = np.ones((8, 8)) - np.eye(8)
    assert len(spectral_groups(A, 5, np.random.RandomState(0))) == 5


def test_a_beam_search_over_139_tasks_takes_seconds(rng):
    A = random_affinity(rng, 139)
    start = time.perf_counter()
    found = beam_groups(A, 5, 139, 10, 50_000, np.random.RandomState(0))
    assert found.any(axis=0).all()
    assert time.perf_counter() - start < 60
