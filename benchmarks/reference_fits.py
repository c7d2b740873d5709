"""Numbers of many small fits, recorded once and compared later, to show that no result changes.

python benchmarks/reference_fits.py record FILE.npz                         (run before the change)
python benchmarks/reference_fits.py compare FILE.npz [--tolerance 1e-12]    (run after it)

A case is a function that returns everything a user sees of one fit: predictions, probabilities,
representations, curves, weights, tables. All of it is flattened to one float64 array; texts become
checksums. Fits are in float64, with fixed seeds, on one thread of the CPU. Data come from numpy's
default_rng and not from skmtl.datasets.

The relative difference of a and b is |a - b| / (1 + |a|). A case is different if its largest
relative difference exceeds the tolerance, its size has changed, it raises, or it is missing on one
side; then "compare" exits with 1. "record" exits with 1 if a case raises. Numbers repeat on one
machine with one set of package versions only: record and compare on the same one.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy
import sklearn
import torch
from common import versions
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

import skmtl
from skmtl import (
    LowRankMultiTaskRegressor,
    MultiTaskClassifier,
    MultiTaskRegressor,
    PairwiseGainRegressor,
    TaskGroupedClassifier,
    TaskGroupedRegressor,
    TaskGrouper,
    TaskRelationFeaturizer,
    TaskSet,
    collect_pairwise_gains,
)
from skmtl import aggregation as agg
from skmtl import metrics as scores
from skmtl.affinity import (
    EnsembleAffinity,
    GradientTaskAffinity,
    HigherOrderAffinity,
    LinearSurrogate,
    TaggingAffinity,
    affinity_matrix,
)
from skmtl.fairness import (
    MTAF,
    PerTaskFairness,
    correlation_penalty,
    gap_penalty,
    mmd_penalty,
)
from skmtl.model_selection import FleetSearchCV, MultiTaskKFold, fairness_sweep
from skmtl.representation import (
    minority_risk_bounds,
    population_minimum,
    representation_path,
    task_risks,
)
from skmtl.spurious import (
    DebiasedClassifier,
    SpuriousTaskDetector,
    split_by_label_combination,
)

NAN = float("nan")
SHAPLEY = ("auto", "exact", "enumerate", "permutation")
LOSS_WEIGHTINGS = ("sum", "si", "gls", "rlw", "uw", "dwa", "famo", "gradnorm")
LOSS_WEIGHTINGS += ("stch", "minmax", "relobralo", "igb")
GRADIENT_WEIGHTINGS = ("mgda", "pcgrad", "gradvac", "cagrad", "imtlg", "nash", "fairgrad")
GRADIENT_WEIGHTINGS += ("pivrg", "svfair", "alignedmtl", "upgrad", "dualproj", "config")
CURVES = ("loss_curve_", "task_loss_curve_", "aggregation_weights_", "history_")
COUNTS = ("n_iter_", "best_iteration_", "classes_", "task_names_", "n_features_in_", "n_outputs_")

Case = Callable[[], Any]
CASES: dict[str, Case] = {}


def case(*values: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a case under the name of its function; with values, one case for each of them."""

    def register(make: Callable[..., Any]) -> Callable[..., Any]:
        if not values:
            CASES[make.__name__] = make
        for value in values:
            CASES[f"{make.__name__}/{value}"] = lambda value=value: make(value)
        return make

    return register


