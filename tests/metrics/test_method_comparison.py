import numpy as np
import pandas as pd
import pytest

from skmtl.metrics import delta_m, mean_rank


def test_delta_m_of_a_hand_worked_example_is_equation_4():
    # accuracy +10 % (better), error -10 % (better), error +40 % (worse): (-10 - 10 + 40) / 3
    assert delta_m([0.55, 9.0, 1.4], [0.5, 10.0, 1.0], [True, False, False]) == pytest.approx(
        20 / 3
    )


def test_delta_m_is_the_loop_of_equation_4_on_positive_metrics(rng):
    scores, baseline, higher = (
        rng.uniform(0.1, 5, size=6),
        rng.uniform(0.1, 5, size=6),
        rng.random(6) < 0.5,
    )
    expected = (
        sum((-1) ** int(h) * (m - b) / b for m, b, h in zip(scores, baseline, higher, strict=True))
        / 6
        * 100
    )
    assert delta_m(scores, baseline, higher) == pytest.approx(expected)


def test_negative_means_better_for_metrics_below_zero_too():
    assert delta_m([0.3], [-0.2], True) < 0 < delta_m([-0.4], [-0.2], True)


def test_the_baseline_itself_has_delta_m_zero_and_several_methods_give_one_value_each(rng):
    table, higher = rng.uniform(1, 2, size=(4, 3)), [True, False, True]
    each = delta_m(table, table[2], higher)
    assert each[2] == 0
    np.testing.assert_allclose(each, [delta_m(row, table[2], higher) for row in table])


def test_mean_rank_of_a_hand_worked_table_shares_ranks_among_equals():
    table = [[0.9, 3.0], [0.8, 2.0], [0.8, 4.0], [0.1, 2.0]]
    assert mean_rank(table, [True, False]).tolist() == [
        (1 + 3) / 2,
        (2.5 + 1.5) / 2,
        (2.5 + 4) / 2,
        (4 + 1.5) / 2,
    ]


def test_a_method_first_in_every_metric_has_mean_rank_one_and_ranks_sum_to_the_same(rng):
    table = rng.normal(size=(5, 4))
    table[3] = table.max(axis=0) + 1
    ranks = mean_rank(table, True)
    assert ranks[3] == 1
    assert ranks.sum() == pytest.approx(5 * 6 / 2)
    np.testing.assert_allclose(mean_rank(-table, False), ranks)


def test_gaps_raise_and_name_the_metric_and_the_method():
    table = pd.DataFrame({"mIoU": [0.5, 0.6], "error": [0.1, np.nan]}, index=["mean", "svfair"])
    with pytest.raises(ValueError, match=r"table is nan for metric 'error' of method 'svfair'"):
        mean_rank(table, [True, False])
    with pytest.raises(ValueError, match=r"scores is nan for metric 1"):
        delta_m([0.5, np.nan], [0.5, 0.1], True)
    with pytest.raises(ValueError, match=r"baseline is inf for metric 'error'"):
        delta_m([0.5, 0.2], pd.Series([0.5, np.inf], index=["mIoU", "error"]), True)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (delta_m, ([1.0, 2.0], [1.0, 0.0], True), "baseline is zero for metric 1"),
        (delta_m, ([1.0, 2.0, 3.0], [1.0, 2.0], True), "baseline must have shape"),
        (delta_m, ([1.0, 2.0], [1.0, 2.0], [True]), r"higher_is_better .* shape \(2,\)"),
        (delta_m, ([1.0, 2.0], [1.0, 2.0], ["up", "down"]), "higher_is_better"),
        (mean_rank, ([1.0, 2.0], True), "table must have shape"),
        (mean_rank, ([[1.0, 2.0]], [True, False, True]), "higher_is_better"),
    ],
)
def test_shapes_that_do_not_fit_raise(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
