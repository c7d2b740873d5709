"""Every public function reads task ids, weights, labels and sensitive features in the same way."""

import re
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score

from skmtl import (
    LowRankMultiTaskRegressor,
    MultiTaskClassifier,
    MultiTaskRegressor,
    TaskGroupedClassifier,
    TaskGroupedRegressor,
    TaskSet,
    collect_pairwise_gains,
)
from skmtl.metrics import (
    average_relative_error,
    delta_m,
    error_rate,
    group_rate_gap,
    make_multitask_scorer,
    multitask_accuracy,
    multitask_log_loss,
    multitask_mse,
    multitask_r2,
    multitask_roc_auc,
)
from skmtl.model_selection import MultiTaskKFold, fairness_sweep
from skmtl.representation import representation_path
from skmtl.spurious import DebiasedClassifier, SpuriousTaskDetector, split_by_label_combination

TINY = {"hidden_layer_sizes": (3,), "n_members": 1, "max_iter": 1, "random_state": 0}
N, T = 30, 3
CODES = np.arange(N) % T
RNG = np.random.default_rng(0)
A = RNG.normal(size=(N, 2))
Y = A[:, 0] + CODES
LONGEST_WARNING = 500


@pytest.fixture(autouse=True)
def _no_filters():
    """Warnings are looked at where they matter; tiny fits have others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# ---------------------------------------------------------------------- readers of task ids
def column_of(frame):
    return frame["task"]


def first_name(error):
    """Name of the task that a message names first after "task"."""
    return re.search(r"""ask (['"])(.*?)\1""", str(error))[2]


def named_by_a_metric(metric):
    def read(frame):
        predictions = Y.copy()
        predictions[0] = np.nan
        with pytest.raises(ValueError, match="Y_pred is NaN|missing|number|name|hash|Compl") as e:
            metric(Y, predictions, task=column_of(frame))
        if "Y_pred is NaN" not in str(e.value):
            raise e.value
        return first_name(e.value)

    return read


def named_by_error_rate(frame):
    truth = (CODES > 0).astype(float)
    own = error_rate(truth, np.r_[2.0, truth[1:]], task=column_of(frame))
    return TaskSet.from_long(A, Y, column_of(frame)).names[int(np.argmax(own))]


def named_by_kfold(frame):
    rows = [0, *np.flatnonzero(CODES)]
    part = frame[rows] if hasattr(frame, "to_pandas") else frame.iloc[rows]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        list(MultiTaskKFold(2, task_column="task", random_state=0).split(part, Y[rows]))
    for other in heard:
        warnings.warn(other.message, stacklevel=2)
    return first_name(next(w.message for w in heard if "single row" in str(w.message)))


def named_by_fit(model, y=Y):
    def read(frame):
        return model.fit(frame, y).task_names_[0]

    return read


def named_by_a_scorer(frame):
    model = MultiTaskRegressor(**TINY, task_column="task").fit(frame, Y)
    scorer = make_multitask_scorer(multitask_mse, per_task=True)
    return next(iter(scorer(model, frame, Y)))


def named_by_gains(frame):
    tasks = TaskSet.from_long(A, Y, column_of(frame))
    gains = collect_pairwise_gains(tasks, MultiTaskRegressor(**TINY), pairs="all", random_state=0)
    return gains.matrix.index[0]


READERS = {
    "TaskSet.from_long": lambda frame: TaskSet.from_long(A, Y, column_of(frame)).names[0],
    "collect_pairwise_gains": named_by_gains,
    "MultiTaskRegressor": named_by_fit(MultiTaskRegressor(**TINY, task_column="task")),
    "MultiTaskRegressor.partial_fit": lambda frame: (
        MultiTaskRegressor(**TINY, task_column="task").partial_fit(frame, Y).task_names_[0]
    ),
    "MultiTaskClassifier": named_by_fit(
        MultiTaskClassifier(**TINY, task_column="task"), (A[:, 0] > 0).astype(int)
    ),
    "LowRankMultiTaskRegressor": named_by_fit(LowRankMultiTaskRegressor(task_column="task")),
    "TaskGroupedRegressor": named_by_fit(
        TaskGroupedRegressor(
            MultiTaskRegressor(**TINY), task_column="task", n_repeats=1, random_state=0
        )
    ),
    "representation_path": lambda frame: representation_path(
        LowRankMultiTaskRegressor(task_column="task"), frame, Y, ranks=[1], cv=2
    ).task_names[0],
    "MultiTaskKFold": named_by_kfold,
    "scorer": named_by_a_scorer,
    "multitask_mse": named_by_a_metric(multitask_mse),
    "multitask_r2": named_by_a_metric(multitask_r2),
    "multitask_accuracy": named_by_a_metric(multitask_accuracy),
    "error_rate": named_by_error_rate,
}
SLOW = ("TaskGroupedRegressor", "collect_pairwise_gains")


def three(*ids):
    """A column of objects in which three ids take turns."""
    column = np.empty(N, dtype=object)
    column[:] = [ids[code] for code in CODES]
    return pd.Series(column)


NINETEEN = [1234567890123456788, 1234567890123456789, 5]
KINDS = {
    "integers": (pd.Series(np.array([7, 8, 9])[CODES]), "7"),
    "integral floats": (pd.Series(np.array([7.0, 8.0, 9.0])[CODES]), "7"),
    "integral float32": (pd.Series(np.array([7, 8, 9], dtype=np.float32)[CODES]), "7"),
    "big-endian integers": (pd.Series(np.array([7, 8, 9], dtype=">i8")[CODES]), "7"),
    "unsigned integers": (
        pd.Series(np.array([2**64 - 1, 2**64 - 2, 9], dtype=np.uint64)[CODES]),
        "18446744073709551615",
    ),
    "19 digits": (pd.Series(np.array(NINETEEN)[CODES]), "1234567890123456788"),
    "nullable integers": (pd.Series(np.array([7, 8, 9])[CODES]).astype("Int64"), "7"),
    "Arrow integers": (pd.Series(np.array([7, 8, 9])[CODES]).astype("int64[pyarrow]"), "7"),
    "strings": (pd.Series(np.array(["007", "7", "8"], dtype=object)[CODES]), "007"),
    "nullable strings": (pd.Series(np.array(["a", "b", "c"])[CODES]).astype("string"), "a"),
    "categories of strings": (pd.Series(pd.Categorical.from_codes(CODES, ["x", "y", "z"])), "x"),
    "categories of integers": (pd.Series(pd.Categorical.from_codes(CODES, [7, 8, 9])), "7"),
    "categories of floats": (pd.Series(pd.Categorical.from_codes(CODES, [7.0, 8.0, 9.0])), "7"),
    "booleans and more": (three(True, "b", "c"), "True"),
    "dates": (
        pd.Series(pd.to_datetime(["2020-01-01", "2021-01-01", "2022-01-01"])[CODES]),
        "2020-01-01 00:00:00",
    ),
    "periods": (pd.Series(pd.period_range("2020Q1", periods=3, freq="Q")[CODES]), "2020Q1"),
    "intervals": (pd.Series(pd.interval_range(0, 3)[CODES]), "(0, 1]"),
    "decimals": (three(Decimal("7.0"), Decimal("8"), Decimal("9")), "7"),
    "tuples": (three(("a", np.int64(1)), ("a", 2), ("b", 1)), "('a', 1)"),
    "bytes": (three(b"a", b"b", b"c"), "a"),
}
REFUSED = {
    "fractions": (pd.Series(np.array([7.37, 8.0, 9.0])[CODES]), "7.37, which is not integral"),
    "categories of fractions": (
        pd.Series(pd.Categorical.from_codes(CODES, [7.37, 8.0, 9.0])),
        "7.37, which is not integral",
    ),
    "decimal fractions": (three(Decimal("7.5"), 8, 9), "which is not integral"),
    "one NaN": (pd.Series(np.r_[np.nan, np.array([7.0, 8.0, 9.0])[CODES[1:]]]), "has 1 missing"),
    "one None": (pd.Series([None, *np.array(["a", "b", "c"])[CODES[1:]]]), "has 1 missing"),
    "one pd.NA": (
        pd.Series([pd.NA, *np.array([7, 8, 9])[CODES[1:]]], dtype="Int64"),
        "has 1 missing",
    ),
    "one NaT": (
        pd.Series(pd.to_datetime([None, *np.array(["2020", "2021", "2022"])[CODES[1:]]])),
        "has 1 missing",
    ),
    "missing category": (
        pd.Series(pd.Categorical.from_codes(np.r_[-1, CODES[1:]], ["x", "y", "z"])),
        "has 1 missing",
    ),
    "'1' and 1": (three(1, "1", 2), "have the name '1'"),
    "1e300": (pd.Series(np.array([1e300, 8.0, 9.0])[CODES]), "too large to be exact"),
    "floats beyond 2**53": (pd.Series(np.array([2.0**53, 8.0, 9.0])[CODES]), "too large"),
    "complex numbers": (pd.Series(np.array([1j, 8.0, 9.0])[CODES]), "Complex data not supported"),
    "dicts": (three({}, 8, 9), "not hashable"),
}


def frame_with(ids):
    return pd.DataFrame({"a": A[:, 0], "b": A[:, 1]}).assign(task=ids)


@pytest.mark.parametrize("reader", READERS)
def test_a_task_has_the_same_name_everywhere(reader):
    kinds = {k: KINDS[k] for k in list(KINDS)[:4]} if reader in SLOW else dict(KINDS)
    if reader == "MultiTaskKFold":
        del kinds["big-endian integers"]  # pandas cannot take the rows that the reader needs
    found = {kind: READERS[reader](frame_with(ids)) for kind, (ids, _) in kinds.items()}
    assert found == {kind: name for kind, (_, name) in kinds.items()}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("reader", READERS)
def test_ids_that_are_no_names_are_refused_everywhere_in_the_same_words(reader, kind):
    ids, words = REFUSED[kind]
    with pytest.raises(ValueError, match="^(task|task_column|Two|Complex)") as error:
        READERS[reader](frame_with(ids))
    assert words in str(error.value)
    assert len(str(error.value)) < LONGEST_WARNING


@pytest.mark.parametrize("reader", [name for name in READERS if name not in SLOW])
def test_a_task_called_nan_is_kept_with_a_warning_everywhere(reader):
    frame = frame_with(pd.Series(np.array(["nan", "b", "c"])[CODES]))
    with pytest.warns(UserWarning, match="has the task 'nan', which is what a missing value"):
        assert READERS[reader](frame) == "nan"


@pytest.mark.parametrize("reader", [name for name in READERS if name not in SLOW])
@pytest.mark.parametrize("kind", ["integers", "strings", "categories"])
def test_polars_frames_name_tasks_as_pandas_frames_do(reader, kind):
    pl = pytest.importorskip("polars")
    ids = {
        "integers": pl.Series("task", np.array([7, 8, 9])[CODES]),
        "strings": pl.Series("task", ["xyz"[code] for code in CODES]),
        "categories": pl.Series("task", ["xyz"[code] for code in CODES], dtype=pl.Categorical),
    }[kind]
    frame = pl.DataFrame({"a": A[:, 0], "b": A[:, 1]}).with_columns(ids)
    assert READERS[reader](frame) == ("7" if kind == "integers" else "x")


def test_arrow_tables_split_and_score_as_pandas_frames_do():
    pa = pytest.importorskip("pyarrow")
    frame = frame_with(pd.Series(np.array(["x", "y", "z"])[CODES]))
    cv = MultiTaskKFold(3, task_column="task", random_state=0)
    expected = list(cv.split(frame, Y))
    for found, own in zip(
        cv.split(pa.Table.from_pandas(frame), pa.array(Y)), expected, strict=True
    ):
        np.testing.assert_array_equal(found[1], own[1])
    assert multitask_mse(pa.array(Y), Y, task=pa.array(frame["task"])) == 0


def test_polars_frames_are_cross_validated_in_long_form():
    pl = pytest.importorskip("polars")
    model = MultiTaskRegressor(**TINY, task_column="task")
    cv = MultiTaskKFold(3, task_column="task", random_state=0)
    frame = frame_with(pd.Series(np.array(["x", "y", "z"])[CODES]))
    expected = cross_val_score(model, frame, Y, cv=cv, error_score="raise")
    found = cross_val_score(model, pl.from_pandas(frame), pl.Series(Y), cv=cv, error_score="raise")
    np.testing.assert_allclose(found, expected)


def test_a_task_that_was_not_in_fit_is_named_by_prediction():
    model = MultiTaskRegressor(**TINY, task_column="task").fit(frame_with(CODES), Y)
    with pytest.raises(ValueError, match="Task '11' was not in fit.*knows 3 tasks: '0', '1', '2'"):
        model.predict(frame_with(np.full(N, 11.0)))


# ---------------------------------------------------------------------- missing labels
MISSING = np.zeros((N, 2), dtype=bool)
MISSING[::4, 0] = MISSING[1::4, 1] = True
TARGETS = A + 5
CLASSES = np.where(A > 0, 1, 0)


def with_missing(values, form):
    """Targets with missing labels; what lies behind a mask is far away."""
    if form == "masked":
        return np.ma.array(np.where(MISSING, -999, values), mask=MISSING)
    objects = values.astype(object)
    if form == "NaT":
        objects[MISSING] = pd.NaT
    else:
        objects[MISSING] = {"None": None, "NA": pd.NA, "NaN in objects": np.nan}.get(form, np.nan)
    if form == "nullable frame":
        kind = "Int64" if values.dtype.kind == "i" else "Float64"
        return pd.DataFrame(objects, columns=["0", "1"]).astype(kind)
    return objects


def folds(Y):
    parts = MultiTaskKFold(3, random_state=0).split(A, Y)
    return np.concatenate([test for _, test in parts])


LABEL_READERS = {
    "TaskSet.from_wide": (TARGETS, lambda Y: TaskSet.from_wide(A, Y)["0"].y),
    "TaskSet of classes": (
        CLASSES,
        lambda Y: TaskSet.from_wide(A, Y, kind="classification")["1"].y,
    ),
    "MultiTaskRegressor": (TARGETS, lambda Y: MultiTaskRegressor(**TINY).fit(A, Y).predict(A)),
    "MultiTaskClassifier": (
        CLASSES,
        lambda Y: MultiTaskClassifier(**TINY).fit(A, Y).predict_proba(A),
    ),
    "score": (TARGETS, lambda Y: MultiTaskRegressor(**TINY).fit(A, TARGETS).score(A, Y)),
    "LowRankMultiTaskRegressor": (
        TARGETS,
        lambda Y: LowRankMultiTaskRegressor().fit(A, Y).predict(A),
    ),
    "representation_path": (
        TARGETS,
        lambda Y: representation_path(LowRankMultiTaskRegressor(), A, Y, ranks=[1], cv=3).risks,
    ),
    "multitask_mse": (TARGETS, lambda Y: multitask_mse(Y, A)),
    "multitask_r2": (TARGETS, lambda Y: multitask_r2(Y, A)),
    "multitask_accuracy": (CLASSES, lambda Y: multitask_accuracy(Y, CLASSES[::-1])),
    "multitask_log_loss": (CLASSES, lambda Y: multitask_log_loss(Y, np.full((N, 2), 0.3))),
    "multitask_roc_auc": (CLASSES, lambda Y: multitask_roc_auc(Y, A)),
    "error_rate": (CLASSES, lambda Y: error_rate(Y, CLASSES[::-1])),
    "group_rate_gap": (CLASSES, lambda Y: group_rate_gap(Y, CLASSES[::-1], CODES)),
    "MultiTaskKFold": (CLASSES, folds),
    "SpuriousTaskDetector": (CLASSES, lambda Y: SpuriousTaskDetector().fit(Y).shift_),
    "DebiasedClassifier": (
        CLASSES,
        lambda Y: (
            DebiasedClassifier(MultiTaskClassifier(**TINY), max_iter=2, random_state=0)
            .fit(A, Y)
            .predict_proba(A)
        ),
    ),
}


@pytest.mark.parametrize(
    "form", ["masked", "None", "NA", "NaT", "NaN in objects", "nullable frame"]
)
@pytest.mark.parametrize("reader", LABEL_READERS)
def test_missing_labels_of_every_form_are_missing_everywhere(reader, form):
    values, read = LABEL_READERS[reader]
    expected = read(np.where(MISSING, np.nan, values))
    np.testing.assert_array_equal(
        np.asarray(read(with_missing(values, form)), dtype=float), np.asarray(expected)
    )


@pytest.mark.parametrize("reader", [r for r in LABEL_READERS if LABEL_READERS[r][0] is CLASSES])
def test_the_text_nan_among_labels_is_missing_and_its_task_is_named(reader):
    _, read = LABEL_READERS[reader]
    if reader in ("multitask_accuracy", "error_rate", "multitask_log_loss", "group_rate_gap"):
        guess = np.where(A[::-1] > 0, "yes", "no")

        def read(Y):
            if reader == "group_rate_gap":
                return group_rate_gap(Y, guess, CODES, pos_label="yes")
            if reader == "multitask_log_loss":
                return multitask_log_loss(Y, np.full((N, 2), 0.3), labels=[["no", "yes"]] * 2)
            return (multitask_accuracy if reader == "multitask_accuracy" else error_rate)(Y, guess)

    texts = np.where(MISSING, "nan", np.where(A > 0, "yes", "no"))
    known = texts.astype(object)
    known[MISSING] = None
    expected = read(known)
    with pytest.warns(UserWarning, match="Task '0' has 8 values 'nan'.*taken as missing"):
        found = read(texts)
    np.testing.assert_array_equal(found, expected)


def test_the_text_none_is_a_class_with_a_warning_unless_the_others_are_numbers():
    labels = np.array(["None", "mild", "severe"])[CODES]
    with pytest.warns(UserWarning, match="Task '0' has the value 'None', which is taken as it is"):
        tasks = TaskSet.from_wide(A, labels[:, None], kind="classification")
    assert set(tasks["0"].y) == {"None", "mild", "severe"}
    labels = np.array(["None", "1", "2"])[CODES]
    with pytest.warns(UserWarning, match="Task '0' has 10 values 'None'"):
        tasks = TaskSet.from_wide(A, labels[:, None], kind="classification")
    assert set(tasks["0"].y) == {"1", "2"}


@pytest.mark.parametrize("reader", LABEL_READERS)
def test_complex_labels_are_refused_everywhere(reader):
    with pytest.raises(ValueError, match="Complex data not supported"):
        LABEL_READERS[reader][1](CLASSES + 1j)


# ---------------------------------------------------------------------- labels of odd kinds
CLASS_READERS = ["TaskSet of classes", "MultiTaskClassifier", "SpuriousTaskDetector"]
DAY = pd.Series(pd.to_datetime(np.where(A[:, 0] > 0, "2020-03-31", "2020-06-30")))


@pytest.mark.parametrize("reader", CLASS_READERS)
@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (pd.Series(pd.cut(A[:, 0], 3)), "Interval"),
        (DAY.dt.date, "date"),
        (DAY.dt.to_period("Q"), "Period"),
        (pd.Series([("a", int(x > 0)) for x in A[:, 0]]), "tuple"),
        (pd.Series([Decimal(int(x > 0)) for x in A[:, 0]]), "Decimal"),
    ],
)
def test_labels_that_are_no_classes_are_named_with_their_task_and_kind(reader, labels, kind):
    frame = pd.DataFrame({"u": labels, "1": CLASSES[:, 1]})
    with pytest.raises(ValueError, match=f"Task 'u' has labels of type {kind} .*to strings"):
        LABEL_READERS[reader][1](frame)


