"""Weights of rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from skmtl.utils.estimator_checks.contract_registry import contract
from skmtl.utils.estimator_checks.problems import (
    assert_same,
    assert_that,
    examples,
    outputs,
    takes_sample_weight,
)


@contract(takes_sample_weight)
def check_unit_weights_are_no_weights(name: str, estimator: Any) -> None:
    """Require that ``sample_weight`` of ones gives what a fit without weights gives."""
    for model, X, y in examples(estimator):
        expected = outputs(model.fit(X, y), X)
        found = outputs(model.fit(X, y, sample_weight=np.ones(len(X))), X)
        assert_same(
            found, expected, f"{name}: sample_weight of ones is not the same as none.", 1e-6
        )


@contract(takes_sample_weight)
def check_common_factor_of_weights_changes_nothing(name: str, estimator: Any) -> None:
    """Require that all weights times a constant give the same predictions."""
    for model, X, y in examples(estimator):
        weight = np.random.default_rng(20).uniform(0.2, 2, size=len(X))
        expected = outputs(model.fit(X, y, sample_weight=weight), X)
        for factor in (1e-3, 1e3):
            found = outputs(model.fit(X, y, sample_weight=factor * weight), X)
            assert_same(
                found,
                expected,
                f"{name}: all sample weights times {factor:g} change the predictions.",
                1e-6,
            )


@contract(takes_sample_weight)
def check_weights_have_an_effect(name: str, estimator: Any) -> None:
    """Require that rows of hardly any weight hardly count: other weights give other predictions."""
    for model, X, y in examples(estimator):
        plain = outputs(model.fit(X, y), X)
        weighted = outputs(
            model.fit(X, y, sample_weight=np.where(np.arange(len(X)) % 4 < 2, 1.0, 1e-3)), X
        )
        assert_that(np.abs(plain - weighted).max() > 1e-6, f"{name}: sample_weight has no effect.")
