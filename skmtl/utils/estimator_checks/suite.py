"""Functions that run the checks on an estimator, directly or with pytest."""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal
from unittest import SkipTest

from sklearn.base import clone
from sklearn.exceptions import EstimatorCheckFailedWarning, SkipTestWarning

from skmtl.utils.estimator_checks.contract_registry import ENTRIES, Check

Failures = Mapping[str, str]


def multitask_checks(estimator: Any) -> list[Check]:
    """Return the checks that are meant for an estimator.

    They depend on whether the estimator has ``predict_proba``, ``task_column`` and
    ``random_state``, and whether ``fit`` accepts ``sample_weight`` and ``sensitive_features``.

    Parameters
    ----------
    estimator : object
        Unfitted multi-task estimator.

    Returns
    -------
    list of callable
        Functions ``check(name, estimator)`` that raise where the contract is broken; ``name`` is
        how messages call the estimator.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.utils.estimator_checks import multitask_checks
    >>> [check.__name__ for check in multitask_checks(MultiTaskRegressor())][:2]
    ['check_fit_leaves_inputs_as_they_were', 'check_fit_leaves_parameters_as_they_were']
    """
    return [entry.check for entry in ENTRIES.values() if entry.suits(estimator)]


def check_multitask_estimator(
    estimator: Any,
    *,
    expected_failed_checks: Failures | None = None,
    on_skip: Literal["warn"] | None = "warn",
    on_fail: Literal["raise", "warn"] | None = "raise",
) -> list[dict[str, Any]]:
    """Check that an estimator follows the conventions of multi-task estimators.

    The suite complements :func:`sklearn.utils.estimator_checks.check_estimator`. It covers missing
    labels, order and names of tasks, wide and long form, weights, seeds, scores and metadata
    routing. Checks of exact equality (permuted tasks, wide and long form) need an instance without
    minibatches and validation rows. Check such an instance, and also the default one, with the
    exceptions in ``expected_failed_checks``.

    Parameters
    ----------
    estimator : object
        Unfitted instance. It is cloned; the clones get a ``random_state`` and a ``task_column``
        where they have these parameters.
    expected_failed_checks : dict of str to str, optional
        Names of checks that are known to fail, with the reason.
    on_skip : {"warn"} or None, default="warn"
        Whether to warn (SkipTestWarning) about checks that cannot run because a package is missing.
    on_fail : {"raise", "warn"} or None, default="raise"
        Whether an unexpected failure raises, warns, or is only recorded in the result.

    Returns
    -------
    list of dict
        One entry per check: ``check_name``, ``status`` ("passed", "failed", "xfail" or "skipped"),
        ``exception`` and ``reason`` (None unless it was expected to fail).

    Raises
    ------
    Exception
        The exception of an unexpected failure, with ``on_fail="raise"``.
    ValueError
        If ``expected_failed_checks`` contains an unknown check, or if an option is invalid.

    See Also
    --------
    parametrize_with_checks : One pytest test per check.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.utils.estimator_checks import check_multitask_estimator
    >>> strict = MultiTaskRegressor(
    ...     (4,), max_iter=2, batch_size="full", early_stopping=False, dtype="float64"
    ... )
    >>> results = check_multitask_estimator(strict, on_skip=None)
    >>> {result["status"] for result in results} <= {"passed", "skipped"}
    True
    """
    for what, value, allowed in (
        ("on_skip", on_skip, ("warn", None)),
        ("on_fail", on_fail, ("raise", "warn", None)),
    ):
        if value not in allowed:
            raise ValueError(
                f"The {what!r} parameter of check_multitask_estimator must be one of {allowed}. "
                f"Got {value!r} instead."
            )
    expected = _expected_failures(estimator, expected_failed_checks)
    results = []
    for check in multitask_checks(estimator):
        result = _result(check, estimator, expected.get(check.__name__))
        results.append(result)
        if result["status"] == "skipped" and on_skip == "warn":
            warnings.warn(
                f"Skipping {result['check_name']} of {type(estimator).__name__}: "
                f"{result['exception']}",
                SkipTestWarning,
                stacklevel=2,
            )
        elif result["status"] == "failed" and on_fail == "raise":
            raise result["exception"]
        elif result["status"] == "failed" and on_fail == "warn":
            warnings.warn(_failure(estimator, result), stacklevel=2)
    return results


def parametrize_with_checks(
    estimators: Iterable[Any],
    *,
    expected_failed_checks: Failures | Callable[[Any], Failures] | None = None,
) -> Any:
    """Return a pytest decorator that runs a test for each pair of estimator and check.

    Parameters
    ----------
    estimators : iterable of object
        Unfitted instances.
    expected_failed_checks : dict of str to str, or callable, optional
        Names of checks that are known to fail, with the reason; or a function that returns such a
        dict for an estimator. They are strict expected failures: if such a check passes, the test
        fails.

    Returns
    -------
    MarkDecorator
        For a test that takes ``estimator`` and ``check``.

    Raises
    ------
    TypeError
        If a class is passed instead of an instance.
    ValueError
        If ``expected_failed_checks`` contains an unknown check.

    See Also
    --------
    check_multitask_estimator : Run the checks without pytest.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.utils.estimator_checks import parametrize_with_checks
    >>> @parametrize_with_checks([MultiTaskRegressor(max_iter=2)])
    ... def test_contract(estimator, check):
    ...     check(estimator)
    """
    pytest = importlib.import_module("pytest")
    cases = []
    for estimator in estimators:
        if isinstance(estimator, type):
            raise TypeError(
                "parametrize_with_checks takes instances of estimators. Got the class "
                f"{estimator.__name__}; write {estimator.__name__}()."
            )
        given = (
            expected_failed_checks(estimator)
            if callable(expected_failed_checks)
            else expected_failed_checks
        )
        expected = _expected_failures(estimator, given)
        for check in multitask_checks(estimator):
            reason = expected.get(check.__name__)
            marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True)]
            cases.append(
                pytest.param(
                    clone(estimator),
                    partial(check, type(estimator).__name__),
                    id=f"{_short(estimator)}-{check.__name__}",
                    marks=marks,
                )
            )
    return pytest.mark.parametrize(("estimator", "check"), cases)


def _expected_failures(estimator: Any, given: Failures | None) -> Failures:
    unknown = set(given or {}) - set(ENTRIES)
    if unknown:
        raise ValueError(
            f"expected_failed_checks of {type(estimator).__name__} names {min(unknown)!r}, which "
            f"is no check. There are: {', '.join(ENTRIES)}."
        )
    return given or {}


def _result(check: Check, estimator: Any, reason: str | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "check_name": check.__name__,
        "status": "passed",
        "exception": None,
        "reason": reason,
    }
    try:
        check(type(estimator).__name__, clone(estimator))
    except SkipTest as skip:
        return result | {"status": "skipped", "exception": skip}
    except Exception as error:
        return result | {"status": "failed" if reason is None else "xfail", "exception": error}
    return result


def _failure(estimator: Any, result: dict[str, Any]) -> EstimatorCheckFailedWarning:
    return EstimatorCheckFailedWarning(
        estimator=estimator,
        check_name=result["check_name"],
        exception=result["exception"],
        status="failed",
        expected_to_fail=False,
        expected_to_fail_reason=None,
    )


def _short(estimator: Any, width: int = 70) -> str:
    text = re.sub(r"\s+", "", str(estimator))
    return text if len(text) <= width else text[: width - 4] + "...)"
