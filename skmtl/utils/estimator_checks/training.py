"""Checks of tasks with very few labels, in training and in validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skmtl.utils.estimator_checks.contract_registry import contract
from skmtl.utils.estimator_checks.problems import (
    TASK,
    as_long,
    as_wide,
    assert_that,
    changed,
    full_targets,
    inputs,
    takes_long_form,
    wide_example,
)


@contract()
def check_rare_tasks_absent_from_minibatches(name: str, estimator: Any) -> None:
    """Require that a task of three rows, which most batches miss, spoils no prediction."""
    estimator = changed(estimator, batch_size=4)
    X, Y = wide_example(estimator)
    kept = [
        np.flatnonzero(Y[:, 2] == value)[0] for value in (np.nanmin(Y[:, 2]), np.nanmax(Y[:, 2]))
    ]
    rare = np.full(len(Y), np.nan)
    rare[[*kept, np.flatnonzero(~np.isnan(Y[:, 2]))[-1]]] = Y[
        [*kept, np.flatnonzero(~np.isnan(Y[:, 2]))[-1]], 2
    ]
    predicted = np.asarray(
        as_wide(estimator).fit(X, np.column_stack([Y[:, :2], rare])).predict(X), dtype=float
    )
    assert_that(
        np.isfinite(predicted).all(),
        f"{name} predicts values that are not finite where batches lack a task.",
    )


@contract()
def check_tiny_tasks_stop_early_without_error(name: str, estimator: Any) -> None:
    """Require that tasks of one to four labeled rows can be fitted with early stopping."""
    estimator = changed(estimator, early_stopping="auto")
    X = inputs(20)
    Y = full_targets(estimator, X, 5)
    sizes = (20, 4, 3, 2, 1)
    wide = np.where(np.arange(20)[:, None] < np.array(sizes), Y, np.nan)
    predicted = np.asarray(as_wide(estimator).fit(X, wide).predict(X), dtype=float)
    assert_that(
        np.isfinite(predicted).all(),
        f"{name} predicts values that are not finite where tasks have one to four labeled rows.",
    )
    if takes_long_form(estimator):
        frame = pd.concat(
            [
                pd.DataFrame(X[:size], columns=list("abc")).assign(**{TASK: t})
                for t, size in enumerate(sizes)
            ],
            ignore_index=True,
        )
        y = np.concatenate([Y[:size, t] for t, size in enumerate(sizes)])
        predicted = np.asarray(as_long(estimator).fit(frame, y).predict(frame), dtype=float)
        assert_that(
            np.isfinite(predicted).all(),
            f"{name} predicts values that are not finite where tasks in long form have one to four "
            "rows.",
        )
