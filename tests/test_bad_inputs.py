"""A table of bad and of unusual inputs: each is refused by an error that names the argument or the
task, or gives finite predictions.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from skmtl import (
    MultiTaskClassifier,
    MultiTaskRegressor,
    TaskGroupedClassifier,
    TaskGroupedRegressor,
)
from skmtl.metrics import multitask_accuracy

KINDS = {"regressor": MultiTaskRegressor, "classifier": MultiTaskClassifier}
BOTH = ("regressor", "classifier")
FAST = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}
N = 24
FINITE = None
INVALID = (ValueError, TypeError)
# The argument, by its name, or the task: "y", "Y['0']", "task '0'".
NAMES_Y = r"\b[yY]\b|[Tt]ask '"


@dataclass(frozen=True)
class Case:
    """An input, made from sound ones, and what must come of it: FINITE, or (exceptions, pattern of
    the message).
    """

    id: str
    expected: tuple[Any, str] | None
    kinds: tuple[str, ...] = BOTH
    parameters: dict[str, Any] = field(default_factory=dict)
    X: Callable[[Any], Any] = lambda X: X
    y: Callable[[Any], Any] = lambda y: y
    fit: dict[str, Any] = field(default_factory=dict)
    predict: Callable[[Any], Any] | None = None
    form: str = "wide"


def sound(kind, form):
    """Inputs and targets that nothing is wrong with: arrays in wide form, a frame with the column
    "task" in long form.
    """
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 3))
    Y = X[:, :2] + 0.1 * rng.normal(size=(N, 2))
    Y = (Y > 0).astype(int) if kind == "classifier" else Y
    if form == "wide":
        return X, Y
    return pd.DataFrame(X, columns=list("abc")).assign(task=np.arange(N) % 3), Y[:, 0]


def put(position, value, dtype=None):
    """Return a function that copies an array and puts a value into it."""
    dtype = dtype or (float if isinstance(value, (int, float)) else object)

    def change(array):
        array = np.array(array, dtype=dtype)
        array[position] = value
        return array

    return change


def frame(**columns):
    """Return a function that makes a frame with the columns a, b, c of an array and puts other
    columns in.
    """
    return lambda X: pd.DataFrame(X, columns=list("abc")).assign(**columns)


def task_ids(values):
    """Return a function that replaces the task column."""
    return lambda X: X.assign(task=values)


# Task 1 keeps three labelled rows.
FEW = put((slice(3, None), 1), np.nan)
WORDS = np.where(np.arange(N) % 2, "yes", "no")
DAYS = pd.date_range("2020-01-01", periods=N)

# ---------------------------------------------------------------------- parameters: (name, what it
# must refuse)
PARAMETERS = {
    "hidden_layer_sizes": [(0,), (-3,), (2.5,), "64", None],
    "head_hidden_layer_sizes": [(0,), ("wide",), None],
    "activation": ["sigmoid", None],
    "solver": ["lbfgs", 1],
    "alpha": [-1.0, float("nan"), "small"],
    "batch_size": [0, 2.5, "half"],
    "learning_rate_init": [0.0, -1.0, float("nan"), float("inf")],
    "max_iter": [0, 2.5, "many"],
    "early_stopping": ["yes", 2],
    "validation_fraction": [0.0, 1.0, "some"],
    "n_iter_no_change": [0, 1.5],
    "tol": [-1.0, float("nan"), None],
    "dropout": [-0.1, 1.0, "some"],
    "standardize": ["yes", None],
    "n_members": [0, 1.5, "many"],
    "task_embedding_dim": [-1, 2.5, "large"],
    "task_weights": [
        [1.0],
        [-1.0, 2.0],
        [0.0, 0.0],
        [1.0, float("nan")],
        {"nowhere": 1.0},
        "equal",
        3,
    ],
    "task_column": [1.5, ["a"]],
    "categorical_features": ["nowhere", 3.5],
    "embedding_dim": [0, 2.5, "large"],
    "aggregator": ["nonsense", 3],
    "fairness": ["nonsense", 3],
    "sensitive_as_input": ["yes", 2],
    "dtype": ["float16", float],
    "device": ["tpu", 0, "cuda:99"],
    "warm_start": ["yes", 2],
    "callbacks": [3, "progress", [object()]],
    "random_state": [-1, "seed", 1.5],
    "verbose": [-1, "loud"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in PARAMETERS.items() for value in values]
)
@pytest.mark.parametrize("kind", BOTH)
def test_a_wrong_parameter_is_named(kind, name, value):
    if name not in inspect.signature(KINDS[kind]).parameters:
        pytest.skip(f"{KINDS[kind].__name__} has no parameter {name!r}")
    model = KINDS[kind](**FAST | {name: value})
    with pytest.raises(INVALID, match=name):
        model.fit(*sound(kind, "wide"))


GROUPED_PARAMETERS = {
    "estimator": ["network", MultiTaskRegressor],
    "task_column": [1.5, "nowhere"],
    "grouper": ["beam", 3],
    "pair_fraction": [0.0, 1.5, "half"],
    "n_repeats": [0, 1.5],
    "validation_size": [0.0, 1.0, "some"],
    "n_jobs": ["two", 1.5],
    "memory": [3],
    "random_state": [-1, "seed"],
    "verbose": [-1, "loud"],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in GROUPED_PARAMETERS.items() for value in values],
)
def test_a_wrong_parameter_of_a_grouped_estimator_is_named(name, value):
    model = TaskGroupedRegressor(
        **{"estimator": MultiTaskRegressor(**FAST), "n_repeats": 1} | {name: value}
    )
    with pytest.raises(INVALID, match=name):
        model.fit(*sound("regressor", "wide"))


def test_a_grouped_estimator_refuses_a_network_of_the_other_kind():
    with pytest.raises(TypeError, match="must be a MultiTaskClassifier. Got MultiTaskRegressor"):
        TaskGroupedClassifier(MultiTaskRegressor()).fit(*sound("classifier", "wide"))


# ---------------------------------------------------------------------- data
INPUTS = [
    Case("X is one-dimensional", (ValueError, "2D array"), X=lambda X: X[:, 0]),
    Case("X is three-dimensional", (ValueError, "dim"), X=lambda X: X[None]),
    Case(
        "X has no row",
        (ValueError, r"0 sample|at least one row"),
        X=lambda X: X[:0],
        y=lambda y: y[:0],
    ),
    Case("X has no column", (ValueError, r"0 feature|one column"), X=lambda X: X[:, :0]),
    Case(
        "X has one row",
        (ValueError, "1 sample|n_samples=1|minimum of 2"),
        X=lambda X: X[:1],
        y=lambda y: y[:1],
    ),
    Case("X is None", (INVALID, "Expected 2D array|None"), X=lambda X: None),
    Case("X is a number", (INVALID, "Expected 2D array"), X=lambda X: 3.0),
    Case(
        "X is ragged",
        (ValueError, "inhomogeneous|sequence"),
        X=lambda X: [[1.0, 2.0], [3.0]] * (N // 2),
    ),
    Case("X holds NaN", FINITE, X=put((3, 1), np.nan)),
    Case("X holds NaN in predict only", FINITE, predict=put((3, 1), np.nan)),
    Case("X has a column that is all NaN", FINITE, X=put((slice(None), 1), np.nan)),
    Case("X has a row that is all NaN", FINITE, X=put(4, np.nan)),
    Case("X holds None", FINITE, X=put((3, 1), None)),
    Case("X holds infinity", (ValueError, "X contains.*infinity"), X=put((3, 1), np.inf)),
    Case(
        "X holds infinity in predict",
        (ValueError, "X contains.*infinity"),
        predict=put((3, 1), -np.inf),
    ),
    Case("X is sparse", (TypeError, "[Ss]parse"), X=sparse.csr_matrix),
    Case("X is sparse in predict", (TypeError, "[Ss]parse"), predict=sparse.csr_matrix),
    Case("X is complex", (ValueError, "[Cc]omplex"), X=lambda X: X + 1j),
    Case("X is an array of strings", (ValueError, "string|numeric"), X=put((3, 1), "tall")),
    Case("X is a frame with a column of strings", (ValueError, "'town'"), X=frame(town=WORDS)),
    Case("X is a frame with a column of dates", (INVALID, "'day'"), X=frame(day=DAYS)),
    Case(
        "X is an array of dates",
        (INVALID, "[Dd]ate[Tt]ime"),
        X=lambda X: np.stack([DAYS.to_numpy()] * 3, axis=1),
    ),
    Case(
        "X has two columns with one name",
        (ValueError, "two columns|[Dd]uplicate|unique"),
        X=lambda X: pd.DataFrame(X, columns=["a", "b", "a"]),
    ),
    Case(
        "X has names of different types",
        (TypeError, "names"),
        X=lambda X: pd.DataFrame(X, columns=["a", 1, "c"]),
    ),
    Case("X is huge", FINITE, X=lambda X: 1e300 * X),
    Case("X has one huge value", FINITE, X=put((3, 1), 1e300)),
    Case("X is huge in predict only", FINITE, predict=lambda X: 1e100 * X),
    Case("X is tiny", FINITE, X=lambda X: 1e-300 * X),
    Case("X is constant", FINITE, X=np.ones_like),
    Case("X has a constant huge column", FINITE, X=put((slice(None), 1), 1e300)),
    Case("X is boolean", FINITE, X=lambda X: X > 0),
    Case("X is of whole numbers", FINITE, X=lambda X: (5 * X).astype(int)),
    Case("X is of half precision", FINITE, X=lambda X: X.astype(np.float16)),
    Case("X is an object array of numbers", FINITE, X=lambda X: X.astype(object)),
    Case("X is a list of lists", FINITE, X=lambda X: X.tolist()),
    Case(
        "X has a nullable column", FINITE, X=frame(k=pd.array([1, None] * (N // 2), dtype="Int64"))
    ),
    Case("X has the same column twice", FINITE, X=lambda X: X[:, [0, 1, 1]]),
    Case("X has many more columns than rows", FINITE, X=lambda X: np.tile(X, 30)),
    Case(
        "predict sees one column less",
        (ValueError, "2 features.*expecting 3"),
        predict=lambda X: X[:, :2],
    ),
    Case(
        "predict sees one column more",
        (ValueError, "4 features.*expecting 3"),
        predict=lambda X: X[:, [0, 1, 2, 2]],
    ),
    Case(
        "predict misses a named column",
        (ValueError, "missing.*\n.*b|'b'"),
        X=frame(),
        predict=lambda X: X.drop(columns="b"),
    ),
    Case(
        "predict sees other names",
        (ValueError, "z"),
        X=frame(),
        predict=lambda X: X.rename(columns={"b": "z"}),
    ),
    Case(
        "predict sees names in another order",
        (ValueError, "order"),
        X=frame(),
        predict=lambda X: X[["b", "a", "c"]],
    ),
    Case("predict sees one dimension", (ValueError, "2D array"), predict=lambda X: X[0]),
    Case("predict sees no row", (ValueError, "0 sample"), predict=lambda X: X[:0]),
    Case("predict sees one row", FINITE, predict=lambda X: X[:1]),
]

TARGETS = [
    Case("y is None", (ValueError, "requires y"), y=lambda y: None),
    Case("y is too short", (ValueError, r"24.*23|23.*24"), y=lambda y: y[:-1]),
    Case("y is three-dimensional", (ValueError, NAMES_Y), y=lambda y: y[:, :, None]),
    Case("y has no column", (ValueError, NAMES_Y), y=lambda y: y[:, :0]),
    Case("y is a number", (INVALID, NAMES_Y), y=lambda y: 1.0),
    Case("y is ragged", (ValueError, NAMES_Y), y=lambda y: [[1, 0], [1]] * (N // 2)),
    Case("y is sparse", (INVALID, "(?i)sparse.* y\\b"), y=lambda y: sparse.csr_matrix(y)),
    Case("y is complex", (ValueError, "[Cc]omplex"), y=lambda y: y + 1j),
    Case("y holds infinity", (ValueError, "infini"), y=put((3, 1), np.inf)),
    Case("y is all NaN", (ValueError, "[Tt]ask '0' has no label"), y=put(slice(None), np.nan)),
    Case(
        "a task is all NaN",
        (ValueError, "[Tt]ask 'empty' has no label"),
        y=lambda y: pd.DataFrame(y, columns=["full", "empty"]).assign(empty=np.nan),
    ),
    Case(
        "y has two columns with one name",
        (ValueError, "two columns named 'u'"),
        y=lambda y: pd.DataFrame(y, columns=["u", "u"]),
    ),
    Case(
        "y has two columns whose names are one task",
        (ValueError, "two columns named '7'"),
        y=lambda y: pd.DataFrame(y, columns=[7, "7"]),
    ),
    Case("y holds dates", (INVALID, NAMES_Y), ("regressor",), y=lambda y: DAYS.to_numpy()),
    Case(
        "y holds strings for a regressor",
        (ValueError, "'1'.*not numbers"),
        ("regressor",),
        y=put((3, 1), "tall"),
    ),
    Case(
        "y is of strings for a regressor",
        (ValueError, "not numbers|numeric"),
        ("regressor",),
        y=lambda y: WORDS,
    ),
    Case(
        "y is continuous for a classifier",
        (ValueError, "(?s)Unknown label type.*'0'|'0'.*Unknown label type"),
        ("classifier",),
        y=lambda y: y + 0.5,
    ),
    Case("a task has numbers and strings", (INVALID, "'1'"), ("classifier",), y=put((3, 1), "one")),
    Case(
        "y holds sequences",
        (INVALID, NAMES_Y),
        ("classifier",),
        y=lambda y: np.array([[0], [0, 1]] * (N // 2), dtype=object),
    ),
    Case("y holds None", FINITE, y=put((3, 1), None)),
    Case("y holds pd.NA", FINITE, y=put((3, 1), pd.NA)),
    Case(
        "y is nullable whole numbers",
        FINITE,
        y=lambda y: pd.DataFrame(
            {"u": pd.array([1, 0, None] * (N // 3), dtype="Int64"), "v": y[:, 0]}
        ),
    ),
    Case(
        "y is nullable booleans",
        FINITE,
        y=lambda y: pd.DataFrame(
            {"u": pd.array([True, False, None] * (N // 3), dtype="boolean"), "v": y[:, 0]}
        ),
    ),
    Case(
        "y is nullable strings",
        FINITE,
        ("classifier",),
        y=lambda y: pd.DataFrame(
            {"u": pd.array(["p", "q", None] * (N // 3), dtype="string"), "v": WORDS}
        ),
    ),
    Case("y is a nullable series", FINITE, y=lambda y: pd.Series([1, 0] * (N // 2), dtype="Int64")),
    Case(
        "y is a category", FINITE, ("classifier",), y=lambda y: pd.Series(WORDS, dtype="category")
    ),
    Case(
        "y is a category with gaps",
        FINITE,
        ("classifier",),
        y=lambda y: pd.DataFrame({"u": pd.Categorical(["p", "q", None] * (N // 3)), "v": WORDS}),
    ),
    Case(
        "y is strings with gaps",
        FINITE,
        ("classifier",),
        y=lambda y: put((3, 1), np.nan, object)(np.column_stack([WORDS, WORDS])),
    ),
    Case("y is a list of strings", FINITE, ("classifier",), y=lambda y: WORDS.tolist()),
    Case("y is boolean", FINITE, y=lambda y: y > 0),
    Case("y has one class", FINITE, ("classifier",), y=np.ones_like),
    Case("y is constant", FINITE, y=lambda y: np.full(y.shape, 7.0)),
    Case("a label is seen in one task only", FINITE, ("classifier",), y=put((slice(0, 6), 1), 5)),
    Case("y is huge", FINITE, ("regressor",), y=lambda y: 1e300 * y),
    Case("y is tiny", FINITE, ("regressor",), y=lambda y: 1e-300 * y),
    Case("y has one huge value", FINITE, ("regressor",), y=put((3, 1), 1e200)),
    Case(
        "names of tasks are very long",
        FINITE,
        y=lambda y: pd.DataFrame(y, columns=["u" * 20_000, "v" * 20_000]),
    ),
    Case(
        "names of tasks are empty or odd",
        FINITE,
        y=lambda y: pd.DataFrame(y, columns=["", "a\nb[0]"]),
    ),
    Case("a task has one labelled row", FINITE, y=put((slice(1, None), 1), np.nan)),
    Case(
        "no row has two labels",
        FINITE,
        y=lambda y: np.where(np.arange(N)[:, None] % 2 == np.arange(2), y, np.nan),
    ),
    Case("the batch is larger than the data", FINITE, parameters={"batch_size": 10_000}),
    Case("the batch is one row", FINITE, parameters={"batch_size": 1}),
    Case("training is one pass", FINITE, parameters={"max_iter": 1}),
    Case(
        "tiny data stop early by themselves",
        FINITE,
        X=lambda X: X[:3],
        y=lambda y: y[:3],
        parameters={"early_stopping": "auto"},
    ),
    Case(
        "early stopping of a tiny task",
        (ValueError, "Task '1' has 3 .*early_stopping"),
        y=put((slice(3, None), 1), np.nan),
        parameters={"early_stopping": True},
    ),
]

WEIGHTS = [
    Case(
        "a weight is negative",
        (ValueError, "sample_weight"),
        fit={"sample_weight": np.r_[-1.0, np.ones(N - 1)]},
    ),
    Case(
        "a weight is NaN",
        (ValueError, "sample_weight.*NaN"),
        fit={"sample_weight": np.r_[np.nan, np.ones(N - 1)]},
    ),
    Case(
        "a weight is infinite",
        (ValueError, "sample_weight.*infinity"),
        fit={"sample_weight": np.r_[np.inf, np.ones(N - 1)]},
    ),
    Case(
        "weights are too few", (ValueError, "sample_weight"), fit={"sample_weight": np.ones(N - 1)}
    ),
    Case(
        "weights have two dimensions",
        (ValueError, "sample_weight|Sample weights"),
        fit={"sample_weight": np.ones((N, 2))},
    ),
    Case("weights are words", (INVALID, "sample_weight"), fit={"sample_weight": WORDS}),
    Case(
        "all weights are zero",
        (ValueError, "sample_weight|Sample weights"),
        fit={"sample_weight": np.zeros(N)},
    ),
    Case(
        "all weights of a task are zero",
        (ValueError, "sample_weight.*'1'"),
        y=put((slice(3, None), 1), np.nan),
        fit={"sample_weight": np.r_[np.zeros(3), np.ones(N - 3)]},
    ),
    Case("weights are tiny", FINITE, fit={"sample_weight": np.full(N, 1e-300)}),
    Case("weights are huge", FINITE, fit={"sample_weight": np.full(N, 1e300)}),
    Case("the weight is one number", FINITE, fit={"sample_weight": 2.0}),
    Case(
        "groups are too few",
        (ValueError, "sensitive_features"),
        ("classifier",),
        fit={"sensitive_features": WORDS[:-1]},
    ),
    Case(
        "groups are in no column of X",
        (ValueError, "nowhere"),
        ("classifier",),
        X=frame(),
        fit={"sensitive_features": "nowhere"},
    ),
    Case(
        "groups are all unknown",
        FINITE,
        ("classifier",),
        fit={"sensitive_features": np.full(N, np.nan)},
    ),
    Case(
        "there is one group", FINITE, ("classifier",), fit={"sensitive_features": np.full(N, "f")}
    ),
]

LONG = [
    Case(
        "the task column is not in X",
        (ValueError, "task_column='school'.*not a column"),
        X=lambda X: X.rename(columns={"task": "group"}),
        parameters={"task_column": "school"},
    ),
    Case(
        "the task column is out of range",
        (ValueError, "task_column=9.*out of range"),
        parameters={"task_column": 9},
    ),
    Case(
        "the task column of an array has a name",
        (ValueError, "task_column='task'.*not a DataFrame"),
        X=lambda X: X.to_numpy(),
    ),
    Case(
        "the task column was scaled",
        (ValueError, "task_column.*scaled"),
        X=lambda X: X.assign(task=(X["task"] - X["task"].mean()) / X["task"].std()),
    ),
    Case(
        "a task id is not integral",
        (ValueError, "task_column.*1.5"),
        X=task_ids([1.5, 2.0] * (N // 2)),
    ),
    Case(
        "a task id is infinite",
        (ValueError, "task_column.*inf"),
        X=task_ids([np.inf, 2.0] * (N // 2)),
    ),
    Case(
        "a task id is NaN",
        (ValueError, "task_column.*missing"),
        X=task_ids([np.nan, 2.0] * (N // 2)),
    ),
    Case(
        "a task id is None",
        (ValueError, "task_column.*missing"),
        X=task_ids([None, "b"] * (N // 2)),
    ),
    Case(
        "two task ids have one name",
        (ValueError, "task_column.*'7'"),
        X=task_ids(np.array([7, "7"] * (N // 2), dtype=object)),
    ),
    Case(
        "a task id cannot be hashed",
        (INVALID, "task_column"),
        X=lambda X: X.assign(task=pd.Series([[1], [2]] * (N // 2))),
    ),
    Case(
        "X is the task column only",
        (ValueError, "0 feature|one column|column"),
        X=lambda X: X[["task"]],
    ),
    Case(
        "y has two columns in long form",
        (ValueError, "task_column.*y must have shape"),
        y=lambda y: np.column_stack([y, y]),
    ),
    Case(
        "y has a gap in long form", (ValueError, "Task '1' has a missing target"), y=put(1, np.nan)
    ),
    Case("a task has one row", FINITE, X=task_ids(np.r_[9, np.arange(N - 1) % 2])),
    Case("every row is a task of its own", FINITE, X=task_ids(np.arange(N))),
    Case("there is one task", FINITE, X=task_ids(0)),
    Case("task ids are booleans", FINITE, X=task_ids(np.arange(N) % 2 == 0)),
    Case("task ids are very long", FINITE, X=task_ids(["u" * 20_000, "v" * 20_000] * (N // 2))),
    Case("X holds NaN in long form", FINITE, X=lambda X: X.assign(a=np.r_[np.nan, np.ones(N - 1)])),
    Case(
        "predict sees an unknown task",
        (ValueError, "Task '9' was not in fit"),
        predict=lambda X: X.assign(task=9),
    ),
    Case(
        "predict sees no task id",
        (ValueError, "task_column.*missing"),
        predict=lambda X: X.assign(task=np.nan),
    ),
    Case(
        "predict sees a scaled task column",
        (ValueError, "task_column.*scaled"),
        predict=lambda X: X.assign(task=X["task"] / 3),
    ),
    Case(
        "predict sees no task column",
        (ValueError, "task_column='task'.*not a column|missing:\n- task"),
        predict=lambda X: X.drop(columns="task"),
    ),
    Case("predict sees one task only", FINITE, predict=lambda X: X[X["task"] == 2]),
    Case(
        "early stopping of a tiny task in long form",
        (ValueError, "Task '5' has 1 .*early_stopping"),
        X=task_ids(np.r_[5, np.arange(N - 1) % 2]),
        parameters={"early_stopping": True},
    ),
]

CASES = [*INPUTS, *TARGETS, *WEIGHTS, *(Case(**{**vars(case), "form": "long"}) for case in LONG)]


@pytest.mark.parametrize(
    ("case", "kind"),
    [pytest.param(case, kind, id=f"{kind}: {case.id}") for case in CASES for kind in case.kinds],
)
def test_the_input_is_refused_by_name_or_gives_finite_predictions(case, kind):
    unknown = set(case.fit) - set(inspect.signature(KINDS[kind].fit).parameters)
    if unknown:
        pytest.skip(f"{KINDS[kind].__name__}.fit takes no {min(unknown)}")
    X, y = sound(kind, case.form)
    X, y = case.X(X), case.y(y)
    model = KINDS[kind](
        **FAST | ({"task_column": "task"} if case.form == "long" else {}) | case.parameters
    )
    if case.expected is FINITE:
        assert_finite(model.fit(X, y, **case.fit), X if case.predict is None else case.predict(X))
        return
    exceptions, pattern = case.expected
    if case.predict is None:
        with pytest.raises(exceptions, match=pattern):
            model.fit(X, y, **case.fit)
    else:
        model.fit(X, y, **case.fit)
        with pytest.raises(exceptions, match=pattern):
            model.predict(case.predict(X))


def assert_finite(model, X):
    if is_classifier(model):
        probabilities = model.predict_proba(X)
        for own in probabilities if isinstance(probabilities, list) else [probabilities]:
            assert np.isfinite(own).all()
            np.testing.assert_allclose(own.sum(1), 1, atol=1e-9)
    else:
        assert np.isfinite(model.predict(X)).all()
    assert not pd.isna(pd.DataFrame(model.predict(X))).any(axis=None)


def test_the_table_holds_sixty_inputs_with_distinct_names():
    assert len({case.id for case in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("method", ["predict", "predict_proba", "score"])
def test_an_estimator_that_is_not_fitted_says_so(kind, method):
    model = KINDS[kind]()
    if hasattr(model, method):
        X, y = sound(kind, "wide")
        with pytest.raises(NotFittedError, match=f"{type(model).__name__}.*not fitted"):
            getattr(model, method)(*([X, y] if method == "score" else [X]))


@pytest.mark.parametrize("kind", BOTH)
def test_a_score_of_nothing_but_gaps_raises(kind):
    X, y = sound(kind, "wide")
    with pytest.raises(ValueError, match="[Nn]o task has"):
        KINDS[kind](**FAST).fit(X, y).score(X, np.full(y.shape, np.nan))


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_gaps_in_the_labels_of_a_classifier_and_a_number_of_folds_are_refused_by_scikit_learn():
    X, y = sound("classifier", "wide")
    with pytest.raises(ValueError, match="NaN"):
        cross_val_score(MultiTaskClassifier(**FAST), X, put((3, 1), np.nan)(y), cv=3)


def test_the_same_labels_and_a_splitter_for_gaps_are_not():
    splitters = pytest.importorskip("skmtl.model_selection", reason="the splitter is not there yet")
    X, y = sound("classifier", "wide")
    scores = cross_val_score(
        MultiTaskClassifier(**FAST),
        X,
        put((3, 1), np.nan)(y),
        cv=splitters.MultiTaskKFold(3, random_state=0),
        error_score="raise",
    )
    assert np.isfinite(scores).all()


def test_labels_that_only_the_scored_rows_have_count_as_wrong():
    X, y = sound("classifier", "wide")
    model = MultiTaskClassifier(**FAST).fit(X, y)
    assert model.score(X, y + 7) == multitask_accuracy(y + 7, model.predict(X)) == 0
