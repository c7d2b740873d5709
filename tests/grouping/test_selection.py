import itertools

import numpy as np
import pytest

from skmtl import TaskGrouper
from skmtl.grouping import select_groups
from skmtl.grouping.search.selection import RULES

nan = np.nan
# Three tasks: single-task, in pairs, joint.
TABLE = np.array(
    [
        [0.0, nan, nan],
        [nan, 0.0, nan],
        [nan, nan, 0.0],
        [0.3, 0.1, nan],
        [0.1, nan, -0.2],
        [nan, 0.4, 0.1],
        [0.1, 0.2, -0.1],
    ]
)


def random_table(rng, n_rows=9, n_tasks=4):
    inside = rng.random((n_rows, n_tasks)) < 0.6
    inside[np.arange(n_rows), rng.integers(0, n_tasks, n_rows)] = True
    return np.where(
        np.vstack([np.eye(n_tasks, dtype=bool), inside]),
        rng.normal(size=(n_rows + n_tasks, n_tasks)),
        nan,
    )


def enumerated(table, budget, cost, allowed):
    """Largest total over all sets of allowed rows within the budget that hold every task."""
    best = -np.inf
    rows = np.flatnonzero(allowed)
    for count in range(1, int(2 * budget) + 1):
        for chosen in map(list, itertools.combinations(rows, count)):
            covered = np.isfinite(table[chosen]).any(axis=0).all()
            if covered and cost[chosen].sum() <= budget:
                best = max(best, np.nanmax(table[chosen], axis=0).sum())
    return best


# ---------------------------------------------------------------------- worked by hand
def test_tag_takes_the_best_cover_without_groups_of_one():
    # With two groups: {0,1}+{1,2} gives 0.3 + 0.4 + 0.1; no other pair of rows that holds all tasks
    # comes near.
    found = select_groups(TABLE, 2)
    assert found.groups.tolist() == [3, 5]
    assert found.labels.tolist() == [0, 1, 1]
    np.testing.assert_allclose(found.gains, [0.3, 0.4, 0.1])
    # With one: only the row of all three holds every task.
    assert select_groups(TABLE, 1).groups.tolist() == [6]


def test_tag_may_choose_groups_of_one_where_asked():
    # Task 2 loses in every group of several: alone it is better served.
    table = np.array(
        [[0.0, nan, nan], [nan, 0.0, nan], [nan, nan, 0.0], [0.3, 0.1, nan], [0.1, nan, -0.2]]
    )
    assert select_groups(table, 2).groups.tolist() == [3, 4]
    assert select_groups(table, 2, singletons=True).groups.tolist() == [2, 3]


def test_a_task_in_no_other_group_keeps_its_own():
    table = np.array([[0.0, nan, nan], [nan, nan, 0.0], [0.3, 0.1, nan]])
    assert select_groups(table, 2).groups.tolist() == [1, 2]


def test_a_group_of_one_costs_half_for_standley():
    # 1.5 buys a group and a single: {0,1} + {2} = 0.4 + 0, or {0} + {1,2} = 0 + 0.5. 1 buys two
    # singles, but not three.
    found = select_groups(TABLE, 1.5, method="standley")
    assert found.groups.tolist() == [0, 5]
    np.testing.assert_allclose(found.gains, [0, 0.4, 0.1])
    assert select_groups(TABLE, 1, method="standley").groups.tolist() == [6]
    assert select_groups(TABLE, 2, method="standley").groups.tolist() == [3, 5]


def test_mtgnet_starts_from_the_largest_groups_and_adds_the_row_that_raises_gains_most():
    # Only the last row has no task that counts -99: it is the first start, and with one group the
    # best. With two, it adds {1,2} (+0.2 +0.2), but the chain that starts from {0,1} adds {1,2} for
    # the missing task 2 and ends higher.
    assert select_groups(TABLE, 1, method="mtgnet").groups.tolist() == [6]
    found = select_groups(TABLE, 2, method="mtgnet")
    assert found.groups.tolist() == [3, 5]
    np.testing.assert_allclose(found.gains.sum(), 0.8)