def test_a_split_by_label_combination_reads_labels_as_estimators_do():
    texts = np.tile(np.where(A > 0, "yes", "no").astype(object), (8, 1))
    texts[::9, 0] = np.nan
    parts = split_by_label_combination(texts, texts, random_state=0)
    with pytest.warns(UserWarning, match="Task '0' has 27 values"):
        found = split_by_label_combination(texts, texts.astype(str), random_state=0)
    np.testing.assert_array_equal(found[2].astype(str), parts[2].astype(str))
    labels = pd.DataFrame({"0": texts[:, 0], "1": [tuple(row) for row in texts.tolist()]})
    with pytest.raises(ValueError, match="Task '1' has labels of type tuple"):
        split_by_label_combination(texts, labels, random_state=0)


def test_big_endian_and_unsigned_labels_are_classes():
    for dtype in (">i4", "uint8", "uint64", ">f8"):
        model = MultiTaskClassifier(**TINY).fit(A, CLASSES.astype(dtype))
        assert [own.tolist() for own in model.classes_] == [[0, 1], [0, 1]]
        assert multitask_accuracy(CLASSES.astype(dtype), CLASSES) == 1


@pytest.mark.parametrize("reader", CLASS_READERS)
@pytest.mark.parametrize(
    "values",
    [
        [2**53 + 1, 2**53 + 2, None],
        [2**53 + 1, 2**53 + 2, float("nan")],
        [2**64 - 1, 2**64 - 2, 5],
        [1e300, 2.0, None],
    ],
)
def test_labels_that_a_conversion_would_merge_are_refused_or_kept_apart(reader, values):
    labels = [[values[code], int(x > 0)] for code, x in zip(CODES, A[:, 0], strict=True)]
    if values[0] == 2**53 + 1:  # whole numbers: nothing is lost
        LABEL_READERS[reader][1](labels)
        tasks = TaskSet.from_wide(A, labels, kind="classification")
        assert np.unique(tasks["0"].y).tolist() == values[:2]
        return
    with pytest.raises(ValueError, match="float64 cannot represent exactly"):
        LABEL_READERS[reader][1](labels)


