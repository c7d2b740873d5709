"""Ridge regression that predicts the gains of task pairs."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from skmtl.affinity.gain_terms import GainTerms, finite, linear_columns
from skmtl.affinity.penalty_choice import choose_penalty
from skmtl.affinity.variance_components import column_blocks, fit_components
from skmtl.data import checked_weight
from skmtl.support import DocLinks, VersionedState

Array = NDArray[np.float64]


class PairwiseGainRegressor(VersionedState, DocLinks, RegressorMixin, BaseEstimator):
    r"""Ridge regression of pairwise gains on a polynomial of the pairs' features.

    .. math::

        \min_{b, \beta, \gamma} \sum_k w_k
        \left(\tilde y_k - b - \varphi(x_k)^\top \beta - s\, z_k^\top \gamma\right)^2
        + \alpha \left(\lVert\beta\rVert^2 + \lVert\gamma\rVert^2\right)

    where :math:`\tilde y` are the winsorized gains, :math:`\varphi` all monomials up to `degree` of
    the standardized features, standardized again, and :math:`z` the columns that enter only
    linearly. The intercept is not penalized.

    Parameters
    ----------
    degree : int, default=2
        Order of the polynomial; 2 is the quadratic model of [1]_, equation (14).
    alpha : "cv", "reml" or float, default="cv"
        Strength of the ridge penalty. "cv" chooses the penalty, and the scale :math:`s` of the
        linear columns, by leave-one-group-out cross-validation over `groups` (leave-one-out if
        there are none), computed exactly from one eigendecomposition. "reml" gives each block of
        terms a separate penalty by restricted maximum likelihood: the monomials of each degree, the
        numeric linear columns, and each set of adjacent indicators that sum to one. This is partial
        pooling: effects of tasks are shrunk more if tasks differ less or take part in fewer pairs.
    clip : float or None, default=0.005
        Gains are clipped at this lower and upper quantile before the fit, so that outliers have
        little influence. None = no clipping.
    linear_features : "binary", list of int or str, or None, default="binary"
        Columns that enter only linearly, without squares and products. "binary" = columns with only
        0 and 1 in `fit`, such as indicators of target and source. A list contains column indices
        or, for a DataFrame, column names.

    Attributes
    ----------
    coef_ : ndarray of shape (n_terms,)
        Coefficients of the standardized monomials, then of the linear columns (0/1 columns are
        centered but not scaled).
    intercept_ : float
        Weighted mean of the clipped gains.
    alpha_ : float
        Penalty; with alpha="reml", that of the first term.
    penalties_ : ndarray of shape (n_terms,)
        Penalty of each term.
    noise_ : float
        With alpha="reml", residual variance of a gain of mean weight; NaN otherwise.
    linear_scale_ : float
        Factor :math:`s` of the linear columns; 1 unless alpha="cv" chose another one.
    clip_range_ : tuple of float
        Lower and upper limit of the gains in the fit; infinite without clipping.
    linear_features_ : ndarray of int
        Indices of the columns that enter only linearly.
    terms_ : ndarray of str of shape (n_terms,)
        Names of the terms in the order of `coef_`.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Column names, if X was a DataFrame with string columns.

    See Also
    --------
    affinity_matrix : Arrange predicted pairs in the square table that a TaskGrouper takes.

    Notes
    -----
    The paper does not state the penalty, its choice, or where features are standardized, and it
    uses no indicators. Here, indicators are random effects: all have the same prior variance,
    regardless of the number of pairs of a task, and :math:`s` is the scale of this variance
    relative to that of the polynomial.

    A weight of two is equivalent to two rows in the standardization, the clipping and the penalized
    sum. With alpha="cv", candidate penalties are multiples of the mean weight, so that inverse
    variances in any unit can be passed. There, two copies of a row are equivalent to a weight of
    two only if they share a group, because otherwise one copy stays in the training part when the
    other is left out. With alpha="reml", weights are precisions relative to their mean, and two
    copies of a row are two measurements.

    References
    ----------
    .. [1] Anonymous, "Predicting task affinity from data features", submission 22848 to ICLR 2026,
       section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import PairwiseGainRegressor
    >>> rng = np.random.default_rng(0)
    >>> features = rng.normal(size=(60, 3))
    >>> gains = 0.1 * features[:, 0] * features[:, 1] - 0.05 * features[:, 2]
    >>> pair = np.repeat(np.arange(30), 2)  # rows 2k and 2k + 1 are the two directions of pair k
    >>> model = PairwiseGainRegressor().fit(features[:40], gains[:40], groups=pair[:40])
    >>> bool(model.score(features[40:], gains[40:]) > 0.9)
    True
    """

    def __init__(
        self,
        *,
        degree: int = 2,
        alpha: float | str = "cv",
        clip: float | None = 0.005,
        linear_features: str | Sequence[int] | Sequence[str] | None = "binary",
    ) -> None:
        self.degree = degree
        self.alpha = alpha
        self.clip = clip
        self.linear_features = linear_features

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> PairwiseGainRegressor:
        """Fit the model to measured pairs.

        Parameters
        ----------
        X : array-like of shape (m, n_features)
            Features of the measured pairs.
        y : array-like of shape (m,)
            Measured gains.
        sample_weight : array-like of shape (m,), default=None
            Sample weight of each pair; pairs of weight 0 are ignored.
        groups : array-like of shape (m,), default=None
            Fold groups: with alpha="cv", rows with the same label are left out together. Use one
            label for both directions of a pair.

        Returns
        -------
        self : PairwiseGainRegressor
            The fitted regressor.
        """
        self._check_parameters()
        features, gains = _as_float(*validate_data(self, X, y, dtype=np.float64, y_numeric=True))
        weight = checked_weight(sample_weight, len(gains))
        blocks = np.arange(len(gains)) if groups is None else _checked_groups(groups, len(gains))
        used = weight > 0
        features, gains, weight, blocks = features[used], gains[used], weight[used], blocks[used]

        names = list(getattr(self, "feature_names_in_", ()))
        self.linear_features_ = linear_columns(self.linear_features, features, names)
        # Overflows are detected below and reported with the name of the column.
        with np.errstate(over="ignore", invalid="ignore"):
            self._fit_to(features, gains, weight, blocks, [str(name) for name in names])
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Predict gains.

        Parameters
        ----------
        X : array-like of shape (m, n_features)
            Features of pairs.

        Returns
        -------
        ndarray of shape (m,)
            Predicted gains; they are not clipped.
        """
        check_is_fitted(self)
        (features,) = _as_float(validate_data(self, X, dtype=np.float64, reset=False))
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                return finite(self._terms.of(features) @ self.coef_ + self.intercept_)
        except OverflowError:
            names = getattr(self, "feature_names_in_", None)
            raise ValueError(_too_large(features, names)) from None

    def _fit_to(
        self,
        features: Array,
        gains: Array,
        weight: Array,
        blocks: NDArray[np.intp],
        names: list[str],
    ) -> None:
        """Fit to pairs of positive weight."""
        self.clip_range_ = (
            (-np.inf, np.inf)
            if self.clip is None
            else _weighted_range(gains, weight, float(self.clip))
        )
        gains = np.clip(gains, *self.clip_range_)
        columns = names or [f"x{i}" for i in range(features.shape[1])]
        self._terms = GainTerms(int(self.degree), self.linear_features_)
        try:
            terms = self._terms.fit(features, weight, columns).of(features)
        except OverflowError:
            raise ValueError(_too_large(features, columns)) from None
        self.terms_ = self._terms.names
        root = np.sqrt(weight)
        self.intercept_ = float(np.average(gains, weights=weight))
        target = root * (gains - self.intercept_)
        if not np.isfinite(target @ target):
            raise ValueError("The gains in y are too large: their squares overflow.")
        polynomial = root[:, None] * terms[:, : self._terms.n_monomials]
        linear = root[:, None] * terms[:, self._terms.n_monomials :]
        # Synchronization of threads takes longer than these small decompositions: up to 25 times on
        # two busy cores.
        with threadpool_limits(limits=1, user_api="blas"):
            if self.alpha == "reml":
                self._fit_components(
                    np.hstack([polynomial, linear]), target, features, weight.mean()
                )
            elif self.alpha == "cv":
                self._fit_ridge(
                    polynomial,
                    linear,
                    target,
                    *choose_penalty(polynomial, linear, target, weight, blocks),
                )
            else:
                self._fit_ridge(polynomial, linear, target, float(self.alpha), 1.0)

    def _fit_ridge(
        self, polynomial: Array, linear: Array, target: Array, alpha: float, scale: float
    ) -> None:
        """Fit with one penalty."""
        self.alpha_, self.linear_scale_, self.noise_ = alpha, scale, float("nan")
        scales = np.repeat([1.0, scale], [polynomial.shape[1], linear.shape[1]])
        self.coef_ = scales * _solve(np.hstack([polynomial, scale * linear]), target, alpha)
        self.penalties_ = alpha / scales**2

    def _fit_components(self, design: Array, target: Array, features: Array, unit: float) -> None:
        """Fit with one penalty per block; weights are relative to their mean."""
        blocks = column_blocks(features[:, self.linear_features_], self._terms.degrees)
        found = fit_components(design / np.sqrt(unit), target / np.sqrt(unit), blocks)
        self.coef_, self.noise_, self.linear_scale_ = found.coef, found.noise, 1.0
        self.penalties_ = np.divide(
            found.noise,
            found.variances,
            out=np.full(len(found.coef), np.inf),
            where=found.variances > 0,
        )
        self.alpha_ = float(self.penalties_[0])

    def _check_parameters(self) -> None:
        name = type(self).__name__
        if (
            not isinstance(self.degree, Integral)
            or isinstance(self.degree, bool)
            or self.degree < 1
        ):
            raise ValueError(
                f"The 'degree' parameter of {name} must be an int in the range [1, inf). Got "
                f"{self.degree!r} instead."
            )
        if self.alpha not in ("cv", "reml") and (
            not isinstance(self.alpha, Real)
            or isinstance(self.alpha, bool)
            or not 0 <= self.alpha < np.inf
        ):
            raise ValueError(
                f"The 'alpha' parameter of {name} must be 'cv', 'reml' or a float in the range [0, "
                f"inf). Got {self.alpha!r} instead."
            )
        if self.clip is not None and (
            not isinstance(self.clip, Real)
            or isinstance(self.clip, bool)
            or not 0 <= self.clip < 0.5
        ):
            raise ValueError(
                f"The 'clip' parameter of {name} must be None or a float in the range [0, 0.5). "
                f"Got {self.clip!r} instead."
            )


