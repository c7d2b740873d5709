"""Metadata routing: what is asked for arrives, what is not asked for raises or stays behind."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skmtl.utils.estimator_checks.contract_registry import contract
from skmtl.utils.estimator_checks.problems import (
    as_wide,
    assert_that,
    takes_sample_weight,
    takes_sensitive_features,
    wide_example,
)


@contract(takes_sample_weight)
def check_sample_weight_is_routed_by_a_pipeline(name: str, estimator: Any) -> None:
    """Require that a Pipeline with metadata routing passes ``sample_weight`` only on request.

    Without a request, it raises an error.
    """
    with config_context(enable_metadata_routing=True):
        _assert_routed(name, "sample_weight", spying(as_wide(estimator)), pipeline_of)


@contract(takes_sample_weight)
def check_sample_weight_is_routed_by_a_search(name: str, estimator: Any) -> None:
    """Require that GridSearchCV with metadata routing passes ``sample_weight`` only on request.

    Without a request, it raises an error.
    """
    with config_context(enable_metadata_routing=True):
        _assert_routed(
            name,
            "sample_weight",
            spying(as_wide(estimator)).set_score_request(sample_weight=True),
            search_of,
        )


@contract(takes_sensitive_features)
def check_sensitive_features_are_routed(name: str, estimator: Any) -> None:
    """Require that Pipeline and GridSearchCV pass ``sensitive_features`` by default.

    If the request is withdrawn, they are not passed, or an error is raised.
    """
    with config_context(enable_metadata_routing=True):
        for around in (pipeline_of, search_of):
            spy = spying(as_wide(estimator))
            X, Y, groups = _example(spy, "sensitive_features")
            seen = last(around(spy).fit(X, Y, sensitive_features=groups)).seen_
            assert_that(
                seen.get("sensitive_features") is not None,
                f"{name}: sensitive_features must be requested by default, but do not arrive.",
            )
            _assert_routed(name, "sensitive_features", spy, around)


def _assert_routed(name: str, what: str, spy: Any, around: Callable[[Any], Any]) -> None:
    X, Y, metadata = _example(spy, what)
    for requested in (True, False):
        seen = _seen(around(spy.set_fit_request(**{what: requested})), X, Y, {what: metadata})
        verb = "does not arrive" if requested else "arrives"
        assert_that(
            (seen.get(what) is not None) == requested,
            f"{name}: {what} {verb} with set_fit_request({what}={requested}).",
        )
    try:
        around(spy.set_fit_request(**{what: None})).fit(X, Y, **{what: metadata})
    except UnsetMetadataPassedError:
        return
    raise AssertionError(
        f"{name}: {what} was passed, nothing was said about it, and no UnsetMetadataPassedError "
        "came."
    )


def _seen(model: Any, X: NDArray[Any], Y: NDArray[Any], metadata: dict[str, Any]) -> dict[str, Any]:
    """Return what arrived; nothing, where scikit-learn refuses metadata that nobody wants."""
    try:
        seen: dict[str, Any] = last(model.fit(X, Y, **metadata)).seen_
    except TypeError as error:
        if "not routed to any object" in str(error) and all(
            repr(what) in str(error) for what in metadata
        ):
            return {}
        raise
    return seen


def _example(estimator: Any, what: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    X, Y = wide_example(estimator)
    rows = np.arange(len(X))
    return (
        X,
        Y,
        np.array(["f", "m"])[rows % 2] if what == "sensitive_features" else 0.5 + rows / len(rows),
    )


def pipeline_of(estimator: Any) -> Any:
    """Return a Pipeline that ends in the estimator."""
    return make_pipeline(FunctionTransformer(), estimator)


def search_of(estimator: Any) -> Any:
    """Return a search around a Pipeline that ends in the estimator."""
    return GridSearchCV(
        pipeline_of(estimator),
        {"functiontransformer__validate": [False]},
        cv=KFold(2),
        error_score="raise",
    )


def last(model: Any) -> Any:
    """Return the fitted estimator at the end."""
    return getattr(model, "best_estimator_", model)[-1]


def spying(estimator: Any) -> Any:
    """Return a copy of the estimator whose fit keeps its keyword arguments in ``seen_``."""
    kind = type(estimator)

    @functools.wraps(kind.fit)
    def fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.seen_ = kwargs
        return kind.fit(self, *args, **kwargs)

    return type(kind.__name__, (kind,), {"fit": fit})(**estimator.get_params(deep=False))
