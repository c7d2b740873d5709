"""Checks of targets: missing labels, types, probabilities, units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from skmtl.utils.estimator_checks.contract_registry import contract
from skmtl.utils.estimator_checks.problems import (
    IDS,
    TASK,
    as_long,
    as_wide,
    assert_same,
    assert_that,
    full_targets,
    inputs,
    is_regressor,
    long_example,
    outputs,
    predicts_probabilities,
    takes_long_form,
    wide_example,
)


@contract()
def check_gaps_in_targets_are_skipped(name: str, estimator: Any) -> None:
    """Require that NaN in a wide Y is a missing label: neither an error, a number nor a class."""
    X, Y = wide_example(estimator)
    Y = Y + (1 if is_classifier(estimator) else 1000)
    model = as_wide(estimator).fit(X, Y)
    predicted = np.asarray(model.predict(X), dtype=float)
    assert_that(
        predicted.shape == Y.shape,
        f"{name} was fitted on Y of shape {Y.shape} and predicted shape {predicted.shape}.",
    )
    assert_that(
        np.isfinite(predicted).all(),
        f"{name} predicts values that are not finite after a fit on Y with NaN.",
    )
    if is_classifier(estimator):
        assert_that(
            [list(own) for own in model.classes_] == [[1, 2]] * 3,
            f"{name} was fitted on the classes 1 and 2, and NaN. Its classes_ are "
            f"{model.classes_}.",
        )
    else:
        low, high = np.nanmin(Y, axis=0), np.nanmax(Y, axis=0)
        near = np.abs(predicted.mean(0) - (low + high) / 2) < 4 * (high - low)
        assert_that(
            near.all(),
            f"{name} predicts what none of the labels says: NaN in Y seems to have been taken for "
            "a value.",
        )


@contract()
def check_rows_without_labels_change_nothing(name: str, estimator: Any) -> None:
    """Require that rows of a wide Y that are NaN for every task do not change what is learned."""
    X, Y = wide_example(estimator)
    expected = outputs(as_wide(estimator).fit(X, Y), X)
    more, empty = np.vstack([X, 1e3 * inputs(9, seed=1)]), np.full((9, Y.shape[1]), np.nan)
    found = outputs(as_wide(estimator).fit(more, np.vstack([Y, empty])), X)
    assert_same(found, expected, f"{name} learns from rows that have no label for any task.", 1e-6)


@contract(is_classifier)
def check_labels_keep_their_type(name: str, estimator: Any) -> None:
    """Require that predicted labels keep the type of the labels, also with missing labels.

    Strings stay strings, whole numbers integers, and booleans booleans.
    """
    X, codes = inputs(), full_targets(estimator, inputs(), 2).astype(int)
    for values, kind in (
        (np.array(["no", "yes"]), "U"),
        (np.array([10, 20]), "i"),
        (np.array([False, True]), "b"),
    ):
        labels = pd.DataFrame(values[codes], columns=["u", "v"]).astype(object)
        labels.iloc[:3, 0], labels.iloc[2:5, 1] = np.nan, None
        model = as_wide(estimator).fit(X, labels.astype(float) if kind == "i" else labels)
        for task, classes in zip(("u", "v"), model.classes_, strict=True):
            known = np.asarray(classes).dtype.kind
            assert_that(
                known == kind and list(classes) == list(values),
                f"{name} turned the labels {values} of task {task!r} into {classes!r}.",
            )
        predicted = np.asarray(model.predict(X))
        assert_that(
            predicted.dtype.kind == kind,
            f"{name} was fitted on labels {values} and predicts {predicted[0]!r} "
            f"({predicted.dtype}).",
        )


@contract(is_classifier, predicts_probabilities)
def check_probabilities(name: str, estimator: Any) -> None:
    """Require that probabilities are valid and that the largest one is predicted.

    They are a list of arrays for a 2-D Y and one array for a 1-D y, and rows sum to 1.
    """
    X, Y = wide_example(estimator)
    Y[:, 2] = np.where(np.isnan(Y[:, 2]), np.nan, Y[:, 2] + (X[:, 0] > 0.5))
    model = as_wide(estimator).fit(X, Y)
    found, predicted = model.predict_proba(X), model.predict(X)
    shapes = [(len(X), len(classes)) for classes in model.classes_]
    assert_that(
        isinstance(found, list) and isinstance(model.classes_, list),
        f"{name}: predict_proba and classes_ must be lists for a Y with columns.",
    )
    assert_that(
        [np.shape(p) for p in found] == shapes,
        f"{name}: shapes of predict_proba are {[np.shape(p) for p in found]}, classes_ ask for "
        f"{shapes}.",
    )
    for t, (own, classes) in enumerate(zip(found, model.classes_, strict=True)):
        _assert_probabilities(name, own, classes, predicted[:, t])
    y = full_targets(estimator, X, 1)[:, 0].astype(int)
    model = as_wide(estimator).fit(X, y)
    flat = model.predict_proba(X)
    assert_that(
        isinstance(flat, np.ndarray) and flat.shape == (len(X), 2),
        f"{name}: predict_proba must be one array of shape (n, k) for a 1-D y.",
    )
    _assert_probabilities(name, flat, model.classes_, model.predict(X))


@contract(is_classifier, predicts_probabilities, takes_long_form)
def check_probabilities_in_long_form(name: str, estimator: Any) -> None:
    """Require that ``predict_proba`` has one column per class of any task in long form.

    A probability is zero if the row's task never had the class.
    """
    X, y = long_example(estimator)
    foreign = np.asarray(X[TASK] == IDS[2])
    y = np.where(foreign, y + 5, y)
    model = as_long(estimator).fit(X, y)
    found = model.predict_proba(X)
    assert_that(
        list(model.classes_) == [0, 1, 5, 6],
        f"{name}: classes_ must be the sorted union over tasks, [0, 1, 5, 6]. Got "
        f"{model.classes_!r}.",
    )
    assert_that(
        np.shape(found) == (len(X), 4),
        f"{name}: predict_proba must have shape ({len(X)}, 4). Got {np.shape(found)}.",
    )
    _assert_probabilities(name, found, model.classes_, model.predict(X))
    never = np.concatenate([found[foreign][:, :2].ravel(), found[~foreign][:, 2:].ravel()])
    assert_that(
        (never == 0).all(),
        f"{name} gives a positive probability to a class that the row's task never had.",
    )


def _assert_probabilities(name: str, found: Any, classes: Any, predicted: Any) -> None:
    assert_that(
        np.isfinite(found).all() and (np.asarray(found) >= 0).all(),
        f"{name} predicts probabilities that are negative or not finite.",
    )
    assert_same(
        np.sum(found, axis=1),
        np.ones(len(found)),
        f"{name}: rows of predict_proba must add up to 1.",
        1e-9,
    )
    best = np.asarray(classes)[np.argmax(found, axis=1)]
    assert_that(
        (best == np.asarray(predicted)).all(),
        f"{name} does not predict the class with the largest probability.",
    )


@contract()
def check_constant_target(name: str, estimator: Any) -> None:
    """Require that a task whose labels are all alike is learned, and the other tasks beside it."""
    X, Y = wide_example(estimator)
    Y[~np.isnan(Y[:, 1]), 1] = 3.0
    predicted = np.asarray(as_wide(estimator).fit(X, Y).predict(X), dtype=float)
    assert_that(
        np.isfinite(predicted).all(),
        f"{name} predicts values that are not finite beside a task with one value only.",
    )
    far = predicted[:, 1] != 3 if is_classifier(estimator) else np.abs(predicted[:, 1] - 3) > 3
    assert_that(
        not far.any(),
        f"{name} was told 3.0 for every row of a task and predicts {predicted[far, 1][:1]} for it.",
    )


@contract(is_regressor)
def check_units_of_targets_do_not_matter(name: str, estimator: Any) -> None:
    """Require that scaled and shifted targets give equally scaled and shifted predictions."""
    X, Y = wide_example(estimator)
    expected = np.asarray(as_wide(estimator).fit(X, Y).predict(X))
    for factor, shift in ((1e6, 3e6), (1e-6, -2e-6), (1.0, 1e6)):
        found = np.asarray(as_wide(estimator).fit(X, factor * Y + shift).predict(X))
        assert_same(
            (found - shift) / factor,
            expected,
            f"{name}: the predictions for {factor:g} * Y + {shift:g} are not {factor:g} * "
            "predictions + shift.",
            1e-5,
        )