def test_large_nullable_integers_with_a_missing_value_stay_apart():
    labels = pd.DataFrame({"u": pd.array([2**53 + 1, 2**53 + 2, None] * 10, dtype="Int64")})
    tasks = TaskSet.from_wide(A, labels, kind="classification")
    assert np.unique(tasks["u"].y).tolist() == [2**53 + 1, 2**53 + 2]


# ---------------------------------------------------------------------- masked inputs
def test_masked_inputs_are_missing_everywhere():
    mask = RNG.random(A.shape) < 0.2
    masked = np.ma.array(np.where(mask, -1e6, A), mask=mask)
    holes = np.where(mask, np.nan, A)
    model = MultiTaskRegressor(**TINY).fit(holes, TARGETS)
    expected = model.predict(holes)
    np.testing.assert_array_equal(model.predict(masked), expected)
    np.testing.assert_array_equal(
        MultiTaskRegressor(**TINY).fit(masked, TARGETS).predict(holes), expected
    )
    objects = holes.astype(object)
    objects[mask] = pd.NA
    np.testing.assert_array_equal(model.predict(objects), expected)
    np.testing.assert_array_equal(TaskSet.from_wide(masked, TARGETS).X, holes)
    with pytest.raises(ValueError, match="NaN"):
        LowRankMultiTaskRegressor().fit(masked, TARGETS)


