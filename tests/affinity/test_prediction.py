import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold

from skmtl.affinity import PairwiseGains, gain_predictor, out_of_fold_predictions, predict_affinity
from skmtl.datasets import make_grouped_tasks


@pytest.fixture
def tasks(rng):
    return make_grouped_tasks(
        7, 2, n_samples=(15, 30), n_features=4, random_state=int(rng.integers(2**31))
    ).task_set


def measured(tasks, rng, *, share=0.6, n_repeats=4, noise=0.02):
    """Gains that depend on the target and on the pair, with noise in every repeat."""
    unordered = list(itertools.combinations(tasks.names, 2))
    drawn = [unordered[i] for i in rng.permutation(len(unordered))[: round(share * len(unordered))]]
    pairs = np.array([pair for a, b in drawn for pair in ((a, b), (b, a))], dtype=object)
    truth = np.array(
        [
            0.02 * tasks.names.index(t)
            + (0.1 if (tasks.names.index(t) - tasks.names.index(s)) % 2 == 0 else -0.1)
            for t, s in pairs
        ]
    )
    single = np.ones((len(pairs), n_repeats))
    return PairwiseGains(
        tasks.names, pairs, single, single - truth[:, None] - noise * rng.normal(size=single.shape)
    )


def fitted_by_hand(tasks, gains, rows):
    """The predictor from single-task losses, weighted by the residuals of a first fit; a residual
    variance counts six measurements of all targets.
    """
    single = {
        target: loss
        for (target, _), loss in zip(gains.pairs, gains.single_losses.mean(1), strict=True)
    }
    predictor = gain_predictor(tasks, single_losses=single, random_state=0)
    pairs, values, targets = gains.pairs[rows], gains.values[rows], gains.pairs[rows, 0]
    predictor.fit(pairs, values)
    squares = (np.clip(values, *predictor[-1].clip_range_) - predictor.predict(pairs)) ** 2
    if not squares.any():
        return predictor
    weight = [
        ((targets == t).sum() + 6) / (squares[targets == t].sum() + 6 * squares.mean())
        for t in targets
    ]
    return predictor.fit(pairs, values, pairwisegainregressor__sample_weight=weight)


@pytest.mark.parametrize("n_repeats", [1, 4])
def test_measured_pairs_are_blended_by_reliability_and_the_rest_predicted(n_repeats, tasks, rng):
    gains = measured(tasks, rng, n_repeats=n_repeats, noise=0.1)
    affinity = predict_affinity(tasks, gains, random_state=0)
    predictor = fitted_by_hand(tasks, gains, slice(None))
    rho = 0.5 if n_repeats == 1 else np.clip(gains.reliability, 0, 1)
    known = {tuple(pair): value for pair, value in zip(gains.pairs, gains.values, strict=True)}
    for (target, source), predicted in zip(
        tasks.pairs(), predictor.predict(tasks.pairs()), strict=True
    ):
        expected = (
            rho * known[target, source] + (1 - rho) * predicted
            if (target, source) in known
            else predicted
        )
        assert affinity.loc[target, source] == pytest.approx(expected, abs=1e-9)


def test_the_affinity_is_square_named_and_complete_with_zeros_on_the_diagonal(tasks, rng):
    affinity = predict_affinity(tasks, measured(tasks, rng), random_state=0)
    assert affinity.index.tolist() == affinity.columns.tolist() == tasks.names
    assert affinity.notna().to_numpy().all()
    assert (np.diag(affinity) == 0).all()


def test_undefined_gains_are_predicted_from_the_others(tasks, rng):
    gains = measured(tasks, rng)
    single = gains.single_losses.copy()
    single[3] = 0
    holed = PairwiseGains(gains.names, gains.pairs, single, gains.pair_losses)
    rest = np.arange(len(single)) != 3
    without = PairwiseGains(gains.names, gains.pairs[rest], single[rest], gains.pair_losses[rest])
    assert np.isnan(holed.values[3])
    pd.testing.assert_frame_equal(
        predict_affinity(tasks, holed, random_state=0),
        predict_affinity(tasks, without, random_state=0),
    )