def test_mtgnet_says_which_tasks_no_chosen_group_holds():
    found = select_groups([[0.1, 0.2, nan], [nan, nan, 0.5]], 1, method="mtgnet")
    assert found.labels.tolist() == [0, 0, -1]
    assert np.isnan(found.gains[2])


def test_mtgnet_stops_where_no_row_raises_the_best_gains():
    assert select_groups(
        [[0.3, 0.3], [0.1, nan], [nan, 0.2]], 3, method="mtgnet"
    ).groups.tolist() == [0]


def test_mtgnet_has_five_starts_and_no_more():
    # Six rows hold all tasks; the sixth by its sum would lead to the best pair, and is not a start.
    table = np.array(
        [
            [1.0, 1.0],
            [0.99, 0.99],
            [0.98, 0.98],
            [0.97, 0.97],
            [0.96, 0.96],
            [-3.0, 4.0],
            [2.0, nan],
        ]
    )
    assert select_groups(table, 1, method="mtgnet").gains.sum() == 2.0
    table = np.vstack([np.full((5, 2), 0.1), [[-3.0, 2.0]]])
    assert select_groups(table, 1, method="mtgnet").gains.sum() == pytest.approx(0.2)


# ---------------------------------------------------------------------- against enumeration
@pytest.mark.parametrize("singletons", [False, True])
@pytest.mark.parametrize("budget", [1, 2, 3])
def test_tag_equals_enumeration(budget, singletons, rng):
    for _ in range(10):
        table = random_table(rng)
        size = np.isfinite(table).sum(axis=1)
        shared = np.isfinite(table[size > 1]).any(axis=0)
        allowed = np.array(
            [
                n > 1 or singletons or not shared[np.isfinite(row)].all()
                for n, row in zip(size, table, strict=True)
            ]
        )
        expected = enumerated(table, budget, np.ones(len(table)), allowed)
        if np.isinf(expected):
            with pytest.raises(ValueError, match="No set of groups that costs at most"):
                select_groups(table, budget, singletons=singletons)
        else:
            assert select_groups(table, budget, singletons=singletons).gains.sum() == pytest.approx(
                expected
            )


@pytest.mark.parametrize("budget", [2, 2.5, 3])
def test_standley_equals_enumeration(budget, rng):
    for _ in range(8):
        table = random_table(rng, n_rows=6)
        cost = np.where(np.isfinite(table).sum(axis=1) == 1, 0.5, 1.0)
        found = select_groups(table, budget, method="standley")
        assert found.gains.sum() == pytest.approx(
            enumerated(table, budget, cost, np.ones(len(table), dtype=bool))
        )
        assert cost[found.groups].sum() <= budget


@pytest.mark.parametrize("method", RULES)
def test_tasks_are_served_by_the_chosen_group_with_their_largest_gain(method, rng):
    table = random_table(rng)
    found = select_groups(table, 4, method=method)
    np.testing.assert_allclose(found.gains, np.nanmax(table[found.groups], axis=0))
    np.testing.assert_allclose(table[found.groups][found.labels, np.arange(4)], found.gains)
    assert set(found.labels) == set(range(len(found.groups)))


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_of_the_gains_does_not_matter(method, scale, rng):
    table = random_table(rng)
    np.testing.assert_array_equal(
        select_groups(table * scale, 3, method=method).groups,
        select_groups(table, 3, method=method).groups,
    )


# ---------------------------------------------------------------------- as methods of the grouper
@pytest.mark.parametrize("n_groups", [1, 2, 3, None])
def test_tag_with_groups_of_one_is_the_exhaustive_optimum(n_groups, rng):
    for _ in range(3):
        A = rng.normal(size=(6, 6))
        tag, best = (
            TaskGrouper("tag", n_groups=n_groups, singletons=True).fit(A),
            TaskGrouper("exhaustive", n_groups=n_groups).fit(A),
        )
        assert tag.total_gain_ == pytest.approx(best.total_gain_)


