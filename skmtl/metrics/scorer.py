"""Scorers: multi-task metrics in the form that cross-validation and searches call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils.metadata_routing import MetadataRequest

from skmtl.data import (
    as_pandas,
    encode_task_ids,
    in_task_order,
    named_columns,
    take_column,
    target_names,
)
from skmtl.metrics.accuracy import multitask_accuracy
from skmtl.metrics.fitted import last_step, task_ids
from skmtl.metrics.group_rates import group_rate_gap
from skmtl.metrics.log_loss import multitask_log_loss
from skmtl.metrics.regression import multitask_mse, multitask_r2
from skmtl.metrics.roc_auc import multitask_roc_auc

_MEAN = "mean"


def make_multitask_scorer(
    metric: Callable[..., Any],
    *,
    response_method: str | list[str] | tuple[str, ...] = "predict",
    greater_is_better: bool = True,
    per_task: bool = False,
    needs: tuple[str, ...] | list[str] = (),
    **arguments: Any,
) -> MultiTaskScorer:
    """Make a scorer from a multi-task metric, for ``scoring=`` of searches and cross-validation.

    The scorer calls ``metric(y, predictions, ...)``; y may contain NaN. In long form (the
    estimator, or the last step of a pipeline, has a ``task_column``) it passes ``task=``, the task
    of every row. If the metric takes ``labels``, it passes the estimator's classes along with
    probabilities. The score is the mean over tasks; NaN values are left out.

    The scorer has its own metadata request: with
    ``sklearn.set_config(enable_metadata_routing=True)``, the metadata named in ``needs`` reach it
    without a call of ``set_score_request``.

    Parameters
    ----------
    metric : callable
        Function of labels and predictions that returns a number or one number per task.
    response_method : str or list of str, default="predict"
        Method of the estimator that predicts; of a list, the first that the estimator has.
    greater_is_better : bool, default=True
        Whether larger values of the metric are better. If False, the scorer negates them.
    per_task : bool, default=False
        Return a dict with one value per task and their "mean" (in ``cv_results_`` the columns
        ``mean_test_<task>`` and ``mean_test_mean``; a search then takes ``refit="mean"``).
    needs : tuple of str, default=()
        Metadata that the metric takes, such as ``("sensitive_features",)`` or
        ``("sample_weight",)``. They can be passed as values, or as the name of a column of X, or
        as a list of names.
    **arguments : dict
        Further arguments of the metric, such as ``rate="tpr"``.

    Returns
    -------
    MultiTaskScorer
        Call it as ``scorer(estimator, X, y, **metadata)``. It can be pickled if the metric can.

    Raises
    ------
    TypeError
        If ``metric`` is not callable, names are not strings, or the metric does not take one of
        the arguments.

    Notes
    -----
    The mapping ``skmtl.metrics.multitask_scorers`` has ready-made scorers: "accuracy", "roc_auc",
    "neg_log_loss", "r2" and "neg_mse", and for rate gaps "neg_fpr_gap", "neg_tpr_gap" and
    "neg_equalized_odds_gap", which need ``sensitive_features``. While metadata routing is off,
    searches pass ``sample_weight`` to a scorer whose metric takes it, as with the scorers of
    scikit-learn.

    If a metric is NaN for every task (for example if the test rows of a fold have one sensitive
    group only), the score is NaN, with a warning.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_validate
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.metrics import make_multitask_scorer, multitask_mse
    >>> from skmtl.model_selection import MultiTaskKFold
    >>> scorer = make_multitask_scorer(multitask_mse, greater_is_better=False, per_task=True)
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> Y = np.where(X[:, :2] > 1, np.nan, X[:, 1:])
    >>> results = cross_validate(
    ...     MultiTaskRegressor(max_iter=3, random_state=0),
    ...     X,
    ...     Y,
    ...     scoring=scorer,
    ...     cv=MultiTaskKFold(3, random_state=0),
    ... )
    >>> sorted(results)
    ['fit_time', 'score_time', 'test_0', 'test_1', 'test_mean']
    """
    if not callable(metric):
        raise TypeError(f"metric must be callable as metric(y_true, y_pred). Got {metric!r}.")
    methods = (
        tuple(response_method) if isinstance(response_method, (list, tuple)) else (response_method,)
    )
    if not methods or not all(isinstance(name, str) for name in methods):
        raise TypeError(
            "response_method must be the name of a method or a list of names. Got "
            f"{response_method!r}."
        )
    if isinstance(needs, str) or not all(isinstance(name, str) for name in needs):
        raise TypeError(
            f"needs must be a tuple of names, such as ('sensitive_features',). Got {needs!r}."
        )
    unknown = [name for name in arguments if not (_takes(metric, name) or _takes_any(metric))]
    if unknown:
        raise TypeError(f"{_name(metric)} takes no argument {unknown[0]!r}.")
    return MultiTaskScorer(
        metric, methods, 1 if greater_is_better else -1, bool(per_task), tuple(needs), arguments
    )


class MultiTaskScorer:
    """Scorer that :func:`make_multitask_scorer` returns."""

    def __init__(
        self,
        metric: Callable[..., Any],
        methods: tuple[str, ...],
        sign: int,
        per_task: bool,
        needs: tuple[str, ...],
        arguments: Mapping[str, Any],
    ):
        self._metric, self._methods, self._sign = metric, methods, sign
        self._per_task, self._needs, self._fixed = per_task, needs, dict(arguments)

    def __call__(self, estimator: Any, X: Any, y: Any, **metadata: Any) -> float | dict[str, float]:
        """Return the score of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator, pipeline or search.
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.
        y : array-like of shape (n,) or (n, T)
            True labels, NaN where unknown.
        **metadata : array-like, or column name(s) of X
            Metadata that the scorer needs.

        Returns
        -------
        float or dict of str to float
            Mean over tasks; with ``per_task`` a dict with every task's value and the mean.
        """
        X, y = as_pandas(X), as_pandas(y)
        arguments = self._arguments(X, metadata)
        task = task_ids(estimator, X)
        if task is None and hasattr(last_step(estimator), "task_names_"):
            y = in_task_order(y, last_step(estimator).task_names_, "y", "the tasks of fit")
        if task is not None:
            if not _takes(self._metric, "task"):
                raise ValueError(
                    f"{last_step(estimator)!r} was fitted in long form, but the metric "
                    f"{_name(self._metric)} takes no argument 'task'."
                )
            arguments["task"] = task
        predictions = self._predict(estimator, X)
        labels = getattr(last_step(estimator), "classes_", None)
        if (
            _takes(self._metric, "labels")
            and labels is not None
            and "labels" not in arguments
            and _one_column_per_class(y, predictions, labels)
        ):
            arguments["labels"] = labels
        if self._per_task and _takes(self._metric, "average"):
            arguments["average"] = None
        values = self._sign * np.asarray(self._metric(y, predictions, **arguments), dtype=float)
        mean = self._mean(values)
        return self._by_name(estimator, values, mean, y, task) if self._per_task else mean

    def get_metadata_routing(self) -> MetadataRequest:
        """Return the scorer's metadata request, as scikit-learn's metadata routing reads it."""
        request = MetadataRequest(owner=repr(self))
        for name in self._needs:
            request.score.add_request(param=name, alias=True)
        return request

    def __repr__(self) -> str:
        shown = [_name(self._metric)]
        if self._methods != ("predict",):
            methods = self._methods[0] if len(self._methods) == 1 else list(self._methods)
            shown.append(f"response_method={methods!r}")
        shown += (
            ["greater_is_better=False"] * (self._sign < 0)
            + ["per_task=True"] * self._per_task
            + [f"needs={self._needs!r}"] * bool(self._needs)
        )
        shown += [f"{name}={value!r}" for name, value in self._fixed.items()]
        return f"make_multitask_scorer({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MultiTaskScorer) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(
            (self._metric, self._methods, self._sign, self._per_task, self._needs, *self._fixed)
        )

    def __sklearn_clone__(self) -> MultiTaskScorer:
        return self

    def _accept_sample_weight(self) -> bool:
        # Searches call this while metadata routing is off; if it is False, they warn that the
        # score ignores the sample weights.
        return _takes(self._metric, "sample_weight")

    # ------------------------------------------------------------------ helpers
    def _arguments(self, X: Any, metadata: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: _values(X, value) for name, value in metadata.items() if value is not None}
        for name in self._needs:
            if (
                name not in given
                and name not in self._fixed
                and not _has_default(self._metric, name)
            ):
                raise ValueError(
                    f"{self!r} needs {name}. Call sklearn.set_config(enable_metadata_routing=True) "
                    f"and pass {name} to the search or, in params, to cross_validate; or call "
                    f"scorer(estimator, X, y, {name}=...)."
                )
        return {**self._fixed, **given}

    def _predict(self, estimator: Any, X: Any) -> Any:
        for name in self._methods:
            method = getattr(estimator, name, None)
            if method is not None:
                return method(X)
        raise AttributeError(
            f"{type(estimator).__name__} has none of the methods that {self!r} calls: "
            f"{', '.join(self._methods)}."
        )

    def _mean(self, values: NDArray[np.float64]) -> float:
        if values.ndim > 1 or values.size == 0:
            raise ValueError(
                f"{_name(self._metric)} must return a number or one number per task. Got an array "
                f"of shape {values.shape}."
            )
        if np.isnan(values).all():
            warnings.warn(
                f"{_name(self._metric)} is NaN for every task, and so is the score.",
                UndefinedMetricWarning,
                stacklevel=3,
            )
            return float("nan")
        return float(np.nanmean(values))

    def _by_name(
        self, estimator: Any, values: NDArray[np.float64], mean: float, y: Any, task: Any
    ) -> dict[str, float]:
        found = target_names(y) if task is None else encode_task_ids(task, "task_column")[0]
        names = list(getattr(last_step(estimator), "task_names_", found))
        if task is None and len(names) == len(found):
            found = names  # cross-validation may have dropped the column names of y
        if len(found) != values.size:
            raise ValueError(
                f"per_task=True needs one value per task: {_name(self._metric)} returned "
                f"{values.size} for {len(found)} tasks."
            )
        if _MEAN in names:
            raise ValueError(
                f"A task is named {_MEAN!r}, which per_task=True uses for the mean over tasks. "
                "Rename the task."
            )
        own = dict(zip(found, values.ravel().tolist(), strict=True))
        return {
            **{name: own.get(name, np.nan) for name in dict.fromkeys([*names, *found])},
            _MEAN: mean,
        }


def _takes(function: Callable[..., Any], name: str) -> bool:
    return name in signature(function).parameters


def _takes_any(function: Callable[..., Any]) -> bool:
    return any(
        parameter.kind is Parameter.VAR_KEYWORD
        for parameter in signature(function).parameters.values()
    )


def _gap_scorer(**arguments: Any) -> MultiTaskScorer:
    return make_multitask_scorer(
        group_rate_gap, greater_is_better=False, needs=("sensitive_features",), **arguments
    )


def _has_default(function: Callable[..., Any], name: str) -> bool:
    parameter = signature(function).parameters.get(name)
    return parameter is None or parameter.default is not Parameter.empty


def _one_column_per_class(y: Any, predictions: Any, classes: Any) -> bool:
    """Return whether predictions are probabilities with one column per class of ``classes_``."""
    if isinstance(predictions, list):
        return isinstance(classes, list)
    one_task = np.ndim(y) == 1 or np.shape(y)[1] == 1
    return (
        one_task
        and not isinstance(classes, list)
        and np.ndim(predictions) == 2
        and np.shape(predictions)[1] == len(classes)
    )


def _values(X: Any, value: Any) -> Any:
    """Return metadata values, or the columns of X that are named instead."""
    names = named_columns(X, value)
    if isinstance(X, pd.DataFrame) and set(names) & set(X.columns):
        columns = [take_column(X, name, "The scorer's metadata")[0] for name in names]
        return columns[0] if isinstance(value, str) else pd.concat(columns, axis=1)
    if isinstance(value, str):
        raise ValueError(
            f"{value!r} is not a column of the X that reached the scorer; pass the values "
            "themselves."
        )
    return value


def _name(metric: Callable[..., Any]) -> str:
    return getattr(metric, "__name__", repr(metric))


multitask_scorers: Mapping[str, MultiTaskScorer] = MappingProxyType(
    {
        "accuracy": make_multitask_scorer(multitask_accuracy),
        "roc_auc": make_multitask_scorer(
            multitask_roc_auc, response_method=("predict_proba", "decision_function")
        ),
        "neg_log_loss": make_multitask_scorer(
            multitask_log_loss, response_method="predict_proba", greater_is_better=False
        ),
        "r2": make_multitask_scorer(multitask_r2),
        "neg_mse": make_multitask_scorer(multitask_mse, greater_is_better=False),
        "neg_fpr_gap": _gap_scorer(),
        "neg_tpr_gap": _gap_scorer(rate="tpr"),
        "neg_equalized_odds_gap": _gap_scorer(rate="equalized_odds"),
    }
)