def test_no_defined_gain_gives_an_affinity_of_zero(tasks):
    gains = PairwiseGains(tasks.names, tasks.pairs(), np.zeros((42, 2)), np.ones((42, 2)))
    assert (predict_affinity(tasks, gains) == 0).all(axis=None)


def test_noise_without_signal_counts_as_nothing(tasks, rng):
    gains = measured(tasks, rng)
    noise = 0.01 * rng.normal(size=(len(gains.pairs), 1)) * np.array([1, -1, 1, -1])
    contrary = PairwiseGains(gains.names, gains.pairs, np.ones_like(noise), 1 + noise)
    assert contrary.reliability <= 0
    expected = fitted_by_hand(tasks, contrary, slice(None)).predict(contrary.pairs)
    found = predict_affinity(tasks, contrary, random_state=0)
    np.testing.assert_allclose([found.loc[t, s] for t, s in contrary.pairs], expected, atol=1e-12)


def test_one_measured_pair_is_enough(tasks):
    pairs = np.array([tasks.names[:2], tasks.names[1::-1]], dtype=object)
    affinity = predict_affinity(
        tasks,
        PairwiseGains(tasks.names, pairs, np.ones((2, 1)), np.full((2, 1), 0.9)),
        random_state=0,
    )
    assert np.isfinite(affinity).all(axis=None)


def test_out_of_fold_predictions_leave_both_directions_of_a_pair_out(tasks, rng):
    gains = measured(tasks, rng)
    found = out_of_fold_predictions(tasks, gains, n_splits=4, random_state=0)
    assert found.columns.tolist() == ["target", "source", "measured", "predicted"]
    assert found[["target", "source"]].to_numpy().tolist() == gains.pairs.tolist()
    np.testing.assert_array_equal(found["measured"], gains.values)
    for train, test in GroupKFold(4).split(gains.pairs, groups=gains.groups):
        assert not {frozenset(pair) for pair in gains.pairs[train]} & {
            frozenset(pair) for pair in gains.pairs[test]
        }
        np.testing.assert_allclose(
            found["predicted"][test],
            fitted_by_hand(tasks, gains, train).predict(gains.pairs[test]),
            rtol=1e-6,
            atol=1e-9,
        )


def test_changing_what_was_measured_for_a_pair_does_not_change_its_own_prediction(tasks, rng):
    gains = measured(tasks, rng)
    changed = gains.pair_losses.copy()
    pair = np.flatnonzero(gains.groups == gains.groups[0])
    changed[pair] += 0.5
    folds = {"n_splits": len(np.unique(gains.groups)), "random_state": 0}
    before = out_of_fold_predictions(tasks, gains, **folds)["predicted"]
    after = out_of_fold_predictions(
        tasks, PairwiseGains(gains.names, gains.pairs, gains.single_losses, changed), **folds
    )["predicted"]
    np.testing.assert_allclose(after[pair], before[pair], atol=1e-9)
    assert not np.allclose(after, before)


def test_fewer_than_two_pairs_have_no_out_of_fold_prediction(tasks):
    pairs = np.array([tasks.names[:2], tasks.names[1::-1]], dtype=object)
    found = out_of_fold_predictions(
        tasks, PairwiseGains(tasks.names, pairs, np.ones((2, 1)), np.full((2, 1), 0.9))
    )
    assert found["predicted"].isna().all()
    assert len(found) == 2


def test_strong_structure_is_predicted_for_pairs_that_were_not_measured(rng):
    tasks = make_grouped_tasks(
        10, 2, n_samples=40, n_features=6, noise=0.1, random_state=int(rng.integers(2**31))
    ).task_set
    gains = measured(tasks, rng, share=0.7, noise=0.005)
    found = out_of_fold_predictions(tasks, gains, random_state=0)
    assert np.corrcoef(found["measured"], found["predicted"])[0, 1] > 0.5
