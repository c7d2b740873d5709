"""Grouped classification."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import ClassifierMixin

from skmtl._sklearn_compat import fit_context
from skmtl.estimators import (
    ClassificationOutputs,
    MultiTaskClassifier,
    joint_classes,
    read_training_rows,
    set_fitted,
)
from skmtl.grouping.grouped import TaskGrouped, group_and_fit, read_plan


class TaskGroupedClassifier(ClassificationOutputs, ClassifierMixin, TaskGrouped):
    r"""Find out which classification tasks should learn together, and train one network per group.

    As :class:`TaskGroupedRegressor`, with log loss in place of squared error.

    Parameters
    ----------
    estimator : MultiTaskClassifier or None, default=None
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
    classes_ : ndarray or list of ndarray
        Sorted classes: a list with one array per task for 2-D y, else one array (long form: the union
        over tasks).
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
    estimators_ : list of MultiTaskClassifier
        One fitted network per group.
    task_names_ : list of str
        Names of the tasks.
    n_outputs_ : int
        Number of tasks T.
    choice_ : DataFrame
        Candidates with their total held-out log loss; chosen marks the winner.
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
        If ``estimator`` is not a MultiTaskClassifier.
    ValueError
        In ``fit``, for invalid parameters or data; in ``predict``, for a task that was not in fit.

    Warns
    -----
    UserWarning
        Names tasks with fewer than 10 rows or one class, which take no part in the choice.

    Examples
    --------
    >>> from skmtl import TaskGroupedClassifier
    >>> from skmtl.datasets import make_grouped_tasks
    >>> data = make_grouped_tasks(
    ...     n_tasks=4, n_groups=2, n_samples=80, kind="classification", random_state=0
    ... )
    >>> X = data.data.assign(task=data.task)
    >>> model = TaskGroupedClassifier(
    ...     task_column="task", pair_fraction=0.5, n_repeats=2, random_state=0
    ... ).fit(X, data.target)
    >>> model.predict_proba(X).shape == (len(X), 2)
    True
    """

    # As in the network: with metadata routing, sensitive_features reach fit wherever they are
    # passed.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"sensitive_features": True}

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: Any, *, sample_weight: Any = None, sensitive_features: Any = None
    ) -> TaskGroupedClassifier:
        """Choose the groups and train their networks.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.
        y : array-like of shape (n,) or (n, T)
            Labels; NaN or None where a row has no label for a task (wide form).
        sample_weight : array-like of shape (n,), optional
            Weights of the rows in training; gains are measured without.
        sensitive_features : array-like of shape (n,) or (n, k), str or list of str, optional
            Groups of people for the fairness term of ``estimator``, as in its ``fit``. Gains and
            candidates are measured without the term; the networks that are kept are trained with
            it.

        Returns
        -------
        TaskGroupedClassifier
            The fitted estimator.
        """
        plan = read_plan(self, MultiTaskClassifier)
        rows = read_training_rows(plan.settings, X, y, sample_weight, sensitive_features)
        found = group_and_fit(plan, rows)
        found["classes_"] = joint_classes(
            found["model_"].own_classes, one_column_per_task=rows.layout.one_column_per_task
        )
        set_fitted(self, found)
        return self