def test_tag_leaves_no_task_alone(rng):
    grouper = TaskGrouper("tag", n_groups=3).fit(-rng.uniform(0.1, 1, size=(7, 7)))
    assert min(map(len, grouper.groups_)) > 1
    assert TaskGrouper("tag").fit([[0.0]]).groups_ == [(0,)]


def test_half_steps_buy_groups_of_one_for_standley_alone():
    A = np.full((4, 4), -0.2)
    A[:2, :2] = 0.3
    assert TaskGrouper("standley", n_groups=2).fit(A).groups_ == [(0, 1), (2,), (3,)]
    assert TaskGrouper("standley", n_groups=1.5).fit(A).total_gain_ < 0.6
    assert TaskGrouper("standley").fit(A).total_gain_ == pytest.approx(0.6)
    with pytest.raises(ValueError, match="'n_groups'.*Got 1.5"):
        TaskGrouper("tag", n_groups=1.5).fit(A)


def test_mtgnet_is_never_above_the_optimum_and_finds_planted_blocks(rng):
    block = np.repeat([0, 1, 2], [4, 3, 5])
    A = np.where(block[:, None] == block, 0.5, -0.3) + rng.normal(scale=0.01, size=(12, 12))
    assert (
        TaskGrouper("mtgnet", n_groups=3).fit(A).total_gain_
        <= TaskGrouper("exhaustive", n_groups=3).fit(A).total_gain_ + 1e-9
    )
    for _ in range(5):
        A = rng.normal(size=(9, 9))
        assert (
            TaskGrouper("mtgnet", n_groups=3).fit(A).total_gain_
            <= TaskGrouper("exhaustive", n_groups=3).fit(A).total_gain_ + 1e-9
        )


@pytest.mark.parametrize("method", RULES)
def test_no_group_exceeds_the_largest_size(method, rng):
    assert (
        max(map(len, TaskGrouper(method, max_group_size=3).fit(rng.uniform(size=(8, 8))).groups_))
        <= 3
    )


@pytest.mark.parametrize("method", ["tag", "standley"])
def test_exact_rules_name_their_limit(method):
    with pytest.raises(
        ValueError, match="at most 10 tasks, but A has 11. Use method='beam' or 'mtgnet'"
    ):
        TaskGrouper(method).fit(np.zeros((11, 11)))


def test_mtgnet_takes_many_tasks(rng):
    grouper = TaskGrouper("mtgnet", n_groups=4).fit(rng.normal(size=(40, 40)))
    assert {task for group in grouper.groups_ for task in group} == set(range(40))


# ---------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("table", "budget", "method", "message"),
    [
        ([0.1, 0.2], 1, "tag", r"table must have shape \(n, T\)"),
        ([[np.inf, 0.0]], 1, "tag", "infinite gain in row 0"),
        ([[0.1, 0.2], [nan, nan]], 1, "tag", "Row 1 of table contains no task"),
        ([[0.1, 0.2]], 1, "best", "method must be one of 'tag', 'standley', 'mtgnet'. Got 'best'"),
        (
            [[0.1, 0.2]],
            0,
            "tag",
            "budget must be a positive multiple of 1 with method='tag'. Got 0",
        ),
        ([[0.1, 0.2]], 1.5, "mtgnet", "multiple of 1 with method='mtgnet'. Got 1.5"),
        ([[0.1, 0.2]], 0.7, "standley", "multiple of 0.5 with method='standley'. Got 0.7"),
        ([[0.1, nan]], 1, "tag", "No group of table contains task 1"),
        (
            [[0.1, nan], [nan, 0.1]],
            1,
            "tag",
            "costs at most 1 covers all 2 tasks. Raise the budget",
        ),
    ],
)
def test_a_table_or_parameter_out_of_range_is_named(table, budget, method, message):
    with pytest.raises(ValueError, match=message):
        select_groups(table, budget, method=method)
