"""Values that must not be read as something else, and warnings that stay short."""

import datetime
import decimal
import warnings

import numpy as np
import pandas as pd
import pytest
import skops.io

from skmtl import (
    LowRankMultiTaskRegressor,
    MultiTaskClassifier,
    MultiTaskRegressor,
    TaskSet,
    collect_pairwise_gains,
)
from skmtl.aggregation import AGGREGATORS, GradDrop, shapley_values, voldet
from skmtl.fairness import MTAF
from skmtl.metrics import (
    average_relative_error,
    delta_m,
    error_rate,
    group_rate_gap,
    hypervolume,
    multitask_accuracy,
    multitask_mse,
    multitask_r2,
    pareto_mask,
)
from skmtl.model_selection import MultiTaskKFold

FAST = {"hidden_layer_sizes": (4,), "n_members": 1, "max_iter": 2, "random_state": 0}
WEIGHINGS = [name for name in AGGREGATORS if AGGREGATORS[name].kind == "gradient_weights"]


@pytest.fixture
def X(rng):
    return rng.normal(size=(40, 3))


# ---------------------------------------------------------------------- names
def test_task_weights_in_a_series_go_by_name(X):
    Y = pd.DataFrame({"u": X[:, 0], "v": X[:, 1]})
    by_dict, by_series, by_position = (
        MultiTaskRegressor(task_weights=given, **FAST).fit(X, Y).predict(X)
        for given in ({"u": 1.0, "v": 5.0}, pd.Series({"v": 5.0, "u": 1.0}), pd.Series([1.0, 5.0]))
    )
    np.testing.assert_array_equal(by_dict, by_series)
    np.testing.assert_array_equal(by_dict, by_position)
    with pytest.raises(ValueError, match="task_weights names the task 'z'"):
        MultiTaskRegressor(task_weights=pd.Series({"z": 1.0}), **FAST).fit(X, Y)


def test_a_mismatch_of_columns_tells_missing_and_unknown_names_only_where_there_are_some(X):
    Y = pd.DataFrame({"u": X[:, 0], "v": X[:, 1]})
    model = MultiTaskRegressor(**FAST).fit(X, Y)
    with pytest.raises(ValueError, match=r"names of the tasks of fit\. Unknown: 'w'\.$"):
        model.score(X, Y.assign(w=1.0))
    with pytest.raises(ValueError, match=r"names of the tasks of fit\. Missing: 'v'\.$"):
        model.score(X, Y[["u"]])


# ---------------------------------------------------------------------- masks
MASKED = np.ma.array([1.0, 2.0], mask=[False, True])


def test_a_masked_task_weight_is_missing(X):
    with pytest.raises(ValueError, match="task_weights must hold 2 finite weights"):
        MultiTaskRegressor(task_weights=MASKED, **FAST).fit(X, X[:, :2])


def test_masked_numbers_are_missing_in_comparisons_of_methods():
    points = np.ma.array([[1.0, 2.0], [2.0, 0.0]], mask=[[False, False], [False, True]])
    assert pareto_mask(points).tolist() == [True, False]
    assert hypervolume(points, [3.0, 3.0]) == 2.0
    with pytest.raises(ValueError, match="reference must be two finite numbers"):
        hypervolume([[1.0, 1.0]], MASKED)
    with pytest.raises(ValueError, match="scores is nan for metric 1"):
        delta_m(MASKED, [1.0, 1.0], False)
    with pytest.warns(UserWarning, match="baseline_errors is NaN"):
        assert average_relative_error([2.0, 7.0], MASKED) == 2.0


@pytest.mark.parametrize("name", WEIGHINGS)
def test_masked_and_complex_gramians_are_rejected_and_frames_and_objects_are_read(name):
    method, gramian = AGGREGATORS[name](), np.array([[1.0, 0.2], [0.2, 2.0]])
    with pytest.raises(ValueError, match="NaN or infinite"):
        method.weights(np.ma.array(gramian, mask=np.eye(2)))
    with pytest.raises(ValueError, match="Complex data not supported"):
        method.weights(np.array([[1.0, 1j], [-1j, 1.0]]))
    with pytest.raises(TypeError, match="needs a tensor or array of numbers"):
        method.weights(None)
    right = method.weights(gramian)
    for given in (pd.DataFrame(gramian), gramian.astype(object)):
        np.testing.assert_array_equal(method.weights(given), right)


@pytest.mark.parametrize("call", [shapley_values, voldet, GradDrop().aggregate])
def test_complex_gradients_are_rejected(call):
    with pytest.raises(ValueError, match="Complex data not supported"):
        call(np.eye(2) * (1 + 1j))


