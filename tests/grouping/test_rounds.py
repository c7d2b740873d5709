import numpy as np
import pandas as pd
import pytest

from skmtl import MultiTaskRegressor, TaskGrouper
from skmtl.datasets import make_grouped_tasks
from skmtl.grouping.group_model import GroupGainModel, MeasuredGains
from skmtl.grouping.rounds import GroupMeasurements, expected_gains, refined

NAMES = [f"t{k}" for k in range(6)]
BLOCK = np.array([0, 0, 0, 1, 1, 1])


def observations(members, gain_of, rng=None, noise=0.0):
    """All gains (n, T) of groups as MeasuredGains; gain_of(group, task)."""
    row, target = np.nonzero(members)
    gains = np.array([gain_of(members[g], i) for g, i in zip(row, target, strict=True)])
    gains += 0 if rng is None else noise * rng.normal(size=len(gains))
    return MeasuredGains(
        members[row],
        target,
        gains,
        np.full(len(gains), max(noise, 1e-4) ** 2),
        np.zeros(members.shape[1]),
    )


def average(A, group, task):
    others = np.flatnonzero(group & (np.arange(len(A)) != task))
    return A[task, others].mean() if len(others) else 0.0


def random_groups(rng, n_groups, n_tasks):
    members = rng.random((n_groups, n_tasks)) < rng.uniform(0.2, 0.9, size=(n_groups, 1))
    members[np.arange(n_groups), rng.integers(0, n_tasks, n_groups)] = True
    return members[members.sum(axis=1) > 1]


@pytest.fixture
def affinity(rng):
    A = 0.1 * rng.normal(size=(12, 12))
    np.fill_diagonal(A, 0)
    return A


# ---------------------------------------------------------------------- the model
def test_without_measurements_the_model_is_the_average_of_pairs(affinity, rng):
    members = random_groups(rng, 10, 12)
    predicted = GroupGainModel(affinity, np.full(12, 50)).predict(members)
    for group, gains in zip(members, predicted, strict=True):
        np.testing.assert_allclose(
            gains[group], [average(affinity, group, task) for task in np.flatnonzero(group)]
        )


def test_a_task_alone_gains_nothing(affinity):
    everybody = np.ones((1, 12), dtype=bool)
    model = GroupGainModel(affinity, np.full(12, 50)).fit(
        observations(everybody, lambda group, task: 0.4)
    )
    np.testing.assert_array_equal(model.predict(np.eye(12, dtype=bool)), 0)


def test_a_gain_by_size_and_a_slope_of_the_average_are_learned(affinity, rng):
    def truth(group, task):
        return 0.05 + 0.1 * np.log2(group.sum() / 2) + 0.5 * average(affinity, group, task)

    model = GroupGainModel(affinity, rng.integers(20, 200, size=12)).fit(
        observations(random_groups(rng, 30, 12), truth, rng, 0.01)
    )
    assert model.coef_[1] == pytest.approx(0.1, abs=0.03)
    unseen = random_groups(rng, 30, 12)
    row, target = np.nonzero(unseen)
    expected = [truth(unseen[g], i) for g, i in zip(row, target, strict=True)]
    np.testing.assert_allclose(model.predict(unseen)[row, target], expected, atol=0.04)


def test_effects_of_pairs_are_corrected_by_the_groups_that_hold_them(rng):
    wrong = np.where(BLOCK[:, None] == BLOCK, 0.1, 0.1) * (1 - np.eye(6))
    truth = np.where(BLOCK[:, None] == BLOCK, 0.3, -0.3) * (1 - np.eye(6))
    model = GroupGainModel(wrong, np.full(6, 50)).fit(
        observations(
            random_groups(rng, 40, 6), lambda group, task: average(truth, group, task), rng, 0.02
        )
    )
    corrected = model.affinity + model.pair_effects_
    off = ~np.eye(6, dtype=bool)
    assert np.corrcoef(corrected[off], truth[off])[0, 1] > 0.9
    assert TaskGrouper("sdp", n_groups=2).fit(corrected).groups_ == [(0, 1, 2), (3, 4, 5)]


def test_the_value_of_the_search_is_the_weighted_total_of_the_predictions(affinity, rng):
    model = GroupGainModel(affinity, rng.integers(20, 200, size=12))
    model.fit(
        observations(
            random_groups(rng, 20, 12),
            lambda group, task: 0.1 + average(affinity, group, task),
            rng,
            0.05,
        )
    )
    weights, members = rng.uniform(0.5, 2, size=12), random_groups(rng, 15, 12)
    expected = np.where(members, model.predict(members) * weights, 0).sum(axis=1)
    np.testing.assert_allclose(model.value(weights).of(members), expected, atol=1e-10)


