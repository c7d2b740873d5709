"""Classification of several tasks with one network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from skmtl._sklearn_compat import fit_context
from skmtl.estimators.network import MultiTaskNetwork
from skmtl.estimators.outputs import ClassificationOutputs
from skmtl.estimators.problem import Problem
from skmtl.estimators.targets import CodedLabels
from skmtl.network import TrainedMember
from skmtl.tasks import Kind, tidy_labels, wide_columns


class MultiTaskClassifier(ClassificationOutputs, ClassifierMixin, MultiTaskNetwork):
    r"""Multi-task classification: a trunk that all tasks share and one head a task.

    Minimises the mean over tasks (weighted by ``task_weights``) of the mean log loss over each task's labelled rows,

    .. math:: -\frac{1}{\sum_t w_t} \sum_t \frac{w_t}{n_t} \sum_{i=1}^{n_t} \log \hat p_t(y_{it} \mid x_i)
              + \frac{\alpha}{2} \sum_l \|W_l\|^2.

    Tasks may be binary or have several classes, and different classes each.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(64,)
        Widths of the trunk's layers; empty = the heads see the inputs.
    head_hidden_layer_sizes : tuple of int, default=()
        Widths of every head's hidden layers; empty = linear heads.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Activation of all hidden layers.
    solver : {"adam", "adamw", "adagrad", "sgd"}, default="adam"
        Optimiser. Adagrad starts its accumulator at 0.1; sgd has Nesterov momentum 0.9.
    alpha : float, default=1e-4
        L2 penalty of the weights (not the biases); for adamw the decoupled decay.
    batch_size : int, "auto" or "full", default="auto"
        Rows of every task in a step. "auto" is 200 for wide targets and 512 over the number of tasks (between 4 and 200) in
        long form; "full" takes all rows. In long form smaller tasks are repeated evenly, so that each step sees every task.
    learning_rate_init : float, default=1e-3
        Step size.
    max_iter : int, default=200
        Largest number of passes over the data.
    early_stopping : bool or "auto", default="auto"
        Hold out part of every task, stop when its loss no longer falls, and return to the best weights. "auto" holds
        out rows of the tasks that have at least 5; True raises where a task has fewer than 10. Without it, training stops
        when the training loss no longer falls.
    validation_fraction : float, default=0.1
        Fraction of rows that early stopping watches, stratified by class.
    n_iter_no_change : int, default=10
        Passes without an improvement of ``tol`` after which training stops.
    tol : float, default=1e-4
        Smallest decrease of the loss that counts as an improvement.
    standardize : bool, default=True
        Standardise the inputs, except columns that hold only 0 and 1.
    n_members : int or "auto", default="auto"
        Networks trained side by side from different seeds, whose probabilities are averaged; "auto" trains one.
    task_column : str, int or None, default=None
        Column of X, by name or position, that holds each row's task (long form); None = y has one column a task.
    task_weights : array-like of shape (T,), dict or None, default=None
        Weights of the tasks in the loss, in the order of ``task_names_`` or by name.
    dtype : {"auto", "float32", "float64"}, default="auto"
        Precision of training; "auto" is float32. Predictions are always computed in float64.
    device : str, default="auto"
        "auto" (cuda where there is one), "cpu", "cuda" or "cuda:<index>".
    random_state : int, RandomState or None, default=None
        Seed of weights, batches and the validation split.
    verbose : int, default=0
        1 prints a line after fit.

    Attributes
    ----------
    classes_ : ndarray or list of ndarray
        Sorted classes: a list with one array a task for 2-D y, else one array (long form: the union over tasks).
    task_names_ : list of str
        Names of the tasks: the columns of y, or the ids in the task column in order of first appearance.
    n_outputs_ : int
        Number of tasks T.
    n_features_in_ : int
        Number of columns of X, the task column included.
    feature_names_in_ : ndarray of str
        Column names of X, where it was a DataFrame.
    n_iter_ : int
        Passes made, the largest over members.
    best_iteration_ : int
        Pass that the weights stem from, the largest over members.
    loss_curve_ : ndarray of shape (n_iter,)
        Training loss of every pass, mean over the members still running.
    task_loss_curve_ : ndarray of shape (n_iter, T)
        The same, task by task, in nats.
    history_ : list of dict
        One entry a pass: iteration, loss, validation_loss.
    members_ : list of list of ndarray
        Weights and biases of every network.
    device_ : str
        Device that was used.

    Raises
    ------
    ValueError
        In ``fit``, if a parameter is out of range, inputs are not finite numbers, a task has no label, or
        ``early_stopping=True`` and a task has fewer than 10 labelled rows; in ``predict``, for a task that was not in fit.

    See Also
    --------
    MultiTaskRegressor : The same network for numeric targets.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import MultiTaskClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 4))
    >>> Y = np.column_stack([X[:, 0] > 0, X[:, 0] + X[:, 1] > 0]).astype(float)
    >>> Y[:50, 1] = np.nan
    >>> model = MultiTaskClassifier(learning_rate_init=0.01, random_state=0).fit(X, Y)
    >>> [p.shape for p in model.predict_proba(X)], bool(model.score(X, Y) > 0.9)
    ([(300, 2), (300, 2)], True)
    """

    _kind: ClassVar[Kind] = "classification"
    _targets: CodedLabels

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> MultiTaskClassifier:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.
        y : array-like of shape (n,) or (n, T)
            Labels; NaN or None where a row has no label for a task (wide form).
        sample_weight : array-like of shape (n,), optional
            Weights of the rows in each task's mean.

        Returns
        -------
        MultiTaskClassifier
            The fitted estimator.
        """
        self._fit(X, y, sample_weight)
        return self

    def _store(self, problem: Problem, names: Sequence[str], trained: Sequence[TrainedMember]) -> None:
        super()._store(problem, names, trained)
        self._set_classes([self._targets.classes[name] for name in names])

    def _task_output(self, name: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of one task's own classes, (n, k_t), from its scores, (members, n, k)."""
        mean: NDArray[np.float64] = self._targets.probabilities(name, scores).mean(0)
        return mean

    def _check_labels(self, y: Any) -> None:
        for name, column in zip(*wide_columns(y), strict=True):
            known = tidy_labels(column[~pd.isna(column)])
            if len(known) == 0:
                raise ValueError(f"Task {name!r} has no labelled row in y.")
            if known.dtype.kind == "f" and np.isinf(known).any():
                raise ValueError(f"Task {name!r} has an infinite label in y.")
            check_classification_targets(known)
