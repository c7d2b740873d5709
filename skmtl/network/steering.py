"""From scores and labels of a batch to the gradients of a stack's networks: the mean of the losses, or what an aggregator makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.base import Aggregator, GradientUse, GradientWeighting, JacobianAggregator, LossTerm, LossWeighting
from skmtl.network.batches import Batch
from skmtl.network.losses import Loss
from skmtl.network.stacked import StackedNetwork

# Weight of a task that has not been weighed yet.
_UNKNOWN = torch.inf


@dataclass
class Step:
    """One step of a stack: scores of a batch and what they are judged by.

    Attributes
    ----------
    network, loss, terms, batch, scores
        The networks, their loss and terms, the batch and its scores.
    task_weights : Tensor of shape (E, T)
        Weights of the tasks in the loss, which sum to 1.
    importance : Tensor of shape (E, T) or None
        The same with mean 1; None where all are 1.
    term_weights : Tensor of shape (E, 2, T) or None
        What each network multiplies the terms of each task by, as the trunk and as the heads see them.
    train_trunk, record : bool
        Whether the trunk is trained; whether losses and weights are noted down.
    sums : Tensor of shape (E, T) or None
        Losses of the tasks in the batch, once they are known.
    """

    network: StackedNetwork
    loss: Loss
    terms: Sequence[LossTerm]
    batch: Batch
    scores: Tensor
    task_weights: Tensor
    importance: Tensor | None
    term_weights: Tensor | None
    train_trunk: bool
    record: bool
    sums: Tensor | None = None
    signals: dict[str, Tensor] = field(default_factory=dict)

    def derivative(self, *, losses: bool = False) -> Tensor:
        """Return the derivative of the tasks' losses in the scores; note the losses down where they are wanted."""
        arguments = self.scores, self.batch.labels, self.batch.weights, self.network.score_gradient
        if not (losses or self.record):
            return self.loss.derivative(*arguments)
        self.sums, derivative = self.loss.sums_and_derivative(*arguments)
        return derivative

    def with_terms(self, derivative: Tensor, *factors: Tensor | None) -> tuple[Tensor, Tensor]:
        """Add the terms' derivatives as the trunk and as the heads see them; factors, (E, T), are what the tasks' losses have been multiplied by."""
        trunk = heads = derivative
        for term in self.terms:
            leaf = self.scores.detach().clone().requires_grad_()
            to_trunk, to_heads = term.values(self.loss.visible(leaf) if term.per_task else leaf, self.batch.labels, self.batch.weights, self.batch.groups)
            alike = trunk is heads and to_trunk is to_heads and self.term_weights is None
            trunk_slope = torch.autograd.grad(to_trunk.sum(), leaf, retain_graph=not alike)[0]
            head_slope = trunk_slope if alike else torch.autograd.grad(to_heads.sum(), leaf)[0]
            if term.per_task:
                trunk_factors, head_factors = (None, None) if self.term_weights is None else self.term_weights.unbind(1)
                for factor in (*factors, trunk_factors):
                    trunk_slope = self.weighted(trunk_slope, factor)
                for factor in () if alike else (*factors, head_factors):
                    head_slope = self.weighted(head_slope, factor)
            trunk = trunk + trunk_slope
            heads = trunk if alike else heads + head_slope
        return trunk, heads

    def backward(self, derivative: Tensor, *factors: Tensor | None) -> None:
        """Let trunk and heads follow one derivative, and the terms."""
        trunk, heads = self.with_terms(derivative, *factors)
        self.network.backward(heads, None if trunk is heads else trunk, trunk=self.train_trunk)

    def weighted(self, derivative: Tensor, weights: Tensor | None) -> Tensor:
        """Multiply the derivative of every task's loss, in place, by weights (E, T)."""
        if weights is None:
            return derivative
        return derivative.mul_(_castable(weights, derivative)[..., None, None])


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
        self.state: dict[str, Any] = {}
        self.generators: list[torch.Generator] = []
        self._constant = self._weight_sums = self._weight_counts = torch.zeros(0)
        self._gramian: Tensor | None = None
        self._unsolved = self._asked = torch.zeros(0)

    # ------------------------------------------------------------------ lanes
    def open(self, order_seeds: Sequence[int]) -> None:
        """Lay out a lane for each order seed."""
        self.state = self._fresh(len(order_seeds))
        self.generators = [self._generator(seed) for seed in order_seeds]

    def enter(self, lanes: NDArray[np.intp], order_seeds: Sequence[int]) -> None:
        """Start lanes afresh."""
        fresh = self._fresh(len(lanes))
        for name, values in self.state.items():
            values[lanes] = fresh[name]
        for lane, seed in zip(lanes, order_seeds, strict=True):
            self.generators[lane] = self._generator(seed)

    def select(self, keep: NDArray[np.intp]) -> None:
        """Go on with these lanes."""
        self.state = {name: values[keep] for name, values in self.state.items()}
        self.generators = [self.generators[lane] for lane in keep]

    def state_of(self, lane: int) -> dict[str, NDArray[Any]]:
        """Return what is remembered in a lane in numpy; what is no array is left aside."""
        return {name: values[lane].cpu().numpy().copy() for name, values in self.state.items() if isinstance(values, Tensor)}

    def resume(self, lane: int, name: str, state: dict[str, NDArray[Any]]) -> None:
        """Go on in a lane from what :meth:`state_of` gave; what another aggregator remembers is left aside."""
        if name != self.name:
            return
        for name, saved in state.items():
            if name in self.state and tuple(self.state[name].shape[1:]) == np.shape(saved):
                self.state[name][lane] = torch.as_tensor(saved).to(self.state[name])

    @property
    def name(self) -> str:
        """Which aggregator the state belongs to."""
        return str(self.aggregator)

    def _fresh(self, n_members: int) -> dict[str, Any]:
        return {} if self.aggregator is None else self.aggregator.initial_state(n_members, self.n_tasks, device=self.device)

    def _generator(self, order_seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(order_seed)

    def _drawing(self, lanes: NDArray[np.intp] | None = None) -> dict[str, Any]:
        """Return the argument of methods that draw."""
        if not self.aggregator.random:
            return {}
        return {"generator": self.generators if lanes is None else [self.generators[lane] for lane in lanes]}

    # ------------------------------------------------------------------ steps
    def begin_pass(self, n_members: int) -> None:
        """Start the notes of a pass."""
        self._weight_sums = torch.zeros((n_members, self.n_tasks), dtype=torch.float64, device=self.device)
        self._weight_counts = torch.zeros_like(self._weight_sums)
        self._unsolved, self._asked = torch.zeros_like(self._weight_sums[:, 0]), torch.zeros_like(self._weight_sums[:, 0])
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
        """Learn from a pass; scores, (E, T), tell how far each task is behind its baseline, in percent."""

    def _note(self, weights: Tensor, present: Tensor) -> None:
        """Add the weights of a step to the notes."""
        self._weight_sums += torch.where(present, weights, 0.0)
        self._weight_counts += present

    def notes(self) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
        """Return the mean weights of the pass, (E, T), NaN where there were none, and diagnostics (E,)."""
        if self.aggregator is None:
            return self._constant.double().cpu().numpy(), {}
        counts = self._weight_counts
        weights = torch.where(counts > 0, self._weight_sums / counts.clamp(min=1), torch.nan).cpu().numpy()
        if self._gramian is None:
            return weights, {}
        notes = {name: values.double().cpu().numpy() for name, values in self.aggregator.diagnostics(self._gramian).items()}
        if "unsolved" in self.state:
            notes["unsolved"] = (self._unsolved / self._asked.clamp(min=1)).cpu().numpy()
        return weights, notes


class LossSteering(Steering):
    """Trunk and heads follow losses that a :class:`skmtl.base.LossWeighting` weighs."""

    aggregator: LossWeighting

    def begin_pass(self, n_members: int) -> None:  # noqa: D102
        super().begin_pass(n_members)
        self._loss_sums, self._shares = torch.zeros_like(self._weight_sums), torch.zeros_like(self._weight_sums)

    def gradients(self, step: Step) -> None:  # noqa: D102
        derivative = step.weighted(step.derivative(losses=True), step.importance)
        losses, present = self._mean_losses(step, step.sums)
        reading, signals = {}, {}
        if "gramian" in self.aggregator.reads or "gradient_norms" in self.aggregator.needs:
            gramian = _gramian(step.network.trunk_jacobian(derivative))
            reading = {"gramian": gramian} if "gramian" in self.aggregator.reads else {}
            signals["gradient_norms"] = gramian.diagonal(dim1=1, dim2=2).clamp(min=0).sqrt()
        weights = self.aggregator.loss_weights(losses, self.state, present=present, **self._drawing(), **reading)
        step.backward(step.weighted(derivative, weights), step.importance, weights)
        step.signals = {**signals, "weights": weights}
        if step.record:
            self._note(weights.double(), present)

    def after_step(self, step: Step, scores_after: Callable[[], Tensor]) -> None:  # noqa: D102
        losses, present = self._mean_losses(step, step.sums)
        if self.aggregator.advances == "pass":
            share = step.batch.weights.sum(2).double()
            self._loss_sums += torch.where(present, losses * share, 0.0)
            self._shares += torch.where(present, share, 0.0)
            return
        if "losses_after" in self.aggregator.needs:
            values = step.loss.values(scores_after(), step.batch.labels)
            step.signals["losses_after"] = self._mean_losses(step, (values * step.batch.weights).sum(2))[0]
        signals = {name: step.signals[name] for name in self.aggregator.needs}
        self.state = self.aggregator.advance(losses, self.state, present=present, **signals)

    def end_pass(self, scores: Tensor | None) -> None:  # noqa: D102
        if self.aggregator.advances == "pass":
            seen = self._shares > 0
            losses = torch.where(seen, self._loss_sums / torch.where(seen, self._shares, 1.0), 0.0)
            self.state = self.aggregator.advance(losses, self.state, present=seen)

    @staticmethod
    def _mean_losses(step: Step, sums: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the mean losses of the tasks' rows in the batch, times the tasks' importance, and which tasks have any."""
        assert sums is not None
        shares, present = _presence(step)
        losses = torch.where(present, sums.double() / torch.where(present, shares, 1.0), 0.0)
        return losses if step.importance is None else losses * step.importance, present


class GradientSteering(Steering):
    """The trunk follows task gradients that a plug-in weighs or turns into one direction; heads follow their own losses."""

    aggregator: GradientWeighting | JacobianAggregator

    def __init__(self, aggregator: Any, n_tasks: int, device: torch.device):
        super().__init__(aggregator, n_tasks, device)
        self.use = aggregator.use() if isinstance(aggregator, GradientWeighting) else GradientUse()

    def _fresh(self, n_members: int) -> dict[str, Any]:
        shape = (n_members, self.n_tasks)
        own = {
            "_weights": torch.full(shape, _UNKNOWN, dtype=torch.float64, device=self.device),
            "_scores": torch.zeros(shape, dtype=torch.float64, device=self.device),
            "_good_for": torch.zeros(n_members, dtype=torch.int64),  # steps
        }
        return {**super()._fresh(n_members), **own}

    def end_pass(self, scores: Tensor | None) -> None:  # noqa: D102
        if scores is not None:
            self.state["_scores"] = torch.where(scores.isfinite(), scores.double(), 0.0)

    def gradients(self, step: Step) -> None:  # noqa: D102
        trunk, heads = step.with_terms(step.weighted(step.derivative(), step.importance), step.importance)
        network, one = step.network, trunk is heads
        if not step.train_trunk or not network.has_trunk:
            network.backward(heads, None if one else trunk, trunk=False)
            return
        due = self.state["_good_for"].numpy() == 0
        _, present = _presence(step)
        if isinstance(self.aggregator, JacobianAggregator):
            network.set_trunk_gradient(self._direction(network.trunk_jacobian(trunk, heads), present, due))
            return
        if due.any() and self.use.at == "parameters":
            rows = network.trunk_jacobian(trunk, heads)
            weights = self._weights(_gramian(rows), present, due)
            network.set_trunk_gradient((_castable(weights, rows).unsqueeze(1) @ rows).squeeze(1))
        else:
            weights = self._weights(network.representation_gramian(trunk) if due.any() else None, present, due)
            network.backward(heads, step.weighted(trunk.clone(), weights))
        scale = float(self.n_tasks) if self.use.times_tasks else 1.0
        if self.use.max_norm is not None or scale != 1.0:
            network.clip_trunk_gradient(self.use.max_norm, scale)
        if self.use.head_gradient == "weighted":
            network.scale_head_gradients(_castable(scale * weights, trunk))
        self.state["_good_for"] -= (self.state["_good_for"] > 0).long()
        if step.record:
            self._note(weights, present)

    def _weights(self, gramian: Tensor | None, present: Tensor, due: NDArray[np.bool_]) -> Tensor:
        """Return weights, (E, T), anew for the lanes that are due.

        A task that is absent keeps its weight for later steps; one that has none yet gets the mean of the others.
        """
        held: Tensor = self.state["_weights"]
        if gramian is not None:
            self._gramian = gramian
            for lanes, tasks in _patterns(present, due):
                held[np.ix_(lanes, tasks)] = self._call(gramian, lanes, tasks).double()
                self.state["_good_for"][lanes] = self.use.every
        unknown = held == _UNKNOWN
        if not bool(unknown.any()):
            return held
        known = (~unknown).sum(1, keepdim=True)
        return torch.where(unknown, torch.where(unknown, 0.0, held).sum(1, keepdim=True) / known.clamp(min=1), held)

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
        remembered = {name: values for name, values in self.state.items() if not name.startswith("_")}
        own = {name: _part(values, lanes, tasks) for name, values in remembered.items()}
        options = self._drawing(lanes)
        if isinstance(self.aggregator, JacobianAggregator):
            result, new = self.aggregator.direction_and_state(shown[np.ix_(lanes, tasks)], own, **options)
        else:
            if "scores" in self.aggregator.reads:
                options["scores"] = _part(self.state["_scores"], lanes, tasks)
            result, new = self.aggregator.weights_and_state(_part(shown, lanes, tasks), own, **options)
        for name, values in new.items():
            target = remembered[name]
            target[_index(target, lanes, tasks)] = values.to(target) if isinstance(values, Tensor) else values
        if "unsolved" in new:
            self._unsolved[lanes] += new["unsolved"].nan_to_num()
            self._asked[lanes] += 1
        return result


def build_steering(aggregator: Aggregator | None, n_tasks: int, device: torch.device) -> Steering:
    """Return the way of steering that an aggregator needs; a single task has nothing to aggregate."""
    if aggregator is None or n_tasks == 1:
        return Steering(None, n_tasks, device)
    return (LossSteering if isinstance(aggregator, LossWeighting) else GradientSteering)(aggregator, n_tasks, device)


def _presence(step: Step) -> tuple[Tensor, Tensor]:
    """Return the weight of each task's labels in the batch, (E, T), and which tasks take part."""
    shares = step.batch.weights.sum(2).double()
    present = shares > 0
    return shares, present if step.importance is None else present & (step.importance > 0)


def _castable(weights: Tensor, like: Tensor) -> Tensor:
    """Return weights in the precision of a tensor, cut to what it can hold."""
    limit = torch.finfo(like.dtype).max
    return weights.clamp(-limit, limit).to(like.dtype)


def _gramian(rows: Tensor) -> Tensor:
    """Return inner products in double precision, so that rounding makes no Gramian indefinite."""
    exact = rows.double()
    return exact @ exact.mT


def _patterns(present: Tensor, due: NDArray[np.bool_]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return lanes that are due, by the tasks that are present in their batch; none for a batch without any."""
    if due.all() and bool(present.all()):
        return [(np.arange(len(due)), np.arange(present.shape[1]))]
    patterns, which = np.unique(present.cpu().numpy(), axis=0, return_inverse=True)
    groups = [(np.flatnonzero(due & (which.reshape(-1) == k)), np.flatnonzero(pattern)) for k, pattern in enumerate(patterns)]
    return [(lanes, tasks) for lanes, tasks in groups if len(lanes) and len(tasks)]


def _index(values: Any, lanes: NDArray[np.intp], tasks: NDArray[np.intp]) -> Any:
    """Return the index of some lanes and, along all other axes, some tasks."""
    return lanes if values.ndim == 1 else np.ix_(lanes, *[tasks] * (values.ndim - 1))


def _part(values: Any, lanes: NDArray[np.intp], tasks: NDArray[np.intp]) -> Any:
    """Return a copy of the entries of some lanes and tasks."""
    if len(lanes) == len(values) and all(size == len(tasks) for size in values.shape[1:]):
        return values.clone() if isinstance(values, Tensor) else values.copy()
    return values[_index(values, lanes, tasks)]
