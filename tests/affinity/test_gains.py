import itertools

import numpy as np
import pytest

from skmtl.affinity import PairwiseGains

NAMES = [f"t{k}" for k in range(6)]


def all_pairs(names=NAMES):
    return np.array(list(itertools.permutations(names, 2)), dtype=object)


def made(single, pair, pairs=None, names=NAMES):
    single, pair = np.asarray(single, dtype=float), np.asarray(pair, dtype=float)
    return PairwiseGains(
        list(names), all_pairs(names)[: len(single)] if pairs is None else pairs, single, pair
    )


def simulated(rng, n_tasks=40, n_repeats=4, signal=1.0, noise=1.0):
    """Gains of ``signal`` standard deviations with independent noise in every repeat, around a
    single-task loss of 1.
    """
    names = [f"t{k}" for k in range(n_tasks)]
    pairs = all_pairs(names)
    truth = 0.01 * signal * rng.normal(size=(len(pairs), 1))
    observed = truth + 0.01 * noise * rng.normal(size=(len(pairs), n_repeats))
    return made(np.ones_like(observed), 1 - observed, pairs, names)


def test_the_gain_is_the_relative_drop_of_the_mean_losses(rng):
    single, pair = rng.uniform(1, 2, size=(2, 30, 3))
    gains = made(single, pair)
    np.testing.assert_allclose(gains.values, 1 - pair.mean(1) / single.mean(1), rtol=1e-12)
    np.testing.assert_allclose(gains.repeat_values, 1 - pair / single, rtol=1e-12)


def test_the_table_holds_the_losses_that_its_gain_follows_from(rng):
    gains = made(*rng.uniform(1, 2, size=(2, 30, 3)))
    table = gains.table
    assert table.columns.tolist() == [
        "target",
        "source",
        "gain",
        "gain_se",
        "stl_loss",
        "mtl_loss",
        "n_repeats",
    ]
    np.testing.assert_allclose(
        table["gain"], (table["stl_loss"] - table["mtl_loss"]) / table["stl_loss"], rtol=1e-12
    )
    assert table[["target", "source"]].to_numpy().tolist() == gains.pairs.tolist()
    assert (table["n_repeats"] == 3).all()


def test_both_directions_of_a_pair_share_a_group_and_no_others_do(rng):
    pairs = rng.permutation(all_pairs())
    groups = made(np.ones((30, 1)), np.ones((30, 1)), pairs).groups
    for (a, first), (b, second) in itertools.combinations(zip(pairs, groups, strict=True), 2):
        assert (set(a) == set(b)) == (first == second)


def test_the_matrix_has_targets_as_rows_zero_on_the_diagonal_and_nan_elsewhere(rng):
    pairs = rng.permutation(all_pairs())[:12]
    gains = made(*rng.uniform(1, 2, size=(2, 12, 2)), pairs)
    matrix = gains.matrix
    assert matrix.index.tolist() == matrix.columns.tolist() == NAMES
    assert (np.diag(matrix) == 0).all()
    for (target, source), value in zip(pairs, gains.values, strict=True):
        assert matrix.loc[target, source] == value
    assert matrix.isna().to_numpy().sum() == 30 - 12


def test_the_standard_error_of_equal_single_losses_is_that_of_a_mean(rng):
    pair = rng.uniform(1, 2, size=(30, 5))
    gains = made(np.full((30, 5), 2.0), pair)
    np.testing.assert_allclose(
        gains.table["gain_se"], (pair / 2).std(axis=1, ddof=1) / np.sqrt(5), rtol=1e-10
    )


def test_the_standard_error_is_the_spread_of_repeated_measurements(rng):
    single = rng.normal(1, 0.05, size=(5000, 6))
    pair = 0.9 * single + rng.normal(0, 0.05, size=single.shape)
    names = [f"t{k}" for k in range(72)]
    gains = made(single, pair, all_pairs(names)[:5000], names)
    spread = gains.values.std()
    assert np.sqrt(np.mean(gains.table["gain_se"] ** 2)) == pytest.approx(spread, rel=0.1)


