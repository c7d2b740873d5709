"""Steps along task gradients that a plug-in weighs or turns into one direction, and the choice
among all ways.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.base import Aggregator, GradientUse, GradientWeighting, JacobianAggregator, LossWeighting
from skmtl.network.by_losses import LossSteering
from skmtl.network.steering import Steering
from skmtl.network.steps import Step, castable, gramian_of, presence

# Weight of a task that has not been weighed yet.
_UNKNOWN = torch.inf


class GradientSteering(Steering):
    """The trunk follows task gradients that a plug-in weighs or turns into one direction; heads
    follow their own losses.
    """

    aggregator: GradientWeighting | JacobianAggregator

    def __init__(self, aggregator: Any, n_tasks: int, device: torch.device):
        super().__init__(aggregator, n_tasks, device)
        self.use = aggregator.use() if isinstance(aggregator, GradientWeighting) else GradientUse()
        self.scale = float(n_tasks) if self.use.times_tasks else 1.0

    def _fresh_own(self, n_members: int) -> dict[str, Any]:
        shape = (n_members, self.n_tasks)
        return {
            "weights": torch.full(shape, _UNKNOWN, dtype=torch.float64, device=self.device),
            "scores": torch.zeros(shape, dtype=torch.float64, device=self.device),
            "good_for": torch.zeros(n_members, dtype=torch.int64),  # steps
        }

    def end_pass(self, scores: Tensor | None) -> None:  # noqa: D102
        if scores is not None:
            self.own["scores"] = torch.where(scores.isfinite(), scores.double(), 0.0)

    def gradients(self, step: Step) -> None:  # noqa: D102
        trunk, heads = step.with_terms(
            step.weighted(step.derivative(), step.importance), step.importance
        )
        network, one = step.network, trunk is heads
        if not step.train_trunk or not network.has_trunk:
            network.backward(heads, None if one else trunk, trunk=False)
            return
        due = self.own["good_for"].numpy() == 0
        _, present = presence(step)
        if isinstance(self.aggregator, JacobianAggregator):
            network.set_trunk_gradient(
                self._direction(network.trunk_jacobian(trunk, heads), present, due)
            )
            return
        if due.any() and self.use.at == "parameters":
            rows = network.trunk_jacobian(trunk, heads)
            weights = self._weights(gramian_of(rows), present, due)
            direction = (castable(weights, rows).unsqueeze(1) @ rows).squeeze(1)
            network.set_trunk_gradient(self._clipped(direction))
        else:
            weights = self._weights(
                network.representation_gramian(trunk) if due.any() else None, present, due
            )
            network.backward(heads, step.weighted(trunk.clone(), weights))
            if self.use.max_norm is not None or self.scale != 1.0:
                network.clip_trunk_gradient(self.use.max_norm, self.scale)
        if self.use.head_gradient == "weighted":
            network.scale_head_gradients(castable(self.scale * weights, trunk))
        self.own["good_for"] -= (self.own["good_for"] > 0).long()
        if step.record:
            self._note(weights, present)

    def _clipped(self, direction: Tensor) -> Tensor:
        """Return a direction, (E, P), as it is applied."""
        if self.use.max_norm is None:
            return direction * self.scale if self.scale != 1.0 else direction
        norms = self.scale * torch.linalg.vector_norm(
            direction, dim=1, keepdim=True, dtype=torch.float64
        )
        return direction * (self.scale * (self.use.max_norm / norms).clamp(max=1.0)).to(
            direction.dtype
        )

    def _weights(self, gramian: Tensor | None, present: Tensor, due: NDArray[np.bool_]) -> Tensor:
        """Return weights, (E, T), anew for the lanes that are due.

        A task that is absent keeps its weight for later steps; one that has none yet gets the mean
        of the others.
        """
        held: Tensor = self.own["weights"]
        if gramian is not None:
            self._gramian = gramian
            for lanes, tasks in _patterns(present, due):
                held[np.ix_(lanes, tasks)] = self._call(gramian, lanes, tasks).double()
                self.own["good_for"][lanes] = self.use.every
        unknown = held == _UNKNOWN
        if not bool(unknown.any()):
            return held
        known = (~unknown).sum(1, keepdim=True)
        return torch.where(
            unknown, torch.where(unknown, 0.0, held).sum(1, keepdim=True) / known.clamp(min=1), held
        )

    def _direction(self, rows: Tensor, present: Tensor, due: NDArray[np.bool_]) -> Tensor:
        """Return what a plug-in that reads the Jacobian, (E, T, P), makes of it, (E, P)."""
        direction = torch.zeros_like(rows[:, 0])
        if self.aggregator.ignores_zero_rows:  # type: ignore[union-attr]
            present = torch.ones_like(present)
        for lanes, tasks in _patterns(present, due):
            direction[lanes] = self._call(rows, lanes, tasks).to(direction)
        return direction

    def _call(self, shown: Tensor, lanes: NDArray[np.intp], tasks: NDArray[np.intp]) -> Tensor:
        """Call the plug-in for the gradients of some tasks in some lanes, and keep its state."""
        options = self._drawing(lanes)
        whole = len(lanes) == len(shown) and len(tasks) == self.n_tasks
        own = (
            self.state
            if whole
            else {name: _part(values, lanes, tasks) for name, values in self.state.items()}
        )
        if isinstance(self.aggregator, JacobianAggregator):
            result, new = self.aggregator.direction_and_state(
                shown if whole else shown[np.ix_(lanes, tasks)], own, **options
            )
        else:
            if "scores" in self.aggregator.reads:
                options["scores"] = _part(self.own["scores"], lanes, tasks)
            result, new = self.aggregator.weights_and_state(
                shown if whole else _part(shown, lanes, tasks), own, **options
            )
        if "unsolved" in new:
            self._unsolved[lanes] += new["unsolved"].nan_to_num()
            self._asked[lanes] += 1
        if whole:
            self.state = {**self.state, **new}
            return result
        for name, values in new.items():
            target = self.state[name]
            target[_index(target, lanes, tasks)] = (
                values.to(target) if isinstance(values, Tensor) else values
            )
        return result


def build_steering(aggregator: Aggregator | None, n_tasks: int, device: torch.device) -> Steering:
    """Return the way of steering that an aggregator needs; a single task has nothing to aggregate."""
    if aggregator is None or n_tasks == 1:
        return Steering(None, n_tasks, device)
    return (LossSteering if isinstance(aggregator, LossWeighting) else GradientSteering)(
        aggregator, n_tasks, device
    )


def _patterns(
    present: Tensor, due: NDArray[np.bool_]
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return lanes that are due, by the tasks that are present in their batch; none for a batch
    without any.
    """
    if due.all() and bool(present.all()):
        return [(np.arange(len(due)), np.arange(present.shape[1]))]
    patterns, which = np.unique(present.cpu().numpy(), axis=0, return_inverse=True)
    groups = [
        (np.flatnonzero(due & (which.reshape(-1) == k)), np.flatnonzero(pattern))
        for k, pattern in enumerate(patterns)
    ]
    return [(lanes, tasks) for lanes, tasks in groups if len(lanes) and len(tasks)]


def _index(values: Any, lanes: NDArray[np.intp], tasks: NDArray[np.intp]) -> Any:
    """Return the index of some lanes and, along all other axes, some tasks."""
    return lanes if values.ndim == 1 else np.ix_(lanes, *[tasks] * (values.ndim - 1))


def _part(values: Any, lanes: NDArray[np.intp], tasks: NDArray[np.intp]) -> Any:
    """Return a copy of the entries of some lanes and tasks."""
    if len(lanes) == len(values) and all(size == len(tasks) for size in values.shape[1:]):
        return values.clone() if isinstance(values, Tensor) else values.copy()
    return values[_index(values, lanes, tasks)]