def test_masked_integers_and_task_ids_in_one_array_are_missing():
    X = np.ma.array(np.column_stack([np.arange(N), CODES]), mask=False)
    X[4, 0] = np.ma.masked
    model = MultiTaskRegressor(**TINY, task_column=1).fit(X, Y)
    assert model.task_names_ == ["0", "1", "2"]
    X[5, 1] = np.ma.masked
    with pytest.raises(ValueError, match="task_column has 1 missing task ids"):
        model.predict(X)


# ---------------------------------------------------------------------- sample weights
WEIGHT_READERS = {
    "MultiTaskRegressor": lambda w: MultiTaskRegressor(**TINY).fit(A, TARGETS, sample_weight=w),
    "MultiTaskClassifier": lambda w: MultiTaskClassifier(**TINY).fit(A, CLASSES, sample_weight=w),
    "LowRankMultiTaskRegressor": lambda w: LowRankMultiTaskRegressor().fit(A, TARGETS, w),
    "score": lambda w: (
        MultiTaskRegressor(**TINY).fit(A, TARGETS).score(A, TARGETS, sample_weight=w)
    ),
    "TaskGroupedClassifier": lambda w: TaskGroupedClassifier(
        MultiTaskClassifier(**TINY), n_repeats=1, random_state=0
    ).fit(A, CLASSES, sample_weight=w),
    "SpuriousTaskDetector": lambda w: SpuriousTaskDetector().fit(CLASSES, sample_weight=w),
    "DebiasedClassifier": lambda w: DebiasedClassifier(
        MultiTaskClassifier(**TINY), max_iter=2, random_state=0
    ).fit(A, CLASSES, sample_weight=w),
    "multitask_mse": lambda w: multitask_mse(TARGETS, A, sample_weight=w),
    "multitask_accuracy": lambda w: multitask_accuracy(CLASSES, CLASSES, sample_weight=w),
    "multitask_log_loss": lambda w: multitask_log_loss(
        CLASSES, np.full((N, 2), 0.3), sample_weight=w
    ),
}
ONES = np.ones(N)


