import itertools

import numpy as np
import pytest

from skmtl.affinity import PairwiseGains, pairs_to_measure, sampling
from skmtl.datasets import make_grouped_tasks


@pytest.fixture
def tasks(rng):
    return make_grouped_tasks(
        8, 2, n_samples=(15, 30), n_features=4, random_state=int(rng.integers(2**31))
    ).task_set


def test_few_pairs_cover_all_tasks(tasks):
    chosen = pairs_to_measure(tasks, 8, random_state=0)
    assert (chosen[::2] == chosen[1::2, ::-1]).all()
    assert set(chosen.ravel()) == set(tasks.names)


def test_measured_pairs_are_not_chosen_again(tasks, rng):
    pairs = pairs_to_measure(tasks, 20, random_state=0)
    gains = PairwiseGains(tasks.names, pairs, np.ones((40, 1)), 1 - rng.normal(size=(40, 1)))
    rest = pairs_to_measure(tasks, 8, gains=gains, random_state=0)
    assert {frozenset(pair) for pair in rest} == {
        frozenset(pair) for pair in itertools.combinations(tasks.names, 2)
    } - {frozenset(pair) for pair in pairs}


def test_a_task_that_was_never_measured_comes_next(tasks, rng):
    names = tasks.names[:-1]
    pairs = np.array(
        [pair for a, b in itertools.combinations(names, 2) for pair in ((a, b), (b, a))],
        dtype=object,
    )
    effect = dict(zip(tasks.names, rng.normal(size=8), strict=True))
    values = np.array([[effect[target] + 0.1 * rng.normal()] for target, _ in pairs])
    chosen = pairs_to_measure(
        tasks,
        1,
        gains=PairwiseGains(tasks.names, pairs, np.ones_like(values), 1 - values),
        random_state=0,
    )
    assert tasks.names[-1] in chosen[0]


def test_each_choice_has_the_largest_variance_given_the_ones_before(rng):
    design, prior, noise = rng.normal(size=(12, 5)), np.diag(rng.uniform(0.5, 2, size=5)), 0.3
    both, members = np.arange(12).reshape(6, 2), np.array(list(itertools.combinations(range(4), 2)))
    chosen = sampling._choose(
        design, prior, noise, both, members, np.ones(6, dtype=bool), 6, 1, np.random.RandomState(0)
    )
    for step, k in enumerate(chosen):
        seen = design[both[chosen[:step]].ravel()]
        covariance = np.linalg.inv(np.linalg.inv(prior) + seen.T @ seen / noise)
        variance = np.array([np.trace(design[rows] @ covariance @ design[rows].T) for rows in both])
        variance[chosen[:step]] = -np.inf
        assert k == variance.argmax()


@pytest.mark.parametrize("n_pairs", [0, 29, 2.5, True])
def test_a_number_of_pairs_that_there_are_not_is_refused(tasks, n_pairs):
    with pytest.raises(ValueError, match="n_pairs must be an int from 1 to 28"):
        pairs_to_measure(tasks, n_pairs)


def test_tasks_must_be_a_task_set():
    with pytest.raises(TypeError, match="tasks must be a TaskSet. Got list"):
        pairs_to_measure([], 1)
