"""Linear multi-task regression whose coefficients share a low-dimensional subspace."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from skmtl._sklearn_compat import Interval, fit_context
from skmtl.data import read_task_weights
from skmtl.estimators import RegressionOutputs, set_fitted
from skmtl.representation.linear_tasks import LinearRows, LinearTasks, read_linear_rows
from skmtl.representation.moments import Moments
from skmtl.representation.solver import Solution, solve
from skmtl.support import DocLinks, VersionedState

Array = NDArray[np.float64]


class LowRankMultiTaskRegressor(
    RegressionOutputs, VersionedState, DocLinks, RegressorMixin, MultiOutputMixin, BaseEstimator
):
    r"""Linear regression of many tasks with one shared low-rank representation.

    .. math:: \min_{B,\, h_1, \dots, h_T} \frac{1}{\sum_t w_t} \sum_t w_t \Bigl(
        \frac{1}{N_t} \lVert y_t - X_t B^\top h_t \rVert^2 + \alpha \lVert h_t \rVert^2 \Bigr),
        \qquad B \in \mathbb{R}^{rank \times p}, \quad B B^\top = I

    Parameters
    ----------
    rank : int, default=1
        Dimension of the representation, at most the number of inputs. A larger rank is more
        flexible; beyond the number of tasks it changes nothing.
    task_column : str, int or None, default=None
        Column of X, by name or position, with the task of every row (long form). None = wide form:
        y has one column per task.
    alpha : float, default=0.0
        Ridge penalty of the heads, in squared units of the inputs. The rows of B are orthonormal,
        so it is the ridge penalty of the coefficients, too.
    max_iter : int, default=500
        Largest number of Newton steps.
    tol : float, default=1e-8
        The solver stops when a step lowers the objective by no more than `tol` times the (weighted)
        mean square of the targets.
    fit_intercept : bool, default=False
        Whether every task has an intercept; inputs and targets are then centered per task.
    random_state : int, RandomState or None, default=None
        Seed of the remaining directions if the tasks determine fewer than `rank`.
    task_weights : array-like of shape (T,), dict or None, default=None
        Weights :math:`w_t` of the tasks, in the order of ``task_names_`` or by name. Larger weights
        give minority tasks more influence on the representation.

    Attributes
    ----------
    components_ : ndarray of shape (rank, p)
        Orthonormal rows that span the representation, rotated so that the heads are uncorrelated,
        by decreasing size of the heads.
    heads_ : ndarray of shape (T, rank)
        Coefficients of every task in the representation.
    coef_ : ndarray of shape (T, p)
        Coefficients of every task in the inputs: ``heads_ @ components_``.
    intercept_ : ndarray of shape (T,)
        Intercepts; zeros without `fit_intercept`.
    model_ : LinearTasks
        The fitted coefficients, as `predict` reads them.
    n_iter_ : int
        Number of steps taken.
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
        no labels; in ``predict``, if a task was not in ``fit``.

    Warns
    -----
    ConvergenceWarning
        If the solver did not converge in `max_iter` steps.

    See Also
    --------
    skmtl.representation.representation_path : Risk of every task over ranks.
    skmtl.representation.population_minimum : Limit of this model as the number of rows grows.

    Notes
    -----
    This is problem (1) of [1]_, which does not state how it was solved. The solver uses the second
    moments of the rows, computed once. The heads are eliminated, as in alternating least squares,
    and B takes damped Newton steps on the remaining objective. The starting point is the
    closed-form solution for tasks with equal second moments, which is exact if all tasks have the
    same rows. The problem is not convex: the result is a stationary point, and not always the
    global minimum. If a task has hardly more rows than `rank`, its head fits noise and can be very
    large. A positive `alpha` prevents this; the paper bounds the length of the heads instead.

    References
    ----------
    .. [1] Li, Oymak, "On the fairness of multitask representation learning", ICASSP 2023.

    Examples
    --------
    The coefficients of 20 tasks span a plane. Every task has 6 rows, fewer than its 10 inputs, but
    the shared representation recovers all coefficients:

    >>> import numpy as np
    >>> from skmtl.representation import LowRankMultiTaskRegressor
    >>> rng = np.random.default_rng(0)
    >>> coef = rng.normal(size=(20, 2)) @ rng.normal(size=(2, 10))
    >>> task = np.repeat(np.arange(20), 6)
    >>> X = rng.normal(size=(120, 10))
    >>> y = (X * coef[task]).sum(1)
    >>> model = LowRankMultiTaskRegressor(rank=2, task_column=-1).fit(np.column_stack([X, task]), y)
    >>> bool(np.allclose(model.coef_, coef))
    True
    """

    model_: LinearTasks
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
            Targets; NaN if a row has no label for a task (wide form).
        sample_weight : array-like of shape (n,), optional
            Sample weights, relative to the other rows of a task.

        Returns
        -------
        LowRankMultiTaskRegressor
            The fitted estimator.
        """
        settings = read_low_rank_settings(self)
        rows = read_linear_rows(settings.owner, self.task_column, X, y, sample_weight)
        moments = moments_of(settings, rows)
        found = solution_of(settings, moments, settings.rank)
        self.model_ = linear_tasks(rows, moments, found)
        set_fitted(self, rows.layout.attributes())
        self.task_names_ = self.model_.task_names
        self.components_, self.heads_, self.n_iter_ = found.components, found.heads, found.n_iter
        self.coef_, self.intercept_ = self.model_.coef, self.model_.intercept
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")


