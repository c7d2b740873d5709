"""Predictions and scores of estimators of many tasks, from the outputs of each task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.metrics import multitask_accuracy, multitask_r2


class RegressionOutputs:
    """``predict`` and ``score`` of a regressor.

    It has ``_outputs(X)``: predictions of every task (in long form, for its own rows) and, in long
    form, the task of every row; ``_task_ids(X)``: the task column or None; ``_wide_2d``: whether y
    had one column a task.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.estimators import RegressionOutputs
    >>> issubclass(MultiTaskRegressor, RegressionOutputs)
    True
    """

    _wide_2d: bool

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict the targets.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.

        Returns
        -------
        ndarray of shape (n, T) or (n,)
            Predictions for every task; in long form and for a 1-D y, one a row.
        """
        outputs, codes = self._outputs(X)  # type: ignore[attr-defined]
        if codes is None:
            return np.column_stack(outputs) if self._wide_2d else outputs[0]
        predictions = np.empty(len(codes))
        for t, own in enumerate(outputs):
            predictions[codes == t] = own
        return predictions

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the coefficient of determination, mean over tasks; NaN labels are skipped.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.
        y : array-like of shape (n,) or (n, T)
            True targets, NaN where unknown.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows.

        Returns
        -------
        float
            At most 1.
        """
        ids = self._task_ids(X)  # type: ignore[attr-defined]
        return float(multitask_r2(y, self.predict(X), task=ids, sample_weight=sample_weight))  # type: ignore[arg-type]


class ClassificationOutputs:
    """``predict_proba``, ``predict`` and ``score`` of a classifier.

    As :class:`RegressionOutputs`, but ``_outputs(X)`` gives the probabilities of every task's own
    classes.

    Examples
    --------
    >>> from skmtl import MultiTaskClassifier
    >>> from skmtl.estimators import ClassificationOutputs
    >>> issubclass(MultiTaskClassifier, ClassificationOutputs)
    True
    """

    _wide_2d: bool
    _own_classes: list[NDArray[Any]]
    classes_: Any

    def _set_classes(self, own: list[NDArray[Any]]) -> None:
        """Keep the classes of every task, and ``classes_`` in the form that scikit-learn expects."""
        self._own_classes = own
        self.classes_ = own if self._wide_2d else np.unique(np.concatenate(own))

    def predict_proba(self, X: Any) -> NDArray[np.float64] | list[NDArray[np.float64]]:
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.

        Returns
        -------
        list of ndarray of shape (n, k_t), or ndarray of shape (n, k)
            For 2-D y one array a task, columns as in ``classes_``. For 1-D y and in long form one
            array; in long form its columns are the sorted union of all tasks' classes, 0 where a
            row's task never had the class.
        """
        outputs, codes = self._outputs(X)  # type: ignore[attr-defined]
        if codes is None:
            return outputs if self._wide_2d else outputs[0]
        union = np.zeros((len(codes), len(self.classes_)))
        for t, (own, classes) in enumerate(zip(outputs, self._own_classes, strict=True)):
            union[np.ix_(np.flatnonzero(codes == t), np.searchsorted(self.classes_, classes))] = own
        return union

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the most probable class.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.

        Returns
        -------
        ndarray of shape (n, T) or (n,)
            Labels in their own type; in long form and for a 1-D y, one a row.
        """
        probabilities = self.predict_proba(X)
        if isinstance(probabilities, list):
            columns = [
                classes[own.argmax(1)]
                for classes, own in zip(self.classes_, probabilities, strict=True)
            ]
            if len({column.dtype.kind for column in columns}) > 1:
                columns = [column.astype(object) for column in columns]
            return np.column_stack(columns)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(1)]
        return labels

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy, mean over tasks; NaN labels are skipped.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.
        y : array-like of shape (n,) or (n, T)
            True labels, NaN where unknown.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows.

        Returns
        -------
        float
            Between 0 and 1.
        """
        return float(
            multitask_accuracy(
                y,
                self.predict(X),
                task=self._task_ids(X),  # type: ignore[attr-defined]
                sample_weight=sample_weight,
            )
        )