@pytest.mark.parametrize("reader", WEIGHT_READERS)
@pytest.mark.parametrize(
    "weight",
    [
        np.ma.array(ONES, mask=np.arange(N) == 3),
        [None, *ONES[1:]],
        np.r_[np.nan, ONES[1:]],
        np.r_[np.inf, ONES[1:]],
        pd.Series([pd.NA, *ONES[1:]], dtype="Float64"),
        np.r_[-1.0, ONES[1:]],
        ONES[1:],
        np.ones((N, 3)),
        np.zeros(N),
        ["heavy"] * N,
        ONES + 1j,
    ],
    ids=["mask", "None", "NaN", "inf", "NA", "negative", "short", "2-D", "zero", "text", "complex"],
)
def test_weights_that_are_no_weights_are_refused_everywhere_in_the_same_words(reader, weight):
    with pytest.raises(ValueError, match="sample_weight must hold 30 finite numbers >= 0"):
        WEIGHT_READERS[reader](weight)


@pytest.mark.parametrize("reader", WEIGHT_READERS)
def test_weights_of_every_library_are_weights_everywhere(reader):
    pl = pytest.importorskip("polars")
    for weight in (ONES.tolist(), pd.Series(ONES), pl.Series(ONES), ONES.astype(">f4")):
        WEIGHT_READERS[reader](weight)


