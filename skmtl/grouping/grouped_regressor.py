"""Regressor that trains one network per task group."""

from __future__ import annotations

from typing import Any

from sklearn.base import RegressorMixin

from skmtl._sklearn_compat import fit_context
from skmtl.estimators import (
    MultiTaskRegressor,
    RegressionOutputs,
    read_training_rows,
    set_fitted,
)
from skmtl.grouping.grouped import TaskGrouped, group_and_fit, read_plan


class TaskGroupedRegressor(RegressionOutputs, RegressorMixin, TaskGrouped):
    r"""Regressor that chooses task groups from measured gains and trains one network per group.

    ``fit`` works in five steps:

    1. It sets aside validation rows of each task. The other rows are the training rows.
    2. It measures the gains of a sample of task pairs on splits of the training rows, and predicts
       the gains of all other pairs from task-relation features.
    3. A search over the predicted gains proposes groupings.
    4. The proposed groups are measured on other splits of the training rows. A model of gains in
       groups learns how far these depart from the average of pair gains, and the search is repeated
       with the corrected gains as long as it finds better groupings.
    5. Two finalists, joint training and single-task training are compared by their total loss on
       the validation rows. The winner is refitted on all rows.

    The first finalist is the grouping with the lowest measured loss. The second assigns each task
    to that group of the best groupings with the largest expected gain for the task, even if the
    task also trains in other groups. The expected gain is the precision-weighted mean of the
    predicted and the measured gain. Candidates are compared by their total loss, because a choice
    per task would rest on few, noisy rows.

    Parameters
    ----------
    estimator : MultiTaskRegressor or None, default=None
        Network of each group; None = a small network with early stopping. Its ``task_column`` is
        replaced by the one below.
    task_column : str, int or None, default=None
        Column of X, by name or position, with the task of each row (long form). None = y has one
        column per task (wide form).
    grouper : TaskGrouper or None, default=None
        Search that proposes groupings; None = semidefinite clustering and beam search with several
        numbers of groups.
    pair_fraction : float, default=0.25
        Fraction of the task pairs whose gains are measured; the others are predicted. A larger
        fraction costs more and makes the gains more accurate.
    n_repeats : int, default=4
        Repeated measurements per pair, which are averaged.
    n_rounds : int, default=3
        Maximum number of rounds of steps 3 and 4. 0 = the search uses pair gains only.
    validation_size : float, default=0.3
        Fraction of each task's rows on which the candidates are compared.
    n_jobs : int or None, default=None
        Maximum number of processes; None = the number of threads that torch may use.
    memory : path, joblib.Memory or None, default=None
        Cache of finished measurements; None = no cache.
    random_state : int, RandomState or None, default=None
        Seed of splits, networks and searches. Pass an int for reproducible results.
    verbose : int, default=0
        1 prints one line per stage.

    Attributes
    ----------
    groups_ : list of tuple of str
        Task names of each group.
    labels_ : ndarray of shape (T,)
        Index of the group whose network predicts the task.
    affinity_ : DataFrame of shape (T, T)
        Predicted gains, row = target, column = source; NaN for tasks that took no part.
    gains_ : PairwiseGains or None
        Measured gains; None if fewer than two tasks could be measured.
    model_ : object
        The fitted networks with everything that prediction needs. Its content may change between
        versions.
    estimators_ : list of MultiTaskRegressor
        Fitted network of each group.
    task_names_ : list of str
        Task names.
    n_outputs_ : int
        Number of tasks T.
    choice_ : DataFrame
        Candidate groupings ("single-task", "joint" and the proposed ones) with their total loss on
        validation rows, relative to the variance of the targets; column ``chosen`` marks the
        winner.
    rounds_ : DataFrame or None
        Groupings that were measured in the rounds: round, candidate, n_groups, predicted_loss,
        measured_loss (totals over tasks); None if there were no rounds.
    n_features_in_ : int
        Number of columns of X, including the task column.
    feature_names_in_ : ndarray of str
        Column names of X, if it was a DataFrame.

    Raises
    ------
    TypeError
        If ``estimator`` is not a MultiTaskRegressor.
    ValueError
        In ``fit``, for invalid parameters or data; in ``predict``, for a task that was not in fit.

    Warns
    -----
    UserWarning
        If tasks have fewer than 10 rows: they take no part in the choice of groups.

    Examples
    --------
    >>> from skmtl import TaskGroupedRegressor
    >>> from skmtl.datasets import make_grouped_tasks
    >>> data = make_grouped_tasks(n_tasks=6, n_groups=2, n_samples=80, random_state=0)
    >>> X = data.data.assign(task=data.task)
    >>> model = TaskGroupedRegressor(
    ...     task_column="task", pair_fraction=0.5, n_repeats=2, random_state=0
    ... ).fit(X, data.target)
    >>> len(model.labels_), model.predict(X).shape == data.target.shape
    (6, True)
    """

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> TaskGroupedRegressor:
        """Choose the groups and train their networks.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.
        y : array-like of shape (n,) or (n, T)
            Targets; NaN where a row has no label for a task (wide form).
        sample_weight : array-like of shape (n,), optional
            Sample weights of the final training; gains are measured without them.

        Returns
        -------
        TaskGroupedRegressor
            The fitted estimator.
        """
        plan = read_plan(self, MultiTaskRegressor)
        rows = read_training_rows(plan.settings, X, y, sample_weight)
        found = group_and_fit(plan, rows)
        set_fitted(self, found)
        return self
