"""The protocol of aggregators: how the losses or gradients of T tasks become one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sklearn.base import BaseEstimator

from skmtl.base.signals import Signals

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    State = dict[str, Tensor]
    Device = torch.device | str | None

AggregatorKind = Literal["loss_weights", "gradient_weights", "direction"]


@dataclass(frozen=True)
class TrunkStep:
    """How a network applies the weighted sum of its task gradients.

    Parameters
    ----------
    max_norm : float or None, default=None
        Largest norm of the trunk's gradient, which is clipped to it; None = no clipping.
    times_tasks : bool, default=False
        Whether the weighted sum is multiplied by the number of tasks, before clipping.
    head_gradient : {"own", "weighted"}, default="own"
        Gradient of a head: that of its task's loss, or that gradient times the task's weight.

    Examples
    --------
    >>> from skmtl.base import TrunkStep
    >>> TrunkStep(max_norm=1.0)
    TrunkStep(max_norm=1.0, times_tasks=False, head_gradient='own')
    """

    max_norm: float | None = None
    times_tasks: bool = False
    head_gradient: str = "own"


class Aggregator(BaseEstimator):
    """Combines the losses or gradients of T tasks into one step; subclasses define ``step``.

    The training loop trains E networks side by side and keeps a state for them: a dictionary of
    tensors whose first axis is the networks, followed by zero, one or two axes of length T. The
    object itself holds only parameters and is never changed. Before each step the loop calls::

        result, state = aggregator.step(signals, state)

    and computes only those signals that the aggregator reads.

    Attributes
    ----------
    kind : {"loss_weights", "gradient_weights", "direction"}
        Result of ``step``. "loss_weights": factors of the task losses, (E, T); trunk and heads
        follow the weighted loss, and the signals leave fairness terms out. "gradient_weights":
        factors of the task gradients of the trunk, (E, T). "direction": the gradient that the trunk
        follows, (E, P). With the last two kinds, each head follows the loss of its task.
    sees_absent_tasks : bool
        False: tasks without a label in the batch are left out of all signals. True: the signals
        include them, and ``signals.present`` marks the tasks that have one.
    needs_baselines : bool
        Whether ``signals.scores`` is read. Estimators then train single-task networks first.
    trunk_step : TrunkStep
        How "gradient_weights" are applied.

    See Also
    --------
    Signals : The quantities that an aggregator may read.

    Examples
    --------
    Weigh the tasks by the square roots of their losses:

    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.base import Aggregator
    >>> class RootLosses(Aggregator):
    ...     def step(self, signals, state):
    ...         roots = signals.losses.sqrt()
    ...         return roots / roots.sum(-1, keepdim=True), state
    >>> MultiTaskRegressor(aggregator=RootLosses())
    MultiTaskRegressor(aggregator=RootLosses())
    """

    kind: AggregatorKind = "loss_weights"
    sees_absent_tasks: bool = False
    needs_baselines: bool = False
    trunk_step: TrunkStep = TrunkStep()

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is invalid; called once before training.

        Parameters
        ----------
        n_tasks : int
            Number of tasks. With a single task nothing is aggregated.
        """

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state before the first step.

        Parameters
        ----------
        n_networks, n_tasks : int
            Numbers E and T.
        device : torch.device or str, default=None
            Device of the tensors; None = the CPU.

        Returns
        -------
        dict of str to Tensor
            New tensors with a first axis of length E, then zero, one or two axes of length T; an
            empty dictionary by default.
        """
        return {}

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights or the direction of this step, and the next state.

        Parameters
        ----------
        signals : Signals
            Quantities that are known before the step.
        state : dict of str to Tensor
            The state, as from :meth:`init`. Never changed.

        Returns
        -------
        result : Tensor of shape (E, T) or (E, P)
            Weights or a direction, depending on ``kind``.
        state : dict of str to Tensor
            The next state. An entry "unsolved", (E,), marks the networks for which the method found
            no solution; ``history_`` records its mean over an epoch.
        """
        raise NotImplementedError

    def after_step(self, signals: Signals, state: State) -> State:
        """Return the next state, given the losses after the step.

        Parameters
        ----------
        signals : Signals
            ``losses``, ``losses_after``, ``present``, ``scores`` and ``steps``.
        state : dict of str to Tensor
            The state that :meth:`step` returned.

        Returns
        -------
        dict of str to Tensor
            The next state.
        """
        return state

    def end_epoch(self, signals: Signals, state: State) -> State:
        """Return the next state, from the mean losses of an epoch.

        Parameters
        ----------
        signals : Signals
            ``losses`` and ``present`` of the epoch, and ``scores``.
        state : dict of str to Tensor
            The state.

        Returns
        -------
        dict of str to Tensor
            The next state.
        """
        return state

    def diagnostics(self, gramian: Tensor) -> dict[str, Tensor]:
        """Return quantities that ``history_`` records after every epoch.

        Parameters
        ----------
        gramian : Tensor of shape (E, T, T)
            The last Gramian that was read in the epoch.

        Returns
        -------
        dict of str to Tensor
            Values of shape (E,), by name; empty by default.
        """
        return {}