# ---------------------------------------------------------------------- sensitive features
GROUP = np.where(np.arange(N) % 4 < 2, "f", "m")


def fit_with_groups(groups, X=A):
    from skmtl.fairness import MTAF

    model = MultiTaskClassifier(**TINY, fairness=MTAF("gap"))
    return model.fit(X, CLASSES, sensitive_features=groups).predict_proba(X)


def sweep_with_groups(groups, X=A):
    from skmtl.fairness import MTAF

    return fairness_sweep(
        MultiTaskClassifier(**TINY, fairness=MTAF("gap")),
        X,
        CLASSES,
        sensitive_features=groups,
        X_test=X,
        Y_test=CLASSES,
        sensitive_features_test=groups,
        n_runs=2,
        baseline={"error_0": 0.5, "error_1": 0.5, "gap_0": 0.5, "gap_1": 0.5},
        random_state=0,
    ).filter(regex="^(error|gap)")


GROUP_READERS = {
    "fit": fit_with_groups,
    "fairness_sweep": sweep_with_groups,
    "group_rate_gap": lambda groups, X=None: group_rate_gap(CLASSES, CLASSES[::-1], groups),
}


@pytest.mark.parametrize("reader", GROUP_READERS)
@pytest.mark.parametrize("form", ["None", "NA", "masked", "category", "text"])
def test_rows_without_a_group_take_no_part_whatever_says_so(reader, form):
    unknown = np.arange(N) % 5 == 0
    objects = GROUP.astype(object)
    objects[unknown] = np.nan
    groups = {
        "None": np.where(unknown, None, GROUP.astype(object)).tolist(),
        "NA": pd.Series(np.where(unknown, pd.NA, GROUP.astype(object))).astype("string"),
        "masked": np.ma.array(np.where(unknown, "far", GROUP), mask=unknown),
        "category": pd.Series(pd.Categorical(objects)),
        "text": objects.astype(str),
    }[form]
    np.testing.assert_array_equal(
        np.asarray(GROUP_READERS[reader](groups), dtype=float),
        np.asarray(GROUP_READERS[reader](objects), dtype=float),
    )


