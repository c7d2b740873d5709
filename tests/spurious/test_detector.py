"""Shifts of correlations under resampled priors: explicit resampling, and worked examples."""

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from skmtl.spurious import SpuriousTaskDetector, split_by_label_combination


def rows_of(table):
    """Rows of labels with the counts of a table (label of task 0, label of task 1)."""
    return np.array(
        [(a, b) for (a, b), count in np.ndenumerate(np.asarray(table)) for _ in range(count)]
    )


def resampled_correlation(Y, prior, own):
    """Multiple correlation of the indicator of a class with the other label, after weights have
    made its share ``prior``; by weighted least squares.
    """
    a, other = (Y[:, 0] == own).astype(float), np.eye(Y[:, 1].max() + 1)[Y[:, 1]]
    weight = np.where(a == 1, prior / a.mean(), (1 - prior) / (1 - a.mean()))
    return np.sqrt(
        max(
            LinearRegression()
            .fit(other, a, sample_weight=weight)
            .score(other, a, sample_weight=weight),
            0,
        )
    )


def explicit_shift(Y, priors):
    """Largest change over classes; a binary task has its second class resampled."""
    classes = np.unique(Y[:, 0])[1 if len(np.unique(Y[:, 0])) == 2 else 0 :]
    return max(
        abs(resampled_correlation(Y, prior, c) - resampled_correlation(Y, (Y[:, 0] == c).mean(), c))
        for c, prior in itertools.product(classes, priors)
    )


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 2), (3, 4)], ids=str)
@pytest.mark.parametrize("priors", [(0.1, 0.3, 0.5, 0.7, 0.9), (0.25,)], ids=str)
def test_shift_is_that_of_an_explicitly_reweighted_table(shape, priors):
    rng = np.random.default_rng(sum(shape))
    Y = rows_of(rng.integers(3, 40, size=shape))
    shift = SpuriousTaskDetector(priors=priors).fit(Y).shift_
    assert shift[0, 1] == pytest.approx(explicit_shift(Y, priors), abs=1e-9)
    assert shift[1, 0] == pytest.approx(explicit_shift(Y[:, ::-1], priors), abs=1e-9)


def test_rows_drawn_to_another_prior_have_the_predicted_correlation():
    Y = rows_of([[300, 100], [60, 240]])
    rng = np.random.default_rng(0)
    prior = 0.2
    drawn = np.concatenate(
        [
            rng.choice(np.flatnonzero(Y[:, 0] == label), size)
            for label, size in ((1, 40_000), (0, 160_000))
        ]
    )
    change = abs(np.corrcoef(Y[drawn].T)[0, 1] - np.corrcoef(Y.T)[0, 1])
    assert SpuriousTaskDetector(priors=(prior,)).fit(Y).shift_[0, 1] == pytest.approx(
        change, abs=0.01
    )


def test_worked_example_of_a_table():
    # P(Y_j = 1 | Y_i = 1) = 0.8, P(Y_j = 1 | Y_i = 0) = 0.4, P(Y_i = 1) = 0.5: q = 0.6, rho = 0.4 *
    # sqrt(0.25 / 0.24). At P(Y_i = 1) = 0.1: q = 0.44, rho = 0.4 * sqrt(0.09 / 0.2464).
    detector = SpuriousTaskDetector(priors=(0.1,)).fit(rows_of([[30, 20], [10, 40]]))
    assert detector.correlation_[0, 1] == pytest.approx(0.4 * np.sqrt(0.25 / 0.24))
    assert detector.shift_[0, 1] == pytest.approx(
        0.4 * (np.sqrt(0.25 / 0.24) - np.sqrt(0.09 / 0.2464))
    )


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_independent_and_identical_labels_shift_by_nothing(classes):
    a, b = np.meshgrid(np.arange(classes), [0, 0, 0, 1])
    independent = np.tile(np.column_stack([a.ravel(), b.ravel()]), (5, 1))
    identical = np.repeat(np.arange(classes), np.arange(9, 9 + classes))[:, None] * [1, 10]
    for Y in (independent, identical):
        np.testing.assert_allclose(SpuriousTaskDetector().fit(Y).shift_, 0.0, atol=1e-12)


def test_worked_example_of_three_classes():
    # Labels of i equally frequent; label j = 1 with probability 0.9, 0.5, 0.1. Class 0 against the
    # rest: beta_1 = 0.9, beta_0 = 0.3, q = 0.5 at p = 1/3, rho = 0.6 sqrt((2/9) / 0.25); at p =
    # 0.5, q = 0.6, rho = 0.6 sqrt(0.25 / 0.24). Class 1: beta_0 = 0.5 as well, no correlation.
    # Class 2 mirrors class 0.
    detector = SpuriousTaskDetector(priors=(0.5,)).fit(rows_of([[3, 27], [15, 15], [27, 3]]))
    assert detector.correlation_[0, 1] == pytest.approx(0.6 * np.sqrt(2 / 9 / 0.25))
    assert detector.shift_[0, 1] == pytest.approx(
        0.6 * (np.sqrt(0.25 / 0.24) - np.sqrt(2 / 9 / 0.25))
    )