# ------------------------------------------------------------------ data
def wide(n: int = 90, missing: float = 0.0, n_tasks: int = 3, p: int = 4) -> tuple[Any, Any]:
    """Return inputs (n, p) and targets (n, T) in units of their own."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    Y = np.tanh(X @ rng.normal(size=(p, n_tasks))) + 0.3 * rng.normal(size=(n, n_tasks))
    Y = Y * rng.uniform(0.5, 5.0, size=n_tasks) + rng.normal(size=n_tasks)
    Y[rng.random(Y.shape) < missing] = NAN
    return X, Y


def labels(n_classes: tuple[int, ...] = (2, 2, 2), n: int = 120, missing: float = 0.0) -> Any:
    """Return inputs (n, 4), classes 0, 1, ... of each task (n, T), and groups 0, 1 of rows (n,)."""
    X, Y = wide(n, n_tasks=len(n_classes))
    groups = (X[:, 0] + np.random.default_rng(1).normal(size=n) > 0).astype(int)
    edges = [np.quantile(y, np.arange(1, k) / k) for y, k in zip(Y.T, n_classes, strict=True)]
    Z = np.column_stack([np.searchsorted(e, y) for e, y in zip(edges, Y.T, strict=True)])
    Z = Z.astype(float)
    Z[np.random.default_rng(2).random(Z.shape) < missing] = NAN
    return X, Z, groups


def long(n: int = 140, n_tasks: int = 4) -> tuple[Any, Any, Any]:
    """Return inputs (n, 4), targets (n,) and whole-number ids of tasks (n,), of unequal sizes."""
    X, Y = wide(n, n_tasks=n_tasks)
    shares = np.arange(1, n_tasks + 1) + 2.0
    task = np.random.default_rng(3).choice(n_tasks, size=n, p=shares / shares.sum())
    return X, Y[np.arange(n), task], task


def long_frame(n: int = 140, n_tasks: int = 4) -> tuple[pd.DataFrame, Any]:
    """Return the same with string ids in the column "school" of a frame."""
    X, y, task = long(n, n_tasks)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    frame.insert(1, "school", [f"school {t}" for t in task])
    return frame, y


def long_labels(n: int = 140, n_tasks: int = 4, single: bool = True) -> tuple[pd.DataFrame, Any]:
    """Return the frame with classes 0, 1, 2; with single, the first task has class 1 only."""
    frame, y = long_frame(n, n_tasks)
    labels = np.searchsorted(np.quantile(y, [0.35, 0.7]), y)
    if single:
        labels[frame["school"] == "school 0"] = 1
    return frame, labels


def mixed(n: int = 90) -> tuple[pd.DataFrame, Any]:
    """Return a frame with two categorical columns and missing values, and targets (n, T)."""
    X, Y = wide(n)
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"]).mask(rng.random(X.shape) < 0.1)
    towns = np.array(["Aa", "Bo", "Cork", "Dax", None], dtype=object)
    frame.insert(0, "town", pd.Categorical(towns[rng.integers(5, size=n)]))
    frame["owner"] = pd.Categorical(rng.integers(2, size=n))
    return frame, Y + rng.normal(size=(1, 3)) * (frame["owner"].to_numpy(float)[:, None])


def task_set(kind: str = "regression", n: int = 140, n_tasks: int = 4) -> TaskSet:
    """Return tasks of about 35 rows."""
    if kind == "regression":
        return TaskSet.from_long(*long(n, n_tasks))
    frame, y = long_labels(n, n_tasks, single=False)
    return TaskSet.from_long(frame.drop(columns="school"), y, frame["school"], kind=kind)


def gain_matrix(n_tasks: int = 8) -> np.ndarray:
    """Return made-up gains (T, T) of two groups of tasks."""
    rng = np.random.default_rng(5)
    same = np.arange(n_tasks)[:, None] % 2 == np.arange(n_tasks) % 2
    return np.where(same, 0.1, -0.1) + 0.3 * rng.normal(size=(n_tasks, n_tasks))


# ------------------------------------------------------------------ models, and what they show
def small(kind: Any, **settings: Any) -> Any:
    """Return a small network of a kind with these settings."""
    usual = {"hidden_layer_sizes": (8,), "max_iter": 10, "batch_size": 32, "n_members": 2}
    usual |= {"dtype": "float64", "device": "cpu", "random_state": 0}
    return kind(**usual | settings)


def regressor(**settings: Any) -> Any:
    return small(MultiTaskRegressor, **settings)


def classifier(**settings: Any) -> Any:
    return small(MultiTaskClassifier, **settings)


def shown(model: Any, X: Any) -> list[Any]:
    """Return predictions, probabilities, representation, curves and counts of a fitted model."""
    ways = ("predict", "predict_proba", "transform")
    called = [getattr(model, way)(X) for way in ways if hasattr(model, way)]
    kept = [getattr(model, name) for name in CURVES + COUNTS if hasattr(model, name)]
    return called + kept


def fitted(model: Any, X: Any, y: Any, **options: Any) -> list[Any]:
    """Fit the model, and return what it shows on the same rows, with its score."""
    model.fit(X, y, **options)
    return [*shown(model, X), score(model, X, y)]


def score(model: Any, X: Any, y: Any) -> float:
    return float(model.score(X, y))


def one_hot() -> Any:
    """Return a transformer that encodes categorical columns and passes the others on."""
    categorical = make_column_selector(dtype_include="category")
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    return make_column_transformer((encoder, categorical), remainder="passthrough")


# ------------------------------------------------------------------ regressor
@case()
def regressor_wide():
    return fitted(regressor(), *wide())


@case()
def regressor_defaults():
    return fitted(MultiTaskRegressor(dtype="float64", max_iter=10, random_state=0), *wide())


@case()
def regressor_one_dimensional():
    X, Y = wide()
    return fitted(regressor(), X, Y[:, 0])


@case()
def regressor_missing_labels():
    return fitted(regressor(), *wide(missing=0.4))


@case()
def regressor_frames():
    X, Y = wide()
    X, Y = pd.DataFrame(X).add_prefix("x"), pd.DataFrame(Y).add_prefix("y")
    model = regressor().fit(X, Y)
    return [*shown(model, X), model.get_feature_names_out(), model.feature_names_in_]


@case()
def regressor_new_rows():
    X, Y = wide(120)
    model = regressor(standardize=False).fit(X[:80], Y[:80])
    return [*shown(model, X[80:]), score(model, X[80:], Y[80:])]


@case()
def regressor_long_frame():
    return fitted(regressor(task_column="school"), *long_frame())


@case()
def regressor_long_float_ids():
    X, y, task = long()
    return fitted(regressor(task_column=4), np.column_stack([X, task + 1.0]), y)


@case(0, 3)
def regressor_long_task_embedding_dim(width):
    return fitted(regressor(task_column="school", task_embedding_dim=width), *long_frame())


@case()
def regressor_long_sample_weight():
    X, y = long_frame()
    weight = np.random.default_rng(6).uniform(0.2, 3.0, size=len(y))
    return fitted(regressor(task_column="school"), X, y, sample_weight=weight)


@case()
def regressor_sample_weight():
    X, Y = wide(missing=0.2)
    weight = np.random.default_rng(6).uniform(0.2, 3.0, size=len(X))
    return fitted(regressor(), X, Y, sample_weight=weight)


@case()
def regressor_task_weights():
    return fitted(regressor(task_weights={"0": 1.0, "1": 0.3, "2": 2.0}), *wide())


@case()
def regressor_long_task_weights():
    weights = {f"school {t}": 1.0 + t for t in range(4)}
    return fitted(regressor(task_column="school", task_weights=weights), *long_frame())


@case("auto", 2)
def regressor_embedded_categories(width):
    return fitted(regressor(embedding_dim=width), *mixed())


@case()
def regressor_unseen_categories():
    X, Y = mixed(120)
    known = (X["town"] != "Cork").to_numpy()
    model = regressor().fit(X[known], Y[known])
    return shown(model, X)


@case()
def regressor_one_hot_categories():
    encoded = one_hot()
    X, Y = mixed()
    model = make_pipeline(encoded, regressor()).fit(X, Y)
    return [model.predict(X), *shown(model[-1], encoded.transform(X)), score(model, X, Y)]


@case()
def regressor_integer_categories():
    X, y, task = long()
    X = np.column_stack([np.round(X[:, 0]) + 5.0, X[:, 1:], task])
    return fitted(regressor(categorical_features=[0], task_column=-1), X, y)


@case()
def regressor_dropout():
    return fitted(regressor(dropout=0.3, hidden_layer_sizes=(8, 6)), *wide())


@case(False, True, "auto")
def regressor_early_stopping(early_stopping):
    stops = {"early_stopping": early_stopping, "n_iter_no_change": 3, "tol": 0.01}
    settings = {"max_iter": 40, "learning_rate_init": 0.05, "validation_fraction": 0.2}
    return fitted(regressor(**settings, **stops), *wide(missing=0.1))


@case()
def regressor_early_stopping_few_rows():
    return fitted(regressor(early_stopping="auto", max_iter=30), *wide(8))


@case("adam", "sgd", "adagrad", "adamw")
def regressor_solver(solver):
    return fitted(regressor(solver=solver, learning_rate_init=0.02, alpha=0.01), *wide())


@case("tanh", "logistic", "identity")
def regressor_activation(activation):
    return fitted(regressor(activation=activation), *wide())


@case("full", "auto", 7)
def regressor_batch_size(batch_size):
    return fitted(regressor(batch_size=batch_size), *wide(missing=0.2))


@case()
def regressor_heads():
    return fitted(regressor(head_hidden_layer_sizes=(5, 4)), *wide())


@case()
def regressor_long_heads():
    return fitted(regressor(head_hidden_layer_sizes=(5,), task_column="school"), *long_frame())


@case()
def regressor_no_trunk():
    return fitted(regressor(hidden_layer_sizes=(), head_hidden_layer_sizes=(5,)), *wide())


@case()
def regressor_partial_fit():
    X, Y = wide(missing=0.2)
    model = regressor()
    seen = [shown(model.partial_fit(X[k::3], Y[k::3]), X) for k in range(3)]
    return [*seen, score(model, X, Y)]


@case()
def regressor_partial_fit_long():
    X, y = long_frame()
    model = regressor(task_column="school", aggregator="dwa")
    rows = [slice(None), slice(0, 70), slice(70, None)]
    return [shown(model.partial_fit(X.iloc[own], y[own]), X) for own in rows]


@case()
def regressor_warm_start():
    X, Y = wide()
    model = regressor(warm_start=True, max_iter=5)
    return [shown(model.fit(X, Y), X) for _ in range(3)]


# ------------------------------------------------------------------ classifier
@case()
def classifier_binary():
    return fitted(classifier(), *labels()[:2])


@case()
def classifier_defaults():
    model = MultiTaskClassifier(dtype="float64", max_iter=10, random_state=0)
    return fitted(model, *labels()[:2])


@case()
def classifier_numbers_of_classes():
    return fitted(classifier(), *labels((2, 3, 5))[:2])


@case()
def classifier_missing_labels():
    return fitted(classifier(), *labels((2, 3, 2), missing=0.3)[:2])


@case()
def classifier_one_dimensional():
    X, Y, _ = labels((3,))
    return fitted(classifier(), X, np.array(["low", "mid", "top"])[Y[:, 0].astype(int)])


@case()
def classifier_single_class():
    return fitted(classifier(task_column="school"), *long_labels())


@case(0)
def classifier_long_task_embedding_dim(width):
    model = classifier(task_column="school", task_embedding_dim=width)
    return fitted(model, *long_labels(single=False))


@case()
def classifier_weights():
    X, Y, _ = labels((2, 3, 2), missing=0.1)
    weight = np.random.default_rng(6).uniform(0.2, 3.0, size=len(X))
    model = classifier(task_weights={"0": 1.0, "1": 0.3, "2": 2.0})
    return fitted(model, X, Y, sample_weight=weight)


@case()
def classifier_mixed_inputs():
    X, Y = mixed(120)
    return fitted(classifier(dropout=0.2), X, (np.median(Y, axis=0) < Y).astype(int))


@case(False, True)
def classifier_early_stopping(early_stopping):
    stops = {"early_stopping": early_stopping, "n_iter_no_change": 3, "tol": 0.01}
    settings = {"max_iter": 40, "learning_rate_init": 0.05, "head_hidden_layer_sizes": (4,)}
    return fitted(classifier(**settings, **stops), *labels((2, 3, 2), missing=0.1)[:2])


@case()
def classifier_partial_fit():
    X, Y, _ = labels((2, 3, 2))
    model = classifier()
    classes = [[0, 1], [0, 1, 2], [0, 1, 2]]
    first = shown(model.partial_fit(X[:9], Y[:9], classes=classes), X)
    return [first, *(shown(model.partial_fit(X[k::2], Y[k::2]), X) for k in range(2))]


@case()
def classifier_warm_start():
    X, Y, _ = labels()
    model = classifier(warm_start=True, max_iter=5, aggregator="uw")
    return [shown(model.fit(X, Y), X) for _ in range(3)]


# ------------------------------------------------------------------ aggregators
@case("mean", *LOSS_WEIGHTINGS, *GRADIENT_WEIGHTINGS, "graddrop")
def aggregator_wide(name):
    return fitted(regressor(aggregator=name, max_iter=8), *wide(missing=0.1))


@case("mean", "uw", "famo", "igb", *GRADIENT_WEIGHTINGS, "graddrop")
def aggregator_long(name):
    model = regressor(aggregator=name, max_iter=3, task_column="school", batch_size=24)
    return fitted(model, *long_frame())


@case("dwa", "gradnorm", "stch", "mgda", "nash", "svfair", "upgrad", "config", "graddrop")
def aggregator_classifier(name):
    return fitted(classifier(aggregator=name, max_iter=8), *labels((2, 3, 2), missing=0.1)[:2])


@case(*GRADIENT_WEIGHTINGS)
def aggregator_at_representation(name):
    aggregator = agg.TaskGradients(name, at="representation", every=2)
    return fitted(regressor(aggregator=aggregator, max_iter=4), *wide(missing=0.1))


@case("rlw", "dwa", "uw")
def aggregator_shapley_weighted(name):
    return fitted(regressor(aggregator=agg.ShapleyWeighted(name), max_iter=4), *wide())


@case("own", "weighted")
def aggregator_head_gradient(head_gradient):
    aggregator = agg.TaskGradients("mgda", max_norm=0.5, head_gradient=head_gradient)
    return fitted(regressor(aggregator=aggregator, max_iter=4), *wide(missing=0.1))


@case()
def aggregator_svfair_settings():
    given = [{"utility": "voldetpro"}, {"utility": "auto", "tau": "auto"}, {"max_norm": None}]
    models = [regressor(aggregator=agg.SVFair(**own), max_iter=3) for own in given]
    return [fitted(model, *wide()) for model in models]


@case()
def aggregator_dropout_heads_early_stopping():
    settings = {"dropout": 0.2, "head_hidden_layer_sizes": (4,), "early_stopping": True}
    names = ("uw", "pcgrad", "graddrop")
    return [fitted(regressor(aggregator=name, max_iter=5, **settings), *wide()) for name in names]


@case()
def aggregator_weights_of_gramians():
    jacobian = torch.from_numpy(np.random.default_rng(7).normal(size=(3, 4, 6)))
    gramian = jacobian @ jacobian.mT
    methods = [agg.resolve_aggregator(name) for name in GRADIENT_WEIGHTINGS if name != "pivrg"]
    drawn = [torch.Generator().manual_seed(k) for k in range(3)]
    weights = [
        m.weights(
            gramian, **({"generator": drawn} if isinstance(m, (agg.PCGrad, agg.GradVac)) else {})
        )
        for m in methods
    ]
    dropped = agg.GradDrop().aggregate(jacobian, generator=torch.Generator().manual_seed(0))
    values = [agg.shapley_values(gramian, method=m, random_state=0) for m in SHAPLEY]
    shares = agg.negative_cosine_fraction(gramian)
    return [weights, dropped, values, agg.voldet(gramian), agg.voldetpro(gramian), shares]


# ------------------------------------------------------------------ fairness
@case("mmd", "gap", "correlation")
def fairness_mtaf(loss):
    X, Y, groups = labels(missing=0.1)
    return fitted(classifier(fairness=MTAF(loss)), X, Y, sensitive_features=groups)


@case("mmd", "gap", "correlation")
def fairness_per_task(loss):
    X, Y, groups = labels()
    return fitted(classifier(fairness=PerTaskFairness(loss)), X, Y, sensitive_features=groups)


@case("tpr", "equalized_odds")
def fairness_criterion(criterion):
    X, Y, groups = labels()
    fairness = MTAF(criterion=criterion, weight=[0.5, 1.0, 2.0], head_ratio=0.5)
    return fitted(classifier(fairness=fairness), X, Y, sensitive_features=groups)


@case()
def fairness_unknown_groups_of_three():
    X, Y, groups = labels()
    groups = groups + (X[:, 1] > 0.8)
    groups = np.where(np.arange(len(X)) % 10 == 0, NAN, groups)
    return fitted(classifier(fairness=MTAF()), X, Y, sensitive_features=groups)


@case(False, True)
def fairness_named_column(as_input):
    X, Y, groups = labels()
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"]).assign(sex=groups)
    model = classifier(fairness=MTAF("gap"), sensitive_as_input=as_input)
    return fitted(model, frame, Y, sensitive_features="sex")


@case("uw", "svfair", "mgda", "graddrop")
def fairness_mtaf_aggregated(name):
    X, Y, groups = labels()
    model = classifier(fairness=MTAF(weight=2.0), aggregator=name, max_iter=4)
    return fitted(model, X, Y, sensitive_features=groups)


@case("dwa", "pcgrad")
def fairness_per_task_aggregated(name):
    X, Y, groups = labels()
    model = classifier(fairness=PerTaskFairness("gap"), aggregator=name, max_iter=4)
    return fitted(model, X, Y, sensitive_features=groups)


@case()
def fairness_long():
    X, y = long_frame()
    y = (y > np.median(y)).astype(int)
    groups = (X["a"] > 0).astype(int)
    model = classifier(fairness=MTAF(), task_column="school")
    return fitted(model, X, y, sensitive_features=groups)


@case()
def fairness_partial_fit():
    X, Y, groups = labels()
    model = classifier(fairness=MTAF())
    calls = [{"sensitive_features": groups[k::3]} for k in range(3)]
    calls[0]["classes"] = [[0, 1]] * 3
    return [shown(model.partial_fit(X[k::3], Y[k::3], **calls[k]), X) for k in range(3)]


@case()
def fairness_penalties():
    values = torch.from_numpy(np.random.default_rng(8).uniform(size=60)).requires_grad_()
    groups = torch.arange(60) % 3
    penalties = [mmd_penalty, gap_penalty, correlation_penalty]
    found = [penalty(values, groups) for penalty in penalties]
    slopes = [torch.autograd.grad(one, values, allow_unused=True)[0] for one in found]
    return [found, [slope for slope in slopes if slope is not None]]


@case()
def fairness_sweep_table():
    X, Y, groups = labels(n=160)
    people = {"sensitive_features": groups[:100], "sensitive_features_test": groups[100:]}
    test = {"X_test": X[100:], "Y_test": Y[100:]}
    model = classifier(fairness=MTAF(), max_iter=4, n_members=1)
    table = fairness_sweep(model, X[:100], Y[:100], **test, **people, n_runs=5, random_state=0)
    return [table, table.attrs["baseline"]]


# ------------------------------------------------------------------ gains, affinities, groups
@case()
def gains_of_networks():
    model = regressor(max_iter=5)
    gains = collect_pairwise_gains(task_set(), model, n_repeats=2, random_state=0)
    return [gains.table, gains.matrix, gains.reliability, gains.groups]


@case()
def gains_of_classifiers():
    model = classifier(max_iter=5)
    tasks = task_set("classification")
    gains = collect_pairwise_gains(tasks, model, pairs=0.5, n_repeats=2, random_state=0)
    return [gains.table, gains.matrix, gains.reliability]


@case()
def gains_of_ridge():
    gains = collect_pairwise_gains(task_set(), Ridge(), n_repeats=3, random_state=0)
    return [gains.table, gains.matrix, gains.reliability]


@case()
def gains_of_ridge_mixed():
    X, Y = mixed(140)
    tasks = TaskSet.from_long(X.ffill().bfill(), Y[:, 0], np.arange(140) % 4)
    return collect_pairwise_gains(tasks, make_pipeline(one_hot(), Ridge()), random_state=0).table


@case()
def gains_of_logistic_regression():
    tasks = task_set("classification")
    gains = collect_pairwise_gains(tasks, LogisticRegression(), n_repeats=2, random_state=0)
    return [gains.table, gains.matrix, gains.reliability]


@case()
def gains_of_given_pairs():
    pairs = [["0", "1"], ["2", "0"], ["1", "0"]]
    gains = collect_pairwise_gains(task_set(), regressor(), pairs=pairs, random_state=0)
    return [gains.table, gains.matrix]


@case()
def task_relation_features():
    tasks = task_set()
    featurizer = TaskRelationFeaturizer(tasks, task_indicators=True, random_state=0).fit()
    return [featurizer.transform(tasks.pairs()), featurizer.get_feature_names_out()]


@case()
def task_relation_features_mixed():
    X, Y = mixed(140)
    task = np.arange(140) % 4
    tasks = TaskSet.from_long(X, Y[:, 0], task)
    features = ["cross_distance", "energy_distance", "pca_alignment", "cross_link_ratio"]
    settings = {"features": features, "max_samples": 20, "random_state": 0}
    return TaskRelationFeaturizer(tasks, **settings).fit().transform(tasks.pairs())


@case("cv", 1.0)
def pairwise_gain_regressor(alpha):
    tasks = task_set(n=240, n_tasks=6)
    settings = {"task_indicators": True, "random_state": 0}
    X = TaskRelationFeaturizer(tasks, **settings).fit().transform(tasks.pairs())
    A = gain_matrix(6)
    y = A[~np.eye(6, dtype=bool)]
    model = PairwiseGainRegressor(alpha=alpha).fit(X, y)
    return [model.predict(X), affinity_matrix(tasks.pairs(), model.predict(X), tasks.names)]


@case("tag", "gradient", "surrogate", "higher_order", "ensemble")
def affinity(method):
    model = regressor(max_iter=4)
    groups = {"n_groups": 8, "group_size": 2, "alpha": 0.1}
    estimators = {
        "tag": TaggingAffinity(model, n_repeats=2, random_state=0),
        "gradient": GradientTaskAffinity(model, n_dimensions=20, n_subsets=8, random_state=0),
        "surrogate": LinearSurrogate(model, **groups, random_state=0),
        "higher_order": HigherOrderAffinity(model, random_state=0),
        "ensemble": EnsembleAffinity(model, pair_fraction=0.7, random_state=0),
    }
    return estimators[method].fit(task_set()).affinity_


@case("tag", "gradient", "surrogate", "higher_order", "ensemble")
def affinity_classification(method):
    model = classifier(max_iter=4)
    groups = {"n_groups": 8, "group_size": 2, "alpha": 0.1}
    estimators = {
        "tag": TaggingAffinity(model, max_samples=20, random_state=0),
        "gradient": GradientTaskAffinity(model, n_dimensions=20, n_subsets=8, random_state=0),
        "surrogate": LinearSurrogate(model, **groups, random_state=0),
        "higher_order": HigherOrderAffinity(model, random_state=0),
        "ensemble": EnsembleAffinity(model, pair_fraction=0.7, random_state=0),
    }
    return estimators[method].fit(task_set("classification")).affinity_


@case("beam", "sdp", "exhaustive", "spectral")
def task_grouper(method):
    groupers = [TaskGrouper(method, n_groups=k, random_state=0) for k in (None, 2, 3)]
    return [grouping_of(grouper.fit(gain_matrix())) for grouper in groupers]


@case()
def task_grouper_group_size():
    return grouping_of(TaskGrouper(max_group_size=3, random_state=0).fit(gain_matrix(10)))


def grouping_of(model: Any) -> list[Any]:
    return [model.labels_, model.groups_, model.predicted_gain_, model.total_gain_]


def grouped(model: Any, X: Any, y: Any) -> list[Any]:
    model.fit(X, y)
    found = [
        model.groups_,
        model.labels_,
        model.affinity_,
        model.gains_.table,
        # Recordings may be older than the column "kind" and the label "joint".
        model.choice_.drop(columns="kind", errors="ignore").replace({"joint": "all together"}),
    ]
    return [*shown(model, X), *found, [shown_curves(one) for one in model.estimators_]]


def shown_curves(model: Any) -> list[Any]:
    return [getattr(model, name) for name in CURVES]


GROUPED = {"pair_fraction": 0.5, "n_repeats": 2, "n_rounds": 1, "random_state": 0}
TINY = {"max_iter": 3, "n_members": 1, "batch_size": 64}


@case()
def grouped_regressor_long():
    model = TaskGroupedRegressor(regressor(**TINY), task_column="school", **GROUPED)
    return grouped(model, *long_frame(160))


@case()
def grouped_regressor_wide():
    model = TaskGroupedRegressor(regressor(**TINY), **GROUPED | {"n_rounds": 0})
    return grouped(model, *wide(n_tasks=4, missing=0.1))


@case()
def grouped_classifier_long():
    model = TaskGroupedClassifier(classifier(**TINY), task_column="school", **GROUPED)
    return grouped(model, *long_labels(160))


@case()
def grouped_classifier_wide():
    model = TaskGroupedClassifier(classifier(**TINY), **GROUPED | {"n_rounds": 0})
    return grouped(model, *labels((2, 3, 2))[:2])


# ------------------------------------------------------------------ representation
@case(1, 2)
def low_rank_regressor(rank):
    X, Y = wide(missing=0.2)
    model = LowRankMultiTaskRegressor(rank, alpha=0.01, fit_intercept=True, random_state=0)
    return [*fitted(model, X, Y), model.components_, model.heads_, model.coef_]


@case()
def low_rank_regressor_long():
    model = LowRankMultiTaskRegressor(2, task_column="school", random_state=0)
    return [*fitted(model, *long_frame()), model.components_, model.heads_, model.coef_]


@case()
def representation_path_low_rank():
    model = LowRankMultiTaskRegressor(random_state=0)
    path = representation_path(model, *wide(), ranks=[1, 2, 3], cv=3)
    return [path.table, path.risks, path.starved, path.smallest_rank_, path.trivial_risks]


@case()
def representation_path_network():
    path = representation_path(regressor(**TINY), *wide(), ranks=[1, 3], cv=2)
    return [path.risks, path.single_task_risks, path.starved, path.smallest_rank_]


@case()
def representation_theory():
    coefs = np.random.default_rng(9).normal(size=(5, 4))
    bounds = minority_risk_bounds(coefs[:4], coefs[4:])
    return [population_minimum(coefs, 2), bounds, task_risks(coefs, coefs[::-1])]


# ------------------------------------------------------------------ spurious correlation
def linked_labels() -> tuple[Any, Any]:
    X, Y, _ = labels(n=200)
    return X, np.column_stack([Y[:, 0], np.where(np.arange(200) % 8 < 7, Y[:, 0], Y[:, 1])])


@case("adversarial", "reweight")
def debiased_classifier(method):
    detector = SpuriousTaskDetector(threshold=0.01, random_state=0)
    settings = {"detector": detector, "method": method, "max_iter": 10, "random_state": 0}
    X, Y = linked_labels()
    model = DebiasedClassifier(classifier(max_iter=5), **settings).fit(X, Y)
    return [*shown(model, X), model.spurious_, *shown(model.estimator_, X)]


@case()
def debiased_classifier_frozen():
    X, Y = linked_labels()
    detector = SpuriousTaskDetector(threshold=0.01, random_state=0)
    network = FrozenEstimator(classifier(head_hidden_layer_sizes=(4,), max_iter=5).fit(X, Y))
    model = DebiasedClassifier(network, detector=detector, max_iter=10, random_state=0)
    return [*shown(model.fit(X, Y), X), model.spurious_]


@case()
def spurious_task_detector():
    detector = SpuriousTaskDetector(n_bootstrap=20, random_state=0).fit(linked_labels()[1])
    return [detector.shift_, detector.spurious_, detector.p_values_]


@case()
def label_combination_split():
    return split_by_label_combination(*linked_labels(), exaggerate=0.3, random_state=0)


# ------------------------------------------------------------------ selection, tasks, metrics
@case()
def fleet_search_regressor():
    grid = {"alpha": [0.0, 0.1], "learning_rate_init": [0.003, 0.03]}
    return searched(FleetSearchCV(regressor(max_iter=4), grid, cv=3), *wide())


@case()
def fleet_search_classifier():
    X, Y, _ = labels(missing=0.2)
    folds = MultiTaskKFold(3, random_state=0)
    grid = {"alpha": [0.0, 0.1], "aggregator": ["mean", "uw"]}
    accuracy = scores.make_multitask_scorer(scores.multitask_accuracy)
    settings = {"response_method": "predict_proba", "greater_is_better": False}
    log_loss = scores.make_multitask_scorer(scores.multitask_log_loss, **settings)
    scoring = {"accuracy": accuracy, "log_loss": log_loss, "own": score}
    search = FleetSearchCV(classifier(max_iter=4), grid, cv=folds, scoring=scoring, refit="own")
    return searched(search, X, Y)


@case()
def fleet_search_pipeline():
    grid = {"multitaskregressor__alpha": [0.0, 0.1]}
    pipeline = make_pipeline(one_hot(), regressor(max_iter=4))
    return searched(FleetSearchCV(pipeline, grid, cv=3), *mixed())


def searched(search: Any, X: Any, y: Any) -> list[Any]:
    search.fit(X, y)
    results = {k: v for k, v in search.cv_results_.items() if "_time" not in k and k != "params"}
    return [results, search.best_index_, search.best_score_, search.predict(X)]


@case("wide", "classes", "long", "long_classes")
def multitask_folds(form):
    data = {
        "wide": wide(missing=0.5),
        "classes": labels((2, 3, 5), missing=0.3)[:2],
        "long": long_frame(),
        "long_classes": long_labels(),
    }
    column = "school" if "long" in form else None
    dealt = [MultiTaskKFold(4, task_column=column, random_state=seed) for seed in range(3)]
    return [[test for _, test in folds.split(*data[form])] for folds in dealt]


@case("regression", "classification")
def tasks_split(kind):
    tasks = task_set(kind)
    parts = tasks.train_test_split(test_size=0.3, random_state=0)
    taken = [[task.X, task.y] for part in parts for task in part]
    return [taken, tasks.names, tasks.pairs(), list(tasks.to_long()), list(tasks.to_wide())]


@case()
def metrics_regression():
    _, Y = wide(missing=0.2)
    guess = np.nan_to_num(Y) + np.random.default_rng(10).normal(size=Y.shape)
    weight = np.random.default_rng(6).uniform(size=len(Y))
    task, flat = np.tile(["a", "b", "c"], len(Y)), np.nan_to_num(Y).ravel()
    found = []
    for metric in (scores.multitask_r2, scores.multitask_mse):
        found += [metric(Y, guess), metric(Y, guess, average=None)]
        found += [metric(Y, guess, sample_weight=weight, average=None)]
        found += [metric(flat, guess.ravel(), task=task, average=None)]
    return found


@case()
def metrics_classification():
    _, Y, groups = labels(missing=0.2)
    chance = np.random.default_rng(10).uniform(0.05, 0.95, size=Y.shape)
    proba = [np.column_stack([1 - c, c]) for c in chance.T]
    guess = (chance > 0.5).astype(float)
    found = [scores.error_rate(Y, guess)]
    judged = [(scores.multitask_accuracy, guess), (scores.multitask_roc_auc, proba)]
    for metric, own in [*judged, (scores.multitask_log_loss, proba)]:
        found += [metric(Y, own), metric(Y, own, average=None)]
    for rate in ("fpr", "tpr", "equalized_odds"):
        found += [scores.group_rate_gap(Y, guess, groups, rate=rate)]
    return [*found, scores.chance_gap(Y, guess, groups, n_draws=50, random_state=0)]


@case()
def metrics_comparison():
    table = np.random.default_rng(11).uniform(0.1, 1.0, size=(6, 4))
    better = np.array([True, False, True, False])
    found = [scores.delta_m(table, table[0], better), scores.mean_rank(table, better)]
    found += [scores.average_relative_error(table[0], table[1])]
    found += [scores.average_relative_fairness_gap(table[0], table[1])]
    found += [scores.pareto_mask(table), scores.reported_point(table[:, :2])]
    return [*found, scores.hypervolume(table[:, :2], [1.0, 1.0])]


# ------------------------------------------------------------------ record and compare
def flat(value: Any) -> np.ndarray:
    """Return numbers as a flat float64 array: texts as checksums, None as NaN."""
    if value is None:
        return np.array([NAN])
    if isinstance(value, str):
        return np.array([zlib.crc32(value.encode())], dtype=float)
    if isinstance(value, pd.DataFrame):
        return flat([value.columns.tolist(), *(value.iloc[:, k] for k in range(value.shape[1]))])
    if isinstance(value, pd.Series):
        return flat(value.to_numpy())
    if isinstance(value, torch.Tensor):
        return flat(value.detach().cpu().numpy())
    if isinstance(value, Mapping):
        return flat([part for key, own in value.items() for part in (str(key), own)])
    if isinstance(value, (list, tuple)):
        return np.concatenate([np.empty(0), *(flat(own) for own in value)])
    array = np.asarray(value)
    if array.dtype.kind in "OUS":
        return flat(array.ravel().tolist())
    return array.astype(float).ravel()


def computed(make: Case) -> np.ndarray | str:
    """Return the numbers of a case, or what it raised."""
    try:
        return flat(make())
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def record(file: Path) -> bool:
    """Run all cases and store their numbers; return whether none raised."""
    results = {}
    for name, make in CASES.items():
        start = time.perf_counter()
        results[name] = computed(make)
        failed = isinstance(results[name], str)
        what = f"ERROR {results[name]}" if failed else f"{len(results[name]):>7}"
        print(f"{name:<52} {time.perf_counter() - start:6.2f} s {what}", flush=True)
    np.savez_compressed(file, **{name: np.asarray(own) for name, own in results.items()})
    n_errors = sum(isinstance(own, str) for own in results.values())
    print(f"{len(results)} cases, {n_errors} errors: {file}")
    return n_errors == 0


def differences(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return the largest absolute and relative difference; inf where one side alone is NaN."""
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        absolute = np.where(same, 0.0, np.abs(a - b))
        relative = np.where(same, 0.0, absolute / (1 + np.abs(a)))
    absolute[np.isnan(absolute)] = relative[np.isnan(relative)] = np.inf
    return float(absolute.max(initial=0.0)), float(relative.max(initial=0.0))


