"""Grouped regression."""

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
    r"""Find out which regression tasks should learn together, and train one network per group.

    ``fit`` holds out part of every task, measures the gains of a sample of pairs by splits inside
    the rest, predicts the gains of all other pairs from task-relation features, and lets a search
    over predicted gains propose groupings. These groups are measured as well, by other splits
    inside the rest; a model of gains in groups learns from them how far they depart from the
    average of pairs, the search goes on from the corrected gains, and so on while that finds better
    groupings. Two finalists, one network for all tasks, and one network a task are trained on the
    rest and compared by their total loss on the held-out rows; the winner is refitted on all rows.
    What is kept is decided on the total: choosing task by task on few noisy rows costs more than it
    wins.

    The finalists are the grouping with the largest expected gain, and the one that serves every
    task from the group of the best groupings in which it is expected to gain most, even if it
    trains in others as well. What is expected for a task in a group is the mean of what the model
    predicts and what was measured, weighted by their precision.

    Parameters
    ----------
    estimator : MultiTaskRegressor or None, default=None
        Network of every group; None = a small one with early stopping. Its ``task_column`` is set
        to that below.
    task_column : str, int or None, default=None
        Column of X, by name or position, that holds each row's task (long form); None = y has one
        column a task.
    grouper : TaskGrouper or None, default=None
        Search that proposes a grouping; None = semidefinite clustering and beam search over several
        numbers of groups.
    pair_fraction : float, default=0.25
        Fraction of the pairs that are measured.
    n_repeats : int, default=4
        Measurements of every pair that are averaged.
    n_rounds : int, default=3
        Most rounds in which groupings are proposed, measured by splits inside the rest, and the
        predicted gains corrected. 0 = the search sees pair gains alone.
    validation_size : float, default=0.3
        Fraction of every task's rows that the choice is made on.
    n_jobs : int or None, default=None
        Most processes that large fleets are spread over; None = as many as torch may use threads.
    memory : path, joblib.Memory or None, default=None
        Where finished measurements are kept.
    random_state : int, RandomState or None, default=None
        Seed of everything random.
    verbose : int, default=0
        1 prints one line per stage.

    Attributes
    ----------
    groups_ : list of tuple of str
        Names of the tasks of every group.
    labels_ : ndarray of shape (T,)
        Index of the group that serves the task.
    affinity_ : DataFrame of shape (T, T)
        Predicted gains, row = target, column = source; NaN for tasks that took no part.
    gains_ : PairwiseGains or None
        The measured gains; None where fewer than two tasks could be measured.
    model_ : object
        The networks of all groups with all that predictions need, as one value; its content may
        change.
    estimators_ : list of MultiTaskRegressor
        One fitted network per group.
    task_names_ : list of str
        Names of the tasks.
    n_outputs_ : int
        Number of tasks T.
    choice_ : DataFrame
        Candidates with their total held-out loss, relative to the variance of the targets; chosen
        marks the winner.
    rounds_ : DataFrame or None
        Groupings that were measured inside the rest: round, candidate, n_groups, predicted_loss,
        measured_loss (totals over tasks); None without rounds.
    n_features_in_ : int
        Number of columns of X, the task column included.
    feature_names_in_ : ndarray of str
        Column names of X, where it was a DataFrame.

    Raises
    ------
    TypeError
        If ``estimator`` is not a MultiTaskRegressor.
    ValueError
        In ``fit``, for invalid parameters or data; in ``predict``, for a task that was not in fit.

    Warns
    -----
    UserWarning
        Names tasks with fewer than 10 rows, which take no part in the choice.

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
            Weights of the rows in training; gains are measured without.

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
