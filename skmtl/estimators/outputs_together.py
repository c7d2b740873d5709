"""What many fitted estimators say of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skmtl.estimators.classifier import MultiTaskClassifier
from skmtl.estimators.prediction import Predictor

# Networks that are asked at once.
_AT_ONCE = 64


def probabilities_together(
    estimators: Sequence[MultiTaskClassifier], X: Any
) -> list[list[NDArray[np.float64]]]:
    """Return every estimator's class probabilities for the same rows, in wide form.

    Rows are read once for all estimators that :func:`fit_together` let share a table, and their
    networks are asked side by side.

    Parameters
    ----------
    estimators : sequence of MultiTaskClassifier
        Fitted estimators without a task column.
    X : array-like of shape (n, p)
        Inputs.

    Returns
    -------
    list of list of T ndarray of shape (n, k_t)
        What ``predict_proba`` of every estimator gives, up to rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import MultiTaskClassifier
    >>> from skmtl.estimators import fit_together, probabilities_together
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> models = [
    ...     MultiTaskClassifier(max_iter=5, alpha=alpha, random_state=0) for alpha in (0.0, 1.0)
    ... ]
    >>> outcomes = fit_together(models, [(X, (X[:, :2] > 0).astype(int), {})] * 2)
    >>> [[part.shape for part in own] for own in probabilities_together(models, X)]
    [[(60, 2), (60, 2)], [(60, 2), (60, 2)]]
    """
    alike: dict[Any, list[int]] = {}
    for k, estimator in enumerate(estimators):
        check_is_fitted(estimator)
        if estimator.task_column is not None:
            raise ValueError(
                "probabilities_together needs estimators in wide form. Got "
                f"task_column={estimator.task_column!r}."
            )
        key = (
            id(estimator._reader),
            estimator._architecture,
            len(estimator.members_),
            tuple(estimator._sensitive_columns),
        )
        alike.setdefault(key, []).append(k)
    found: dict[int, list[NDArray[np.float64]]] = {}
    for positions in alike.values():
        first = estimators[positions[0]]
        inputs, _ = first._checked_inputs(X, first.task_names_)
        numeric, codes = first._reader.read(inputs)
        n_members = len(first.members_)
        n_asked = max(1, _AT_ONCE // n_members)
        for start in range(0, len(positions), n_asked):
            own = [estimators[k] for k in positions[start : start + n_asked]]
            predictor = Predictor(
                first._architecture, [member for estimator in own for member in estimator.members_]
            )
            scores = np.concatenate(list(predictor.scores(numeric, codes)), axis=2)
            for e, (k, estimator) in enumerate(
                zip(positions[start : start + n_asked], own, strict=True)
            ):
                parts = scores[e * n_members : (e + 1) * n_members]
                found[k] = [
                    estimator._task_output(name, parts[:, t])
                    for t, name in enumerate(estimator.task_names_)
                ]
    return [found[k] for k in range(len(estimators))]
