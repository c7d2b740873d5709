"""The base class of the multi-task regressor and classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    MultiOutputMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from skmtl._sklearn_compat import Interval, StrOptions
from skmtl.estimators.fitted_networks import FittedNetworks
from skmtl.estimators.predictor import Parameters
from skmtl.network import ACTIVATIONS, SOLVERS
from skmtl.support import CallbackSupport, DocLinks, VersionedState


class MultiTaskNetwork(
    VersionedState,
    DocLinks,
    CallbackSupport,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    MultiOutputMixin,
    BaseEstimator,
):
    """A shared trunk with one head per task, in wide and long form.

    The parameters are those of :class:`skmtl.MultiTaskRegressor` and
    :class:`skmtl.MultiTaskClassifier`.

    Examples
    --------
    >>> from skmtl import MultiTaskClassifier, MultiTaskRegressor
    >>> from skmtl.estimators import MultiTaskNetwork
    >>> (
    ...     issubclass(MultiTaskClassifier, MultiTaskNetwork),
    ...     issubclass(MultiTaskRegressor, MultiTaskNetwork),
    ... )
    (True, True)
    """

    model_: FittedNetworks
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "head_hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "solver": [StrOptions(set(SOLVERS))],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto", "full"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "standardize": ["boolean"],
        "n_members": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "task_embedding_dim": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "task_column": [str, Integral, None],
        "task_weights": ["array-like", dict, None],
        "loss": "no_validation",
        "aggregator": "no_validation",
        "categorical_features": [StrOptions({"from_dtype"}), "array-like", None],
        "embedding_dim": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "device": [str],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (64,),
        head_hidden_layer_sizes: Any = (),
        *,
        activation: str = "relu",
        solver: str = "adamw",
        alpha: float | str = "auto",
        batch_size: int | str = "auto",
        learning_rate_init: float = 3e-3,
        max_iter: int = 200,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 20,
        tol: float = 1e-4,
        dropout: float = 0.0,
        standardize: bool = True,
        n_members: int | str = "auto",
        task_embedding_dim: int | str = "auto",
        task_column: Any = None,
        task_weights: Any = None,
        loss: Any = "squared_error",
        aggregator: Any = "mean",
        categorical_features: Any = "from_dtype",
        embedding_dim: int | str = "auto",
        dtype: str = "auto",
        device: str = "auto",
        warm_start: bool = False,
        callbacks: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.head_hidden_layer_sizes = head_hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.dropout = dropout
        self.standardize = standardize
        self.n_members = n_members
        self.task_embedding_dim = task_embedding_dim
        self.task_column = task_column
        self.task_weights = task_weights
        self.loss = loss
        self.aggregator = aggregator
        self.categorical_features = categorical_features
        self.embedding_dim = embedding_dim
        self.dtype = dtype
        self.device = device
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    @property
    def members_(self) -> list[Parameters]:
        """Weights and biases of every network."""
        return self.model_.members

    @members_.setter
    def members_(self, members: Sequence[Parameters]) -> None:
        self.model_ = self.model_.with_members(members)

    @property
    def _n_features_out(self) -> int:
        """Columns of ``transform``, which scikit-learn names."""
        return self.model_.n_features_out

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the shared representation of all networks, side by side.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.

        Returns
        -------
        ndarray of shape (n, n_members * last hidden size)
            Outputs of the last shared layer; in long form they depend on the row's task if tasks
            are embedded.
        """
        check_is_fitted(self)
        return self.model_.representation(X)


def remember(estimator: MultiTaskNetwork, model: FittedNetworks) -> None:
    """Set the fitted attributes of an estimator to those of a model."""
    set_fitted(estimator, model.attributes())


def set_fitted(estimator: BaseEstimator, attributes: Mapping[str, Any]) -> None:
    """Set fitted attributes; column names of an earlier fit are deleted if there are none now."""
    if "feature_names_in_" not in attributes and hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_
    for name, value in attributes.items():
        setattr(estimator, name, value)
