"""``score``, alone and inside a search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, cross_val_score

from skmtl.utils.estimator_checks.contract_registry import contract
from skmtl.utils.estimator_checks.problems import (
    TASK,
    as_wide,
    assert_that,
    examples,
    is_regressor,
    wide_example,
)


@contract()
def check_score_is_the_mean_over_tasks(name: str, estimator: Any) -> None:
    """Require that ``score`` is the mean over tasks of R2 or accuracy, weighted if requested.

    Missing labels are left out.
    """
    weight = np.random.default_rng(21).uniform(0.2, 2, size=len(wide_example(estimator)[0]))
    for model, X, y in examples(estimator):
        model.fit(X, y)
        for given in (None, weight):
            expected = _mean_over_tasks(
                X,
                y,
                np.asarray(model.predict(X)),
                given,
                accuracy_score if is_classifier(estimator) else r2_score,
            )
            found = model.score(X, y) if given is None else model.score(X, y, sample_weight=given)
            message = (
                f"{name}: score is {found}; the mean over tasks, NaN labels left out, is "
                f"{expected}."
            )
            assert_that(np.isclose(found, expected, rtol=1e-6, atol=1e-9), message)


def _mean_over_tasks(
    X: Any,
    y: NDArray[Any],
    predicted: NDArray[Any],
    weight: NDArray[np.float64] | None,
    metric: Any,
) -> float:
    cells = (
        [~np.isnan(column) for column in y.T]
        if y.ndim == 2
        else [np.asarray(X[TASK] == task) for task in pd.unique(X[TASK])]
    )
    values = []
    for t, rows in enumerate(cells):
        true, own = (y[rows, t], predicted[rows, t]) if y.ndim == 2 else (y[rows], predicted[rows])
        values.append(
            metric(
                true.astype(own.dtype), own, sample_weight=None if weight is None else weight[rows]
            )
        )
    return float(np.mean(values))


@contract()
def check_score_is_never_nan(name: str, estimator: Any) -> None:
    """Require that ``score`` is finite, also if a task has no label or one among the rows."""
    X, Y = wide_example(estimator)
    model = as_wide(estimator).fit(X, Y)
    for kept in (0, 1):
        few = Y.copy()
        few[np.flatnonzero(~np.isnan(Y[:, 1]))[kept:], 1] = np.nan
        score = model.score(X, few)
        assert_that(
            isinstance(score, float) and np.isfinite(score),
            f"{name}: score is {score!r} where a task has {kept} labeled rows.",
        )


@contract()
def check_cross_validation_scores_are_finite(name: str, estimator: Any) -> None:
    """Require that cross-validation with missing labels gives finite scores."""
    for model, X, y in examples(estimator):
        scores = cross_val_score(
            model, X, y, cv=KFold(2, shuffle=True, random_state=0), error_score="raise"
        )
        assert_that(np.isfinite(scores).all(), f"{name}: scores of cross-validation are {scores}.")
    if is_regressor(estimator):
        X, Y = wide_example(estimator)
        assert_that(
            np.isfinite(cross_val_score(as_wide(estimator), X, Y, cv=2, error_score="raise")).all(),
            f"{name}: scores with cv=2 are not finite.",
        )
