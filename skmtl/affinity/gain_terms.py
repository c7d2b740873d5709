"""Terms of the model of pairwise gains: standardized monomials, then linear columns."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import PolynomialFeatures

Array = NDArray[np.float64]


class GainTerms:
    """Monomials of standardized columns, standardized again, followed by linear columns.

    Parameters
    ----------
    degree : int
        Order of the polynomial.
    linear : ndarray of int
        Columns that enter only linearly.

    Attributes
    ----------
    n_monomials : int
        Number of terms of the polynomial, which precede the linear columns.
    degrees : ndarray of shape (n_monomials,)
        Degree of each monomial.
    names : ndarray of str of shape (n_terms,)
        Names of the terms.
    """

    def __init__(self, degree: int, linear: NDArray[np.intp]):
        self.degree, self.linear = degree, linear
        self.curved: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self.polynomial: PolynomialFeatures | None = None
        self.linear_mean, self.linear_std = np.empty(0), np.empty(0)
        self.inner_mean, self.inner_std = np.empty(0), np.empty(0)
        self.outer_mean, self.outer_std = np.empty(0), np.empty(0)
        self.n_monomials, self.degrees = 0, np.zeros(0, dtype=np.intp)
        self.names: NDArray[np.object_] = np.empty(0, dtype=object)

    def fit(self, X: Array, weight: Array, names: Sequence[str]) -> GainTerms:
        """Learn the standardizations and the names; raise OverflowError if a square overflows."""
        self.curved = np.setdiff1d(np.arange(X.shape[1]), self.linear)
        self.linear_mean, self.linear_std = weighted_moments(X[:, self.linear], weight)
        self.linear_std[is_binary(X[:, self.linear])] = 1.0
        self.inner_mean, self.inner_std = weighted_moments(X[:, self.curved], weight)
        monomials, monomial_names = np.empty((len(X), 0)), list[str]()
        if len(self.curved):
            standardized = self._standardized(X)
            self.polynomial = PolynomialFeatures(self.degree, include_bias=False).fit(standardized)
            monomials = self.polynomial.transform(standardized)
            self.degrees = self.polynomial.powers_.sum(1)
            monomial_names = list(
                self.polynomial.get_feature_names_out([names[i] for i in self.curved])
            )
        self.n_monomials = monomials.shape[1]
        self.outer_mean, self.outer_std = weighted_moments(monomials, weight)
        self.names = np.array([*monomial_names, *(names[i] for i in self.linear)], dtype=object)
        return self

    def of(self, X: Array) -> Array:
        """Return the terms of rows, (n, n_terms); raise OverflowError as in ``fit``."""
        linear: Array = (X[:, self.linear] - self.linear_mean) / self.linear_std
        if self.polynomial is None:
            return finite(linear)
        monomials = self.polynomial.transform(self._standardized(X))
        return finite(np.hstack([(monomials - self.outer_mean) / self.outer_std, linear]))

    def _standardized(self, X: Array) -> Array:
        return finite((finite(X[:, self.curved]) - self.inner_mean) / finite(self.inner_std))


def linear_columns(
    wanted: str | Sequence[int] | Sequence[str] | None, X: Array, names: Sequence[str]
) -> NDArray[np.intp]:
    """Return the columns that enter only linearly.

    Parameters
    ----------
    wanted : "binary", list of int or str, or None
        As in :class:`PairwiseGainRegressor`.
    X : ndarray of shape (n, p)
        Features.
    names : sequence of str
        Column names; empty if there are none.

    Returns
    -------
    ndarray of int
        Positions, ascending.
    """
    if wanted is None:
        return np.empty(0, dtype=np.intp)
    if isinstance(wanted, str):
        if wanted != "binary":
            raise ValueError(
                "The 'linear_features' parameter of PairwiseGainRegressor must be 'binary', a list "
                f"of columns or None. Got {wanted!r} instead."
            )
        return np.flatnonzero(is_binary(X))
    columns = set()
    for column in wanted:
        if isinstance(column, str):
            if column not in names:
                raise ValueError(
                    f"linear_features contains column {column!r}, which is not in X. "
                    f"Columns of X: {list(names) or 'without names'}."
                )
            columns.add(names.index(column))
        elif isinstance(column, Integral) and -X.shape[1] <= column < X.shape[1]:
            columns.add(int(column) % X.shape[1])
        else:
            raise ValueError(
                f"linear_features contains {column!r}, but X has {X.shape[1]} columns. Use "
                f"indices from 0 to {X.shape[1] - 1} or column names."
            )
    return np.array(sorted(columns), dtype=np.intp)


def finite(values: Array) -> Array:
    """Return finite values unchanged; raise OverflowError for others."""
    if not np.isfinite(values).all():
        raise OverflowError
    return values


def is_binary(X: Array) -> NDArray[np.bool_]:
    """Return which columns contain only 0 and 1."""
    return np.asarray(((X == 0) | (X == 1)).all(axis=0))


def weighted_moments(X: Array, weight: Array) -> tuple[Array, Array]:
    """Return the mean and standard deviation of each column; 1 for a constant column."""
    mean = weight @ X / weight.sum()
    variance = weight @ (X - mean) ** 2 / weight.sum()
    noise = np.finfo(np.float64).eps * len(X)
    return mean, np.where(variance <= (noise * mean) ** 2, 1.0, np.sqrt(variance))
