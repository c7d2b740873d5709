"""Small data sets of the checks, and tests of what an estimator supports."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier

INPUTS = ["a", "b", "c"]
TASK = "task"
IDS = (7, 3, 12)
N_ROWS = 36


# ---------------------------------------------------------------------- what an estimator can do
def is_regressor(estimator: Any) -> bool:
    """Whether the estimator predicts numbers."""
    return not is_classifier(estimator)


def takes_long_form(estimator: Any) -> bool:
    """Whether the estimator has a ``task_column``."""
    return TASK + "_column" in estimator.get_params(deep=False)


def is_random(estimator: Any) -> bool:
    """Whether the estimator has a ``random_state``."""
    return "random_state" in estimator.get_params(deep=False)


def predicts_probabilities(estimator: Any) -> bool:
    """Whether the estimator has ``predict_proba``."""
    return hasattr(estimator, "predict_proba")


def takes_sample_weight(estimator: Any) -> bool:
    """Whether ``fit`` takes ``sample_weight``."""
    return "sample_weight" in inspect.signature(estimator.fit).parameters


def takes_sensitive_features(estimator: Any) -> bool:
    """Whether ``fit`` takes ``sensitive_features``."""
    return "sensitive_features" in inspect.signature(estimator.fit).parameters


# ---------------------------------------------------------------------- estimators made ready
def changed(estimator: Any, **parameters: Any) -> Any:
    """Return a clone with these parameters set, also in nested estimators."""
    copy = clone(estimator)
    inside = [name for name in copy.get_params(deep=True) if name.rsplit("__", 1)[-1] in parameters]
    return copy.set_params(**{name: parameters[name.rsplit("__", 1)[-1]] for name in inside})


def seeded(estimator: Any, seed: Any = 0) -> Any:
    """Return a clone with this ``random_state``, if the estimator has one."""
    copy = clone(estimator)
    return copy.set_params(random_state=seed) if is_random(copy) else copy


def as_wide(estimator: Any) -> Any:
    """Return a seeded clone for targets with one column per task."""
    copy = seeded(estimator)
    return copy.set_params(task_column=None) if takes_long_form(copy) else copy


def as_long(estimator: Any, column: Any = TASK) -> Any:
    """Return a seeded clone that reads each row's task in a column of X."""
    return seeded(estimator).set_params(task_column=column)


# ---------------------------------------------------------------------- data
def inputs(n_rows: int = N_ROWS, seed: int = 0) -> NDArray[np.float64]:
    """Return inputs, (n_rows, 3)."""
    return np.random.default_rng([17, seed]).normal(size=(n_rows, len(INPUTS)))


def full_targets(
    estimator: Any, X: NDArray[np.float64], n_tasks: int = 3, seed: int = 0
) -> NDArray[np.float64]:
    """Return related targets without missing labels, (n, n_tasks).

    Classes are 0.0 and 1.0, and each task has both.
    """
    rng = np.random.default_rng([18, seed])
    shared = X @ np.array([1.0, -0.5, 0.25])
    Y = np.column_stack(
        [shared + 0.5 * (t + 1) * X[:, t % X.shape[1]] for t in range(n_tasks)]
    ) + 0.2 * rng.normal(size=(len(X), n_tasks))
    return (np.median(Y, axis=0) < Y).astype(float) if is_classifier(estimator) else Y


def wide_example(
    estimator: Any, n_tasks: int = 3, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return inputs and targets with missing labels; each task has at least 24 labels."""
    X = inputs(seed=seed)
    Y = full_targets(estimator, X, n_tasks, seed)
    order = np.random.default_rng([19, seed]).permutation(len(X))
    for t in range(n_tasks):
        Y[order[t :: n_tasks + 1][:8], t] = np.nan
    return X, Y


def long_example(estimator: Any, seed: int = 0) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Return inputs with a task column of integers, tasks interleaved, and a 1-D target."""
    X = inputs(seed=seed)
    Y = full_targets(estimator, X, len(IDS), seed)
    codes = np.arange(len(X)) % len(IDS)
    y = Y[np.arange(len(X)), codes]
    return pd.DataFrame(X, columns=INPUTS).assign(**{TASK: np.array(IDS)[codes]}), y.astype(
        int
    ) if is_classifier(estimator) else y


def examples(estimator: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield (unfitted estimator, X, y) in every layout that the estimator takes."""
    yield as_wide(estimator), *wide_example(estimator)
    if takes_long_form(estimator):
        yield as_long(estimator), *long_example(estimator)


# ---------------------------------------------------------------------- answers
def outputs(model: Any, X: Any) -> NDArray[np.float64]:
    """Return the probabilities of a fitted model, or else its predictions, as one table."""
    found = model.predict_proba(X) if predicts_probabilities(model) else model.predict(X)
    table = np.hstack(found) if isinstance(found, list) else np.asarray(found, dtype=float)
    return table.reshape(len(table), -1)


def assert_same(found: Any, expected: Any, message: str, tolerance: float = 0.0) -> None:
    """Raise unless two tables agree; NaN agrees with NaN."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert_that(
        found.shape == expected.shape, f"{message} Shapes: {found.shape} and {expected.shape}."
    )
    if not np.allclose(found, expected, rtol=0, atol=tolerance, equal_nan=True):
        difference = np.max(np.abs(found - expected))
        raise AssertionError(
            f"{message} Largest difference: {difference:.3g}, allowed: {tolerance:g}."
        )


def assert_that(condition: Any, message: str) -> None:
    """Raise AssertionError unless the condition holds, also when Python runs with ``-O``."""
    if not condition:
        raise AssertionError(message)


def refusal(method: Any, X: Any) -> ValueError | None:
    """Return the ValueError that a method raises for X, None where it raises none."""
    try:
        method(X)
    except ValueError as error:
        return error
    return None
