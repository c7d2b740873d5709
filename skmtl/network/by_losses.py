"""Gradients for aggregators of losses."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from skmtl.base import Signals
from skmtl.network.lane_memory import State
from skmtl.network.steering import Steering
from skmtl.network.steps import Step


class LossSteering(Steering):
    """Trunk and heads follow the losses, weighted by an aggregator."""

    def fresh_own(self, n_lanes: int) -> State:  # noqa: D102
        scores = torch.zeros((n_lanes, self.n_tasks), dtype=torch.float64, device=self.device)
        return {"scores": scores, "steps": torch.zeros(n_lanes, dtype=torch.int64)}

    def gradients(self, step: Step) -> None:  # noqa: D102
        derivative = step.weighted(step.derivative(losses=True), step.importance)
        signals = self.signals_of(step, derivative)
        weights = self._weights(signals)
        step.backward(step.weighted(derivative, weights), step.importance, weights)
        if step.record:
            self.epoch.weigh(weights.double(), signals.present)

    def _weights(self, signals: Signals) -> Tensor:
        """Return the weights of all lanes and tasks, (E, T)."""
        weights = None
        for lanes, tasks, result in self.calls(signals):
            if result.shape == signals.present.shape:
                return result
            if weights is None:
                weights = torch.zeros_like(signals.present, dtype=torch.float64)
            weights[np.ix_(lanes, tasks)] = result.to(weights)
        if weights is None:
            return torch.zeros_like(signals.present, dtype=torch.float64)
        return weights
