"""Linear regression of many tasks whose coefficients lie in one small subspace."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from skmtl._sklearn_compat import Interval, fit_context
from skmtl.data import known_task_codes, read_task_weights
from skmtl.estimators import RegressionOutputs
from skmtl.representation.moments import Moments
from skmtl.representation.reading import read_inputs, read_row_weight, read_tasks
from skmtl.representation.solver import Solution, solve
from skmtl.support import DocLinks, VersionedState

Array = NDArray[np.float64]


class LowRankMultiTaskRegressor(
    RegressionOutputs, VersionedState, DocLinks, RegressorMixin, MultiOutputMixin, BaseEstimator
):
    r"""Linear regression of many tasks with one shared linear representation.

    .. math:: \min_{B,\, h_1, \dots, h_T} \frac{1}{\sum_t w_t} \sum_t w_t \Bigl( \frac{1}{N_t}
        \lVert y_t - X_t B^\top h_t \rVert^2
              + \alpha \lVert h_t \rVert^2 \Bigr), \qquad B \in \mathbb{R}^{rank \times p}, \quad B
              B^\top = I

    Parameters
    ----------
    rank : int, default=1
        Dimension of the representation, at most the number of inputs. More dimensions than tasks
        change nothing.
    task_column : str, int or None, default=None
        Column of X, by name or position, that holds each row's task (long form); None = y has one
        column a task.
    alpha : float, default=0.0
        Ridge penalty of the heads; B has orthonormal rows, so it is that of the coefficients too.
        In squared units of the inputs.
    max_iter : int, default=500
        Largest number of steps.
    tol : float, default=1e-8
        The solver stops when a step lowers the objective by no more than this times the (weighted)
        mean square of the targets.
    fit_intercept : bool, default=False
        Whether every task has an intercept of its own; inputs and targets are then centred task by
        task.
    random_state : int, RandomState or None, default=None
        Seed of directions that stand in where the tasks determine fewer than `rank`.
    task_weights : array-like of shape (T,), dict or None, default=None
        Weights :math:`w_t` of the tasks, in the order of ``task_names_`` or by name; larger ones
        for a minority that should be heard.

    Attributes
    ----------
    components_ : ndarray of shape (rank, p)
        Orthonormal rows that span the representation, turned so that the heads are uncorrelated;
        those that carry most come first.
    heads_ : ndarray of shape (T, rank)
        Coefficients of every task in the representation.
    coef_ : ndarray of shape (T, p)
        Coefficients of every task in the inputs: ``heads_ @ components_``.
    intercept_ : ndarray of shape (T,)
        Intercepts; zeros without `fit_intercept`.
    n_iter_ : int
        Steps taken.
    task_names_ : list of str
        Names of the tasks: the columns of y, or the ids in the task column in order of first
        appearance.
    n_features_in_ : int
        Number of columns of X, the task column included.
    feature_names_in_ : ndarray of str
        Column names of X, where it was a DataFrame.

    Raises
    ------
    ValueError
        In ``fit``, if a parameter is out of range, an input is missing or infinite, or a task has
        no label; in ``predict``, for a task that was not in fit.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` steps were not enough.

    See Also
    --------
    skmtl.representation.representation_path : Risk of every task over ranks.
    skmtl.representation.population_minimum : What this model tends to as rows are added.

    Notes
    -----
    This is problem (1) of [1]_, which does not say how it was solved. Only moments of the rows
    enter, gathered once; heads are eliminated, as in alternating least squares, and B takes damped
    Newton steps on what is left. The start is the closed-form solution for tasks of equal second
    moments; where all tasks have the same rows it is the exact solution. The problem is not convex:
    the result is a stationary point, not always the global minimum. Where a task has hardly more
    rows than `rank`, its head fits noise and may be huge; `alpha` bounds it. The paper bounds the
    length of the heads instead.

    References
    ----------
    .. [1] Li, Oymak, "On the fairness of multitask representation learning", ICASSP 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.representation import LowRankMultiTaskRegressor
    >>> rng = np.random.default_rng(0)
    >>> coef = rng.normal(size=(20, 2)) @ rng.normal(size=(2, 10))  # 20 tasks in a plane
    >>> task = np.repeat(np.arange(20), 6)  # with 6 rows each, fewer than the 10 inputs
    >>> X = rng.normal(size=(120, 10))
    >>> y = (X * coef[task]).sum(1)
    >>> model = LowRankMultiTaskRegressor(rank=2, task_column=-1).fit(np.column_stack([X, task]), y)
    >>> bool(np.allclose(model.coef_, coef))
    True
    """

    _wide_2d: bool
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "rank": [Interval(Integral, 1, None, closed="left")],
        "task_column": [str, Integral, None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "random_state": ["random_state"],
        "task_weights": ["array-like", dict, None],
    }

    def __init__(
        self,
        rank: int = 1,
        *,
        task_column: Any = None,
        alpha: float = 0.0,
        max_iter: int = 500,
        tol: float = 1e-8,
        fit_intercept: bool = False,
        random_state: Any = None,
        task_weights: Any = None,
    ):
        self.rank = rank
        self.task_column = task_column
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.random_state = random_state
        self.task_weights = task_weights

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LowRankMultiTaskRegressor:
        """Fit the model.

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
        LowRankMultiTaskRegressor
            The fitted estimator.
        """
        moments = self._learn(X, y, sample_weight)
        self._keep(moments, self._solved(moments, self.rank))
        return self

    def _learn(self, X: Any, y: Any, sample_weight: Any = None) -> Moments:
        """Check the input and return its moments."""
        tasks, self._wide_2d = read_tasks(self, X, y)
        weight = read_row_weight(sample_weight, tasks)
        self.task_names_ = tasks.names
        with threadpool_limits(
            limits=1, user_api="blas"
        ):  # threads that wait for each other cost more than these small products
            return Moments.of(
                tasks,
                np.ones(len(tasks))
                if self.task_weights is None
                else read_task_weights(self.task_weights, tasks.names),
                row_weight=weight,
                centre=self.fit_intercept,
            )

    def _solved(self, moments: Moments, rank: int, start: Array | None = None) -> Solution:
        """Return the solution of a rank, from the given directions or from the moments."""
        p = moments.cross.shape[1]
        if rank > p:
            raise ValueError(
                f"rank={rank} is larger than the number of inputs, {p}; a representation has at "
                "most as many dimensions. Lower rank."
            )
        rng = check_random_state(self.random_state)
        with threadpool_limits(limits=1, user_api="blas"):
            found = solve(
                moments.ridged(float(self.alpha)),
                rank,
                max_iter=self.max_iter,
                tol=self.tol,
                rng=rng,
                start=start,
            )
        if not found.converged:
            warnings.warn(
                f"{type(self).__name__} did not converge in max_iter={self.max_iter} steps; raise "
                "max_iter or tol, or give alpha a positive value.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return found

    def _keep(self, moments: Moments, found: Solution) -> None:
        """Keep what was learnt."""
        self.components_, self.heads_, self.n_iter_ = found.components, found.heads, found.n_iter
        self.coef_ = found.heads @ found.components
        self.intercept_ = moments.target_mean - np.einsum(
            "tp,tp->t", moments.input_mean, self.coef_
        )

    def _outputs(self, X: Any) -> tuple[list[Array], NDArray[np.intp] | None]:
        """Return the predictions of every task (in long form, for its own rows) and, in long form,
        the task of every row.
        """
        check_is_fitted(self)
        ids, inputs = read_inputs(self, X, reset=False)
        if ids is None:
            return list((inputs @ self.coef_.T + self.intercept_).T), None
        codes = known_task_codes(ids, self.task_names_, type(self).__name__)
        predicted = np.einsum("ij,ij->i", inputs, self.coef_[codes]) + self.intercept_[codes]
        return [predicted[codes == t] for t in range(len(self.task_names_))], codes

    def _task_ids(self, X: Any) -> Any:
        return (
            None
            if self.task_column is None
            else np.asarray(read_inputs(self, X, reset=False)[0], dtype=object)
        )
