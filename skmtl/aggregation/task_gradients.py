"""How a network takes the gradients that a weighting weighs: of what, how often, clipped to what
length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from skmtl.aggregation.kinds import checked_number, weighted_rows
from skmtl.aggregation.numerics import Generators
from skmtl.aggregation.registry import AGGREGATORS
from skmtl.aggregation.torchjd import from_torchjd, is_torchjd
from skmtl.base import GradientUse, GradientWeighting

GRADIENT_METHODS: dict[str, Callable[[], GradientWeighting]] = {
    name: kind for name, kind in AGGREGATORS.items() if issubclass(kind, GradientWeighting)
}
AT, HEADS = ("parameters", "representation"), ("own", "weighted")


class TaskGradients(GradientWeighting):
    r"""A gradient weighting with other gradients, at other steps, or with another length than its
    own.

    Parameters
    ----------
    method : str or object
        The gradient weighting: a name, or an object such as :class:`UPGrad` or :class:`SVFair`.
    at : {"parameters", "representation"}, default="parameters"
        What the gradients are of. "parameters": the trunk's parameters, exact, one reverse pass of
        the trunk for each task. "representation": the outputs of the trunk for the rows of the
        batch, for little more than the price of the mean; an approximation that needs tasks that
        share rows.
    every : int, default=1
        Steps for which weights are kept: in between, a step costs as much as that of the mean.
    max_norm : float, None or "method", default="method"
        Length to which the trunk's gradient is clipped; None = no limit, "method" = as the method
        has it.
    head_gradient : {"own", "weighted", "method"}, default="method"
        What a head follows: the loss of its task, or that loss times the task's weight.

    Notes
    -----
    With Z the outputs of the trunk and :math:`\theta` its parameters,
    :math:`g_i = (\partial Z / \partial \theta)^\top \partial L_i / \partial Z`: "representation"
    weighs :math:`\partial L_i / \partial Z`, an upper bound of what the weights promise at the
    parameters [1]_. That two tasks do not conflict at Z does not say that they do not conflict at
    :math:`\theta`.

    References
    ----------
    .. [1] Sener and Koltun, "Multi-task learning as multi-objective optimization", NeurIPS 2018,
       section 3.3.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.aggregation import TaskGradients
    >>> X, Y = make_regression(n_targets=3, n_features=5, random_state=0)
    >>> aggregator = TaskGradients("svfair", at="representation", every=4)
    >>> MultiTaskRegressor(aggregator=aggregator, max_iter=5, random_state=0).fit(
    ...     X, Y
    ... ).aggregation_weights_.shape
    (5, 3)
    """

    def __init__(
        self,
        method: Any,
        *,
        at: str = "parameters",
        every: int = 1,
        max_norm: float | str | None = "method",
        head_gradient: str = "method",
    ) -> None:
        self.method = method
        self.at = at
        self.every = every
        self.max_norm = max_norm
        self.head_gradient = head_gradient

    @property
    def random(self) -> bool:  # type: ignore[override]
        """Whether the method draws."""
        return self._method().random

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the weights need besides the Gramian."""
        return self._method().reads

    def use(self) -> GradientUse:
        """Return how a network takes and applies the gradients.

        Returns
        -------
        GradientUse
            That of the method, with what is set here.
        """
        changes: dict[str, Any] = {"at": self._one_of("at", AT)}
        if not isinstance(self.every, Integral) or self.every < 1:
            raise ValueError(
                "The 'every' parameter of TaskGradients must be a whole number of at least 1. Got "
                f"{self.every!r} instead."
            )
        changes["every"] = int(self.every)
        if self.max_norm != "method":
            changes["max_norm"] = (
                None
                if self.max_norm is None
                else checked_number(self, "max_norm", self.max_norm, 0.0, strict=True)
            )
        if self._one_of("head_gradient", (*HEADS, "method")) != "method":
            changes["head_gradient"] = self.head_gradient
        return replace(self._method().use(), **changes)

    def weights(self, gramian: Tensor, *, generator: Generators = None, **options: Any) -> Tensor:
        """Return the weights of the method.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients; leading axes are fleet members.
        generator : torch.Generator or sequence of torch.Generator, default=None
            For methods that draw.
        **options : Tensor
            What else the method reads.

        Returns
        -------
        Tensor of shape (..., T)
            One weight a task.
        """
        if generator is not None:
            options["generator"] = generator
        weights: Tensor = self._method().weights(gramian, **options)
        return weights

    def aggregate(self, jacobian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Return the weighted sum of the task gradients, without clipping or rescaling.

        Parameters
        ----------
        jacobian : Tensor of shape (..., T, P)
            One row a task, one column a parameter; leading axes are fleet members.
        generator : torch.Generator, default=None
            For methods that draw.

        Returns
        -------
        Tensor of shape (..., P)
            The direction.
        """
        return weighted_rows(self, jacobian, generator=generator)

    def initial_state(self, n_members: int, n_tasks: int, *, device: Any = None) -> dict[str, Any]:
        """Return the method's state.

        Parameters
        ----------
        n_members, n_tasks : int
            Numbers E and T.
        device : torch.device or str, default=None
            Where tensors lie; None = the CPU.

        Returns
        -------
        dict
            As the method has it.
        """
        return self._method().initial_state(n_members, n_tasks, device=device)

    def weights_and_state(
        self, gramian: Tensor, state: dict[str, Any], **options: Any
    ) -> tuple[Tensor, dict[str, Any]]:
        """Return the method's weights and next state.

        Parameters
        ----------
        gramian : Tensor of shape (E, T, T)
            Inner products of the task gradients.
        state : dict
            The method's state.
        **options : object
            Passed to the method.

        Returns
        -------
        weights : Tensor of shape (E, T)
            One weight a task.
        state : dict
            The next state.
        """
        return self._method().weights_and_state(gramian, state, **options)

    def diagnostics(self, gramian: Tensor) -> dict[str, Tensor]:
        """Return the method's diagnostics.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients.

        Returns
        -------
        dict of str to Tensor
            Numbers of shape (...), by name.
        """
        return self._method().diagnostics(gramian)

    def _method(self) -> GradientWeighting:
        method = self.method
        if isinstance(method, str) and method in GRADIENT_METHODS:
            method = GRADIENT_METHODS[method]()
        elif is_torchjd(method):
            method = from_torchjd(method)
        if not isinstance(method, GradientWeighting) or isinstance(method, TaskGradients):
            raise ValueError(
                "The 'method' parameter of TaskGradients must be one of "
                f"{', '.join(GRADIENT_METHODS)}, or a gradient weighting such as UPGrad(). "
                f"Got {self.method!r} instead."
            )
        return method

    def _one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        value: str = getattr(self, name)
        if value not in allowed:
            raise ValueError(
                f"The {name!r} parameter of TaskGradients must be one of {allowed}. Got {value!r} "
                "instead."
            )
        return value