def test_a_precise_measurement_counts_and_a_vague_one_does_not(affinity):
    group = np.arange(12) < 4
    model = GroupGainModel(affinity, np.full(12, 50))
    model.spread_ = 0.1
    target = np.flatnonzero(group)
    for variance, expected in ((1e-8, 0.5), (1e4, None)):
        found = expected_gains(
            model,
            MeasuredGains(
                np.tile(group, (4, 1)), target, np.full(4, 0.5), np.full(4, variance), np.zeros(12)
            ),
            group,
        )
        np.testing.assert_allclose(
            found[target],
            model.predict(group[None])[0][target] if expected is None else expected,
            atol=1e-3,
        )


# ---------------------------------------------------------------------- the rounds
@pytest.fixture(scope="module")
def measured():
    """Two groups with opposite functions, and what a few rounds make of a table of zeros."""
    tasks = make_grouped_tasks(
        n_tasks=6, n_groups=2, n_samples=60, n_features=4, random_state=0
    ).task_set
    network = MultiTaskRegressor(
        (8,), learning_rate_init=0.02, max_iter=30, n_members=1, task_embedding_dim=0
    )
    measurements = GroupMeasurements(
        tasks, network, dict.fromkeys(tasks.names, 2.0), [0, 1], None, None, 0
    )
    affinity = pd.DataFrame(
        np.where(np.arange(6)[:, None] % 2 == np.arange(6) % 2, 0.2, -0.1),
        index=tasks.names,
        columns=tasks.names,
    )
    finalists, table = refined(measurements, affinity, None, 2, 0)
    return tasks, measurements, finalists, table


def test_finalists_serve_every_task_from_a_group_that_holds_it(measured):
    tasks, _, finalists, _ = measured
    assert 1 <= len(finalists) <= 2
    for candidate in finalists:
        assert set(candidate.served_by) == set(tasks.names)
        assert all(name in candidate.groups[g] for name, g in candidate.served_by.items())
        assert (
            set(candidate.served_by.values()) == set(range(len(candidate.groups)))
            or candidate is finalists[0]
        )


def test_the_table_holds_totals_of_the_measured_losses_in_their_units(measured):
    tasks, measurements, _, table = measured
    everybody = measurements.losses[tuple(tasks.names)]
    assert everybody.shape == (2, 6)
    assert table["measured_loss"].iloc[1] == pytest.approx(everybody.mean(axis=0).sum())
    assert table["measured_loss"].iloc[0] == pytest.approx(
        sum(measurements.losses[(name,)].mean() for name in tasks.names)
    )


def test_measured_gains_are_relative_to_the_task_alone(measured):
    tasks, measurements, _, _ = measured
    gains, weights = measurements.gains()
    at = np.flatnonzero(gains.members.all(axis=1) & (gains.target == 2))
    single, shared = (
        measurements.losses[(tasks.names[2],)].mean(),
        measurements.losses[tuple(tasks.names)][:, 2].mean(),
    )
    assert gains.gain[at] == pytest.approx((single - shared) / single)
    assert weights[2] == pytest.approx(single)


def test_a_group_is_trained_once(measured, monkeypatch):
    _, measurements, finalists, _ = measured
    before = dict(measurements.losses)
    monkeypatch.setattr(measurements, "_measure", None)
    measurements.add([finalists[0]])
    assert measurements.losses.keys() == before.keys()


def test_a_given_grouper_proposes_in_every_round(measured):
    tasks, measurements, _, _ = measured
    affinity = pd.DataFrame(np.zeros((6, 6)), index=tasks.names, columns=tasks.names)
    _, table = refined(measurements, affinity, TaskGrouper("spectral", n_groups=2), 3, 0)
    assert set(table["candidate"]) <= {"single-task", "joint", "spectral, 2 groups"}


def test_no_proposal_leaves_no_finalist(measured):
    tasks, measurements, _, _ = measured
    affinity = pd.DataFrame(np.full((6, 6), 0.1), index=tasks.names, columns=tasks.names)
    finalists, table = refined(measurements, affinity, TaskGrouper("beam"), 0, 0)
    assert finalists == []
    assert table["candidate"].tolist() == ["single-task", "joint"]
