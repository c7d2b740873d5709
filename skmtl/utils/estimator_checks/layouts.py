"""Wide and long form, names and order of tasks and of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skmtl.utils.estimator_checks.contract_registry import contract
from skmtl.utils.estimator_checks.problems import (
    IDS,
    INPUTS,
    TASK,
    as_long,
    as_wide,
    assert_same,
    assert_that,
    changed,
    examples,
    full_targets,
    inputs,
    long_example,
    outputs,
    predicts_probabilities,
    refusal,
    takes_long_form,
    wide_example,
)


@contract()
def check_permuted_tasks_permute_predictions(name: str, estimator: Any) -> None:
    """Require that permuting the columns of Y permutes the predictions and changes nothing else."""
    X, Y = wide_example(estimator)
    order = np.array([2, 0, 1])
    straight, permuted = as_wide(estimator).fit(X, Y), as_wide(estimator).fit(X, Y[:, order])
    message = f"{name}: permuting the columns of Y does more than permute the predictions."
    if predicts_probabilities(straight):
        expected = straight.predict_proba(X)
        for k, own in enumerate(permuted.predict_proba(X)):
            assert_same(own, expected[order[k]], message, 1e-6)
    else:
        assert_same(permuted.predict(X), np.asarray(straight.predict(X))[:, order], message, 1e-6)


@contract()
def check_one_column_equals_one_dimension(name: str, estimator: Any) -> None:
    """Require that y of shape (n,) and (n, 1) give equal predictions, each in its shape."""
    X = inputs()
    y = full_targets(estimator, X, 1)[:, 0]
    flat, column = as_wide(estimator).fit(X, y), as_wide(estimator).fit(X, y[:, None])
    shapes = np.shape(flat.predict(X)), np.shape(column.predict(X))
    assert_that(
        shapes == ((len(X),), (len(X), 1)),
        f"{name} predicts shapes {shapes} for y of shape (n,) and (n, 1).",
    )
    assert_same(
        outputs(flat, X),
        outputs(column, X),
        f"{name} predicts differently for y of shape (n,) and (n, 1).",
        1e-9,
    )


@contract(takes_long_form)
def check_wide_equals_long(name: str, estimator: Any) -> None:
    """Require that a wide Y with one label per row and its long form give equal predictions."""
    estimator = changed(estimator, task_embedding_dim=0)
    frame, y = long_example(estimator)
    names = [str(task) for task in IDS]
    Y = pd.DataFrame(np.nan, index=frame.index, columns=names)
    for task in IDS:
        Y.loc[frame[TASK] == task, str(task)] = y[frame[TASK] == task]
    wide, long = as_wide(estimator).fit(frame[INPUTS], Y), as_long(estimator).fit(frame, y)
    expected = (
        wide.predict_proba(frame[INPUTS])
        if predicts_probabilities(wide)
        else np.asarray(wide.predict(frame[INPUTS]), dtype=float).T
    )
    for t, task in enumerate(IDS):
        found = outputs(long, frame.assign(**{TASK: task}))
        assert_same(
            found,
            np.reshape(expected[t], (len(frame), -1)),
            f"{name}: task {task} is predicted differently in wide and in long form.",
            1e-6,
        )


@contract(takes_long_form)
def check_task_ids_may_be_any_hashables(name: str, estimator: Any) -> None:
    """Require that task ids may have any hashable type, in an array or a DataFrame.

    They may be integers, integral floats, strings, categories or tuples: only names matter.
    """
    frame, y = long_example(estimator)
    expected = outputs(as_long(estimator).fit(frame, y), frame)
    tuples = pd.Series([(int(task), "x") for task in frame[TASK]], dtype=object)
    columns: dict[str, Any] = {
        "integral floats": frame[TASK].astype(float),
        "strings": frame[TASK].astype(str),
        "categories": frame[TASK].astype(str).astype("category"),
        "objects": frame[TASK].astype(object),
        "tuples": tuples,
    }
    for kind, column in columns.items():
        other = frame.assign(task=column)
        model = as_long(estimator).fit(other, y)
        names = [str((task, "x")) if kind == "tuples" else str(task) for task in IDS]
        assert_that(
            sorted(model.task_names_) == sorted(names),
            f"{name}: ids that are {kind} gave the tasks {model.task_names_}, not {names}.",
        )
        assert_same(
            outputs(model, other),
            expected,
            f"{name} predicts differently when task ids are {kind}.",
            1e-6,
        )
    array = frame.to_numpy(dtype=float)
    found = outputs(as_long(estimator, column=-1).fit(array, y), array)
    assert_same(
        found,
        expected,
        f"{name} predicts differently when X is an array with the task column in the last place.",
        1e-6,
    )


@contract(takes_long_form)
def check_order_of_tasks_in_long_form_is_irrelevant(name: str, estimator: Any) -> None:
    """Require that the order of tasks and rows in long form does not change predictions."""
    frame, y = long_example(estimator)
    expected = outputs(as_long(estimator).fit(frame, y), frame)
    for order in (np.arange(len(y))[::-1], np.argsort(np.asarray(frame[TASK]), kind="stable")):
        model = as_long(estimator).fit(frame.iloc[order], y[order])
        assert_same(
            outputs(model, frame),
            expected,
            f"{name}: the order of the rows in long form changes the predictions.",
            1e-6,
        )


@contract(takes_long_form)
def check_unknown_task_raises(name: str, estimator: Any) -> None:
    """Require that predicting for a task that was not in fit raises a ValueError that names it."""
    frame, y = long_example(estimator)
    model = as_long(estimator).fit(frame, y)
    for method in ["predict", *(["predict_proba"] if predicts_probabilities(model) else [])]:
        error = refusal(getattr(model, method), frame.assign(**{TASK: [9876, *frame[TASK][1:]]}))
        assert_that(
            error is not None,
            f"{name}.{method} predicts for the task '9876', which was not in fit.",
        )
        assert_that(
            "9876" in str(error),
            f"{name}.{method} does not name the unknown task '9876' in its error: {error}",
        )


@contract()
def check_order_of_rows_in_predict_is_irrelevant(name: str, estimator: Any) -> None:
    """Require that the prediction for a row does not depend on the other rows of ``predict``.

    Rows are passed in another order, one by one, and one task at a time.
    """
    for model, X, y in examples(estimator):
        model.fit(X, y)
        frame = pd.DataFrame(X)
        expected = outputs(model, X)
        parts = [np.arange(len(frame))[::-1], np.arange(1, len(frame), 5), np.array([4])]
        parts += [np.flatnonzero(frame[TASK] == task) for task in IDS if TASK in frame]
        for rows in parts:
            part = X.iloc[rows] if hasattr(X, "iloc") else X[rows]
            assert_same(
                outputs(model, part),
                expected[rows],
                f"{name}: what is predicted for a row depends on the other rows.",
                1e-9,
            )


@contract()
def check_task_names(name: str, estimator: Any) -> None:
    """Require that ``task_names_`` are column names, positions of an array, or ids (long form)."""
    X, Y = wide_example(estimator)
    found = as_wide(estimator).fit(X, Y).task_names_
    assert_that(
        list(found) == ["0", "1", "2"],
        f"{name}: tasks of an array Y are called by position. Got {found}.",
    )
    found = as_wide(estimator).fit(X, pd.DataFrame(Y, columns=["w", "u", "v"])).task_names_
    assert_that(
        list(found) == ["w", "u", "v"],
        f"{name}: tasks of a frame Y are called as its columns, 'w', 'u', 'v'. Got {found}.",
    )
    if takes_long_form(estimator):
        found = as_long(estimator).fit(*long_example(estimator)).task_names_
        assert_that(
            sorted(found) == ["12", "3", "7"],
            f"{name}: tasks in long form are called by their ids, '7', '3', '12'. Got {found}.",
        )


@contract()
def check_feature_names_and_number(name: str, estimator: Any) -> None:
    """Require that ``predict`` compares X with ``n_features_in_`` and ``feature_names_in_``.

    Both include the task column.
    """
    for model, X, y in examples(estimator):
        frame = X if hasattr(X, "columns") else pd.DataFrame(X, columns=INPUTS)
        model.fit(frame, y)
        assert_that(
            model.n_features_in_ == frame.shape[1],
            f"{name}: n_features_in_ is {model.n_features_in_} after a fit on {frame.shape[1]} "
            "columns.",
        )
        assert_that(
            list(model.feature_names_in_) == list(frame.columns),
            f"{name}: feature_names_in_ is {model.feature_names_in_}, not the columns of X.",
        )
        wrong = {
            "columns with other names": frame.rename(columns={"b": "z"}),
            "fewer columns": frame.drop(columns="b"),
        }
        for what, other in wrong.items():
            assert_that(
                refusal(model.predict, other), f"{name}.predict accepts {what} than fit saw."
            )
