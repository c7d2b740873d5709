"""Predictions of many fitted estimators for the same rows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skmtl.estimators.classifier import MultiTaskClassifier
from skmtl.estimators.predictor import Predictor

# Number of networks that predict at once.
_AT_ONCE = 64


def probabilities_together(
    estimators: Sequence[MultiTaskClassifier], X: Any
) -> list[list[NDArray[np.float64]]]:
    """Return every estimator's class probabilities for the same rows, in wide form.

    Rows are encoded once for all estimators that shared a table in :func:`fit_together`, and their
    networks predict in common batches.

    Parameters
    ----------
    estimators : sequence of MultiTaskClassifier
        Fitted estimators without a task column.
    X : array-like of shape (n, p)
        Inputs.

    Returns
    -------
    list of list of T ndarray of shape (n, k_t)
        The result of ``predict_proba`` of every estimator, up to rounding.

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
    alike: dict[Hashable, list[int]] = {}
    for k, estimator in enumerate(estimators):
        check_is_fitted(estimator)
        model = estimator.model_
        if model.intake.layout.task_column is not None:
            raise ValueError(
                "probabilities_together needs estimators in wide form. Got "
                f"task_column={estimator.task_column!r}."
            )
        key = (
            id(model.intake.reader),
            model.architecture,
            len(model.networks),
            tuple(model.intake.layout.sensitive_columns),
        )
        alike.setdefault(key, []).append(k)
    found: dict[int, list[NDArray[np.float64]]] = {}
    for positions in alike.values():
        rows = estimators[positions[0]].model_.intake.read(X)
        n_members = len(estimators[positions[0]].model_.networks)
        n_asked = max(1, _AT_ONCE // n_members)
        for start in range(0, len(positions), n_asked):
            asked = positions[start : start + n_asked]
            models = [estimators[k].model_ for k in asked]
            members = [member for model in models for member in model.members]
            predictor = Predictor(models[0].architecture, members)
            scores = np.concatenate(list(predictor.scores(rows.numeric, rows.codes)), axis=2)
            for e, (k, model) in enumerate(zip(asked, models, strict=True)):
                own = model.from_scores([scores[e * n_members : (e + 1) * n_members]])
                found[k] = [own[t] for t in range(len(own))]
    return [found[k] for k in range(len(estimators))]