@dataclass(frozen=True, eq=False)
class LowRankSettings:
    """Checked parameters of a LowRankMultiTaskRegressor."""

    owner: str
    rank: int
    alpha: float
    max_iter: int
    tol: float
    fit_intercept: bool
    random_state: Any
    task_weights: Any


def read_low_rank_settings(estimator: LowRankMultiTaskRegressor) -> LowRankSettings:
    """Check and read the parameters of an estimator, which is not changed."""
    estimator._validate_params()
    return LowRankSettings(
        owner=type(estimator).__name__,
        rank=estimator.rank,
        alpha=float(estimator.alpha),
        max_iter=estimator.max_iter,
        tol=estimator.tol,
        fit_intercept=estimator.fit_intercept,
        random_state=estimator.random_state,
        task_weights=estimator.task_weights,
    )


def moments_of(settings: LowRankSettings, rows: LinearRows) -> Moments:
    """Return the moments of the tasks."""
    tasks = rows.tasks
    if settings.task_weights is None:
        weight = np.ones(len(tasks))
    else:
        weight = read_task_weights(settings.task_weights, tasks.names)
    # The products are small: synchronizing BLAS threads would take longer than computing them.
    with threadpool_limits(limits=1, user_api="blas"):
        return Moments.of(
            tasks, weight, row_weight=rows.sample_weight, center=settings.fit_intercept
        )


def solution_of(
    settings: LowRankSettings, moments: Moments, rank: int, start: Array | None = None
) -> Solution:
    """Return the solution of a rank, from the given directions or from the moments."""
    p = moments.cross.shape[1]
    if rank > p:
        raise ValueError(
            f"rank={rank} is larger than the number of inputs, {p}. Set rank to at most {p}."
        )
    rng = check_random_state(settings.random_state)
    with threadpool_limits(limits=1, user_api="blas"):
        found = solve(
            moments.ridged(settings.alpha),
            rank,
            max_iter=settings.max_iter,
            tol=settings.tol,
            rng=rng,
            start=start,
        )
    if not found.converged:
        warnings.warn(
            f"{settings.owner} did not converge in max_iter={settings.max_iter} steps. Increase "
            "max_iter or tol, or set alpha to a positive value.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return found


def linear_tasks(rows: LinearRows, moments: Moments, found: Solution) -> LinearTasks:
    """Return the linear models of a solution."""
    coef = found.heads @ found.components
    intercept = moments.target_mean - np.einsum("tp,tp->t", moments.input_mean, coef)
    return LinearTasks(rows.layout, list(rows.tasks.names), coef, intercept)