def verdict(old: np.ndarray | str | None, new: np.ndarray | str | None, tolerance: float) -> str:
    """Return size, differences and "ok", or what stands in the way of a comparison."""
    for side, own in (("recorded", old), ("now", new)):
        if own is None or isinstance(own, str):
            return f"DIFFERENT {side}: {'no such case' if own is None else f'ERROR {own}'}"
    if old.shape != new.shape:
        return f"DIFFERENT size was {old.size}, is {new.size}"
    gap, relative = differences(old, new)
    word = "ok" if relative <= tolerance else "DIFFERENT"
    return f"{old.size:>7} {gap:9.2e} {relative:9.2e} {word}"


def compare(file: Path, tolerance: float) -> bool:
    """Run all cases again and hold them against the file; return whether all agree."""
    with np.load(file, allow_pickle=False) as stored:
        known = {name: stored[name] for name in stored.files}
    old = {name: str(own) if own.dtype.kind == "U" else own for name, own in known.items()}
    print(f"{'case':<52} {'size':>7} {'absolute':>9} {'relative':>9}")
    different = 0
    for name in dict.fromkeys([*old, *CASES]):
        new = computed(CASES[name]) if name in CASES else None
        line = verdict(old.get(name), new, tolerance)
        different += "DIFFERENT" in line
        print(f"{name:<52} {line}", flush=True)
    print(f"{len(old)} recorded cases, {len(CASES)} now, {different} different")
    return different == 0


def main() -> int:
    """Record or compare; return the exit status."""
    formatter = argparse.RawDescriptionHelpFormatter
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    arguments.add_argument("command", choices=("record", "compare"))
    arguments.add_argument("file", type=Path, help="the numbers, an .npz file")
    arguments.add_argument("--tolerance", type=float, default=1e-12)
    options = arguments.parse_args()
    start = time.perf_counter()
    print(f"{skmtl.__file__}: {versions(np, scipy, pd, sklearn, torch)}, {platform.machine()}")
    torch.set_num_threads(1)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        recording = options.command == "record"
        good = record(options.file) if recording else compare(options.file, options.tolerance)
    print(f"{time.perf_counter() - start:.1f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
