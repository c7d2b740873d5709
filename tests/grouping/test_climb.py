import itertools

import numpy as np
import pytest

from skmtl.grouping.search import SizedValue, climb


def random_value(rng, n_tasks):
    pairs = rng.normal(size=(n_tasks, n_tasks))
    np.fill_diagonal(pairs, 0)
    return SizedValue(
        pairs,
        rng.uniform(0.5, 1.5, size=n_tasks + 1),
        0.3 * rng.normal(size=n_tasks),
        0.3 * rng.normal(size=n_tasks),
    )


def worth(value, group):
    n = len(group)
    if n < 2:
        return 0.0
    own = sum(value.base[i] + value.rise[i] * np.log2(n / 2) for i in group)
    return own + value.slope[n] / (n - 1) * sum(value.pairs[i, j] for i in group for j in group)


def total(value, labels):
    return sum(worth(value, np.flatnonzero(labels == label)) for label in set(labels.tolist()))


def test_the_value_of_groups_is_that_of_the_formula(rng):
    value = random_value(rng, 6)
    members = np.array(list(itertools.product([False, True], repeat=6)))[1:]
    np.testing.assert_allclose(
        value.of(members), [worth(value, np.flatnonzero(group)) for group in members], atol=1e-12
    )


def test_no_move_and_no_merger_raises_the_total_of_what_is_returned(rng):
    for _ in range(5):
        value, start = random_value(rng, 8), rng.integers(0, 4, size=8)
        labels = climb(value, start)
        reached = total(value, labels)
        assert reached >= total(value, start) - 1e-9
        moves = [
            np.where(np.arange(8) == task, target, labels)
            for task in range(8)
            for target in range(labels.max() + 2)
        ]
        mergers = [
            np.where(labels == first, second, labels)
            for first, second in itertools.combinations(range(labels.max() + 1), 2)
        ]
        assert max(total(value, other) for other in [*moves, *mergers, labels]) <= reached + 1e-8


@pytest.mark.parametrize(
    "start", [np.zeros(6, dtype=int), np.arange(6), np.array([5, 5, 2, 2, 9, 9])]
)
def test_labels_are_numbered_from_zero_and_planted_blocks_found(start):
    block = np.repeat([0, 1], 3)
    pairs = np.where(block[:, None] == block, 0.3, -0.3) * (1 - np.eye(6))
    labels = climb(SizedValue(pairs, np.ones(7), np.zeros(6), np.zeros(6)), start)
    np.testing.assert_array_equal(labels[:, None] == labels, block[:, None] == block)
    assert set(labels.tolist()) == {0, 1}


def test_a_gain_by_size_joins_tasks_whose_pairs_gain_nothing():
    nothing = SizedValue(np.zeros((5, 5)), np.ones(6), np.full(5, -0.1), np.full(5, 0.2))
    assert climb(nothing, np.zeros(5, dtype=int)).tolist() == [0] * 5
    assert (
        climb(
            SizedValue(np.zeros((5, 5)), np.ones(6), np.full(5, -0.1), np.zeros(5)),
            np.zeros(5, dtype=int),
        ).max()
        == 4
    )
