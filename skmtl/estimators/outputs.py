"""Predictions and scores of multi-task estimators, from the outputs of each task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skmtl.data import in_task_order
from skmtl.metrics import multitask_accuracy, multitask_r2


@dataclass(frozen=True, eq=False)
class TaskOutputs:
    """Outputs of a model: predictions, or probabilities of each task's classes.

    Attributes
    ----------
    by_task : dict of int to ndarray
        Outputs of every task, by its position; in long form for the rows of the task only, and
        without tasks that have no row.
    rows : dict of int to ndarray, or None
        In long form: rows of every task in ``by_task``; None in wide form.
    n_rows : int
        Number of rows.
    one_column_per_task : bool
        Whether y had two dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.estimators import TaskOutputs
    >>> outputs = TaskOutputs({3: np.array([0.5, 0.7])}, {3: np.array([1, 0])}, n_rows=2)
    >>> outputs.predictions()
    array([0.7, 0.5])
    """

    by_task: dict[int, NDArray[np.float64]]
    rows: dict[int, NDArray[np.intp]] | None
    n_rows: int
    one_column_per_task: bool = False

    def predictions(self) -> NDArray[np.float64]:
        """Return predictions, (n, T), or (n,) in long form and for a 1-D y."""
        if self.rows is None:
            columns = [self.by_task[t] for t in range(len(self.by_task))]
            return np.column_stack(columns) if self.one_column_per_task else columns[0]
        predictions = np.empty(self.n_rows)
        for t, own in self.by_task.items():
            predictions[self.rows[t]] = own
        return predictions

    def probabilities(
        self, own_classes: list[NDArray[Any]], classes: NDArray[Any] | list[NDArray[Any]]
    ) -> NDArray[np.float64] | list[NDArray[np.float64]]:
        """Return class probabilities: one array per task for 2-D y, else one array.

        In long form its columns are those of ``classes``, the union of ``own_classes``.
        """
        if self.rows is None:
            columns = [self.by_task[t] for t in range(len(self.by_task))]
            return columns if self.one_column_per_task else columns[0]
        union = np.zeros((self.n_rows, len(classes)))
        for t, own in self.by_task.items():
            union[np.ix_(self.rows[t], np.searchsorted(classes, own_classes[t]))] = own
        return union


class TaskModel(Protocol):
    """Fitted model of an estimator, which computes its predictions."""

    def outputs(self, X: Any) -> TaskOutputs:
        """Return the outputs for the rows of X."""

    def task_ids(self, X: Any) -> NDArray[np.object_] | None:
        """Return the task column of X; None in wide form."""


class ClassModel(TaskModel, Protocol):
    """A model whose outputs are class probabilities."""

    @property
    def own_classes(self) -> list[NDArray[Any]]:
        """Classes of every task."""


def rows_by_task(tasks: NDArray[np.intp]) -> dict[int, NDArray[np.intp]]:
    """Return the rows of every task that has any, in order."""
    order = np.argsort(tasks, kind="stable")
    present, starts = np.unique(tasks[order], return_index=True)
    return dict(zip(present.tolist(), np.split(order, starts[1:]), strict=bool(len(present))))


def joint_classes(
    own_classes: list[NDArray[Any]], *, one_column_per_task: bool
) -> NDArray[Any] | list[NDArray[Any]]:
    """Return ``classes_`` as scikit-learn expects it: a list for 2-D y, else the union."""
    return own_classes if one_column_per_task else np.unique(np.concatenate(own_classes))


class RegressionOutputs:
    """``predict`` and ``score`` of a regressor.

    The estimator has a fitted model, ``model_``, whose outputs are predictions.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.estimators import RegressionOutputs
    >>> issubclass(MultiTaskRegressor, RegressionOutputs)
    True
    """

    task_names_: list[str]

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict the targets.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.

        Returns
        -------
        ndarray of shape (n, T) or (n,)
            Predictions for every task; in long form and for a 1-D y, one per row.
        """
        model: TaskModel = _fitted_model(self)
        return model.outputs(X).predictions()

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
        model: TaskModel = _fitted_model(self)
        ids = model.task_ids(X)
        if ids is None:
            y = in_task_order(y, self.task_names_, "y", "the tasks of fit")
        return float(multitask_r2(y, self.predict(X), task=ids, sample_weight=sample_weight))


class ClassificationOutputs:
    """``predict_proba``, ``predict`` and ``score`` of a classifier.

    As :class:`RegressionOutputs`, but outputs are the probabilities of every task's own classes.

    Examples
    --------
    >>> from skmtl import MultiTaskClassifier
    >>> from skmtl.estimators import ClassificationOutputs
    >>> issubclass(MultiTaskClassifier, ClassificationOutputs)
    True
    """

    classes_: Any

    task_names_: list[str]

    def predict_proba(self, X: Any) -> NDArray[np.float64] | list[NDArray[np.float64]]:
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.

        Returns
        -------
        list of ndarray of shape (n, k_t), or ndarray of shape (n, k)
            For 2-D y one array per task, columns as in ``classes_``. For 1-D y and in long form one
            array; in long form its columns are the sorted union of all tasks' classes, 0 where a
            row's task never had the class.
        """
        model: ClassModel = _fitted_model(self)
        return model.outputs(X).probabilities(model.own_classes, self.classes_)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the most probable class.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.

        Returns
        -------
        ndarray of shape (n, T) or (n,)
            Labels in their own type; in long form and for a 1-D y, one per row.
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
        model: TaskModel = _fitted_model(self)
        ids = model.task_ids(X)
        if ids is None:
            y = in_task_order(y, self.task_names_, "y", "the tasks of fit")
        return float(multitask_accuracy(y, self.predict(X), task=ids, sample_weight=sample_weight))


def _fitted_model(estimator: Any) -> Any:
    """Return the fitted model of an estimator."""
    check_is_fitted(estimator)
    return estimator.model_
