"""Second moments of every task, from which linear models are fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skmtl.data import TaskSet

Array = NDArray[np.float64]
# Larger numbers are rejected: their squares, or sums of a few squares, overflow.
LARGEST_SQUARED = 1e150


@dataclass(frozen=True, eq=False)
class Moments:
    """Second moments of T tasks, as means over the rows of each task.

    Attributes
    ----------
    second : ndarray of shape (T, p, p), or (1, p, p) if all tasks have the same rows
        Second moments of the inputs.
    cross : ndarray of shape (T, p)
        Mixed moments of inputs and target.
    power : ndarray of shape (T,)
        Mean squares of the targets.
    weight : ndarray of shape (T,)
        Weights of the tasks, which sum to 1.
    input_mean : ndarray of shape (T, p)
        Means subtracted from the inputs; zeros without an intercept.
    target_mean : ndarray of shape (T,)
        Means subtracted from the targets; zeros without an intercept.
    """

    second: Array
    cross: Array
    power: Array
    weight: Array
    input_mean: Array
    target_mean: Array

    @classmethod
    def of(
        cls, tasks: TaskSet, weight: Array, *, row_weight: Array | None = None, center: bool = False
    ) -> Moments:
        """Compute the moments of regression tasks whose inputs ``tasks.X`` are an array.

        ``row_weight`` are the weights of the rows of ``tasks.X``.
        """
        X, names, p = tasks.X, tasks.names, tasks.n_features_in_
        shared = len(tasks) > 1 and bool((tasks.sizes == len(X)).all())
        second = np.empty((1 if shared else len(tasks), p, p))
        cross, power = np.empty((len(tasks), p)), np.empty(len(tasks))
        input_mean, target_mean = np.zeros((len(tasks), p)), np.zeros(len(tasks))
        if np.abs(X).max(initial=0.0) > LARGEST_SQUARED:
            _, column = np.unravel_index(np.abs(X).argmax(), X.shape)
            raise ValueError(
                f"Column {column} of X contains {np.abs(X).max():.3g}, whose square overflows. "
                "Scale the column."
            )
        for t, name in enumerate(names):
            if np.abs(tasks.targets(name)).max(initial=0.0) > LARGEST_SQUARED:
                raise ValueError(
                    f"Task {name!r} has a target of {np.abs(tasks.targets(name)).max():.3g}, whose "
                    "square overflows. Scale the targets."
                )
            rows, y = tasks.rows(name), tasks.targets(name)
            x, w = X[rows], np.ones(len(rows)) if row_weight is None else row_weight[rows]
            w = w / w.sum()
            if center:
                input_mean[t], target_mean[t] = w @ x, w @ y
                x, y = x - input_mean[t], y - target_mean[t]
            weighted = x * w[:, None]
            if t < len(second):
                second[t] = weighted.T @ x
            cross[t], power[t] = y @ weighted, w @ y**2
        return cls(second, cross, power, weight / weight.sum(), input_mean, target_mean)

    def ridged(self, alpha: float) -> Moments:
        """Return the moments of a squared error with a ridge penalty ``alpha``."""
        if alpha == 0:
            return self
        return replace(self, second=self.second + alpha * np.eye(self.second.shape[-1]))
