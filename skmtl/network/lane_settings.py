"""Settings of the networks in the lanes, as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from skmtl.network.batches import Batch, DeviceData, build_table
from skmtl.network.lane_loss import LaneLoss
from skmtl.network.members import Member
from skmtl.network.solvers import ParameterBlock
from skmtl.network.training_problem import TrainingProblem


@dataclass(frozen=True)
class LaneSettings:
    """Settings of the networks in all lanes, with the lane as first axis.

    Attributes
    ----------
    loss : LaneLoss
        Loss of every task.
    task_weights : Tensor of shape (E, T)
        Weights of the tasks in the loss, which sum to 1.
    importance : Tensor of shape (E, T) or None
        The same with mean 1; None where all are 1.
    term_weights : Tensor of shape (E, 2, T) or None
        Factors of the terms of each task, for the trunk and for the heads.
    baselines : Tensor of shape (E, T) or None
        Validation losses of single-task networks, for aggregators that need them.
    decay : ParameterBlock or None
        Decay rate of every parameter; None if no parameter decays.
    validation : Batch or None
        Validation rows of all networks.
    """

    loss: LaneLoss
    task_weights: Tensor
    importance: Tensor | None
    term_weights: Tensor | None
    baselines: Tensor | None
    decay: ParameterBlock | None
    validation: Batch | None


def settings_of_lanes(
    problem: TrainingProblem,
    data: DeviceData,
    members: Sequence[Member],
    parameters: ParameterBlock,
    *,
    with_validation: bool,
) -> LaneSettings:
    """Collect the settings of the networks that are currently in the lanes."""
    n_tasks = problem.n_tasks_of(members[0])
    weights = _stacked([m.task_weights for m in members], np.ones(n_tasks))
    equal = (weights == weights[:, :1]).all()
    importance = None if equal else on_device(data, weights / weights.mean(1, keepdims=True))
    factors = [m.term_weights for m in members]
    any_factor = any(own is not None for own in factors)
    baselines = [m.baselines for m in members if m.baselines is not None]
    validation = None
    if with_validation:
        table = build_table(data, [m.validation for m in members])
        validation = data.gather(table.index, table.weights)
    return LaneSettings(
        loss=_loss(problem, data, members),
        task_weights=on_device(data, weights / weights.sum(1, keepdims=True)),
        importance=importance,
        term_weights=(
            on_device(data, _stacked(factors, np.ones((2, n_tasks)))) if any_factor else None
        ),
        baselines=(
            on_device(data, np.stack(baselines)) if len(baselines) == len(members) else None
        ),
        decay=_decay(problem, data, members, parameters),
        validation=validation,
    )


def on_device(data: DeviceData, values: ArrayLike) -> Tensor:
    """Return values in the precision and on the device of the data."""
    return torch.tensor(np.asarray(values), dtype=data.x.dtype, device=data.x.device)


def per_network(
    data: DeviceData, members: Sequence[Member], value: Callable[[Member], float]
) -> Tensor:
    """Return one number per network, (E,)."""
    return on_device(data, [value(member) for member in members])


def _stacked(
    given: Sequence[NDArray[np.floating] | None], default: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.stack([default if own is None else np.asarray(own, dtype=float) for own in given])


def _loss(problem: TrainingProblem, data: DeviceData, members: Sequence[Member]) -> LaneLoss:
    used = [np.asarray(m.n_scores) for m in members if m.n_scores is not None]
    n_scores = on_device(data, np.stack(used)) if len(used) == len(members) else None
    return LaneLoss(problem.training.loss, n_scores, problem.architecture.n_outputs)


def _decay(
    problem: TrainingProblem,
    data: DeviceData,
    members: Sequence[Member],
    parameters: ParameterBlock,
) -> ParameterBlock | None:
    """Return alpha for trained weights (times the learning rate for adamw), 0 elsewhere."""
    training = problem.training

    def rate(member: Member) -> float:
        if training.solver != "adamw":
            return member.alpha
        return min(member.alpha * member.learning_rate, 1.0)

    rates = per_network(data, members, rate)
    if not rates.any():
        return None
    decay = parameters.like()
    for position in problem.architecture.weight_positions(trunk=training.train_trunk):
        tensor = decay.tensors[position]
        tensor.copy_(rates.view(-1, *[1] * (tensor.ndim - 1)).expand_as(tensor))
    return decay