def _as_float(*arrays: ArrayLike) -> tuple[Array, ...]:
    return tuple(np.asarray(array, dtype=np.float64) for array in arrays)


def _checked_groups(groups: ArrayLike, n_rows: int) -> NDArray[np.intp]:
    labels = np.asarray(groups)
    if labels.ndim != 1:
        raise ValueError(
            f"groups must have shape ({n_rows},). Got an array of shape {labels.shape}."
        )
    check_consistent_length(labels, np.empty(n_rows))
    return np.unique(labels, return_inverse=True)[1].reshape(-1)


def _too_large(X: Array, names: Sequence[str] | None) -> str:
    """Return an error message about the column with the largest number."""
    column = int(np.abs(X).max(axis=0).argmax())
    name = column if names is None else names[column]
    return (
        f"Column {name!r} of X contains {X[np.abs(X[:, column]).argmax(), column]:.3g}; terms of "
        "PairwiseGainRegressor overflow. Scale the column or remove the row."
    )


def _weighted_range(y: Array, weight: Array, quantile: float) -> tuple[float, float]:
    """Return the lower and upper weighted quantile; a weight of k is equivalent to k copies."""
    return _weighted_quantile(y, weight, quantile), -_weighted_quantile(-y, weight, quantile)


def _weighted_quantile(y: Array, weight: Array, quantile: float) -> float:
    order = np.argsort(y)
    ends = np.cumsum(weight[order])
    position = quantile * max(ends[-1] - 1.0, 0.0)
    below, above = np.searchsorted(
        ends, [np.floor(position), np.floor(position) + 1], side="right"
    ).clip(max=len(y) - 1)
    low, high = y[order[below]], y[order[above]]
    return float(low + (high - low) * (position - np.floor(position)))


def _solve(design: Array, target: Array, alpha: float) -> Array:
    """Solve the smaller of the two normal equations of ridge regression.

    For alpha=0, return the least-squares solution of minimum norm.
    """
    n_rows, n_terms = design.shape
    if alpha == 0:
        return np.asarray(scipy.linalg.lstsq(design, target)[0])
    if n_rows < n_terms:
        gram = design @ design.T
        gram[np.diag_indices(n_rows)] += alpha
        return np.asarray(design.T @ scipy.linalg.solve(gram, target, assume_a="pos"))
    gram = design.T @ design
    gram[np.diag_indices(n_terms)] += alpha
    return np.asarray(scipy.linalg.solve(gram, design.T @ target, assume_a="pos"))