# ---------------------------------------------------------------------- labels and weights
@pytest.mark.parametrize(
    "value",
    [
        pd.Timestamp("2020-01-01"),
        datetime.date(2020, 1, 1),
        pd.Timedelta("1D"),
        pd.Period("2020-01", freq="M"),
        np.datetime64("2020-01-01"),
    ],
)
def test_dates_are_neither_targets_nor_weights(X, value):
    dates = [value] * 40
    with pytest.raises(ValueError, match=r"holds dates; kind='regression'"):
        MultiTaskRegressor(**FAST).fit(X, pd.Series(dates, dtype=object))
    with pytest.raises(ValueError, match="sample_weight must hold 40 finite numbers"):
        MultiTaskRegressor(**FAST).fit(X, X[:, 0], sample_weight=pd.Series(dates, dtype=object))


@pytest.mark.parametrize("kind", ["datetime64[s]", "timedelta64[s]"])
def test_labels_that_are_dates_are_named_in_classification(X, kind):
    labels = (np.arange(40) % 2).astype(kind)
    with pytest.raises(ValueError, match="Task '0' has labels of type"):
        MultiTaskClassifier(**FAST).fit(X, labels)
    with pytest.raises(ValueError, match="Task '0': Y_true has labels of type"):
        multitask_accuracy(labels, labels)


def test_numbers_and_the_same_numbers_as_text_are_not_one_class(X):
    frame = pd.DataFrame(X, columns=list("abc")).assign(task=np.arange(40) % 2)
    y = pd.Series([1, "1"] * 20, dtype=object)
    with pytest.raises(ValueError, match="both strings and other labels"):
        MultiTaskClassifier(task_column="task", **FAST).fit(frame, y)
    with pytest.raises(ValueError, match="both strings and other labels"):
        multitask_accuracy(y, y)


def test_labels_that_numpy_would_merge_at_a_null_character_are_rejected(X):
    with pytest.raises(ValueError, match="null character"):
        MultiTaskClassifier(**FAST).fit(X, ["a\0", "a"] * 20)