def test_correlation_has_its_sign():
    assert SpuriousTaskDetector().fit(rows_of([[10, 40], [30, 20]])).correlation_[
        0, 1
    ] == pytest.approx(np.corrcoef(rows_of([[10, 40], [30, 20]]).T)[0, 1])


def test_labels_that_follow_a_common_cause_shift_by_the_worked_value():
    """P(Y = z) = 0.9 for both labels and a fair z: beta_1 = 0.82, beta_0 = 0.18; at p = 0.1 q =
    0.244.
    """
    Y = rows_of([[82, 18], [18, 82]])
    expected = 0.64 - 0.64 * np.sqrt(0.09 / (0.244 * 0.756))
    assert SpuriousTaskDetector(priors=(0.1,)).fit(Y).shift_[0, 1] == pytest.approx(expected)


def test_a_symmetric_channel_does_not_shift_at_the_opposite_prior():
    Y = rows_of([[45, 5], [15, 135]])  # P(Y_j = 1 | Y_i = c) = 0.1, 0.9 and P(Y_i = 1) = 0.75
    assert SpuriousTaskDetector(priors=(0.25,)).fit(Y).shift_[0, 1] == pytest.approx(0.0, abs=1e-12)
    assert SpuriousTaskDetector().fit(Y).shift_[0, 1] > 0.05


def test_what_is_resampled_is_the_task_of_the_row():
    shift = SpuriousTaskDetector().fit(rows_of([[90, 10], [5, 15]])).shift_
    assert abs(shift[0, 1] - shift[1, 0]) > 0.01
    assert np.array_equal(np.diag(shift), [0, 0])


def test_weights_of_rows_count_like_repeated_rows():
    rng = np.random.default_rng(1)
    Y, weight = rng.integers(0, 3, (80, 3)), rng.integers(1, 5, 80)
    weighted = SpuriousTaskDetector().fit(Y, sample_weight=weight)
    np.testing.assert_allclose(
        weighted.shift_, SpuriousTaskDetector().fit(np.repeat(Y, weight, axis=0)).shift_, atol=1e-12
    )


def test_a_pair_is_judged_by_the_rows_that_have_both_labels():
    rng = np.random.default_rng(2)
    Y = rng.integers(0, 2, (300, 3)).astype(float)
    Y[:, 1] = np.where(rng.random(300) < 0.8, Y[:, 0], Y[:, 1])
    Y[rng.random(Y.shape) < 0.3] = np.nan
    detector = SpuriousTaskDetector().fit(Y)
    for i, j in itertools.permutations(range(3), 2):
        both = ~np.isnan(Y[:, [i, j]]).any(1)
        assert detector.n_common_[i, j] == both.sum()
        assert detector.shift_[i, j] == pytest.approx(
            SpuriousTaskDetector().fit(Y[both][:, [i, j]]).shift_[0, 1], abs=1e-12
        )


def test_a_pair_without_common_rows_is_nan_and_named():
    Y = pd.DataFrame(
        np.random.default_rng(0).integers(0, 2, (60, 3)).astype(float),
        columns=["smiling", "young", "hat"],
    )
    Y.loc[:29, "young"] = np.nan
    Y.loc[25:, "hat"] = np.nan
    with pytest.warns(UserWarning, match=r"'young' and 'hat' \(0 common rows\)"):
        detector = SpuriousTaskDetector().fit(Y)
    assert np.isnan(detector.shift_[1, 2])
    assert not detector.spurious_[1, 2]


def test_a_task_of_one_class_is_nan_and_named():
    with pytest.warns(UserWarning, match="two classes"):
        detector = SpuriousTaskDetector(n_bootstrap=5, random_state=0).fit(
            np.column_stack([np.arange(40) % 2, np.ones(40)])
        )
    assert np.isnan(detector.shift_[0, 1])
    assert np.isnan(detector.p_values_[0, 1])


def test_names_strings_and_the_table_of_pairs():
    Y = pd.DataFrame(
        {
            "mood": ["sad", "glad"] * 50,
            "age": (["old", "young"] * 40) + ["old"] * 20,
            "coin": np.random.default_rng(0).integers(0, 2, 100),
        }
    )
    detector = SpuriousTaskDetector().fit(Y)
    assert detector.task_names_ == ["mood", "age", "coin"]
    assert list(detector.feature_names_in_) == detector.task_names_
    assert set(detector.table_.loc[:1, "task"]) == {"mood", "age"}
    assert list(detector.table_.columns) == [
        "task",
        "other",
        "n_rows",
        "correlation",
        "shift",
        "spurious",
    ]
    found = {
        (row.task, row.other) for row in detector.table_[detector.table_.spurious].itertuples()
    }
    assert found == {("mood", "age"), ("age", "mood")}


