"""Parameters, persistence, and what a fit leaves as it was."""

from __future__ import annotations

import copy
import importlib
import pickle
from typing import Any
from unittest import SkipTest

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skmtl.utils.estimator_checks.contract_registry import contract
from skmtl.utils.estimator_checks.problems import (
    as_wide,
    assert_same,
    assert_that,
    examples,
    full_targets,
    outputs,
    takes_sample_weight,
    wide_example,
)


@contract()
def check_fit_leaves_inputs_as_they_were(name: str, estimator: Any) -> None:
    """Require that ``fit`` and ``predict`` change no input and accept read-only arrays."""
    for model, X, y in examples(estimator):
        given = (
            {"sample_weight": np.linspace(0.5, 1.5, len(X))}
            if takes_sample_weight(estimator)
            else {}
        )
        before = copy.deepcopy((X, y, given))
        outputs(model.fit(X, y, **given), X)
        _assert_unchanged(name, (X, y, given), before)
        for array in (X, y):
            if isinstance(array, np.ndarray):
                array.flags.writeable = False
        outputs(model.fit(X, y), X)


def _assert_unchanged(
    name: str, after: tuple[Any, Any, dict[str, Any]], before: tuple[Any, Any, dict[str, Any]]
) -> None:
    for what, new, old in zip(("X", "y", "sample_weight"), after, before, strict=True):
        new, old = (pd.DataFrame(value) for value in (new, old))
        assert_that(
            new.equals(old) and list(new.columns) == list(old.columns),
            f"{name} changes {what} in fit or predict.",
        )


@contract()
def check_fit_leaves_parameters_as_they_were(name: str, estimator: Any) -> None:
    """Require that ``fit`` returns the estimator with the same parameters, and so does ``clone``.

    A clone is not fitted.
    """
    for model, X, y in examples(estimator):
        before = {key: repr(value) for key, value in model.get_params(deep=True).items()}
        assert_that(model.fit(X, y) is model, f"{name}.fit must return self.")
        after = {key: repr(value) for key, value in model.get_params(deep=True).items()}
        changed = sorted(key for key in before if before[key] != after.get(key))
        assert_that(
            not changed and set(before) == set(after),
            f"{name}.fit changes the parameters {changed}.",
        )
        fresh = clone(model)
        same = {key: repr(value) for key, value in fresh.get_params(deep=True).items()} == before
        assert_that(same, f"{name}: a clone has other parameters.")
        try:
            fresh.predict(X)
        except NotFittedError:
            continue
        raise AssertionError(f"{name}: a clone predicts without having been fitted.")


@contract()
def check_pickle_predicts_the_same(name: str, estimator: Any) -> None:
    """Require that a fitted estimator that went through pickle predicts the same."""
    for model, X, y in examples(estimator):
        model.fit(X, y)
        assert_same(
            outputs(pickle.loads(pickle.dumps(model)), X),
            outputs(model, X),
            f"{name} predicts differently after pickle.",
        )


@contract()
def check_skops_predicts_the_same(name: str, estimator: Any) -> None:
    """Require that a fitted estimator predicts the same after skops; skipped without skops."""
    try:
        io = importlib.import_module("skops.io")
    except ImportError:
        raise SkipTest("skops is not installed.") from None
    for model, X, y in examples(estimator):
        model.fit(X, y)
        stored = io.dumps(model)
        loaded = io.loads(stored, trusted=io.get_untrusted_types(data=stored))
        assert_same(
            outputs(loaded, X), outputs(model, X), f"{name} predicts differently after skops."
        )


@contract()
def check_second_fit_forgets_the_first(name: str, estimator: Any) -> None:
    """Require that a second fit on data of another shape gives what a fresh estimator gives."""
    X, Y = wide_example(estimator)
    narrow, y = X[:, :2], full_targets(estimator, X, 1)[:, 0]
    again, fresh = as_wide(estimator).fit(X, Y).fit(narrow, y), as_wide(estimator).fit(narrow, y)
    assert_that(
        np.shape(again.predict(narrow)) == (len(X),),
        f"{name}: predictions after a second fit have the shape of the first.",
    )
    assert_that(
        again.n_features_in_ == 2 and len(again.task_names_) == 1,
        f"{name}: n_features_in_ or task_names_ are those of the first fit.",
    )
    if is_classifier(estimator):
        assert_that(
            not isinstance(again.classes_, list),
            f"{name}: classes_ is still the list of the first fit.",
        )
    assert_same(
        outputs(again, narrow),
        outputs(fresh, narrow),
        f"{name}: a second fit does not give what a fresh estimator gives.",
        1e-9,
    )


@contract()
def check_predictions_stay_arrays(name: str, estimator: Any) -> None:
    """Require that ``predict`` returns an array, also if transformers are set to return frames."""
    X, Y = wide_example(estimator)
    frame, targets = pd.DataFrame(X, columns=list("abc")), pd.DataFrame(Y, columns=list("uvw"))
    model = (
        make_pipeline(FunctionTransformer(), as_wide(estimator))
        .set_output(transform="pandas")
        .fit(frame, targets)
    )
    for method in ("predict", "predict_proba"):
        if hasattr(model, method):
            found = getattr(model, method)(frame)
            parts = found if isinstance(found, list) else [found]
            assert_that(
                all(type(part) is np.ndarray for part in parts),
                f"{name}.{method} returns {type(parts[0]).__name__}, not an array.",
            )
