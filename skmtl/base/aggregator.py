"""Base classes of what can be plugged into the training loop; they hold parameters and know no
tensor library.

The loop trains E networks side by side. What a method remembers from step to step is a state, a
dictionary of arrays whose first axis is the networks; the loop keeps it, so that the method's
object is never changed. A network is a row of every array: rows are selected when networks leave
and set back when others take their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn.base import BaseEstimator


class Aggregator(BaseEstimator):
    """How the losses or gradients of T tasks become one step. Subclass one of the three kinds
    below.

    Attributes
    ----------
    random : bool
        Whether the method draws: it is then given ``generator``, a list of one generator for each
        network.
    """

    random: bool = False

    def initial_state(self, n_members: int, n_tasks: int, *, device: Any = None) -> dict[str, Any]:
        """Return what the method remembers before the first step; entries have a first axis of E,
        then none, one or two axes of T.
        """
        return {}

    def diagnostics(self, gramian: Any) -> dict[str, Any]:
        """Return numbers, (E,), that a fit notes down after every pass, by name, from the last
        Gramian of the pass, (E, T, T).
        """
        return {}


class LossWeighting(Aggregator):
    """Weighs the task losses; trunk and heads both follow the weighted loss.

    Attributes
    ----------
    advances : {"step", "pass"}
        When `advance` is called: after each step with the losses that `loss_weights` saw, or after
        each pass with their means over the pass.
    needs : tuple of str
        Keyword arguments of `advance`, each of shape (E, T): "losses_after" (of the same batch,
        after the step), "gradient_norms" (of the unweighted task gradients of the trunk, before the
        step), "weights" (that `loss_weights` returned).
    reads : tuple of str
        Keyword arguments of `loss_weights`: "gramian" (of the unweighted task gradients of the
        trunk, (E, T, T)).
    """

    advances: str = "step"
    needs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    def loss_weights(self, losses: Any, state: Any = None, *, present: Any = None) -> Any:
        """Return weights, (E, T), from the mean losses of a batch, (E, T); ``present`` tells which
        tasks have a label in it.
        """
        raise NotImplementedError

    def advance(
        self, losses: Any, state: Any = None, *, present: Any = None, **signals: Any
    ) -> Any:
        """Return the next state."""
        return state


@dataclass(frozen=True)
class GradientUse:
    """How a network takes and applies task gradients.

    Attributes
    ----------
    at : {"parameters", "representation"}
        What the gradients are of: the trunk's parameters, or its outputs for the rows of the batch.
    every : int
        Steps for which weights are kept; those in between cost no more than the mean of the losses.
    max_norm : float or None
        Length that the trunk's gradient is clipped to.
    head_gradient : {"own", "weighted"}
        What heads follow: the loss of their task, or that loss times the task's weight.
    times_tasks : bool
        Whether the direction is multiplied by T, before clipping.
    """

    at: str = "parameters"
    every: int = 1
    max_norm: float | None = None
    head_gradient: str = "own"
    times_tasks: bool = False


class GradientWeighting(Aggregator):
    """Weighs the task gradients of the trunk by their inner products; heads follow their own
    losses.

    Attributes
    ----------
    reads : tuple of str
        Keyword arguments of `weights`: "scores" (what each task's validation loss is above its
        baseline, in percent, (E, T)).
    """

    reads: tuple[str, ...] = ()

    def weights(self, gramian: Any) -> Any:
        """Return weights of shape (E, T) from the Gramian of the gradients of the tasks with a
        label in the batch, (E, T, T).
        """
        raise NotImplementedError

    def weights_and_state(
        self, gramian: Any, state: dict[str, Any], **options: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Return the weights and what to remember.

        An entry "unsolved" of the state, (E,), says where the method's equation had no solution;
        its mean over a pass is noted down.
        """
        return self.weights(gramian, **options), state

    def use(self) -> GradientUse:
        """Return how gradients are taken and applied."""
        return GradientUse()


class JacobianAggregator(Aggregator):
    """Turns the Jacobian of the trunk into one direction entry by entry; heads follow their own
    losses.

    Attributes
    ----------
    ignores_zero_rows : bool
        Whether a row of zeros changes nothing: tasks without a label in the batch are then shown as
        such, instead of left out.
    """

    ignores_zero_rows: bool = False

    def aggregate(self, jacobian: Any) -> Any:
        """Return a direction of shape (E, P) from the rows of the tasks with a label in the batch,
        (E, T, P).
        """
        raise NotImplementedError

    def direction_and_state(
        self, jacobian: Any, state: dict[str, Any], **options: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Return the direction and what to remember."""
        return self.aggregate(jacobian, **options), state
