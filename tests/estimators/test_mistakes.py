"""What users get wrong, and that the message names it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from skmtl import (
    MultiTaskClassifier,
    MultiTaskRegressor,
    TaskGroupedClassifier,
    TaskGroupedRegressor,
    TaskGrouper,
    TaskSet,
)
from skmtl.affinity import collect_pairwise_gains
from skmtl.datasets import make_grouped_tasks

X = np.random.default_rng(0).normal(size=(40, 3))
Y = X[:, :2] + X[:, 1:]
IDS = np.arange(40) % 2
FRAME = pd.DataFrame(X, columns=list("abc"))
FAST = {"hidden_layer_sizes": (3,), "max_iter": 2}
ESTIMATORS = [MultiTaskRegressor, MultiTaskClassifier]
TASKS = make_grouped_tasks(3, 1, n_samples=20, random_state=0).task_set
HOLE = np.column_stack([Y[:, 0], np.full(40, np.nan)])
TINY = np.column_stack([Y[:, 0], np.r_[Y[:9, 1], np.full(31, np.nan)]])


def long(ids=IDS):
    return np.column_stack([X, ids])


BAD_PARAMETERS = {
    "hidden_layer_sizes": [(0,), (-3, 4), (2.5,), (None,), ((2, 3),), (np.inf,), "wide", 0],
    "head_hidden_layer_sizes": [(0,), (2.5,), "deep"],
    "activation": ["gelu", None],
    "solver": ["lbfgs", 3],
    "alpha": [-1e-4, np.nan, np.inf, "small"],
    "batch_size": [0, -1, 2.5, "all"],
    "learning_rate_init": [0, -1, np.nan, np.inf],
    "max_iter": [0, 1.5, "many"],
    "early_stopping": ["yes", 3],
    "validation_fraction": [0, 1, 1.5, -0.1],
    "n_iter_no_change": [0, 1.5],
    "tol": [-1e-4, "small"],
    "standardize": ["yes"],
    "n_members": [0, 2.5, "many"],
    "task_column": [2.5, ("a",)],
    "task_weights": [3, "heavy", ["a", "b"], {"0": None}],
    "dtype": ["float16", np.float32],
    "device": ["tpu", "cuda:99", 3],
    "random_state": ["seed", -1],
    "verbose": ["loud"],
}
PARAMETERS = [(name, value) for name, values in BAD_PARAMETERS.items() for value in values]


@pytest.mark.parametrize(("name", "value"), PARAMETERS, ids=repr)
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_a_parameter_out_of_range_is_named_in_fit(kind, name, value):
    y = Y if kind is MultiTaskRegressor else (Y > 0).astype(int)
    with pytest.raises((ValueError, TypeError), match=name):
        kind(**FAST | {name: value}).fit(X, y)


@pytest.mark.parametrize(
    ("name", "value"),
    [pair for pair in PARAMETERS if pair[0] not in ("task_column", "random_state")],
    ids=repr,
)
def test_a_parameter_out_of_range_is_named_by_what_trains_fleets(name, value):
    network = MultiTaskRegressor(**FAST | {name: value})
    with pytest.raises((ValueError, TypeError), match=name):
        collect_pairwise_gains(TASKS, network, pairs=0.4)
    with pytest.raises((ValueError, TypeError), match=name):
        TaskGroupedRegressor(network, n_repeats=1).fit(X, Y)


BAD_DATA = {
    "no target": (X, None, {}, {}, "requires y to be passed"),
    "another number of targets": (X, Y[:30], {}, {}, "inconsistent numbers of samples"),
    "three axes in y": (X, np.zeros((40, 2, 2)), {}, {}, "y must have shape"),
    "three axes in X": (np.zeros((40, 2, 2)), Y, {}, {}, "dim"),
    "one axis in X": (X[:, 0], Y, {}, {}, "2D array"),
    "no row": (X[:0], Y[:0], {}, {}, "0 sample"),
    "no column": (X[:, :0], Y, {}, {}, "0 feature"),
    "one row": (X[:1], Y[:1], {}, {}, "1 sample|sample"),
    "infinite input": (np.where(X[3, 1] == X, np.inf, X), Y, {}, {}, "X contains infinity"),
    "words in X": (FRAME.assign(d="word"), Y, {}, {}, "could not convert string to float: 'word'"),
    "a task without a label": (X, HOLE, {}, {}, "Task '1' has no labell?ed row"),
    "a named task without a label": (
        X,
        pd.DataFrame(HOLE, columns=["u", "v"]),
        {},
        {},
        "Task 'v' has no labell?ed row",
    ),
    "two tasks of one name": (
        X,
        pd.DataFrame(Y, columns=["u", "u"]),
        {},
        {},
        "two columns named 'u'",
    ),
    "weights of another length": (X, Y, {}, {"sample_weight": np.ones(3)}, "sample_weight"),
    "negative weights": (X, Y, {}, {"sample_weight": -np.ones(40)}, "sample_weight"),
    "weights with NaN": (X, Y, {}, {"sample_weight": np.r_[np.nan, np.ones(39)]}, "sample_weight"),
    "weights all zero": (X, Y, {}, {"sample_weight": np.zeros(40)}, "weights"),
    "a task of weight zero": (
        X,
        TINY,
        {},
        {"sample_weight": np.r_[np.zeros(9), np.ones(31)]},
        "sample_weight is zero for every labeled row of task '1'",
    ),
    "a task of weight zero in long form": (
        long(),
        Y[:, 0],
        {"task_column": -1},
        {"sample_weight": IDS},
        "every labeled row of task '0'",
    ),
    "a task too small to hold out": (
        X,
        TINY,
        {"early_stopping": True},
        {},
        "Task '1' has 9 labeled rows",
    ),
    "task weights of another length": (
        X,
        Y,
        {"task_weights": [1, 2, 3]},
        {},
        "task_weights must hold 2",
    ),
    "negative task weights": (X, Y, {"task_weights": [1, -2]}, {}, "task_weights"),
    "task weights all zero": (X, Y, {"task_weights": [0, 0]}, {}, "task_weights"),
    "task weights with NaN": (X, Y, {"task_weights": [1, np.nan]}, {}, "task_weights"),
    "a weight of an unknown task": (
        X,
        Y,
        {"task_weights": {"x": 1}},
        {},
        "task_weights names the task 'x'",
    ),
    "a task column that does not exist": (
        FRAME,
        Y[:, 0],
        {"task_column": "z"},
        {},
        "task_column='z' is not a column of X",
    ),
    "a name for an array's column": (
        X,
        Y[:, 0],
        {"task_column": "a"},
        {},
        "task_column='a'.*index",
    ),
    "a position out of range": (
        X,
        Y[:, 0],
        {"task_column": 3},
        {},
        "task_column=3 is out of range",
    ),
    "a scaled task column": (X, Y[:, 0], {"task_column": 0}, {}, "was the column scaled"),
    "a missing id": (
        long(np.r_[np.nan, IDS[1:]]),
        Y[:, 0],
        {"task_column": -1},
        {},
        "1 missing task id",
    ),
    "two ids of one name": (
        FRAME.assign(t=[1, "1"] * 20),
        Y[:, 0],
        {"task_column": "t"},
        {},
        "have the name '1'",
    ),
    "nothing but the task column": (
        IDS[:, None].astype(float),
        Y[:, 0],
        {"task_column": 0},
        {},
        "0 feature",
    ),
    "two targets in long form": (long(), Y, {"task_column": -1}, {}, r"y must have shape \(n,\)"),
    "a missing target in long form": (
        long(),
        np.r_[np.nan, Y[1:, 0]],
        {"task_column": -1},
        {},
        "Task '0' has a missing target",
    ),
}


def whole(y):
    """Targets of a classifier: signs where there are numbers."""
    return (
        y
        if y is None
        else y.where(y.isna(), y > 0)
        if isinstance(y, pd.DataFrame)
        else np.where(np.isnan(y), np.nan, y > 0)
    )


# A small task takes no part in the choice of groups, which is a warning and not an error.
CASES = [
    (case, kind)
    for case in BAD_DATA
    for kind in ("network", "grouped")
    if (case, kind) != ("a task too small to hold out", "grouped")
]


@pytest.mark.parametrize(("case", "kind"), CASES)
@pytest.mark.parametrize("classify", [False, True])
def test_data_that_cannot_be_fitted_raise_and_say_why(case, kind, classify):
    inputs, y, settings, options, message = BAD_DATA[case]
    network = (MultiTaskClassifier if classify else MultiTaskRegressor)(**FAST)
    if kind == "network":
        model = network.set_params(**settings)
    else:
        own = {name: value for name, value in settings.items() if name == "task_column"}
        network.set_params(
            **{name: value for name, value in settings.items() if name != "task_column"}
        )
        model = (TaskGroupedClassifier if classify else TaskGroupedRegressor)(
            network, n_repeats=1, **own
        )
    with pytest.raises(ValueError, match=message):
        model.fit(inputs, whole(y) if classify else y, **options)


@pytest.mark.parametrize(
    ("y", "message"),
    [(np.full((40, 1), "a"), "not numbers"), (np.where(Y > 1, np.inf, Y), "infinity")],
)
def test_targets_that_are_no_numbers_are_refused_by_a_regressor(y, message):
    with pytest.raises(ValueError, match=message):
        MultiTaskRegressor(**FAST).fit(X, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y, "continuous"),
        (np.column_stack([IDS, np.r_[np.inf, IDS[1:]]]), "Task '1' has an infinite label"),
    ],
)
def test_targets_that_are_no_classes_are_refused_by_a_classifier(y, message):
    with pytest.raises(ValueError, match=message):
        MultiTaskClassifier(**FAST).fit(X, y)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (X[:, :2], "2 features"),
        (np.full((2, 3), np.inf), "infinity"),
        (X[:0], "0 sample"),
        (X[0], "2D array"),
        (np.full((2, 3), "word", dtype=object), "could not convert"),
    ],
    ids=["fewer columns", "infinite inputs", "no row", "one axis", "words"],
)
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_inputs_that_do_not_match_are_refused_at_predict(kind, inputs, message):
    with pytest.raises(ValueError, match=message):
        kind(**FAST).fit(X, IDS).predict(inputs)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"tasks": (X, Y)}, TypeError, "tasks must be a TaskSet. Got tuple"),
        ({"tasks": None}, TypeError, "tasks must be a TaskSet"),
        ({"tasks": TASKS.subset(["task_0"])}, ValueError, "at least 2 tasks. Got 1"),
        (
            {"tasks": TaskSet.from_long(X, X[:, 0], np.r_[7, np.zeros(39)])},
            ValueError,
            "Task '7' has 1 row",
        ),
        ({"estimator": None}, TypeError, "estimator must be.*None"),
        ({"estimator": "ridge"}, TypeError, "estimator must be.*'ridge'"),
        ({"estimator": Ridge}, TypeError, "estimator must be.*Ridge"),
        (
            {"estimator": MultiTaskClassifier()},
            ValueError,
            "kind 'regression', but the estimator is a MultiTaskClassifier",
        ),
        ({"estimator": LogisticRegression()}, ValueError, "estimator is a LogisticRegression"),
        ({"pairs": "some"}, ValueError, "pairs must be 'all'.*'some'"),
        ({"pairs": 0.0}, ValueError, "pairs must be"),
        ({"pairs": 1.5}, ValueError, "pairs must be"),
        ({"pairs": np.nan}, ValueError, "pairs must be"),
        ({"pairs": True}, ValueError, "pairs must be"),
        ({"pairs": None}, ValueError, "pairs must be.*None"),
        ({"pairs": {}}, ValueError, "pairs must be"),
        ({"pairs": []}, ValueError, r"pairs must have shape \(m, 2\)"),
        ({"pairs": ["task_0", "task_1"]}, ValueError, r"pairs must have shape \(m, 2\)"),
        (
            {"pairs": [["task_0", "task_1", "task_2"]]},
            ValueError,
            r"pairs must have shape \(m, 2\)",
        ),
        ({"pairs": [["task_0", "nobody"]]}, ValueError, "pairs contains task 'nobody'"),
        ({"pairs": [["task_0", "task_0"]]}, ValueError, "pairs holds task 'task_0' with itself"),
        (
            {"pairs": [["task_0", "task_1"]] * 2},
            ValueError,
            "pairs holds .*'task_0', 'task_1'.* twice",
        ),
        ({"test_size": 0}, ValueError, "test_size"),
        ({"test_size": 1.0}, ValueError, "test_size"),
        ({"test_size": "third"}, TypeError, "test_size"),
        ({"n_repeats": 0}, ValueError, "n_repeats"),
        ({"n_repeats": 2.0}, ValueError, "n_repeats"),
        ({"n_repeats": True}, ValueError, "n_repeats"),
        ({"n_jobs": 0}, ValueError, "n_jobs"),
        ({"n_jobs": "two"}, ValueError, "n_jobs"),
        ({"memory": 3}, ValueError, "memory"),
        ({"random_state": "seed"}, ValueError, "seed"),
    ],
)
def test_what_gains_cannot_be_collected_from_raises_and_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        collect_pairwise_gains(
            **{"tasks": TASKS, "estimator": MultiTaskRegressor(**FAST)} | arguments
        )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("estimator", "ridge"),
        ("estimator", MultiTaskRegressor),
        ("estimator", Ridge()),
        ("task_column", 2.5),
        ("grouper", "beam"),
        ("grouper", TaskGrouper),
        ("pair_fraction", 0),
        ("pair_fraction", 1.5),
        ("pair_fraction", "all"),
        ("n_repeats", 0),
        ("n_repeats", 2.5),
        ("validation_size", 0),
        ("validation_size", 1),
        ("n_jobs", "two"),
        ("n_jobs", 0),
        ("memory", 3),
        ("random_state", "seed"),
        ("verbose", "loud"),
    ],
)
def test_a_parameter_of_the_grouped_estimator_out_of_range_is_named(name, value):
    with pytest.raises((ValueError, TypeError), match=name):
        TaskGroupedRegressor(
            **{"estimator": MultiTaskRegressor(**FAST), "n_repeats": 1} | {name: value}
        ).fit(X, Y)


@pytest.mark.parametrize(
    "grouper", [TaskGrouper("best"), TaskGrouper(n_groups=0), TaskGrouper(beam_width=0)]
)
def test_a_grouper_that_cannot_group_says_why(grouper):
    with pytest.raises(ValueError, match="'(method|n_groups|beam_width)' parameter of TaskGrouper"):
        TaskGroupedRegressor(
            MultiTaskRegressor(**FAST), grouper=grouper, n_repeats=1, pair_fraction=1.0
        ).fit(X, np.column_stack([Y, Y[:, 0]]))