@pytest.mark.parametrize("reader", GROUP_READERS)
def test_groups_in_another_number_than_rows_are_refused_in_the_same_words(reader):
    with pytest.raises(ValueError, match="one entry per row of X: 30 are needed. Got 2"):
        GROUP_READERS[reader](["f", "m"])


@pytest.mark.parametrize("reader", ["fit", "fairness_sweep"])
def test_a_list_with_one_entry_per_row_is_values_though_columns_have_these_names(reader):
    frame = pd.DataFrame(A, columns=["f", "m"])
    read = GROUP_READERS[reader]
    np.testing.assert_array_equal(
        np.asarray(read(GROUP.tolist(), frame)), np.asarray(read(GROUP, frame))
    )


# ---------------------------------------------------------------------- names, not positions
FRAME_X = pd.DataFrame(A, columns=["a", "b"])
FRAME_Y = pd.DataFrame({"u": A[:, 0], "v": 5 * A[:, 1] + 3})
FRAME_C = pd.DataFrame(CLASSES, columns=["u", "v"])


def test_score_and_scorers_find_tasks_by_name():
    model = MultiTaskRegressor(**TINY).fit(FRAME_X, FRAME_Y)
    linear = LowRankMultiTaskRegressor().fit(FRAME_X, FRAME_Y)
    classifier = MultiTaskClassifier(**TINY).fit(FRAME_X, FRAME_C)
    scorer = make_multitask_scorer(multitask_mse, per_task=True)
    area = make_multitask_scorer(multitask_roc_auc, response_method="predict_proba", per_task=True)
    for Y, call in [
        (FRAME_Y, lambda Y: model.score(FRAME_X, Y)),
        (FRAME_Y, lambda Y: linear.score(FRAME_X, Y)),
        (FRAME_C, lambda Y: classifier.score(FRAME_X, Y)),
        (FRAME_Y, lambda Y: scorer(model, FRAME_X, Y)),
        (FRAME_C, lambda Y: area(classifier, FRAME_X, Y)),
    ]:
        assert call(Y[["v", "u"]]) == call(Y)
        assert call(Y.to_numpy()) == call(Y)
        with pytest.raises(
            ValueError, match="names of the tasks of fit. Missing: 'v'. Unknown: 'w'"
        ):
            call(Y.rename(columns={"v": "w"}))


