"""The base class of task losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skmtl.base.loss_values import checked_values
from skmtl.base.target_coding import TargetCoding, standardized_targets

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float64]

# Methods that follow from `values`; a class that overrides `values` must not inherit them.
_CLOSED_FORMS = ("derivative", "sums_and_derivative", "curvature", "mean_loss")


class Curvature(NamedTuple):
    """Second derivative of a loss with respect to its scores.

    Attributes
    ----------
    bound : float
        Its largest value; for k scores, the largest eigenvalue of the Hessian.
    constant : bool
        Whether it has this value everywhere.
    """

    bound: float
    constant: bool = False


class TaskLoss(BaseEstimator):
    r"""Base class of task losses; a subclass defines :meth:`values`.

    The network gives every row of task t a score s, and training minimizes the mean over tasks of
    the mean of ``values`` over the task's labeled rows. For regression, which is the default,
    targets are standardized per task, z = (y - mean) / scale, ``values`` compares s with z, and the
    prediction is s * scale + mean. All other methods have defaults that follow from ``values``;
    derivatives are computed by automatic differentiation. A subclass that overrides ``values`` uses
    these defaults, not the closed forms of its parent class.

    Parameters of ``__init__`` are hyperparameters, as in any scikit-learn estimator. Losses of the
    same class with equal parameters are equal, and networks with equal losses train as one batch.

    Attributes
    ----------
    kind : {"regression", "classification"}
        Kind of targets. For a classification loss, subclass
        :class:`~skmtl.losses.LogLoss`.
    degree : float
        Power of the target's scale by which :meth:`mean_loss` converts the loss from standardized
        units to the user's units: 2 for a squared error, 1 for an absolute error. With the default,
        0, held-out losses are in standardized units.

    Examples
    --------
    >>> import torch
    >>> from skmtl.losses import TaskLoss
    >>> class LogCosh(TaskLoss):
    ...     def values(self, scores, labels):
    ...         residuals = scores[:, :, 0] - labels
    ...         return torch.logaddexp(residuals, -residuals) - 0.6931471805599453
    >>> scores, labels = torch.tensor([[[[0.0, 1.0]]]]), torch.zeros(1, 1, 2)
    >>> LogCosh().values(scores, labels)
    tensor([[[0.0000, 0.4338]]])
    >>> LogCosh().derivative(scores, labels, torch.ones(1, 1, 2))
    tensor([[[[0.0000, 0.7616]]]])
    """

    kind: ClassVar[Literal["regression", "classification"]] = "regression"
    degree: ClassVar[float] = 0.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "values" not in vars(cls):
            return
        for name in _CLOSED_FORMS:
            if name not in vars(cls):
                general = next(
                    base
                    for base in cls.__mro__[1:]
                    if name in vars(base) and (base is TaskLoss or "values" not in vars(base))
                )
                setattr(cls, name, vars(general)[name])

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and _identity(self) == _identity(other)

    def __hash__(self) -> int:
        return hash(type(self))

    # ------------------------------------------------------------------ training
    def values(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of every row and task.

        Parameters
        ----------
        scores : Tensor of shape (E, T, k, B)
            Scores of B rows for each of T tasks in each of E networks. A regression task has k = 1
            score. Tasks with two classes have one logit; with more, minus infinity marks classes
            that a task does not have.
        labels : Tensor of shape (E, T, B)
            Encoded targets: standardized, or class codes; 0 where a label is missing.

        Returns
        -------
        Tensor of shape (E, T, B)
            Losses, finite for finite scores.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define values(scores, labels), the loss of every row "
            "and task."
        )

    def derivative(
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor | None = None
    ) -> Tensor:
        """Return the derivative of the weighted sum of the values with respect to the scores.

        Parameters
        ----------
        scores, labels : Tensor
            As in :meth:`values`; not modified.
        weights : Tensor of shape (E, T, B)
            Weight of every row and task, 0 where a label is missing.
        out : Tensor of shape (E, T, k, B), optional
            Tensor to write the result to.

        Returns
        -------
        Tensor of shape (E, T, k, B)
            Derivative, by default from automatic differentiation.
        """
        return _sums_and_gradient(self, scores, labels, weights, out)[1]

    def sums_and_derivative(
        self, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the weighted sums of the values and their derivative with respect to the scores.

        Parameters
        ----------
        scores, labels, weights, out : Tensor
            As in :meth:`derivative`.

        Returns
        -------
        sums : Tensor of shape (E, T)
            Sums over the rows.
        derivative : Tensor of shape (E, T, k, B)
            As :meth:`derivative` returns it.
        """
        if type(self).derivative is TaskLoss.derivative:
            return _sums_and_gradient(self, scores, labels, weights, out)
        sums = (self.values(scores, labels) * weights).sum(2)
        return sums, self.derivative(scores, labels, weights, out)

    def curvature(self, n_scores: int) -> Curvature | None:
        """Return a bound of the second derivative with respect to the scores, or None if unknown.

        Parameters
        ----------
        n_scores : int
            Number of scores of a head.

        Returns
        -------
        Curvature or None
            Used only by :class:`~skmtl.affinity.GradientTaskAffinity`.
        """
        return None

    # ------------------------------------------------------------------ targets and predictions
    def learn_codings(
        self,
        targets: Mapping[str, NDArray[Any]],
        weights: Mapping[str, Array] | None = None,
        *,
        constant_may_vary: bool = False,
    ) -> Mapping[str, TargetCoding]:
        """Learn how to encode the targets of every task.

        Parameters
        ----------
        targets : dict of str to ndarray of shape (n_t,)
            Training targets by task.
        weights : dict of str to ndarray of shape (n_t,), optional
            Their sample weights.
        constant_may_vary : bool, default=False
            Whether targets that are constant in these rows may vary in later calls of
            ``partial_fit``.

        Returns
        -------
        dict of str to TargetCoding
            One immutable coding per task.
        """
        return standardized_targets(targets, weights, constant_may_vary=constant_may_vary)

    def decode(self, coding: TargetCoding, scores: Array) -> Array:
        """Return the predictions of a task from its scores.

        Parameters
        ----------
        coding : TargetCoding
            Coding of the task.
        scores : ndarray of shape (..., n, k)
            Scores.

        Returns
        -------
        ndarray of shape (..., n) or (..., n, k_t)
            Predictions in the user's units, or probabilities of the task's classes.
        """
        return coding.decode(scores)

    def mean_loss(self, coding: TargetCoding, y: NDArray[Any], outputs: Array) -> float:
        """Return the mean loss of decoded scores of one task on held-out rows.

        Parameters
        ----------
        coding : TargetCoding
            Coding of the task.
        y : ndarray of shape (n,)
            Targets in the user's units.
        outputs : ndarray of shape (n,)
            Predictions in the user's units.

        Returns
        -------
        float
            The mean of ``values`` times the target's scale to the power of ``degree``.
        """
        import torch

        predictions, labels = (
            torch.from_numpy(np.asarray(coding.encode(part), dtype=np.float64))
            for part in (outputs, y)
        )
        with torch.no_grad():
            values = self.values(predictions.view(1, 1, 1, -1), labels.view(1, 1, -1))
        return float(coding.unit**self.degree * values.mean())

    def mean_loss_of_scores(self, coding: TargetCoding, y: NDArray[Any], scores: Array) -> float:
        """Return the mean loss of the scores of one task on held-out rows.

        Parameters
        ----------
        coding : TargetCoding
            Coding of the task.
        y : ndarray of shape (n,)
            Targets in the user's units.
        scores : ndarray of shape (n, k)
            Scores.

        Returns
        -------
        float
            Mean loss, by default :meth:`mean_loss` of the decoded scores.
        """
        return self.mean_loss(coding, y, self.decode(coding, scores))


def _sums_and_gradient(
    loss: TaskLoss, scores: Tensor, labels: Tensor, weights: Tensor, out: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the weighted sums of the values and their derivative by automatic differentiation."""
    import torch

    leaf = scores.detach().clone().requires_grad_()
    with torch.enable_grad():
        values = checked_values(loss, loss.values(leaf, labels), leaf)
        if not values.requires_grad:
            raise ValueError(
                f"{type(loss).__name__}.values returned losses without a gradient: training cannot "
                "lower them. Compute them from the scores with torch operations that have a "
                "gradient, without detach()."
            )
        sums = (values * weights).sum(2)
        (gradient,) = torch.autograd.grad(sums.sum(), leaf)
    if scores.shape[2] > 1:  # no gradient for classes that a task does not have
        gradient = gradient.masked_fill(scores.isneginf(), 0.0)
    return sums.detach(), gradient if out is None else out.copy_(gradient)


def _identity(loss: TaskLoss) -> str:
    """Return the hash of the parameters."""
    digest: str = joblib.hash(loss.get_params(deep=False))
    return digest
