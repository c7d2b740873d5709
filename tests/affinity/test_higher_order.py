import numpy as np
import pandas as pd
import pytest

from skmtl import MultiTaskRegressor
from skmtl.affinity import HigherOrderAffinity, PairwiseGains, collect_pairwise_gains

NETWORK = MultiTaskRegressor((4,), max_iter=3, n_members=1)


@pytest.fixture
def gains(rng, few_tasks):
    return PairwiseGains(few_tasks.names, few_tasks.pairs(), np.ones((12, 1)), rng.random((12, 1)))


def test_the_table_is_that_of_the_measured_gains(few_tasks, gains):
    fitted = HigherOrderAffinity().fit(few_tasks, gains=gains)
    pd.testing.assert_frame_equal(fitted.affinity_, gains.matrix)
    for (target, source), value in zip(gains.pairs, gains.values, strict=True):
        assert fitted.affinity_.loc[target, source] == value


def test_without_gains_all_pairs_are_measured(few_tasks):
    fitted = HigherOrderAffinity(NETWORK, n_repeats=2, random_state=3).fit(few_tasks)
    assert sorted(map(tuple, fitted.gains_.pairs)) == sorted(map(tuple, few_tasks.pairs()))
    assert fitted.gains_.single_losses.shape == (12, 2)
    seed = int(np.random.RandomState(3).randint(np.iinfo(np.int32).max))
    expected = collect_pairwise_gains(few_tasks, NETWORK, n_repeats=2, random_state=seed)
    pd.testing.assert_frame_equal(fitted.affinity_, expected.matrix)


def test_a_group_gains_the_mean_of_its_pairs(few_tasks, gains):
    groups = [few_tasks.names, few_tasks.names[1:], few_tasks.names[:2]]
    found = HigherOrderAffinity().fit(few_tasks, gains=gains).predict_groups(groups)
    for row, group in enumerate(groups):
        for name in group:
            assert found.loc[row, name] == pytest.approx(
                np.mean([gains.matrix.loc[name, other] for other in group if other != name])
            )


def test_a_missing_pair_is_named(few_tasks, gains):
    a, b = gains.pairs[5]
    rest = PairwiseGains(
        few_tasks.names,
        np.delete(gains.pairs, 5, axis=0),
        np.delete(gains.single_losses, 5, axis=0),
        np.delete(gains.pair_losses, 5, axis=0),
    )
    with pytest.raises(ValueError, match=f"target '{a}' with source '{b}' is missing"):
        HigherOrderAffinity().fit(few_tasks, gains=rest)


def test_gains_of_other_tasks_and_other_things_are_refused(few_tasks, gains):
    with pytest.raises(
        ValueError, match=f"gains contains task '{few_tasks.names[0]}', which is not in tasks"
    ):
        HigherOrderAffinity().fit(few_tasks.subset(few_tasks.names[1:]), gains=gains)
    with pytest.raises(TypeError, match="gains must be the PairwiseGains"):
        HigherOrderAffinity().fit(few_tasks, gains=gains.matrix)


def test_an_undefined_gain_stays_unknown_also_in_groups(few_tasks, gains):
    alone = gains.single_losses.copy()
    alone[gains.pairs[:, 0] == few_tasks.names[0]] = 0.0
    fitted = HigherOrderAffinity().fit(
        few_tasks, gains=PairwiseGains(few_tasks.names, gains.pairs, alone, gains.pair_losses)
    )
    found = fitted.predict_groups([few_tasks.names])
    assert found.isna().to_numpy().tolist() == [[True, False, False, False]]
