"""Predict the gains of task pairs that were not measured."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from skmtl.affinity.gain_terms import GainTerms, finite, linear_columns
from skmtl.affinity.penalty_choice import choose_penalty
from skmtl.affinity.variance_components import column_blocks, fit_components
from skmtl.support import DocLinks, VersionedState

Array = NDArray[np.float64]


class PairwiseGainRegressor(VersionedState, DocLinks, RegressorMixin, BaseEstimator):
    r"""Ridge regression of pairwise gains on a polynomial of the pairs' features.

    .. math:: \min_{b, \beta} \sum_k w_k \left(\tilde y_k - b - \varphi(x_k)^\top \beta - s\,
        z_k^\top \gamma\right)^2
              + \alpha \left(\lVert\beta\rVert^2 + \lVert\gamma\rVert^2\right)

    :math:`\tilde y` are the winsorized gains, :math:`\varphi` all monomials up to `degree` of the
    standardized features, standardized once more, and :math:`z` the columns that enter linearly
    only. The intercept is not penalized.

    Parameters
    ----------
    degree : int, default=2
        Order of the polynomial; 2 is the quadratic model of [1]_, equation (14).
    alpha : "cv", "reml" or float, default="cv"
        Strength of the ridge penalty. "cv" takes the value with the smallest error when each group
        of `groups` (each row when there are none) is left out in turn, computed exactly from one
        eigendecomposition; the scale :math:`s` of the linear columns is chosen along with it.
        "reml" gives every block of terms a penalty of its own, found by restricted maximum
        likelihood: the monomials of each degree, the numeric linear columns, and every set of
        neighboring indicators that sum to one. This is partial pooling: a task's effect is shrunk
        the more, the less tasks differ and the fewer pairs it took part in.
    clip : float or None, default=0.005
        The gains are clipped at this quantile from below and from above before the fit, so that a
        few ruined measurements do not bend the model. None turns it off.
    linear_features : "binary", list of int or str, or None, default="binary"
        Columns that enter linearly only, without squares and products. "binary": those that hold
        only 0 and 1 in `fit`, such as indicators of target and source. A list
        holds column indices or, for a DataFrame, column names.

    Attributes
    ----------
    coef_ : ndarray of shape (n_terms,)
        Coefficients of the terms: of standardized monomials first, then of the linear columns (0/1
        columns are centered but keep their scale).
    intercept_ : float
        Weighted mean of the clipped gains.
    alpha_ : float
        Penalty in use; with alpha="reml" that of the first term.
    penalties_ : ndarray of shape (n_terms,)
        Penalty of every term's coefficient.
    noise_ : float
        With alpha="reml", variance of a gain of mean weight around its expectation; NaN otherwise.
    linear_scale_ : float
        Factor :math:`s` by which the linear columns were multiplied; 1 unless alpha="cv" found a
        better one.
    clip_range_ : tuple of float
        Lowest and highest gain that the fit has seen; infinite without clipping.
    linear_features_ : ndarray of int
        Indices of the columns that enter linearly only.
    terms_ : ndarray of str of shape (n_terms,)
        Names of the terms in the order of `coef_`.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns, when X was a DataFrame with string columns.

    See Also
    --------
    affinity_matrix : Arranges predicted pairs as the table that a grouper takes.

    Notes
    -----
    The paper states neither the penalty nor how it was chosen, standardizes where is not said, and
    has no indicators. Indicators are treated as random effects: all have the same prior variance,
    whatever the number of pairs a task takes part in, and that variance relative to the
    polynomial's is the scale :math:`s`.

    A weight of two counts as two rows, for the standardization, the clipping and the penalized sum.
    With alpha="cv" the penalties that are tried are multiples of the mean weight, so that inverse
    variances of any unit can be passed; leaving out one of two copies of a row tells nothing about
    the penalty, therefore copies of a row are not the same as a weight there, unless they share a
    group. With alpha="reml" weights are precisions in units of their mean, and two copies of a row
    are two measurements.

    References
    ----------
    .. [1] Anonymous, "Predicting task affinity from data features", submission 22848 to ICLR 2026,
       section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.affinity.gain_regressor import PairwiseGainRegressor
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
            Weight of each pair; rows of weight 0 are as good as absent.
        groups : array-like of shape (m,), default=None
            Rows with the same label are left out together when alpha="cv" is chosen: give both
            directions of a pair one label.

        Returns
        -------
        self : PairwiseGainRegressor
            The fitted regressor.
        """
        self._check_parameters()
        features, gains = _as_float(*validate_data(self, X, y, dtype=np.float64, y_numeric=True))
        weight = _checked_weight(sample_weight, len(gains))
        blocks = np.arange(len(gains)) if groups is None else _checked_groups(groups, len(gains))
        used = weight > 0
        features, gains, weight, blocks = features[used], gains[used], weight[used], blocks[used]

        names = list(getattr(self, "feature_names_in_", ()))
        self.linear_features_ = linear_columns(self.linear_features, features, names)
        # What overflows is found below, and refused with the column's name.
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
            Predicted gains; not limited to the range seen in `fit`.
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
        # Threads that wait for each other cost more than these small decompositions: 25 times their
        # time on two busy cores.
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
        """Fit with a penalty for every block; weights in units of their mean."""
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


def _checked_weight(sample_weight: ArrayLike | None, n_rows: int) -> Array:
    if sample_weight is None:
        return np.ones(n_rows)
    weight: Array = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weight.shape != (n_rows,):
        raise ValueError(f"sample_weight.shape == {weight.shape}, expected {(n_rows,)}.")
    if (weight < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`.")
    if not (weight > 0).any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weight


def _checked_groups(groups: ArrayLike, n_rows: int) -> NDArray[np.intp]:
    labels = np.asarray(groups)
    if labels.ndim != 1:
        raise ValueError(
            f"groups must have shape ({n_rows},). Got an array of shape {labels.shape}."
        )
    check_consistent_length(labels, np.empty(n_rows))
    return np.unique(labels, return_inverse=True)[1].reshape(-1)


def _too_large(X: Array, names: Sequence[str] | None) -> str:
    """Message about the column with the largest number."""
    column = int(np.abs(X).max(axis=0).argmax())
    name = column if names is None else names[column]
    return (
        f"Column {name!r} of X holds {X[np.abs(X[:, column]).argmax(), column]:.3g}; the terms of "
        "PairwiseGainRegressor overflow. Scale the column or remove the row."
    )


def _weighted_range(y: Array, weight: Array, quantile: float) -> tuple[float, float]:
    """Quantiles from below and from above: numpy's default for equal weights, and a weight of k is
    k copies.
    """
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
    """Ridge coefficients, from the smaller of the two normal equations; the shortest least-squares
    solution when alpha is 0.
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