def test_one_repeat_has_no_standard_error_and_no_reliability(rng):
    gains = made(*rng.uniform(1, 2, size=(2, 30, 1)))
    assert gains.table["gain_se"].isna().all()
    assert np.isnan(gains.reliability)


def test_fewer_than_three_pairs_have_no_reliability(rng):
    assert np.isnan(made(*rng.uniform(1, 2, size=(2, 2, 4))).reliability)


@pytest.mark.parametrize("n_repeats", [2, 3, 4, 5, 6, 10])
@pytest.mark.parametrize("signal", [0.5, 1.0, 2.0])
def test_the_reliability_of_signal_and_noise_is_near_its_known_value(n_repeats, signal, rng):
    expected = signal**2 / (signal**2 + 1 / n_repeats)
    assert simulated(rng, n_repeats=n_repeats, signal=signal).reliability == pytest.approx(
        expected, abs=0.12
    )


def test_the_reliability_is_the_correlation_with_a_second_measurement(rng):
    both = simulated(rng, n_tasks=50, n_repeats=10)
    first = made(both.single_losses[:, :5], both.pair_losses[:, :5], both.pairs, both.names)
    second = made(both.single_losses[:, 5:], both.pair_losses[:, 5:], both.pairs, both.names)
    assert first.reliability == pytest.approx(
        np.corrcoef(first.values, second.values)[0, 1], abs=0.08
    )


def test_the_reliability_of_two_repeats_is_the_corrected_correlation_of_the_two(rng):
    gains = simulated(rng, n_tasks=8, n_repeats=2)
    r = np.corrcoef(gains.repeat_values.T)[0, 1]
    assert gains.reliability == pytest.approx(max(-1, 2 * r / (1 + r)), rel=1e-9)


def test_the_reliability_of_three_repeats_steps_up_threefold(rng):
    gains = simulated(rng, n_tasks=12, n_repeats=3)
    values = gains.repeat_values
    r = np.mean(
        [np.corrcoef(values[:, i], values[:, min({0, 1, 2} - {i})])[0, 1] for i in range(3)]
    )
    assert gains.reliability == pytest.approx(3 * r / (1 + 2 * r), rel=1e-9)


def test_the_reliability_of_pure_noise_is_near_zero_and_of_pure_signal_one(rng):
    assert abs(simulated(rng, signal=0.0, n_repeats=4).reliability) < 0.2
    assert simulated(rng, noise=0.0).reliability == pytest.approx(1)


def test_the_reliability_never_leaves_minus_one_to_one(rng):
    x = rng.normal(size=(30, 1))
    gains = made(np.ones((30, 2)), 1 - np.hstack([x, -x + 0.05 * rng.normal(size=(30, 1))]))
    assert gains.reliability == -1


def test_a_single_loss_of_zero_has_no_gain_unless_both_are_zero():
    gains = made([[0, 0], [0, 0], [1, 1]], [[1, 1], [0, 0], [2, 2]])
    np.testing.assert_array_equal(gains.values, [np.nan, 0, -1])
    assert gains.table["gain_se"].isna().tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("single", "pair"), [(np.inf, 1.0), (np.inf, np.inf), (np.nan, 1.0), (1.0, np.nan)]
)
def test_losses_that_are_not_finite_give_nan_without_a_warning(single, pair, rng):
    alone, together = rng.uniform(1, 2, size=(2, 30, 4))
    alone[3, 1], together[3, 1] = single, pair
    gains = made(alone, together)
    assert np.flatnonzero(~np.isfinite(gains.values)).tolist() == [3]
    assert np.flatnonzero(gains.table["gain_se"].isna()).tolist() == [3]
    assert np.isfinite(gains.reliability)


def test_the_representation_tells_how_much_was_measured():
    assert (
        repr(made(np.ones((4, 2)), np.ones((4, 2))))
        == "PairwiseGains(4 ordered pairs of 6 tasks, 2 repeats)"
    )


def test_gains_that_are_all_equal_have_no_reliability_to_speak_of():
    assert made(np.ones((30, 4)), np.full((30, 4), 0.5)).reliability == 0
