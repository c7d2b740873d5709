"""Regression of several tasks with one network."""

from __future__ import annotations

from functools import partial
from typing import Any

from sklearn.base import RegressorMixin

from skmtl._sklearn_compat import fit_context
from skmtl.estimators.epochs import after_each_epoch, announce, train_one_epoch
from skmtl.estimators.fit_settings import read_settings
from skmtl.estimators.fitted_networks import FittedNetworks
from skmtl.estimators.intake import row_weights
from skmtl.estimators.job_building import ensemble_job
from skmtl.estimators.network import MultiTaskNetwork, remember
from skmtl.estimators.outputs import RegressionOutputs
from skmtl.estimators.problem_building import fit_problem
from skmtl.estimators.targets import learn_targets
from skmtl.estimators.train_jobs import train_job
from skmtl.estimators.training_rows import read_training_rows
from skmtl.support import fit_callbacks


class MultiTaskRegressor(RegressionOutputs, RegressorMixin, MultiTaskNetwork):
    r"""Multi-task regression: a trunk that all tasks share and one head per task.

    Minimizes the mean over tasks (weighted by ``task_weights``) of the mean over each task's
    labeled rows,

    .. math:: \frac{1}{\sum_t w_t} \sum_t \frac{w_t}{n_t} \sum_{i=1}^{n_t}
              L\bigl(h_t(f(x_i)), z_{it}\bigr) + \frac{\alpha}{2} \sum_l \|W_l\|^2,

    where :math:`z_{it}` is the target standardized within its task and L the ``loss``, by default
    :math:`(s - z)^2`; predictions are in the user's units.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(64,)
        Widths of the trunk's layers; empty = no trunk, the heads read the inputs.
    head_hidden_layer_sizes : tuple of int, default=()
        Widths of every head's hidden layers; empty = linear heads.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Activation of all hidden layers.
    solver : {"adam", "adamw", "adagrad", "sgd"}, default="adamw"
        Optimizer. Adagrad starts its accumulator at 0.1; sgd has Nesterov momentum 0.9.
    alpha : float or "auto", default="auto"
        L2 penalty of the weights (not of biases). For adamw it is the decoupled weight decay: every
        step first multiplies the weights by 1 - learning_rate_init * alpha. "auto" is 1e-4, and
        for adamw min(1, 2000 / median number of labeled rows per task).
    batch_size : int, "auto" or "full", default="auto"
        Rows per task and step. "auto" is a tenth of the rows (in long form of the largest task),
        between 16 and 256; in long form also at most 512 divided by the number of tasks, and at
        least 4. "full" uses all rows. In long form the rows of smaller tasks are repeated evenly,
        so that every step uses every task.
    learning_rate_init : float, default=3e-3
        Learning rate.
    max_iter : int, default=200
        Largest number of epochs.
    early_stopping : bool or "auto", default="auto"
        Whether to hold out validation rows of every task, stop when the validation loss no longer
        falls, and keep the weights of the best epoch. "auto" holds out rows of tasks with at least
        5 labeled rows; True raises if a task has fewer than 10. Without validation rows, training
        stops when the training loss no longer falls.
    validation_fraction : float, default=0.1
        Fraction of the rows to use as validation rows.
    n_iter_no_change : int, default=20
        Epochs without an improvement of ``tol`` after which training stops.
    tol : float, default=1e-4
        Smallest decrease of the (standardized) loss that counts as an improvement.
    dropout : float, default=0.0
        Fraction of the hidden units that every training step drops.
    standardize : bool, default=True
        Whether to standardize numeric inputs, except columns that contain only 0 and 1.
        Standardized values z above 4 become 4 + log(z - 3), and likewise below -4, so that outliers
        do not lie far outside the range of the training data.
    n_members : int or "auto", default="auto"
        Number of ensemble members: networks with different seeds and validation rows, whose
        predictions are averaged. "auto" is 8, or 4 for more than 20,000 rows. More members take
        longer and vary less.
    task_embedding_dim : int or "auto", default="auto"
        Width of the task's embedding, a learned vector that is added to the inputs of the trunk in
        long form. 0 = no embedding, tasks differ only in their heads. "auto" is 8, at most the
        number of tasks, in long form; 0 for a single task and in wide form, where all tasks share
        the trunk's output of a row.
    task_column : str, int or None, default=None
        Column of X, by name or position, that holds each row's task (long form); None = y has one
        column per task.
    task_weights : array-like of shape (T,), dict or None, default=None
        Weights of the tasks in the loss, in the order of ``task_names_`` or by name.
    loss : {"squared_error", "huber"} or TaskLoss, default="squared_error"
        Loss of every task. "squared_error" estimates the conditional mean; "huber" is less
        sensitive to outliers among the labels. Pass an object to set hyperparameters
        (``Huber(delta=0.5)``) or to use a custom loss, a subclass of
        :class:`skmtl.losses.TaskLoss`.
    aggregator : str or object, default="mean"
        How the tasks' losses or gradients become one step: a name of
        :data:`skmtl.aggregation.AGGREGATORS`, an object of
        :mod:`skmtl.aggregation`, or an Aggregator or Weighting of TorchJD. "mean" minimizes the
        weighted mean of the losses. All others receive each task's loss times its weight in
        ``task_weights``, scaled to mean 1; scale-invariant methods ignore this factor. The object
        is never changed.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Categorical columns: those of pandas' category dtype, a list (names, positions or a boolean
        mask over the columns of X), or None for no column. Missing values, and levels that did not
        occur in training, are one additional level.
    embedding_dim : int or "auto", default="auto"
        Width of the embedding of a categorical column. "auto" one-hot encodes columns of at most 16
        levels and embeds larger ones in 1.6 times the square root of their number of levels,
        between 4 and 16.
    dtype : {"auto", "float32", "float64"}, default="auto"
        Precision of training; "auto" is float32. Predictions are always computed in float64.
    device : str, default="auto"
        "auto" (cuda if available, else cpu), "cpu", "cuda" or "cuda:<index>".
    warm_start : bool, default=False
        Whether ``fit`` continues from the networks of the previous fit. Tasks, columns and classes
        must be known from the first fit, which also determines how inputs and targets are scaled.
    callbacks : list or None, default=None
        Callbacks of scikit-learn (1.9 or newer), such as ``sklearn.callback.ProgressBar()``; called
        after every epoch.
    random_state : int, RandomState or None, default=None
        Seed of weights, batches and the validation split.
    verbose : int, default=0
        1 prints a line after fit.

    Attributes
    ----------
    task_names_ : list of str
        Names of the tasks: the columns of y, or the ids in the task column in order of first
        appearance.
    n_outputs_ : int
        Number of tasks T.
    n_features_in_ : int
        Number of columns of X, the task column included.
    feature_names_in_ : ndarray of str
        Column names of X, if it is a DataFrame with string names.
    n_iter_ : int
        Number of epochs, the largest over ensemble members.
    best_iteration_ : int
        Epoch of the final weights, the largest over ensemble members.
    loss_curve_ : ndarray of shape (n_iter,)
        Training loss of every epoch, mean over the ensemble members that are still training.
    task_loss_curve_ : ndarray of shape (n_iter, T)
        The same per task, in units of the loss: for the squared error, of the task's variance.
    aggregation_weights_ : ndarray of shape (n_iter, T)
        Weights that the aggregator gave the tasks, mean over the steps of an epoch and the ensemble
        members that are still training; NaN for tasks without labels and for aggregators without
        weights.
    history_ : list of dict
        One entry per epoch, with keys iteration, loss and validation_loss. Gradient weightings add
        negative_cosine_fraction and voldet, which measure the conflict of the task gradients in the
        last step, and unsolved, the fraction of steps whose equation had no solution.
    model_ : object
        The trained networks and everything that predictions need; its content may change between
        versions.
    members_ : list of list of ndarray
        Weights and biases of every network.
    device_ : str
        Device that was used.

    Raises
    ------
    ValueError
        In ``fit``, if a parameter is out of range, inputs are neither numbers nor categories or are
        infinite, a task has no label, or ``early_stopping=True`` and a task has fewer than 10
        labeled rows. In ``predict``, if a task was not in fit.

    See Also
    --------
    MultiTaskClassifier : The same network for class labels.

    Examples
    --------
    Wide form, with a missing label:

    >>> import numpy as np
    >>> from skmtl import MultiTaskRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 5))
    >>> Y = np.column_stack([X[:, 0] + X[:, 1], X[:, 0] - X[:, 1]])
    >>> Y[0, 1] = np.nan
    >>> model = MultiTaskRegressor(learning_rate_init=0.01, random_state=0).fit(X, Y)
    >>> model.predict(X).shape, bool(model.score(X, Y) > 0.9)
    ((200, 2), True)

    Long form:

    >>> task = np.repeat([7.0, 8.0], 100)
    >>> model = MultiTaskRegressor(task_column=-1, random_state=0).fit(
    ...     np.column_stack([X, task]), X[:, 0] * (task - 7.5)
    ... )
    >>> model.task_names_
    ['7', '8']
    """

    model_: FittedNetworks

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> MultiTaskRegressor:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.
        y : array-like of shape (n,) or (n, T)
            Targets; NaN where a row has no label for a task (wide form).
        sample_weight : array-like of shape (n,), optional
            Weights of the rows in each task's mean.

        Returns
        -------
        MultiTaskRegressor
            The fitted estimator.
        """
        settings = read_settings(self)
        earlier = self.model_ if self.warm_start and hasattr(self, "model_") else None
        rows = read_training_rows(settings, X, y, sample_weight, earlier=earlier)
        seeds = settings.draw_seeds()
        problem = fit_problem(settings, rows, earlier=earlier, split_seed=seeds.splits)
        job = ensemble_job(settings, problem, seeds, earlier=earlier)
        fitted = partial(FittedNetworks.of, settings, problem.intake, job, seeds)
        with fit_callbacks(
            self, X, y, max_epochs=self.max_iter, metadata={"sample_weight": sample_weight}
        ) as on_epoch:
            trained = train_job(job, on_epoch=after_each_epoch(on_epoch, self, fitted))
            remember(self, fitted(trained))
        announce(settings, self.model_)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> MultiTaskRegressor:
        """Train for one epoch on these rows, continuing from the last call.

        The first call determines the tasks and the scale of inputs and targets. There are no
        validation rows.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.
        y : array-like of shape (n,) or (n, T)
            Targets; after the first call a task may have none.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows in each task's mean.

        Returns
        -------
        MultiTaskRegressor
            The estimator.

        Raises
        ------
        ValueError
            If a later call has a task or a column of X that the first call did not have.
        """
        settings = read_settings(self)
        earlier = getattr(self, "model_", None)
        rows = read_training_rows(settings, X, y, sample_weight, earlier=earlier)
        weights = row_weights(rows.tasks, rows.sample_weight)
        targets = learn_targets(rows.tasks, settings.loss, weights, constant_may_vary=True)
        problem = fit_problem(settings, rows, earlier=earlier, targets=targets, hold_out=False)
        remember(self, train_one_epoch(settings, problem, earlier))
        return self
