"""Minimal estimators that pass all checks, made of parts that a test can break one by one."""

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skmtl.data import encode_task_ids, tidy_labels, wide_columns
from skmtl.metrics import multitask_accuracy, multitask_r2


class Toy(MultiOutputMixin, BaseEstimator):
    """Every task by itself, on one random projection z of the inputs."""

    def __init__(self, task_column=None, random_state=None):
        self.task_column = task_column
        self.random_state = random_state

    # ------------------------------------------------------------------ parts that a test can spoil
    def direction(self, p):
        return check_random_state(self.random_state).normal(size=p)

    def ids(self, column):
        return encode_task_ids(column)

    def names(self, names):
        return names

    def targets(self, column):
        return column

    def weights(self, sample_weight, n):
        return np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=float)

    def projected(self, inputs):
        return inputs @ self.direction_

    def unknown(self, name):
        raise ValueError(f"Task {name!r} was not in fit.")

    def check_names(self, X):
        validate_data(self, X, skip_check_array=True, reset=False)

    # ------------------------------------------------------------------ fit and predict
    def _split(self, X):
        if self.task_column is None:
            return None, np.asarray(X, dtype=float)
        frame = X if hasattr(X, "iloc") else pd.DataFrame(X)
        column = self.task_column if self.task_column in frame else frame.columns[self.task_column]
        return frame[column], frame.drop(columns=column).to_numpy(dtype=float)

    def _fit(self, X, y, sample_weight):
        validate_data(self, X, skip_check_array=True)
        column, inputs = self._split(X)
        self._flat = np.ndim(y) == 1
        if column is None:
            names, columns = wide_columns(y)
            rows = [np.flatnonzero(~pd.isna(labels)) for labels in columns]
        else:
            names, codes = self.ids(column)
            columns, rows = (
                [np.asarray(y)] * len(names),
                [np.flatnonzero(codes == t) for t in range(len(names))],
            )
        self.task_names_ = self.names(names)
        self.direction_ = self.direction(inputs.shape[1])
        z, weight = self.projected(inputs), self.weights(sample_weight, len(inputs))
        self.parts_ = {
            name: self.learn(z[own], self.targets(labels[own]), weight[own])
            for name, labels, own in zip(self.task_names_, columns, rows, strict=True)
        }
        return self

    def _answers(self, X):
        """Answers of every task for every row, and which task each row asks for (None in wide
        form).
        """
        check_is_fitted(self)
        self.check_names(X)
        column, inputs = self._split(X)
        z = self.projected(inputs)
        answers = [self.answer(z, self.parts_[name]) for name in self.task_names_]
        if column is None:
            return answers, None
        names, codes = self.ids(column)
        position = [
            self.task_names_.index(name) if name in self.task_names_ else self.unknown(name)
            for name in names
        ]
        return answers, np.array(position)[codes]

    def _tasks(self, X):
        return None if self.task_column is None else np.asarray(self._split(X)[0], dtype=object)


class ToyRegressor(RegressorMixin, Toy):
    """A line of y on z."""

    def fit(self, X, y, *, sample_weight=None):
        return self._fit(X, y, sample_weight)

    def learn(self, z, y, weight):
        y = np.asarray(y, dtype=float)
        mean_z, mean_y = np.average(z, weights=weight), np.average(y, weights=weight)
        spread = np.average((z - mean_z) ** 2, weights=weight)
        slope = (
            np.average((z - mean_z) * (y - mean_y), weights=weight) / spread if spread > 0 else 0.0
        )
        return mean_z, mean_y, slope

    def answer(self, z, part):
        mean_z, mean_y, slope = part
        return mean_y + slope * (z - mean_z)

    def predict(self, X):
        answers, codes = self._answers(X)
        if codes is not None:
            return np.array(answers)[codes, np.arange(len(codes))]
        return answers[0] if self._flat else np.column_stack(answers)

    def score(self, X, y, sample_weight=None):
        return float(
            multitask_r2(y, self.predict(X), task=self._tasks(X), sample_weight=sample_weight)
        )


class ToyWideRegressor(ToyRegressor):
    """One that knows no long form."""

    def __init__(self, random_state=None):
        super().__init__(random_state=random_state)


class ToyClassifier(ClassifierMixin, Toy):
    """The class whose mean of z is nearest, weighed by how frequent it is."""

    __metadata_request__fit = {"sensitive_features": True}

    def fit(self, X, y, *, sample_weight=None, sensitive_features=None):
        self._fit(X, y, sample_weight)
        own = [self.parts_[name][0] for name in self.task_names_]
        self.classes_ = np.unique(np.concatenate(own)) if self._flat else own
        return self

    def learn(self, z, y, weight):
        y = tidy_labels(np.asarray(y))
        classes = np.unique(y)
        members = [y == value for value in classes]
        share = np.array([weight[own].sum() for own in members]) / weight.sum()
        return (
            classes,
            share,
            np.array([np.average(z[own], weights=weight[own]) for own in members]),
        )

    def answer(self, z, part):
        _, share, centre = part
        return softmax(np.log(share) - (z[:, None] - centre) ** 2, axis=1)

    def predict_proba(self, X):
        answers, codes = self._answers(X)
        if codes is None:
            return answers[0] if self._flat else answers
        union = np.zeros((len(codes), len(self.classes_)))
        for t, name in enumerate(self.task_names_):
            rows = np.flatnonzero(codes == t)
            union[np.ix_(rows, np.searchsorted(self.classes_, self.parts_[name][0]))] = answers[t][
                rows
            ]
        return union

    def predict(self, X):
        found = self.predict_proba(X)
        if isinstance(found, list):
            return np.column_stack(
                [classes[own.argmax(1)] for classes, own in zip(self.classes_, found, strict=True)]
            )
        return self.classes_[found.argmax(1)]

    def score(self, X, y, sample_weight=None):
        return float(
            multitask_accuracy(y, self.predict(X), task=self._tasks(X), sample_weight=sample_weight)
        )
