"""Grid search that trains the networks of all candidates and folds in batches."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel

from skmtl._sklearn_compat import (
    check_method_params,
    fit_context,
    insert_error_scores,
    warn_or_raise_about_fit_failures,
)
from skmtl.model_selection.jobs import evaluate
from skmtl.support import DocLinks, registered_callbacks


class ScoreOfEstimator:
    """Scorer of a search without ``scoring``: the ``score`` method of the estimator.

    Unlike scikit-learn's own scorer, it does not contain a copy of the estimator, and its class can
    be loaded by model stores such as skops.
    """

    def __call__(self, estimator: Any, *data: Any, **params: Any) -> Any:
        """Return the score of an estimator on the data."""
        return estimator.score(*data, **params)


class FleetSearchCV(DocLinks, GridSearchCV):
    """Exhaustive grid search that trains the networks of all candidates and folds in batches.

    It has the parameters, attributes and scores of
    :class:`sklearn.model_selection.GridSearchCV`, but is faster. Networks train in one batch if
    they have the same architecture, training settings (solver, learning rate, batch size, epochs,
    patience, dropout, precision), aggregator, and fairness term up to its weights. They may differ
    in ``alpha``, task weights, weights of the fairness term, seeds, number of ensemble members, and
    preprocessing of the inputs. A grid over other parameters trains one batch per value.

    In a pipeline that ends in a network, the earlier steps are fitted once per fold and distinct
    setting of these steps; then all networks train. Other estimators are fitted one by one.

    Parameters
    ----------
    estimator : estimator
        A MultiTaskRegressor or MultiTaskClassifier, a Pipeline that ends in one, or any other
        estimator, whose candidates are fitted one by one.
    param_grid : dict or list of dict
        Names of parameters and the values to try, as for GridSearchCV.
    scoring : str, callable, list, tuple, dict or None, default=None
        Scorer or scorers, such as those of :data:`skmtl.metrics.multitask_scorers`; None = the
        ``score`` method of the estimator.
    cv : int, splitter, iterable or None, default=None
        Number of folds, splitter, or splits; None = 5 folds. Classifiers with missing labels need a
        :class:`skmtl.model_selection.MultiTaskKFold`.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate on all rows. With several scores, the name of the one that
        decides. A callable takes ``cv_results_`` and returns the index of the best candidate.
    n_jobs : int or None, default=None
        Number of processes for fits one by one and for the steps before networks, and the largest
        number for a batch of networks (None = number of torch threads). Networks are scored in the
        main process.
    pre_dispatch : int or str, default="2*n_jobs"
        Number of fits one by one that are dispatched at once.
    return_train_score : bool, default=False
        Whether to compute the scores on training rows, too.
    error_score : "raise" or number, default=nan
        Score of a candidate on a fold on which its fit fails. Other candidates and folds are not
        affected.
    verbose : int, default=0
        Larger values print more, as in GridSearchCV; networks are reported when they are scored.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        One entry per candidate in every column, as in GridSearchCV. The fit time of a network is
        its share of the time of its batch, in proportion to its epochs. The time of earlier steps
        is divided equally among the fits that use them.
    best_estimator_ : estimator
        The best candidate, fitted on all rows. Only with ``refit``.
    best_score_ : float
        Mean score of the best candidate over folds. Not available if ``refit`` is a callable.
    best_params_ : dict
        Parameters of the best candidate.
    best_index_ : int
        Index of the best candidate in ``cv_results_``.
    scorer_ : callable or dict
        Scorer or scorers of the candidates.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Time of the fit on all rows, in seconds. Only with ``refit``.
    multimetric_ : bool
        Whether there are several scores.
    feature_names_in_ : ndarray of str
        Column names of X, where it was a DataFrame. Only with ``refit``.

    Raises
    ------
    ValueError
        In ``fit``, if all fits fail, a candidate has an unknown parameter, or a classifier has
        missing labels and ``cv`` is not a splitter that supports them.

    Warns
    -----
    UserWarning
        If callbacks are registered on the search itself; they are not called, because candidates
        do not train one by one.
    FitFailedWarning
        If some fits failed.
    ConvergenceWarning
        If the training of candidates diverged; the warning names the candidates and folds.

    See Also
    --------
    MultiTaskKFold : Folds for targets with missing labels.

    Notes
    -----
    Scores differ from those of GridSearchCV by rounding errors, which training amplifies: by less
    than 1e-8 with ``dtype="float64"``. A network with callbacks in its ``callbacks`` parameter is
    fitted alone, because callbacks can end its training.

    The training rows of all folds and settings of earlier steps are in memory at the same time.

    Examples
    --------
    Four candidates on three folds train in two batches, one per learning rate:

    >>> import numpy as np
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.model_selection import FleetSearchCV, MultiTaskKFold
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(120, 4))
    >>> Y = np.column_stack([X[:, 0], X[:, 0] + X[:, 1]]) + 0.1 * rng.normal(size=(120, 2))
    >>> Y[:40, 1] = np.nan
    >>> grid = {"alpha": [0.1, 1.0], "learning_rate_init": [0.003, 0.03]}
    >>> model = MultiTaskRegressor((16,), max_iter=20, n_members=1, random_state=0)
    >>> search = FleetSearchCV(model, grid, cv=MultiTaskKFold(3, random_state=0)).fit(X, Y)
    >>> search.best_params_["learning_rate_init"], search.predict(X).shape
    (0.03, (120, 2))
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        cv: Any = None,
        refit: Any = True,
        n_jobs: int | None = None,
        pre_dispatch: int | str = "2*n_jobs",
        return_train_score: bool = False,
        error_score: float | str = np.nan,
        verbose: int = 0,
    ):
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            cv=cv,
            refit=refit,
            n_jobs=n_jobs,
            pre_dispatch=pre_dispatch,
            return_train_score=return_train_score,
            error_score=error_score,
            verbose=verbose,
        )

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> FleetSearchCV:
        """Fit and score all candidates on all folds, and the best one on all rows.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.
        y : array-like of shape (n,) or (n, T)
            Targets; NaN if a row has no label for a task.
        **params : dict
            Metadata for estimator, scorers and splitter, such as ``sample_weight``. Values with one
            entry per row are split with the folds.

        Returns
        -------
        FleetSearchCV
            The fitted search.
        """
        if registered_callbacks(self):
            warnings.warn(
                "FleetSearchCV does not call the callbacks registered on it by set_callbacks, "
                "because its candidates train in batches. Use GridSearchCV to monitor them one by "
                "one.",
                UserWarning,
                stacklevel=3,
            )
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        params = check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        folds = self._folds(y)
        self.n_splits_ = folds.get_n_splits(X, y, **routed.splitter.split)
        splits = list(folds.split(X, y, **routed.splitter.split))
        if len(splits) != self.n_splits_:
            raise ValueError(
                "cv.split and cv.get_n_splits return inconsistent results. Expected "
                f"{self.n_splits_} splits, got {len(splits)}."
            )
        base, candidates = clone(self.estimator), list(ParameterGrid(self.param_grid))
        if self.verbose > 0:
            print(
                f"Fitting {len(splits)} folds for each of {len(candidates)} candidates, totalling "
                f"{len(candidates) * len(splits)} fits"
            )
        settings = {
            "scorer": scorers,
            "fit_params": routed.estimator.fit,
            "score_params": routed.scorer.score,
            "return_train_score": self.return_train_score,
            "return_n_test_samples": True,
            "return_times": True,
            "error_score": self.error_score,
            "verbose": self.verbose,
        }
        n_workers = None if self.n_jobs is None else effective_n_jobs(self.n_jobs)
        with Parallel(n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch) as parallel:
            out = evaluate(
                base,
                candidates,
                splits,
                X,
                y,
                parallel=parallel,
                n_workers=n_workers,
                settings=settings,
            )
        if not out:
            raise ValueError(
                "No fits were performed: param_grid has no candidates, or cv has no splits."
            )
        warn_or_raise_about_fit_failures(out, self.error_score)
        if callable(self.scoring):
            insert_error_scores(out, self.error_score)
        self._choose(candidates, out, refit_metric)
        if self.refit:
            self._refit(base, X, y, routed.estimator.fit)
        own = self.scoring is None
        self.scorer_ = ScoreOfEstimator() if own else getattr(scorers, "_scorers", scorers)
        return self

    def _folds(self, y: Any) -> Any:
        """Return the splitter; raise ValueError if it would have to stratify missing labels."""
        classifier = is_classifier(self.estimator)
        if (
            classifier
            and (self.cv is None or isinstance(self.cv, Integral))
            and pd.isna(np.asarray(y, dtype=object)).any()
        ):
            raise ValueError(
                f"cv={self.cv!r} cannot stratify y, which has missing labels. Set "
                "cv=MultiTaskKFold(n_splits=5, random_state=0) from skmtl.model_selection."
            )
        return check_cv(self.cv, y, classifier=classifier)

    def _choose(
        self, candidates: Sequence[dict[str, Any]], out: list[dict[str, Any]], refit_metric: str
    ) -> None:
        """Set `cv_results_` and the attributes of the best candidate."""
        results = self._format_results(candidates, self.n_splits_, out)
        first = out[0]["test_scores"]
        self.multimetric_ = isinstance(first, dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(first)
            refit_metric = self.refit
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
            if not callable(self.refit):
                self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]
            self.best_params_ = results["params"][self.best_index_]
        self.cv_results_ = results

    def _refit(self, base: Any, X: Any, y: Any, fit_params: dict[str, Any]) -> None:
        """Fit the best candidate on all rows."""
        self.best_estimator_ = clone(base).set_params(**clone(self.best_params_, safe=False))
        start = time.perf_counter()
        self.best_estimator_.fit(X, *([] if y is None else [y]), **fit_params)
        self.refit_time_ = time.perf_counter() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
