"""Options of gradient weightings: gradients of what, how often, and how they are clipped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from skmtl.aggregation.drawing import Generators
from skmtl.aggregation.given import checked_shape
from skmtl.aggregation.kinds import Device, GradientWeighting, State
from skmtl.aggregation.parameter_checks import checked_choice, checked_count, checked_max_norm
from skmtl.aggregation.registry import AGGREGATORS
from skmtl.aggregation.torchjd import from_torchjd, is_torchjd
from skmtl.base import Aggregator, Signals, TrunkStep

GRADIENT_METHODS: dict[str, Callable[[], Aggregator]] = {
    name: kind for name, kind in AGGREGATORS.items() if kind.kind == "gradient_weights"
}
AT, HEADS = ("parameters", "representation"), ("own", "weighted")
# Entries of the state: the weights that are kept, and the step in which they are computed again.
KEPT, DUE = "kept", "due"


class TaskGradients(Aggregator):
    r"""Gradient weighting with cheaper gradients, less frequent updates, or other clipping.

    Parameters
    ----------
    method : str or object
        The gradient weighting: a name, or an object such as :class:`UPGrad` or :class:`SVFair`.
    at : {"parameters", "representation"}, default="parameters"
        Variables of the gradients. "parameters": the parameters of the trunk, which is exact and
        takes one backward computation through the trunk per task. "representation": the outputs of
        the trunk for the rows of the batch, an approximation that costs little more than `Mean`. It
        needs tasks that share rows.
    every : int, default=1
        Number of steps for which weights are kept. A larger value is faster: steps in between cost
        as much as those of `Mean`.
    max_norm : float, None or "method", default="method"
        Length to which the gradient of the trunk is clipped; None = no limit, "method" = that of
        the method.
    head_gradient : {"own", "weighted", "method"}, default="method"
        Loss that trains a task head: the loss of its task, that loss times the task weight, or that
        of the method.

    Raises
    ------
    ValueError
        In ``fit``, if a parameter is out of range or `method` is not a gradient weighting.

    Notes
    -----
    Let Z be the outputs of the trunk and :math:`\theta` its parameters. Then
    :math:`g_i = (\partial Z / \partial \theta)^\top \partial L_i / \partial Z`, and
    "representation" uses the gradients :math:`\partial L_i / \partial Z`. For MGDA, this minimizes
    an upper bound of the objective [1]_. Tasks whose gradients do not conflict at Z can still
    conflict at :math:`\theta`.

    References
    ----------
    .. [1] Sener and Koltun, "Multi-task learning as multi-objective optimization", NeurIPS 2018,
       section 3.3.

    Examples
    --------
    Mean weights of three tasks in each of five epochs:

    >>> from sklearn.datasets import make_regression
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.aggregation import TaskGradients
    >>> X, Y = make_regression(n_targets=3, n_features=5, random_state=0)
    >>> aggregator = TaskGradients("svfair", at="representation", every=4)
    >>> model = MultiTaskRegressor(aggregator=aggregator, max_iter=5, random_state=0).fit(X, Y)
    >>> model.aggregation_weights_.shape
    (5, 3)
    """

    kind = "gradient_weights"

    def __init__(
        self,
        method: str | object,
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
    def needs_baselines(self) -> bool:  # type: ignore[override]
        """Whether the method reads scores."""
        return self._method().needs_baselines

    @property
    def trunk_step(self) -> TrunkStep:  # type: ignore[override]
        """How a network applies the weights: as the method does, with the parameters set here."""
        rule = self._method().trunk_step
        if self.max_norm != "method":
            rule = replace(rule, max_norm=checked_max_norm(self, self.max_norm))
        if self.head_gradient != "method":
            rule = replace(rule, head_gradient=self.head_gradient)
        return rule

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        checked_choice(self, "at", self.at, AT)
        checked_count(self, "every", self.every, 1)
        if self.max_norm != "method":
            checked_max_norm(self, self.max_norm)
        checked_choice(self, "head_gradient", self.head_gradient, (*HEADS, "method"))
        self._method().check(n_tasks)

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state of the method, and the weights that are kept with their due steps."""
        state = self._method().init(n_networks, n_tasks, device=device)
        if self.every == 1:
            return state
        kept = torch.full((n_networks, n_tasks), torch.inf, dtype=torch.float64, device=device)
        return {**state, KEPT: kept, DUE: torch.zeros(n_networks, dtype=torch.int64)}

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights of the method, or those that are kept, (E, T)."""
        method, source = self._method(), signals
        if self.at == "representation":
            signals = source.replaced(gramian=lambda: source.representation_gramian)
        if self.every == 1:
            return method.step(signals, state)
        state = {name: _copy(values) for name, values in state.items()}
        due = np.flatnonzero((source.steps >= state[DUE]).cpu().numpy())
        if "unsolved" in state:
            state["unsolved"][:] = torch.nan  # unknown for networks that are not due
        if len(due):
            own = {name: values[due] for name, values in state.items() if name not in (KEPT, DUE)}
            state[KEPT][due], new = _as_float64(method.step(signals.part(due), own))
            state[DUE][due] = source.steps[due].to(state[DUE]) + self.every
            for name, values in new.items():
                state[name][due] = values
        return state[KEPT], state

    def weights(
        self, gramian: Tensor, *, generator: Generators = None, **options: Tensor
    ) -> Tensor:
        """Return the weights of the method.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients; leading axes are networks.
        generator : torch.Generator, sequence of torch.Generator or None, default=None
            Source of random numbers, for methods that draw.
        **options : Tensor
            Further arguments of the method's ``weights``.

        Returns
        -------
        Tensor of shape (..., T)
            One weight per task, float64.
        """
        method = self._method()
        self.check(checked_shape(gramian, type(self).__name__).shape[-1])
        if not isinstance(method, GradientWeighting):
            raise TypeError(f"{method!r} has no method weights(gramian). Use it in training.")
        return method.weights(gramian, generator=generator, **options)

    def aggregate(self, jacobian: Tensor, *, generator: Generators = None) -> Tensor:
        """Return the weighted sum of the task gradients, without clipping or rescaling.

        Parameters
        ----------
        jacobian : Tensor of shape (..., T, P)
            One row per task, one column per parameter; leading axes are networks.
        generator : torch.Generator, sequence of torch.Generator or None, default=None
            Source of random numbers, for methods that draw.

        Returns
        -------
        Tensor of shape (..., P)
            The direction, in the dtype of `jacobian`.
        """
        method = self._method()
        if not isinstance(method, GradientWeighting):
            raise TypeError(f"{method!r} has no method aggregate(jacobian). Use it in training.")
        return method.aggregate(jacobian, generator=generator)

    def diagnostics(self, gramian: Tensor) -> dict[str, Tensor]:
        """Return the diagnostics of the method."""
        return self._method().diagnostics(gramian)

    def _method(self) -> Aggregator:
        method = self.method
        if isinstance(method, str) and method in GRADIENT_METHODS:
            method = GRADIENT_METHODS[method]()
        elif is_torchjd(method):
            method = from_torchjd(method)
        if (
            not isinstance(method, Aggregator)
            or method.kind != "gradient_weights"
            or isinstance(method, TaskGradients)
        ):
            raise ValueError(
                "The 'method' parameter of TaskGradients must be one of "
                f"{', '.join(GRADIENT_METHODS)}, or a gradient weighting such as UPGrad(). "
                f"Got {self.method!r} instead."
            )
        return method


def _as_float64(result: tuple[Tensor, State]) -> tuple[Tensor, State]:
    return result[0].double(), result[1]


def _copy(values: Tensor) -> Tensor:
    """Return a copy of a tensor, or of an array (the state of a TorchJD object)."""
    return values.clone() if isinstance(values, Tensor) else values.copy()
