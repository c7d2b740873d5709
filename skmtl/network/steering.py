"""From scores and labels of a batch to the gradients of a stack's networks: the mean of the losses,
and what all other ways share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.network.steps import Step


class Steering:
    """Steps along the mean of the losses, and what all other ways have in common.

    Parameters
    ----------
    aggregator : Aggregator or None
        What to do with the tasks' losses or gradients.
    n_tasks : int
        Number of tasks.
    device : torch.device
        Where the networks lie.
    """

    def __init__(self, aggregator: Any, n_tasks: int, device: torch.device):
        self.aggregator, self.n_tasks, self.device = aggregator, n_tasks, device
        self.state: dict[str, Any] = {}  # what the aggregator remembers
        self.own: dict[str, Any] = {}  # what the loop remembers for it
        self.generators: list[torch.Generator] = []
        self._constant = self._weight_sums = self._weight_counts = torch.zeros(0)
        self._gramian: Tensor | None = None
        self._unsolved = self._asked = torch.zeros(0)

    # ------------------------------------------------------------------ lanes
    def open(self, order_seeds: Sequence[int]) -> None:
        """Lay out a lane for each order seed."""
        self.state, self.own = self._fresh(len(order_seeds)), self._fresh_own(len(order_seeds))
        self.generators = [self._generator(seed) for seed in order_seeds]

    def enter(self, lanes: NDArray[np.intp], order_seeds: Sequence[int]) -> None:
        """Start lanes afresh."""
        for memory, fresh in (
            (self.state, self._fresh(len(lanes))),
            (self.own, self._fresh_own(len(lanes))),
        ):
            for name, values in memory.items():
                memory[name] = replaced(values, lanes, fresh[name])
        for lane, seed in zip(lanes, order_seeds, strict=True):
            self.generators[lane] = self._generator(seed)

    def select(self, keep: NDArray[np.intp]) -> None:
        """Go on with these lanes."""
        self.state, self.own = (
            {name: values[keep] for name, values in memory.items()}
            for memory in (self.state, self.own)
        )
        self.generators = [self.generators[lane] for lane in keep]

    def state_of(self, lane: int) -> dict[str, NDArray[Any]]:
        """Return what is remembered in a lane in numpy; what is no array is left aside."""
        both = {**self.state, **{f"_{name}": values for name, values in self.own.items()}}
        return {
            name: values[lane].cpu().numpy().copy()
            for name, values in both.items()
            if isinstance(values, Tensor)
        }

    def resume(self, lane: int, name: str, state: dict[str, NDArray[Any]]) -> None:
        """Go on in a lane from what :meth:`state_of` gave; what another aggregator remembers is
        left aside.
        """
        if name != self.name:
            return
        for key, saved in state.items():
            memory = self.own if key.startswith("_") else self.state
            values = memory.get(key.removeprefix("_"))
            if isinstance(values, Tensor) and tuple(values.shape[1:]) == np.shape(saved):
                memory[key.removeprefix("_")] = replaced(
                    values, np.array([lane]), torch.as_tensor(saved).to(values).unsqueeze(0)
                )

    @property
    def name(self) -> str:
        """Which aggregator the state belongs to."""
        return str(self.aggregator)

    def _fresh(self, n_members: int) -> dict[str, Any]:
        return (
            {}
            if self.aggregator is None
            else self.aggregator.initial_state(n_members, self.n_tasks, device=self.device)
        )

    def _fresh_own(self, n_members: int) -> dict[str, Any]:
        return {}

    def _generator(self, order_seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(order_seed)

    def _drawing(self, lanes: NDArray[np.intp] | None = None) -> dict[str, Any]:
        """Return the argument of methods that draw."""
        if not self.aggregator.random:
            return {}
        return {
            "generator": self.generators
            if lanes is None
            else [self.generators[lane] for lane in lanes]
        }

    # ------------------------------------------------------------------ steps
    def begin_pass(self, n_members: int) -> None:
        """Start the notes of a pass."""
        self._weight_sums = torch.zeros(
            (n_members, self.n_tasks), dtype=torch.float64, device=self.device
        )
        self._weight_counts = torch.zeros_like(self._weight_sums)
        self._unsolved, self._asked = (
            torch.zeros_like(self._weight_sums[:, 0]),
            torch.zeros_like(self._weight_sums[:, 0]),
        )
        self._gramian = None

    def gradients(self, step: Step) -> None:
        """Fill the networks' gradients."""
        derivative = step.derivative()
        if self.n_tasks > 1:
            derivative *= step.task_weights[..., None, None]
        step.backward(derivative, step.task_weights if self.n_tasks > 1 else None)
        self._constant = step.task_weights

    def after_step(self, step: Step, scores_after: Callable[[], Tensor]) -> None:
        """Learn from a step that has been taken."""

    def end_pass(self, scores: Tensor | None) -> None:
        """Learn from a pass; scores, (E, T), tell how far each task is behind its baseline, in
        percent.
        """

    def _note(self, weights: Tensor, present: Tensor) -> None:
        """Add the weights of a step to the notes."""
        self._weight_sums += torch.where(present, weights, 0.0)
        self._weight_counts += present

    def notes(self) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
        """Return the mean weights of the pass, (E, T), NaN where there were none, and diagnostics
        (E,).
        """
        if self.aggregator is None:
            return self._constant.double().cpu().numpy(), {}
        counts = self._weight_counts
        weights = (
            torch.where(counts > 0, self._weight_sums / counts.clamp(min=1), torch.nan)
            .cpu()
            .numpy()
        )
        if self._gramian is None:
            return weights, {}
        notes = {
            name: values.double().cpu().numpy()
            for name, values in self.aggregator.diagnostics(self._gramian).items()
        }
        if "unsolved" in self.state:
            notes["unsolved"] = (self._unsolved / self._asked.clamp(min=1)).cpu().numpy()
        return weights, notes


def replaced(values: Any, lanes: NDArray[np.intp], by: Any) -> Any:
    """Return a copy in which some lanes hold other values."""
    values = values.clone() if isinstance(values, Tensor) else values.copy()
    values[lanes] = by
    return values