@pytest.mark.parametrize("metric", [multitask_accuracy, error_rate])
def test_share_of_correct_labels_says_which_labels_are_no_classes(metric):
    for labels, message in (
        ([1e300, 2.0], "Y_true has the label 1e[+]300"),
        ([0.5, 1.0], "Y_true is continuous: it contains 0.5"),
        (pd.interval_range(0, 2).to_series(), "Y_true has labels of type Interval"),
        ([decimal.Decimal(1), decimal.Decimal(2)], "Y_true has labels of type Decimal"),
        (pd.Series([{}, {}]), "Y_true has labels of type dict"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(ValueError, match=f"Task '0': {message}"):
                metric(labels, labels)


def test_values_that_are_not_hashable_are_named(X):
    dicts = pd.Series([{}] * 40)
    with pytest.raises(ValueError, match="y holds values that are not hashable"):
        list(MultiTaskKFold(2).split(X, dicts))
    with pytest.raises(ValueError, match="sensitive_features holds values that are not hashable"):
        group_rate_gap([0, 1] * 20, [0, 1] * 20, dicts)


def test_a_series_with_an_empty_name_is_a_target_without_a_name(X):
    polars = pytest.importorskip("polars")
    assert TaskSet.from_wide(X, polars.Series(X[:, 0])).names == ["0"]
    assert MultiTaskRegressor(**FAST).fit(X, polars.Series(X[:, 0])).task_names_ == ["0"]


def test_two_columns_of_one_name_are_named_in_few_words(X):
    names = [f"a rather long name of a column {k}" for k in range(300)]
    frame = pd.DataFrame(np.zeros((40, 600)), columns=names * 2)
    with pytest.raises(ValueError, match=r"^X has two columns named 'a rather[^,]{,40}\.$"):
        MultiTaskRegressor(**FAST).fit(frame, X[:, 0])


# ---------------------------------------------------------------------- folds
def test_folds_of_a_forgotten_task_column_or_of_one_task_say_so(X):
    frame = pd.DataFrame(X).assign(task=["a", "b"] * 20)
    with pytest.warns(UserWarning, match="all rows count as one task. If column 'task'"):
        list(MultiTaskKFold(2).split(frame, X[:, 0]))
    with pytest.warns(UserWarning, match="holds the single task 'a'"):
        list(MultiTaskKFold(2, task_column="task").split(frame.assign(task="a"), X[:, 0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(MultiTaskKFold(2).split(pd.DataFrame(X), X[:, 0]))


def test_folds_take_differences_of_times_as_labels(X):
    Y = pd.DataFrame({"u": pd.to_timedelta(np.arange(40), unit="D"), "v": X[:, 0]})
    assert [len(test) for _, test in MultiTaskKFold(2, random_state=0).split(X, Y)] == [20, 20]


# ---------------------------------------------------------------------- scales
@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e150, 1e200, 1e300, 3e307])
def test_extreme_scales_give_finite_scores_without_a_warning(X, scale):
    Y, weight = X[:, :2], np.abs(X[:, 2]) + 0.1
    scores = []
    model = MultiTaskRegressor(**FAST).fit(X, Y)
    if scale < 1e307:
        scaled = MultiTaskRegressor(**FAST).fit(X, Y * scale)
        scores.append(scaled.score(X, Y * scale))
        assert multitask_mse(Y * scale, 0 * Y) >= 0
        if scale > 1e-300:
            np.testing.assert_allclose(scores, model.score(X, Y), rtol=1e-6)
            assert multitask_r2(Y * scale, Y * scale) == 1
    heavy = MultiTaskRegressor(**FAST).fit(X, Y, sample_weight=weight * scale)
    scores.append(heavy.score(X, Y, sample_weight=weight * scale))
    for weights in ([scale, 2 * scale], [scale, 1.0]):
        weighed = MultiTaskRegressor(task_weights=weights, **FAST).fit(X, Y)
        scores.append(weighed.score(X, Y))
    scores.append(MultiTaskRegressor(**FAST).fit(np.sign(X) * scale, Y).score(X, Y))
    assert np.isfinite(scores).all()


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("scales", [(1e200, 1.0), (1.0, 1e200), (1e200, 1e200)])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_low_rank_regression_names_squares_that_overflow(X, scales, fit_intercept):
    with pytest.raises(ValueError, match="whose square overflows. Scale the"):
        LowRankMultiTaskRegressor(fit_intercept=fit_intercept).fit(X * scales[0], X * scales[1])


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_comparisons_of_methods_overflow_without_a_warning():
    assert delta_m([1.0, 2.0], [1e-320, 1.0], False) == np.inf
    assert average_relative_error([1.0], [1e-320]) == np.inf
    assert hypervolume([[-1e300, -1e300]], [1e300, 1e300]) == np.inf


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_gains_of_targets_whose_squares_overflow_are_refused(X):
    tasks = TaskSet.from_wide(X, X[:, :2] * 1e200)
    with pytest.raises(ValueError, match="overflow float64. Scale the targets"):
        collect_pairwise_gains(tasks, MultiTaskRegressor(**FAST), random_state=0)


# ---------------------------------------------------------------------- messages
def test_errors_stay_short_where_a_name_that_is_not_found_is_long(X):
    name = "q" * 900
    with pytest.raises(KeyError) as unknown:
        TaskSet.from_wide(X, X)[name]
    with pytest.raises(ValueError, match="is not a column of X") as typo:
        MultiTaskRegressor(task_column=name, **FAST).fit(
            pd.DataFrame(X, columns=list("abc")), X[:, 0]
        )
    assert max(len(str(unknown.value)), len(str(typo.value))) < 500


def test_warnings_stay_short_where_names_are_long(X):
    names = [f"{k}{'long' * 200}" for k in range(9)]
    Y = pd.DataFrame(np.column_stack([X[:, 0]] + [np.ones(40)] * 8), columns=names)
    with pytest.warns(UserWarning, match="All targets are alike") as heard:
        MultiTaskRegressor(aggregator="imtlg", **FAST).fit(X, Y)
    with pytest.warns(UserWarning, match="is undefined: only group") as also_heard:
        group_rate_gap((Y > 2) * 1, (Y > 2) * 1, ["g" * 900] * 40)
    assert max(len(str(one.message)) for one in [*heard, *also_heard]) < 500


# ---------------------------------------------------------------------- saving
@pytest.mark.parametrize(
    "levels",
    [
        pd.to_datetime(["2020-01-01", "2021-01-01"]).tolist(),
        pd.period_range("2020", periods=2, freq="M").tolist(),
        pd.interval_range(0, 2).tolist(),
        pd.to_timedelta([1, 2], unit="D").tolist(),
        [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)],
        [decimal.Decimal("0.1"), decimal.Decimal(2)],
    ],
    ids=lambda levels: type(levels[0]).__name__,
)
def test_categories_of_any_type_are_stored_with_types_of_skmtl_only(X, levels):
    frame = pd.DataFrame({"a": X[:, 0], "c": pd.Categorical([levels[k % 2] for k in range(40)])})
    model = MultiTaskRegressor(**FAST).fit(frame, X[:, 0] + np.arange(40) % 2)
    stored = skops.io.dumps(model)
    types = skops.io.get_untrusted_types(data=stored)
    assert all(name.startswith("skmtl.") for name in types)
    again = skops.io.loads(stored, trusted=types)
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    other = frame.assign(c=pd.Categorical([levels[1 - k % 2] for k in range(40)]))
    assert not np.allclose(model.predict(other), model.predict(frame))


def test_a_masked_sensitive_feature_is_an_unknown_group(X):
    group, mask = np.arange(40) % 2, np.arange(40) < 4
    masked, known = np.ma.array(np.where(mask, 9, group), mask=mask), np.where(mask, np.nan, group)
    fits = [
        MultiTaskClassifier(fairness=MTAF(weight=9.0), **FAST).fit(
            X, X[:, :2] > 0, sensitive_features=given
        )
        for given in (masked, known)
    ]
    np.testing.assert_array_equal(fits[0].predict(X), fits[1].predict(X))
