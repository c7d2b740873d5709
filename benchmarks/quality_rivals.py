"""What is compared: default settings of skmtl and of what users pick today, each on one thread.

A method is a function of a split and a seed that fits, and returns a function from inputs to
predictions: values for regression, else probabilities of class 1; (n, T) in wide form, (n,) in long
form. Where a method knows categories, it gets them, the task of a row in long form among them; else
they are one-hot encoded. Where a method does not bear missing numbers, it gets means and
indicators.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from quality_data import Split
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmtl import MultiTaskClassifier, MultiTaskRegressor

Predictor = Callable[[pd.DataFrame], NDArray[np.float64]]


# ---------------------------------------------------------------------- inputs
def encoded(model: Any) -> Any:
    """Put means, indicators, standard scores and one-hot categories before a model."""
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(
        make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (categories, make_column_selector(dtype_include="category")),
        ),
        model,
    )


class Filled:
    """A model that is given means and indicators in the place of missing numbers, and categories as
    they are.
    """

    def __init__(self, model: Any):
        self.model = model
        self.transformer = make_column_transformer(
            (SimpleImputer(add_indicator=True), make_column_selector(dtype_include="number")),
            remainder="passthrough",
            verbose_feature_names_out=False,
        ).set_output(transform="pandas")

    def fit(self, X: pd.DataFrame, y: NDArray[np.float64]) -> Filled:
        self.model.fit(self.transformer.fit_transform(X), y)
        return self

    def predict(self, X: pd.DataFrame) -> NDArray[np.float64]:
        return self.model.predict(self.transformer.transform(X))

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        return self.model.predict_proba(self.transformer.transform(X))


# ---------------------------------------------------------------------- targets
def predictor(model: Any, kind: str, *, wide: bool) -> Predictor:
    """Predictions of a fitted model, whatever shape its probabilities have."""

    def probability(X: pd.DataFrame) -> NDArray[np.float64]:
        p = model.predict_proba(X)
        if isinstance(p, list):
            return np.column_stack([one[:, 1] for one in p])
        return p if wide else p[:, 1]

    return model.predict if kind == "regression" else probability


def at_once(split: Split, model: Any) -> Predictor:
    """Fit one model for all targets."""
    return predictor(model.fit(split.X_train, split.Y_train), split.kind, wide=not split.long)


def apart(split: Split, make: Callable[[], Any]) -> Predictor:
    """Fit one model a target, on the rows that have it; in long form one for all."""
    if split.long:
        return at_once(split, make())
    models = []
    for y in split.Y_train.T:
        known = ~np.isnan(y)
        models.append(predictor(make().fit(split.X_train[known], y[known]), split.kind, wide=False))
    return lambda X: np.column_stack([model(X) for model in models])


def together(split: Split, make: Callable[[], Any]) -> Predictor:
    """Fit one model for all targets, or one a target where some are missing."""
    return apart(split, make) if np.isnan(split.Y_train).any() else at_once(split, make())


# ---------------------------------------------------------------------- methods
def linear(split: Split, seed: int, smallest_class: int) -> Any:
    """Ridge or logistic regression with a cross-validated penalty."""
    if split.kind == "regression":
        return encoded(RidgeCV(alphas=np.logspace(-3, 4, 15)))
    folds = StratifiedKFold(min(5, smallest_class), shuffle=True, random_state=seed)
    return encoded(
        LogisticRegressionCV(
            Cs=10,
            cv=folds,
            scoring="neg_log_loss",
            max_iter=1000,
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
        )
    )


def smallest(y: NDArray[np.float64]) -> int:
    return int(min(np.sum(y == 0), np.sum(y == 1)))


def linear_per_task(split: Split, seed: int) -> Predictor:
    """One linear model a task."""
    if not split.long:
        return apart(
            split,
            lambda: linear(
                split,
                seed,
                min(smallest(y) for y in split.Y_train.T) if split.kind == "classification" else 0,
            ),
        )
    models: dict[Any, Predictor] = {}
    for task, X in split.X_train.groupby("task", observed=True):
        y = split.Y_train[X.index]
        models[task] = predictor(
            linear(split, seed, smallest(y)).fit(X.drop(columns="task"), y), split.kind, wide=False
        )

    def predict(X: pd.DataFrame) -> NDArray[np.float64]:
        values = np.empty(len(X))
        for task, rows in X.groupby("task", observed=True).indices.items():
            values[rows] = models[task](X.iloc[rows].drop(columns="task"))
        return values

    return predict


def linear_with_indicators(split: Split, seed: int) -> Predictor:
    """One linear model for all tasks, each with its own intercept."""
    return at_once(split, linear(split, seed, smallest(split.Y_train)))


def sklearn_mlp(split: Split, seed: int) -> Predictor:
    """Targets are standardized; without that, squared errors of some sets are out of its reach."""
    if split.kind == "classification":
        return together(split, lambda: encoded(MLPClassifier(random_state=seed)))
    return together(
        split,
        lambda: TransformedTargetRegressor(
            encoded(MLPRegressor(random_state=seed)), transformer=StandardScaler()
        ),
    )


def random_forest(split: Split, seed: int) -> Predictor:
    model = RandomForestRegressor if split.kind == "regression" else RandomForestClassifier
    return together(split, lambda: encoded(model(n_jobs=1, random_state=seed)))


def hist_gradient_boosting(split: Split, seed: int) -> Predictor:
    model = (
        HistGradientBoostingRegressor
        if split.kind == "regression"
        else HistGradientBoostingClassifier
    )
    return apart(split, lambda: model(categorical_features="from_dtype", random_state=seed))


def lightgbm(split: Split, seed: int) -> Predictor:
    from lightgbm import LGBMClassifier, LGBMRegressor

    model = LGBMRegressor if split.kind == "regression" else LGBMClassifier
    return apart(split, lambda: model(n_jobs=1, verbose=-1, random_state=seed))


def realmlp(split: Split, seed: int) -> Predictor:
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    if split.kind == "regression":
        return together(
            split,
            lambda: Filled(RealMLP_TD_Regressor(n_threads=1, device="cpu", random_state=seed)),
        )
    return apart(
        split, lambda: Filled(RealMLP_TD_Classifier(n_threads=1, device="cpu", random_state=seed))
    )


def tabm(split: Split, seed: int) -> Predictor:
    from pytabkit import TabM_D_Classifier, TabM_D_Regressor

    model = TabM_D_Regressor if split.kind == "regression" else TabM_D_Classifier
    return apart(split, lambda: Filled(model(n_threads=1, device="cpu", random_state=seed)))


def skmtl(split: Split, seed: int) -> Predictor:
    model = MultiTaskRegressor if split.kind == "regression" else MultiTaskClassifier
    return at_once(split, model(task_column="task" if split.long else None, random_state=seed))


# ---------------------------------------------------------------------- the list
@dataclass(frozen=True)
class Method:
    """A name for tables, how to fit, which package has to be there, and where it takes part."""

    title: str
    fit: Callable[[Split, int], Predictor]
    package: str = "scikit-learn"
    network: bool = False
    long_only: bool = False

    def version(self) -> str | None:
        """Name and version of the package, None where it is not installed."""
        if (
            importlib.util.find_spec({"scikit-learn": "sklearn"}.get(self.package, self.package))
            is None
        ):
            return None
        return f"{self.package} {importlib.metadata.version(self.package)}"


METHODS = {
    "skmtl": Method("skmtl", skmtl, "skmtl", network=True),
    "linear_per_task": Method("linear (per task)", linear_per_task),
    "linear_indicator": Method("linear + task indicator", linear_with_indicators, long_only=True),
    "sklearn_mlp": Method("scikit-learn MLP", sklearn_mlp, network=True),
    "random_forest": Method("random forest", random_forest),
    "hist_gradient_boosting": Method("HistGradientBoosting", hist_gradient_boosting),
    "lightgbm": Method("LightGBM", lightgbm, "lightgbm"),
    "realmlp": Method("RealMLP_TD", realmlp, "pytabkit", network=True),
    "tabm": Method("TabM_D", tabm, "pytabkit", network=True),
}
CHEAP_METHODS = (
    "linear_per_task",
    "linear_indicator",
    "sklearn_mlp",
    "random_forest",
    "hist_gradient_boosting",
    "lightgbm",
)


def quiet() -> None:
    """Silence what defaults say about themselves: iteration limits, empty columns, progress."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
