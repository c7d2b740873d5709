"""Classification of several tasks with one network."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from sklearn.base import ClassifierMixin

from skmtl._sklearn_compat import fit_context
from skmtl.base import FairnessTerm
from skmtl.estimators.declared_classes import declared_labels
from skmtl.estimators.epochs import after_each_epoch, announce, train_one_epoch
from skmtl.estimators.fit_settings import read_settings
from skmtl.estimators.fitted_networks import FittedNetworks
from skmtl.estimators.job_building import ensemble_job
from skmtl.estimators.network import MultiTaskNetwork, remember
from skmtl.estimators.outputs import ClassificationOutputs
from skmtl.estimators.problem_building import fit_problem
from skmtl.estimators.train_jobs import train_job
from skmtl.estimators.training_rows import read_training_rows
from skmtl.support import fit_callbacks


class MultiTaskClassifier(ClassificationOutputs, ClassifierMixin, MultiTaskNetwork):
    r"""Multi-task classification: a trunk that all tasks share and one head per task.

    Minimizes the mean over tasks (weighted by ``task_weights``) of the mean log loss over each
    task's labeled rows,

    .. math:: -\frac{1}{\sum_t w_t} \sum_t \frac{w_t}{n_t} \sum_{i=1}^{n_t}
              \log \hat p_t(y_{it} \mid x_i) + \frac{\alpha}{2} \sum_l \|W_l\|^2.

    Each task has its own classes, two or more.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(64,)
        Widths of the trunk's layers; empty = no trunk, the heads read the inputs.
    head_hidden_layer_sizes : tuple of int, default=()
        Widths of every head's hidden layers; empty = linear heads.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Activation of all hidden layers.
    solver : {"adam", "adamw", "adagrad", "sgd"}, default="adamw"
        Optimizer. Adagrad starts its accumulator at 0.1; sgd has Nesterov momentum 0.9.
    alpha : float or "auto", default="auto"
        L2 penalty of the weights (not of biases). For adamw it is the decoupled weight decay: every
        step first multiplies the weights by 1 - learning_rate_init * alpha. "auto" is 1e-4, and
        for adamw min(1, 2000 / median number of labeled rows per task).
    batch_size : int, "auto" or "full", default="auto"
        Rows per task and step. "auto" is a tenth of the rows (in long form of the largest task),
        between 16 and 256; in long form also at most 512 divided by the number of tasks, and at
        least 4. "full" uses all rows. In long form the rows of smaller tasks are repeated evenly,
        so that every step uses every task.
    learning_rate_init : float, default=3e-3
        Learning rate.
    max_iter : int, default=200
        Largest number of epochs.
    early_stopping : bool or "auto", default="auto"
        Whether to hold out validation rows of every task, stop when the validation loss no longer
        falls, and keep the weights of the best epoch. "auto" holds out rows of tasks with at least
        5 labeled rows; True raises if a task has fewer than 10. Without validation rows, training
        stops when the training loss no longer falls.
    validation_fraction : float, default=0.1
        Fraction of the rows to use as validation rows, stratified by class.
    n_iter_no_change : int, default=20
        Epochs without an improvement of ``tol`` after which training stops.
    tol : float, default=1e-4
        Smallest decrease of the loss that counts as an improvement.
    dropout : float, default=0.0
        Fraction of the hidden units that every training step drops.
    standardize : bool, default=True
        Whether to standardize numeric inputs, except columns that contain only 0 and 1.
        Standardized values z above 4 become 4 + log(z - 3), and likewise below -4, so that outliers
        do not lie far outside the range of the training data.
    n_members : int or "auto", default="auto"
        Number of ensemble members: networks with different seeds and validation rows, whose
        predictions are averaged. "auto" is 8, or 4 for more than 20,000 rows. More members take
        longer and vary less.
    task_embedding_dim : int or "auto", default="auto"
        Width of the task's embedding, a learned vector that is added to the inputs of the trunk in
        long form. 0 = no embedding, tasks differ only in their heads. "auto" is 8, at most the
        number of tasks, in long form; 0 for a single task and in wide form, where all tasks share
        the trunk's output of a row.
    task_column : str, int or None, default=None
        Column of X, by name or position, that holds each row's task (long form); None = y has one
        column per task.
    task_weights : array-like of shape (T,), dict or None, default=None
        Weights of the tasks in the loss, in the order of ``task_names_`` or by name.
    loss : {"log_loss"} or TaskLoss, default="log_loss"
        Loss of every task. For a custom loss, pass an object of a subclass of
        :class:`skmtl.losses.LogLoss` that overrides ``values``.
    aggregator : str or object, default="mean"
        How the tasks' losses or gradients become one step: a name of
        :data:`skmtl.aggregation.AGGREGATORS`, an object of
        :mod:`skmtl.aggregation`, or an Aggregator or Weighting of TorchJD. "mean" minimizes the
        weighted mean of the losses. All others receive each task's loss times its weight in
        ``task_weights``, scaled to mean 1; scale-invariant methods ignore this factor. The object
        is never changed.
    fairness : MTAF, PerTaskFairness or None, default=None
        Term of :mod:`skmtl.fairness` that is added to the loss; ``fit`` then needs
        ``sensitive_features``.
    sensitive_as_input : bool, default=False
        Whether columns of X that ``sensitive_features`` names are also inputs; if not, they may be
        absent in ``predict``.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Categorical columns: those of pandas' category dtype, a list (names, positions or a boolean
        mask over the columns of X), or None for no column. Missing values, and levels that did not
        occur in training, are one additional level.
    embedding_dim : int or "auto", default="auto"
        Width of the embedding of a categorical column. "auto" one-hot encodes columns of at most 16
        levels and embeds larger ones in 1.6 times the square root of their number of levels,
        between 4 and 16.
    dtype : {"auto", "float32", "float64"}, default="auto"
        Precision of training; "auto" is float32. Predictions are always computed in float64.
    device : str, default="auto"
        "auto" (cuda if available, else cpu), "cpu", "cuda" or "cuda:<index>".
    warm_start : bool, default=False
        Whether ``fit`` continues from the networks of the previous fit. Tasks, columns and classes
        must be known from the first fit, which also determines how inputs and targets are scaled.
    callbacks : list or None, default=None
        Callbacks of scikit-learn (1.9 or newer), such as ``sklearn.callback.ProgressBar()``; called
        after every epoch.
    random_state : int, RandomState or None, default=None
        Seed of weights, batches and the validation split.
    verbose : int, default=0
        1 prints a line after fit.

    Attributes
    ----------
    classes_ : ndarray or list of ndarray
        Sorted classes: a list with one array per task for 2-D y, else one array (in long form the
        union over tasks).
    task_names_ : list of str
        Names of the tasks: the columns of y, or the ids in the task column in order of first
        appearance.
    n_outputs_ : int
        Number of tasks T.
    n_features_in_ : int
        Number of columns of X, the task column included.
    feature_names_in_ : ndarray of str
        Column names of X, if it is a DataFrame with string names.
    n_iter_ : int
        Number of epochs, the largest over ensemble members.
    best_iteration_ : int
        Epoch of the final weights, the largest over ensemble members.
    loss_curve_ : ndarray of shape (n_iter,)
        Training loss of every epoch, mean over the ensemble members that are still training.
    task_loss_curve_ : ndarray of shape (n_iter, T)
        The same per task, in nats.
    aggregation_weights_ : ndarray of shape (n_iter, T)
        Weights that the aggregator gave the tasks, mean over the steps of an epoch and the ensemble
        members that are still training; NaN for tasks without labels and for aggregators without
        weights.
    history_ : list of dict
        One entry per epoch, with keys iteration, loss and validation_loss. Gradient weightings add
        negative_cosine_fraction and voldet, which measure the conflict of the task gradients in the
        last step, and unsolved, the fraction of steps whose equation had no solution.
    model_ : object
        The trained networks and everything that predictions need; its content may change between
        versions.
    members_ : list of list of ndarray
        Weights and biases of every network.
    device_ : str
        Device that was used.

    Raises
    ------
    ValueError
        In ``fit``, if a parameter is out of range, inputs are neither numbers nor categories or are
        infinite, a task has no label, or ``early_stopping=True`` and a task has fewer than 10
        labeled rows. In ``predict``, if a task was not in fit.

    See Also
    --------
    MultiTaskRegressor : The same network for numeric targets.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import MultiTaskClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 4))
    >>> Y = np.column_stack([X[:, 0] > 0, X[:, 0] + X[:, 1] > 0]).astype(float)
    >>> Y[:50, 1] = np.nan
    >>> model = MultiTaskClassifier(learning_rate_init=0.01, random_state=0).fit(X, Y)
    >>> [p.shape for p in model.predict_proba(X)], bool(model.score(X, Y) > 0.9)
    ([(300, 2), (300, 2)], True)
    """

    # With metadata routing, sensitive_features are passed to fit without set_fit_request.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"sensitive_features": True}
    __metadata_request__partial_fit: ClassVar[dict[str, bool]] = {"sensitive_features": True}
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **MultiTaskNetwork._parameter_constraints,
        "fairness": [FairnessTerm, None],
        "sensitive_as_input": ["boolean"],
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
        loss: Any = "log_loss",
        aggregator: Any = "mean",
        fairness: Any = None,
        sensitive_as_input: bool = False,
        categorical_features: Any = "from_dtype",
        embedding_dim: int | str = "auto",
        dtype: str = "auto",
        device: str = "auto",
        warm_start: bool = False,
        callbacks: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        super().__init__(
            hidden_layer_sizes,
            head_hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate_init=learning_rate_init,
            max_iter=max_iter,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            dropout=dropout,
            standardize=standardize,
            n_members=n_members,
            task_embedding_dim=task_embedding_dim,
            task_column=task_column,
            task_weights=task_weights,
            loss=loss,
            aggregator=aggregator,
            categorical_features=categorical_features,
            embedding_dim=embedding_dim,
            dtype=dtype,
            device=device,
            warm_start=warm_start,
            callbacks=callbacks,
            random_state=random_state,
            verbose=verbose,
        )
        self.fairness = fairness
        self.sensitive_as_input = sensitive_as_input

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, *, sample_weight: Any = None, sensitive_features: Any = None
    ) -> MultiTaskClassifier:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.
        y : array-like of shape (n,) or (n, T)
            Labels; NaN or None where a row has no label for a task (wide form).
        sample_weight : array-like of shape (n,), optional
            Weights of the rows in each task's mean.
        sensitive_features : array-like of shape (n,) or (n, k), str or list of str, optional
            Sensitive features of the fairness term: values, or names of columns of X. The groups
            are the combinations of their values. Rows with a missing value are ignored.

        Returns
        -------
        MultiTaskClassifier
            The fitted estimator.
        """
        settings = read_settings(self)
        earlier = self.model_ if self.warm_start and hasattr(self, "model_") else None
        rows = read_training_rows(
            settings, X, y, sample_weight, sensitive_features, earlier=earlier
        )
        seeds = settings.draw_seeds()
        problem = fit_problem(settings, rows, earlier=earlier, split_seed=seeds.splits)
        job = ensemble_job(settings, problem, seeds, earlier=earlier)
        fitted = partial(FittedNetworks.of, settings, problem.intake, job, seeds)
        with fit_callbacks(
            self, X, y, max_epochs=self.max_iter, metadata={"sample_weight": sample_weight}
        ) as on_epoch:
            trained = train_job(job, on_epoch=after_each_epoch(on_epoch, self, fitted))
            remember(self, fitted(trained))
        announce(settings, self.model_)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any = None,
        *,
        sample_weight: Any = None,
        sensitive_features: Any = None,
    ) -> MultiTaskClassifier:
        """Train for one epoch on these rows, continuing from the last call.

        The first call determines the tasks and the scale of the inputs. There are no validation
        rows.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.
        y : array-like of shape (n,) or (n, T)
            Labels; after the first call a task may have none.
        classes : array-like of shape (k,) or list of T array-likes, optional
            In the first call: all classes that later calls may contain, as one list for all tasks
            or one list per task. The default is the classes in y.
        sample_weight : array-like of shape (n,), optional
            Weights of the rows in each task's mean.
        sensitive_features : array-like of shape (n,) or (n, k), str or list of str, optional
            As in ``fit``.

        Returns
        -------
        MultiTaskClassifier
            The estimator.

        Raises
        ------
        ValueError
            If a later call has a task, a class or a column of X that the first call did not have.
        """
        settings = read_settings(self)
        earlier = getattr(self, "model_", None)
        rows = read_training_rows(
            settings, X, y, sample_weight, sensitive_features, earlier=earlier
        )
        targets = declared_labels(settings, rows, classes, earlier=earlier)
        problem = fit_problem(settings, rows, earlier=earlier, targets=targets, hold_out=False)
        remember(self, train_one_epoch(settings, problem, earlier))
        return self
