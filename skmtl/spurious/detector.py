"""Detector of spuriously correlated tasks, from the labels alone."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from skmtl._sklearn_compat import Interval, fit_context
from skmtl.data import (
    as_pandas,
    check_label_types,
    checked_weight,
    shown_value,
    tidy_labels,
    wide_columns,
)
from skmtl.spurious.pair_names import shown_pairs
from skmtl.spurious.prior_shift import Array, Indicators, correlation_and_shift
from skmtl.support import DocLinks, VersionedState

# Smallest number of rows with labels for both tasks for which a shift is computed.
MIN_COMMON_ROWS = 10
# Significance level of the corrected p-values.
LEVEL = 0.05
# Tasks with more distinct labels are numeric.
_MOST_CLASSES = 100


class SpuriousTaskDetector(VersionedState, DocLinks, BaseEstimator):
    r"""Detect pairs of tasks whose correlation depends on the class frequencies of one of them.

    For tasks i and j, the rows are resampled so that :math:`P(Y_i = 1) = p'`. If the labels of the
    two tasks are independent, or identical, their correlation does not change. Otherwise it changes
    in general, and a large change indicates a spurious correlation [1]_. No random numbers are
    drawn: the result of resampling follows from the contingency table of the labels. With
    :math:`\beta_c = P(Y_j = 1 \mid Y_i = c)`, which resampling does not change,

    .. math:: \rho_{ij}(p) = (\beta_1 - \beta_0) \sqrt{\frac{p (1 - p)}{q (1 - q)}}, \quad
        q = \beta_0 + (\beta_1 - \beta_0) p, \qquad
        \text{shift}_{ij} = \max_{p'} \lvert \rho_{ij}(p') - \rho_{ij}(p_i) \rvert .

    If task i has more than two classes, each class c is compared with the rest, and :math:`\rho` is
    the multiple correlation of its indicator with the label of j,

    .. math:: \rho_c(p)^2 = p (1 - p) \sum_d \frac{(\beta_{1d} - \beta_{0d})^2}{q_d},

    which is the formula above if j has two classes. The shift is the largest change over classes.
    Missing labels are supported: a pair is evaluated on the rows with labels for both tasks.

    Parameters
    ----------
    priors : array-like of float, default=(0.1, 0.3, 0.5, 0.7, 0.9)
        Values p' of the share of the second class of a binary task, or of each class of others.
    threshold : float, default=0.1
        Task j is spurious for task i if ``shift_[i, j]`` is larger. A larger threshold detects
        fewer pairs.
    n_bootstrap : int, default=0
        Number of bootstrap samples of the rows; 0 = no p-values.
    random_state : int, RandomState or None, default=None
        Seed of the bootstrap.

    Attributes
    ----------
    shift_ : ndarray of shape (T, T)
        [i, j]: largest absolute change of the correlation of the labels of i and j when the classes
        of i are resampled; not symmetric. 0 on the diagonal. NaN if the pair has fewer than 10
        common rows, or a task has a single class in them.
    correlation_ : ndarray of shape (T, T)
        Correlation of the observed labels; if i or j has more than two classes, the largest
        multiple correlation, without a sign.
    spurious_ : ndarray of bool of shape (T, T)
        [i, j]: task j is spurious for task i. With a bootstrap, the corrected p-value must also be
        below 0.05.
    p_values_ : ndarray of shape (T, T)
        With a bootstrap: p-values of the hypothesis that the shift is at most ``threshold``,
        corrected for the number of pairs.
    n_common_ : ndarray of int of shape (T, T)
        Rows with labels for both tasks.
    table_ : DataFrame
        One row per ordered pair, the largest shift first, with the columns task, other, n_rows,
        correlation, shift, p_value (with a bootstrap) and spurious.
    task_names_ : list of str
        Names of the tasks: the columns of Y.
    n_features_in_ : int
        Number of tasks T.
    feature_names_in_ : ndarray of str
        Column names of Y, where it was a DataFrame.

    Raises
    ------
    ValueError
        In ``fit``, if a parameter is out of range, a task has no labels, or its labels are not
        classes.

    Warns
    -----
    UserWarning
        If pairs of tasks have too few common labels; the warning names them, and their shift is
        NaN.

    See Also
    --------
    DebiasedClassifier : Classifier whose heads do not rely on spurious tasks.

    Notes
    -----
    **Limits.** The detector uses labels only, and cannot infer causes. A real but imperfect
    relation (wet roads and rain) shifts like an artifact of data collection. The detector separates
    "independent or identical" from "partly related"; you have to know which relations persist where
    the model will be used. A relation that is the same in both directions,
    :math:`\beta_1 = 1 - \beta_0`, has no shift at :math:`p' = 1 - p`. The shift depends on which of
    the two tasks is resampled and on the class frequencies, so a threshold does not have the same
    meaning for all data sets. A common cause that affects the inputs, but leaves the labels
    uncorrelated, is not detected.

    **p-values.** Let S* be the shifts of a bootstrap sample, and s their standard deviations over
    samples. The p-value of a pair is the share of samples in which the largest value of
    (S* - shift) / s over all pairs is at least (shift - threshold) / s of this pair; the observed
    data count as one sample. This single-step max-T correction (Westfall and Young) controls the
    probability of any false discovery, and does not need more samples for more pairs. The smallest
    possible p-value is 1 / (n_bootstrap + 1).

    **Corrections.** The appendix of [1]_ prints :math:`E[Y_i Y_j] = p_i / \hat\alpha_1`, which
    should be :math:`p_i \hat\alpha_1`; the correct formula is used here. The lower bound of its
    Theorem 1 does not hold for all tables and is not used. It does not define the correlation of
    tasks with more than two classes. Comparing single classes of both tasks with the rest would
    give identical labels of three classes a shift; the multiple correlation does not.

    References
    ----------
    .. [1] Chai, Lu, Wang, "Identifying and mitigating spurious correlation in multi-task learning",
       CVPR 2025, appendix C and D.

    Examples
    --------
    The first two tasks are partly related; the third is the negation of the first, which is not
    spurious:

    >>> import numpy as np
    >>> from skmtl.spurious import SpuriousTaskDetector
    >>> rng = np.random.default_rng(0)
    >>> smiling = rng.integers(0, 2, 500)
    >>> young = np.where(rng.random(500) < 0.8, smiling, rng.integers(0, 2, 500))
    >>> Y = np.column_stack([smiling, young, 1 - smiling])
    >>> detector = SpuriousTaskDetector().fit(Y)
    >>> detector.spurious_
    array([[False,  True, False],
           [ True, False,  True],
           [False,  True, False]])
    """

    p_values_: Array
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "priors": ["array-like"],
        "threshold": [Interval(Real, 0, None, closed="left")],
        "n_bootstrap": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        priors: Any = (0.1, 0.3, 0.5, 0.7, 0.9),
        threshold: float = 0.1,
        n_bootstrap: int = 0,
        random_state: Any = None,
    ):
        self.priors = priors
        self.threshold = threshold
        self.n_bootstrap = n_bootstrap
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, Y: Any, y: Any = None, *, sample_weight: Any = None) -> SpuriousTaskDetector:
        """Compute the shifts of all pairs of tasks.

        Parameters
        ----------
        Y : array-like of shape (n, T)
            Labels, one column per task; NaN or None if a row has no label.
        y : None
            Ignored.
        sample_weight : array-like of shape (n,), optional
            Sample weights.

        Returns
        -------
        SpuriousTaskDetector
            The fitted detector.
        """
        priors, Y = self._checked_priors(), as_pandas(Y)
        names, codes, n_classes = _coded(Y)
        weight = checked_weight(sample_weight, len(codes))
        self.task_names_, self.n_features_in_ = names, len(names)
        if isinstance(Y, pd.DataFrame) and all(isinstance(name, str) for name in Y.columns):
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

        counted = ~np.isnan(codes) & (weight > 0)[:, None]
        self.n_common_ = counted.T.astype(np.int64) @ counted
        patterns, cell = np.unique(np.nan_to_num(codes, nan=-1.0), axis=0, return_inverse=True)
        cell = cell.ravel()
        indicators = Indicators.of(np.where(patterns < 0, np.nan, patterns), n_classes)

        def measured(row_weight: Array) -> tuple[Array, Array]:
            counts = np.bincount(cell, weights=row_weight, minlength=len(patterns))
            correlation, shift = correlation_and_shift(
                indicators, counts.astype(np.float64), priors
            )
            too_few = self.n_common_ < MIN_COMMON_ROWS
            shift[too_few] = correlation[too_few] = np.nan
            np.fill_diagonal(shift, 0.0)
            return correlation, shift

        self.correlation_, self.shift_ = measured(weight)
        np.fill_diagonal(self.correlation_, 1.0)
        self.spurious_ = np.nan_to_num(self.shift_, nan=0.0) > self.threshold
        if hasattr(self, "p_values_"):
            del self.p_values_
        if self.n_bootstrap:
            rng = check_random_state(self.random_state)
            draws = [measured(weight * _draw(rng, len(codes)))[1] for _ in range(self.n_bootstrap)]
            self.p_values_ = _corrected_p_values(self.shift_, np.stack(draws), self.threshold)
            self.spurious_ &= np.nan_to_num(self.p_values_, nan=1.0) < LEVEL
        self._warn_of_unknown_pairs()
        self.table_ = self._as_table()
        return self

    def _checked_priors(self) -> Array:
        priors: Array = np.asarray(self.priors, dtype=np.float64)
        if priors.ndim != 1 or len(priors) == 0 or not ((priors > 0) & (priors < 1)).all():
            raise ValueError(
                "The 'priors' parameter of SpuriousTaskDetector must have at least one number, "
                f"each between 0 and 1 (exclusive). Got {self.priors!r} instead."
            )
        return priors

    def _warn_of_unknown_pairs(self) -> None:
        unknown = np.argwhere(np.triu(np.isnan(self.shift_) | np.isnan(self.shift_.T)))
        if len(unknown):
            shown = shown_pairs(
                [(self.task_names_[i], self.task_names_[j]) for i, j in unknown],
                [f"{self.n_common_[i, j]} common rows" for i, j in unknown],
            )
            warnings.warn(
                f"The shift of a pair needs at least {MIN_COMMON_ROWS} rows with labels for both "
                f"tasks, and two classes of each in these rows. It is NaN for {shown}.",
                UserWarning,
                stacklevel=4,
            )

    def _as_table(self) -> pd.DataFrame:
        """Return all ordered pairs, the largest shift first."""
        i, j = np.nonzero(~np.eye(self.n_features_in_, dtype=bool))
        names = np.array(self.task_names_, dtype=object)
        columns = {
            "task": names[i],
            "other": names[j],
            "n_rows": self.n_common_[i, j],
            "correlation": self.correlation_[i, j],
            "shift": self.shift_[i, j],
        }
        if self.n_bootstrap:
            columns["p_value"] = self.p_values_[i, j]
        table = pd.DataFrame({**columns, "spurious": self.spurious_[i, j]})
        return table.sort_values("shift", ascending=False, kind="stable", ignore_index=True)


def _coded(Y: Any) -> tuple[list[str], Array, list[int]]:
    """Return task names, class codes (n, T), NaN for missing labels, and numbers of classes."""
    if np.shape(Y)[:1] == (0,):
        raise ValueError(
            f"Found array with 0 sample(s) (shape={np.shape(Y)}) while a minimum of 1 is required "
            "by SpuriousTaskDetector."
        )
    names, columns = wide_columns(Y)
    codes, n_classes = np.full((len(columns[0]), len(columns)), np.nan), []
    for t, (name, column) in enumerate(zip(names, columns, strict=True)):
        known = ~pd.isna(column)
        if not known.any():
            raise ValueError(f"Task {name!r} has no labeled row in Y.")
        check_label_types(column[known], f"Task {name!r}")
        labels = tidy_labels(column[known], f"Task {name!r}")
        if labels.dtype.kind == "f":
            other = labels[~np.isfinite(labels) | (labels != np.floor(labels))][0]
            raise ValueError(
                f"Task {name!r} has the label {shown_value(other)} in Y; SpuriousTaskDetector "
                "needs classes. Bin the labels first."
            )
        classes, codes[known, t] = np.unique(labels, return_inverse=True)
        if len(classes) > _MOST_CLASSES:
            raise ValueError(
                f"Task {name!r} has {len(classes)} different labels in Y; SpuriousTaskDetector "
                f"supports at most {_MOST_CLASSES} classes. Bin the labels first."
            )
        n_classes.append(len(classes))
    return names, codes, n_classes


def _draw(rng: np.random.RandomState, n: int) -> Array:
    """Return how often each row is drawn, with replacement."""
    return np.bincount(rng.randint(n, size=n), minlength=n).astype(np.float64)


def _corrected_p_values(shift: Array, draws: Array, threshold: float) -> Array:
    """Return single-step max-T p-values of "the shift is at most the threshold", (T, T).

    They are NaN where the shift is NaN.
    """
    off = ~np.eye(len(shift), dtype=bool) & ~np.isnan(shift)
    # A sample in which a task lost a class has no shift, and counts as no change.
    change = np.nan_to_num(draws[:, off] - shift[off])
    spread = change.std(0)
    moving = spread > 1e-12
    statistic = np.where(
        moving,
        (shift[off] - threshold) / np.where(moving, spread, 1.0),
        np.where(shift[off] > threshold, np.inf, -np.inf),
    )
    largest = np.full(len(draws), -np.inf)
    if moving.any():
        largest = (change[:, moving] / spread[moving]).max(1)
    p_values = np.full_like(shift, np.nan)
    p_values[off] = (1 + (largest[:, None] >= statistic).sum(0)) / (1 + len(draws))
    np.fill_diagonal(p_values, 1.0)
    return p_values