@pytest.mark.parametrize(
    "metric",
    [multitask_mse, multitask_r2, multitask_accuracy, multitask_roc_auc, error_rate, "gap"],
)
def test_metrics_of_two_frames_find_tasks_by_name(metric):
    def call(Y, P):
        if metric == "gap":
            return np.asarray(group_rate_gap(Y, P, CODES)).tolist()
        return np.asarray(metric(Y, P)).tolist()

    P = pd.DataFrame(np.where(A[::-1] > 0, 1, 0), columns=["u", "v"])
    assert call(FRAME_C, P[["v", "u"]]) == call(FRAME_C, P) == call(FRAME_C, P.to_numpy())
    assert call(FRAME_C, pd.DataFrame(P.to_numpy())) == call(FRAME_C, P)
    with pytest.raises(ValueError, match="Y_pred must have the names of the columns of Y_true"):
        call(FRAME_C, P.rename(columns={"v": "w"}))


def test_errors_and_scores_with_names_are_compared_by_name():
    errors, base = pd.Series({"u": 0.4, "v": 0.1}), pd.Series({"v": 0.1, "u": 0.2})
    assert average_relative_error(errors, base) == pytest.approx(1.5)
    assert delta_m(errors, base, False) == pytest.approx(50)
    with pytest.raises(ValueError, match="must have the same names"):
        average_relative_error(errors, base.rename({"v": "w"}))


def test_the_sweep_finds_test_labels_by_name():
    from skmtl.fairness import MTAF

    def run(Y_test):
        return fairness_sweep(
            MultiTaskClassifier(**TINY, fairness=MTAF("gap")),
            FRAME_X,
            FRAME_C,
            sensitive_features=GROUP,
            X_test=FRAME_X,
            Y_test=Y_test,
            sensitive_features_test=GROUP,
            n_runs=2,
            random_state=0,
            baseline={"error_u": 0.5, "error_v": 0.5, "gap_u": 0.5, "gap_v": 0.5},
        )

    pd.testing.assert_frame_equal(run(FRAME_C[["v", "u"]]), run(FRAME_C))
    with pytest.raises(ValueError, match="Y_test must have the names of the columns of Y"):
        run(FRAME_C.rename(columns={"v": "w"}))


# ---------------------------------------------------------------------- categories, warnings
@pytest.mark.parametrize("column", [np.array([1, 2, 3]), np.array(["1 ", "2 ", "3 "])])
def test_a_categorical_column_without_a_known_level_is_named_in_a_warning(column):
    frame = FRAME_X.assign(city=pd.Categorical(np.array(["1", "2", "3"])[CODES]))
    model = MultiTaskRegressor(**TINY).fit(frame, FRAME_Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(frame)
    with pytest.warns(UserWarning, match="No value of the categorical column 'city'"):
        model.predict(frame.assign(city=pd.Categorical(column[CODES])))


def test_one_new_level_is_ordinary_unless_it_has_another_type():
    frame = FRAME_X.assign(city=pd.Categorical(np.array(["1", "2", "3"])[CODES]))
    model = MultiTaskRegressor(**TINY).fit(frame, FRAME_Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(frame[:1].assign(city=pd.Categorical(["Bonn"])))
    with pytest.warns(UserWarning, match="No value of the categorical column 'city'"):
        model.predict(frame[:1].assign(city=pd.Categorical([1])))


def test_no_warning_and_no_error_is_long_however_many_names_there_are():
    n = 400
    names = [f"a task with a name that is rather long, number {t}" for t in range(n)]
    rng = np.random.default_rng(0)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        group_rate_gap(rng.integers(0, 2, n), rng.integers(0, 2, n), rng.normal(40, 10, n))
        Y = np.full((n, n), np.nan)
        np.fill_diagonal(Y, 1.5)
        list(MultiTaskKFold(2).split(np.zeros((n, 1)), pd.DataFrame(Y, columns=names)))
        average_relative_error(
            pd.Series(np.ones(n), names), pd.Series(np.r_[1, np.zeros(n - 1)], names)
        )
        model = MultiTaskRegressor(**TINY, task_column="task")
        model.fit(pd.DataFrame({"a": np.arange(n), "task": names}), np.arange(n, dtype=float))
        with pytest.raises(ValueError, match="was not in fit") as error:
            model.predict(pd.DataFrame({"a": [1.0], "task": ["other"]}))
    assert len(heard) >= 3
    assert max(len(str(w.message)) for w in heard) < LONGEST_WARNING
    assert len(str(error.value)) < LONGEST_WARNING
