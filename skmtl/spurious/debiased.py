"""Classifier whose task heads do not rely on spurious correlations with other tasks' labels."""

from __future__ import annotations

import copy
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skmtl._sklearn_compat import Interval, StrOptions, fit_context
from skmtl.data import as_pandas, checked_weight
from skmtl.estimators import MultiTaskClassifier
from skmtl.spurious.adversary import AdversarialTraining, LabelAdversary
from skmtl.spurious.detector import SpuriousTaskDetector
from skmtl.spurious.heads import label_codes, with_new_heads
from skmtl.spurious.reweighting import independence_weights
from skmtl.support import DocLinks, VersionedState

_LARGEST_SEED = np.iinfo(np.int32).max
# With strength=1, 1 % of a label's variance that the adversary explains costs as much as one nat.
_NATS = 100.0


class DebiasedClassifier(
    VersionedState, DocLinks, ClassifierMixin, MultiOutputMixin, BaseEstimator
):
    r"""Classifier with task heads retrained not to rely on spurious correlations between tasks.

    If the labels of two tasks are correlated in the training data, the head of one task may rely on
    inputs that belong to the other [1]_. Its predictions are then worse on data in which the labels
    are no longer correlated. A detector finds the tasks :math:`S_i` that are spurious for task i.
    The shared layers are kept, and the heads of tasks with spurious tasks are retrained. All other
    heads stay as they are.

    method="adversarial": for each spurious task j, an adversary predicts the label of task j from
    the scores of head i and the label of task i. The heads minimize

    .. math:: \frac1T \sum_i \Bigl( L_i + 100 \, \text{strength} \sum_{j \in S_i} R^2_{ij} \Bigr)

    where :math:`L_i` is the log loss, and :math:`R^2_{ij}` is the share of the variance of label j,
    within the classes of task i, that the adversary explains. The adversary is a least-squares
    model per class of task i. It is at its optimum in every step, and the heads follow its reversed
    gradient.

    method="reweight": the rows of task i are weighted so that label i is independent of each label
    j,

    .. math:: w = \Bigl( \frac{P(y_i) P(y_j)}{P(y_i, y_j)} \Bigr)^{\text{strength}}

    for one spurious task, and by iterative proportional fitting for several. Weights are clipped at
    10 times their mean.

    Parameters
    ----------
    estimator : MultiTaskClassifier or FrozenEstimator
        Network for wide targets; it is cloned and fitted. A ``FrozenEstimator(network)`` is used as
        it is fitted.
    detector : SpuriousTaskDetector or None, default=None
        Finds the tasks that are spurious for each task: any estimator whose ``fit(Y)`` sets
        ``spurious_``, a bool array of shape (T, T). A FrozenEstimator is used as it is fitted.
        None = ``SpuriousTaskDetector()``.
    method : {"adversarial", "reweight"}, default="adversarial"
        Method of retraining the heads.
    strength : float, default=1.0
        Factor or exponent in the formulas above. A larger value removes more of the correlation and
        may cost accuracy. 0 retrains the heads without debiasing them.
    max_iter : int, default=50
        Largest number of training steps of the heads. A step uses all rows, or at most 1,024 of
        them. Adversarial training ends earlier if, for five steps, no adversary explains more than
        1 % of the variance of a label above chance.
    random_state : int, RandomState or None, default=None
        Seed of the order of rows, and of the estimator and the detector if their own is None.

    Attributes
    ----------
    estimator_ : MultiTaskClassifier
        The network with its original heads.
    debiased_ : MultiTaskClassifier
        The network with the retrained heads, which predict; it has all methods of a fitted network.
    detector_ : SpuriousTaskDetector
        The fitted detector.
    spurious_ : ndarray of bool of shape (T, T)
        [i, j]: head i was trained to disregard the label of task j.
    classes_ : ndarray or list of ndarray
        Sorted classes: a list with one array per task for 2-D y, else one array.
    n_iter_ : int
        Number of training steps of the heads; 0 if no task is spurious for another.
    task_names_ : list of str
        Names of the tasks.
    n_outputs_ : int
        Number of tasks T.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Column names of X, where it was a DataFrame.

    Raises
    ------
    TypeError
        If ``estimator`` is not a MultiTaskClassifier.
    ValueError
        In ``fit``, if a parameter is out of range, if the estimator is in long form, in which no
        row has labels for two tasks, or if it has a fairness term, which new heads would not keep.

    Warns
    -----
    UserWarning
        With method="reweight", if some combinations of labels have no rows; the warning names the
        tasks.

    See Also
    --------
    SpuriousTaskDetector : Finds the tasks that are spurious for each task.
    split_by_label_combination : Test sets in which the labels are not correlated.

    Notes
    -----
    The detector cannot distinguish a spurious correlation from a real one (see its notes). If the
    correlation is real and persists, debiased heads are worse. Evaluate them on data in which you
    know that it does not persist.

    The two methods have different goals. Reweighting removes the correlation between the *labels*.
    The adversary also removes the influence of inputs that both tasks share, such as a common
    background, as far as they predict label j. It conditions on label i, because label i itself
    predicts label j, and head i must predict label i.

    Only the appendix of [1]_ was available. It states that per-task predictors are trained
    adversarially on a fixed encoder; the form of the adversary and its strength were chosen here.

    References
    ----------
    .. [1] Chai, Lu, Wang, "Identifying and mitigating spurious correlation in multi-task learning",
       CVPR 2025.

    Examples
    --------
    Labels that are correlated in training are not correlated in the test data:

    >>> from skmtl import MultiTaskClassifier
    >>> from skmtl.datasets import make_spurious_tasks
    >>> from skmtl.spurious import DebiasedClassifier
    >>> shifted = make_spurious_tasks(random_state=0)
    >>> model = DebiasedClassifier(MultiTaskClassifier(n_members=2), random_state=0)
    >>> model = model.fit(shifted.data, shifted.target)
    >>> vanilla = model.estimator_.score(shifted.test_data, shifted.test_target)
    >>> bool(model.score(shifted.test_data, shifted.test_target) > vanilla)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": "no_validation",  # type: ignore[dict-item]
        "detector": "no_validation",  # type: ignore[dict-item]
        "method": [StrOptions({"adversarial", "reweight"})],
        "strength": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        detector: Any = None,
        method: str = "adversarial",
        strength: float = 1.0,
        max_iter: int = 50,
        random_state: Any = None,
    ):
        self.estimator = estimator
        self.detector = detector
        self.method = method
        self.strength = strength
        self.max_iter = max_iter
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    # ------------------------------------------------------------------ fit
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> DebiasedClassifier:
        """Train the network, detect spurious tasks, and retrain the heads of the affected tasks.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs.
        y : array-like of shape (n, T) or (n,)
            Labels; NaN or None if a row has no label for a task.
        sample_weight : array-like of shape (n,), optional
            Sample weights for the network, the detector and the heads.

        Returns
        -------
        DebiasedClassifier
            The fitted estimator.
        """
        y = as_pandas(y)
        seeds = check_random_state(self.random_state).randint(_LARGEST_SEED, size=3).tolist()
        self.estimator_ = self._trained(X, y, sample_weight, seeds[0])
        self.n_features_in_ = self.estimator_.n_features_in_
        self.n_outputs_ = self.estimator_.n_outputs_
        if hasattr(self.estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.estimator_.feature_names_in_
        self.task_names_ = list(self.estimator_.task_names_)
        self.classes_ = self.estimator_.classes_
        codes = label_codes(self.estimator_, y)
        weight = checked_weight(sample_weight, len(codes))
        self.spurious_ = self._detected(codes, None if sample_weight is None else weight, seeds[1])
        self.debiased_ = self._retrained(X, codes, weight, seeds[2])
        return self

    def _trained(self, X: Any, y: Any, sample_weight: Any, seed: int) -> MultiTaskClassifier:
        """Return the fitted network with its original heads."""
        frozen = isinstance(self.estimator, FrozenEstimator)
        network = self.estimator.estimator if frozen else self.estimator
        if not isinstance(network, MultiTaskClassifier):
            raise TypeError(
                "The estimator of a DebiasedClassifier must be a MultiTaskClassifier, or a "
                f"FrozenEstimator of one. Got {type(network).__name__}."
            )
        if network.task_column is not None:
            raise ValueError(
                f"The estimator of a DebiasedClassifier has task_column={network.task_column!r}. "
                "In long form no row has labels for two tasks, so the correlation of labels is "
                "unknown. Use wide form, with one column of y per task."
            )
        if network.fairness is not None:
            raise ValueError(
                "The estimator of a DebiasedClassifier has a fairness term, which its new heads "
                "would not keep. Set fairness=None."
            )
        if frozen:
            check_is_fitted(network)
            return network
        network = clone(network)
        if network.random_state is None and self.random_state is not None:
            network.set_params(random_state=seed)
        return network.fit(X, y, sample_weight=sample_weight)

    def _detected(
        self, codes: NDArray[np.float64], weight: NDArray[np.float64] | None, seed: int
    ) -> NDArray[np.bool_]:
        """Fit the detector and return its spurious tasks."""
        self.detector_ = SpuriousTaskDetector() if self.detector is None else clone(self.detector)
        if (
            self.random_state is not None
            and self.detector_.get_params().get("random_state", 0) is None
        ):
            self.detector_.set_params(random_state=seed)
        if not isinstance(self.detector_, FrozenEstimator):
            self.detector_.fit(
                pd.DataFrame(codes, columns=self.task_names_),
                **({} if weight is None else {"sample_weight": weight}),
            )
        spurious = np.array(self.detector_.spurious_, dtype=bool)
        if spurious.shape != 2 * (self.n_outputs_,):
            raise ValueError(
                f"spurious_ of the detector must have shape ({self.n_outputs_}, "
                f"{self.n_outputs_}), one row and column per task. Got {spurious.shape}."
            )
        np.fill_diagonal(spurious, False)
        return spurious

    def _retrained(
        self, X: Any, codes: NDArray[np.float64], weight: NDArray[np.float64], seed: int
    ) -> MultiTaskClassifier:
        """Return the network with new heads for the tasks that have spurious tasks."""
        self.n_iter_ = 0
        if not self.spurious_.any():
            return copy.copy(self.estimator_)
        adversary = None
        if self.method == "reweight":
            weight = independence_weights(
                codes, self.spurious_, weight, self.strength, self.task_names_
            )
        elif self.strength > 0:
            adversary = AdversarialTraining(
                LabelAdversary(self.spurious_, int(np.nanmax(codes)) + 1, _NATS * self.strength)
            )
        chosen: NDArray[np.bool_] = np.any(self.spurious_, axis=1)
        changed, self.n_iter_ = with_new_heads(
            self.estimator_,
            X,
            codes,
            chosen,
            sample_weight=weight,
            adversary=adversary,
            n_steps=self.max_iter,
            seed=seed,
        )
        return changed

    # ------------------------------------------------------------------ predict
    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the most probable class of every task.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs.

        Returns
        -------
        ndarray of shape (n, T) or (n,)
            Class labels, in the type of y.
        """
        check_is_fitted(self, "debiased_")
        return self.debiased_.predict(X)

    def predict_proba(self, X: Any) -> NDArray[np.float64] | list[NDArray[np.float64]]:
        """Predict class probabilities of every task.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs.

        Returns
        -------
        list of ndarray of shape (n, k_t), or ndarray of shape (n, k)
            For 2-D y one array per task, else one array; columns as in ``classes_``.
        """
        check_is_fitted(self, "debiased_")
        return self.debiased_.predict_proba(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the mean accuracy over tasks, ignoring missing labels.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Inputs.
        y : array-like of shape (n, T) or (n,)
            True labels, NaN where unknown.
        sample_weight : array-like of shape (n,), optional
            Sample weights.

        Returns
        -------
        float
            Between 0 and 1.
        """
        check_is_fitted(self, "debiased_")
        return self.debiased_.score(X, y, sample_weight)
