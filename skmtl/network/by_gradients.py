"""Gradients for aggregators of task gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from skmtl.base import Aggregator, Signals
from skmtl.network.by_losses import LossSteering
from skmtl.network.lane_memory import State
from skmtl.network.steering import Steering
from skmtl.network.steps import Step, castable

# Weight of a task that has not had one yet.
_UNKNOWN = torch.inf


class GradientSteering(Steering):
    """The trunk follows aggregated task gradients, heads the losses of their tasks."""

    def __init__(self, aggregator: Aggregator, n_tasks: int, device: torch.device):
        super().__init__(aggregator, n_tasks, device)
        self.rule = aggregator.trunk_step
        self.scale = float(n_tasks) if self.rule.times_tasks else 1.0

    def fresh_own(self, n_lanes: int) -> State:  # noqa: D102
        shape = (n_lanes, self.n_tasks)
        return {
            "weights": torch.full(shape, _UNKNOWN, dtype=torch.float64, device=self.device),
            "scores": torch.zeros(shape, dtype=torch.float64, device=self.device),
            "steps": torch.zeros(n_lanes, dtype=torch.int64),
        }

    def gradients(self, step: Step) -> None:  # noqa: D102
        trunk, heads = step.with_terms(
            step.weighted(step.derivative(), step.importance), step.importance
        )
        network = step.network
        if not step.train_trunk or not network.has_trunk:
            network.backward(heads, None if trunk is heads else trunk, trunk=False)
            return
        signals = self.signals_of(step, trunk, heads)
        if self.aggregator.kind == "direction":
            network.set_trunk_gradient(self._direction(signals))
            return
        weights = self._weights(signals)
        if signals.was_read("jacobian"):
            rows = signals.jacobian
            direction = (castable(weights, rows).unsqueeze(1) @ rows).squeeze(1)
            network.set_trunk_gradient(self._clipped(direction))
        else:
            network.backward(heads, step.weighted(trunk.clone(), weights))
            if self.rule.max_norm is not None or self.scale != 1.0:
                network.clip_trunk_gradient(self.rule.max_norm, self.scale)
        if self.rule.head_gradient == "weighted":
            network.scale_head_gradients(castable(self.scale * weights, trunk))
        if step.record:
            self.epoch.weigh(weights, signals.present)

    def _direction(self, signals: Signals) -> Tensor:
        """Return the aggregator's direction, (E, P); zero where no task is present."""
        rows = signals.jacobian
        direction = torch.zeros_like(rows[:, 0])
        for lanes, _, result in self.calls(signals, rows.shape[2]):
            direction[lanes] = result.to(direction)
        return direction

    def _weights(self, signals: Signals) -> Tensor:
        """Return weights, (E, T).

        An absent task keeps its weight for later steps. A task without a weight gets the mean of
        the others.
        """
        held = self.own.state["weights"]
        for lanes, tasks, result in self.calls(signals):
            held[np.ix_(lanes, tasks)] = result.double()
        for name in ("gramian", "representation_gramian"):
            if signals.was_read(name):
                self.epoch.gramian = signals.read(name)
        unknown = held == _UNKNOWN
        if not bool(unknown.any()):
            return held
        known = (~unknown).sum(1, keepdim=True)
        mean = torch.where(unknown, 0.0, held).sum(1, keepdim=True) / known.clamp(min=1)
        return torch.where(unknown, mean, held)

    def _clipped(self, direction: Tensor) -> Tensor:
        """Return a direction, (E, P), after scaling and clipping."""
        if self.rule.max_norm is None:
            return direction * self.scale if self.scale != 1.0 else direction
        norms = self.scale * torch.linalg.vector_norm(
            direction, dim=1, keepdim=True, dtype=torch.float64
        )
        return direction * (self.scale * (self.rule.max_norm / norms).clamp(max=1.0)).to(
            direction.dtype
        )


def build_steering(aggregator: Aggregator | None, n_tasks: int, device: torch.device) -> Steering:
    """Return the gradient rule for an aggregator; the mean of the losses for a single task."""
    if aggregator is None or n_tasks == 1:
        return Steering(None, n_tasks, device)
    kind = LossSteering if aggregator.kind == "loss_weights" else GradientSteering
    return kind(aggregator, n_tasks, device)