def test_bootstrap_keeps_strong_pairs_and_drops_those_that_chance_explains():
    rng = np.random.default_rng(0)
    Y = rng.integers(0, 2, (400, 6))
    Y[:, 1] = np.where(rng.random(400) < 0.85, Y[:, 0], Y[:, 1])
    detector = SpuriousTaskDetector(n_bootstrap=99, random_state=0, threshold=0.05).fit(Y)
    expected = np.zeros((6, 6), dtype=bool)
    expected[0, 1] = expected[1, 0] = True
    assert np.array_equal(detector.spurious_, expected)
    assert detector.p_values_[0, 1] == pytest.approx(1 / 100)
    again = SpuriousTaskDetector(n_bootstrap=99, random_state=0, threshold=0.05).fit(Y)
    np.testing.assert_array_equal(detector.p_values_, again.p_values_)


@pytest.mark.filterwarnings("ignore:The shift of a pair needs")
def test_false_discoveries_are_rare_where_all_labels_are_independent():
    hits = 0
    for seed in range(40):
        Y = np.random.default_rng(seed).integers(0, 2, (60, 6))
        hits += (
            SpuriousTaskDetector(n_bootstrap=39, random_state=seed, threshold=0.02)
            .fit(Y)
            .spurious_.any()
        )
    assert hits <= 6  # at level 0.05 two are expected


@pytest.mark.parametrize(
    ("parameters", "Y", "message"),
    [
        ({"priors": (0.0, 0.5)}, np.eye(20), "'priors' parameter"),
        ({"priors": ()}, np.eye(20), "'priors' parameter"),
        ({"threshold": -1}, np.eye(20), "'threshold' parameter"),
        ({"n_bootstrap": 1.5}, np.eye(20), "'n_bootstrap' parameter"),
        ({}, np.random.default_rng(0).normal(size=(20, 2)), "Task '0' has the label"),
        ({}, np.column_stack([np.arange(200), np.arange(200) % 2]), "200 different labels"),
        ({}, np.full((20, 2), np.nan), "Task '0' has no labeled row"),
        ({}, np.zeros((3, 3, 3)), "shape"),
        ({}, np.empty((0, 2)), "0 sample"),
        ({}, pd.DataFrame({"a": [1, {}, 2], "b": [0, 1, 0]}), "Task 'a' has labels of type dict"),
    ],
)
def test_bad_input_is_named(parameters, Y, message):
    with pytest.raises(ValueError, match=message):
        SpuriousTaskDetector(**parameters).fit(Y)


def test_clone_keeps_parameters_and_forgets_what_was_found():
    detector = SpuriousTaskDetector(threshold=0.3, n_bootstrap=2, random_state=0).fit(
        np.tile(np.eye(2, dtype=int), (10, 1))
    )
    copied = clone(detector)
    assert copied.get_params() == detector.get_params()
    assert not hasattr(copied, "shift_")


def test_warnings_of_many_pairs_with_long_names_stay_short():
    names = [f"{'a very long name of a task ' * 4}{t}" for t in range(8)]
    Y = pd.DataFrame(np.full((40, 8), np.nan), columns=names)
    for t in range(8):
        Y.iloc[5 * t : 5 * t + 5, t] = [0.0, 1.0, 0.0, 1.0, 0.0]
    with pytest.warns(UserWarning, match="The shift of a pair needs .* and 24 more pairs") as told:
        SpuriousTaskDetector().fit(Y)
    assert max(len(str(one.message)) for one in told) < 500


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_of_other_libraries_keep_their_names(library):
    module = pytest.importorskip(library)
    rng = np.random.default_rng(0)
    smiling = rng.integers(0, 2, 300)
    young = np.where(rng.random(300) < 0.8, smiling, rng.integers(0, 2, 300))
    Y = pd.DataFrame({"smiling": smiling, "young": young})
    other = module.from_pandas(Y) if library == "polars" else module.Table.from_pandas(Y)
    expected, found = SpuriousTaskDetector().fit(Y), SpuriousTaskDetector().fit(other)
    assert found.task_names_ == ["smiling", "young"]
    assert found.feature_names_in_.tolist() == ["smiling", "young"]
    pd.testing.assert_frame_equal(found.table_, expected.table_)
    parts = split_by_label_combination(other, other, random_state=0)
    assert [type(part) for part in parts] == [type(other)] * 4
    for part, own in zip(parts, split_by_label_combination(Y, Y, random_state=0), strict=True):
        assert part.to_pandas().to_numpy().tolist() == own.to_numpy().tolist()


@pytest.mark.parametrize("label", [np.inf, -np.inf, 0.5])
def test_a_label_that_is_no_class_is_shown(label):
    Y = np.zeros((20, 2))
    Y[0, 1] = label
    with pytest.raises(ValueError, match=f"Task '1' has the label {label}"):
        SpuriousTaskDetector().fit(Y)
