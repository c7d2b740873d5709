"""Losses after an epoch, and scores of evaluation rows after training."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.network.batches import build_table
from skmtl.network.lane_settings import LaneSettings
from skmtl.network.lanes import Lanes
from skmtl.network.members import any_rows
from skmtl.network.stacked_network import StackedNetwork

# Rows per task that are scored at once outside of training.
_SCORED_AT_ONCE = 4096


def validation_losses(lanes: Lanes) -> Tensor | None:
    """Return the mean validation loss of every task, (E, T), or None without validation rows."""
    batch = lanes.settings.validation
    if batch is None:
        return None
    scores = lanes.inference.forward(batch.x, batch.codes)
    values = lanes.settings.loss.values(scores, batch.labels)
    return (values.double() * batch.weights).sum(2)


def watched_loss(
    settings: LaneSettings,
    training: NDArray[np.float64] | None,
    validation: Tensor | None,
) -> NDArray[np.float64] | None:
    """Return the loss that early stopping monitors, (E,), from the task losses, (E, T).

    It is the validation loss if there are validation rows, else the training loss if it is
    recorded, else None.
    """
    weights = settings.task_weights
    if validation is not None and settings.validation is not None:
        per_task, weights = validation, weights * (settings.validation.weights.sum(2) > 0)
    elif training is not None:
        per_task = torch.as_tensor(training, device=weights.device)
    else:
        return None
    # If no task with validation rows has a positive weight, all tasks count equally.
    weights = torch.where(weights.sum(1, keepdim=True) > 0, weights, 1.0)
    watched: NDArray[np.float64] = ((per_task * weights).sum(1) / weights.sum(1)).cpu().numpy()
    return watched


def percent_above_baselines(settings: LaneSettings, validation: Tensor | None) -> Tensor | None:
    """Return by how many percent validation losses exceed the baselines, (E, T); 0 without one."""
    baselines = settings.baselines
    if validation is None or baselines is None:
        return None
    known = baselines > 0
    return torch.where(known, 100 * (validation / torch.where(known, baselines, 1.0) - 1), 0.0)


def evaluation_scores(
    lanes: Lanes, which: NDArray[np.intp]
) -> dict[int, list[NDArray[np.float64]]]:
    """Return scores of the evaluation rows with the kept parameters, by lane."""
    rows = {int(lane): lanes.members[lanes.ids[lane]].evaluation for lane in which}
    rows = {lane: own for lane, own in rows.items() if any_rows([own])}
    if not rows:
        return {}
    data, n_tasks, architecture = lanes.data, lanes.n_tasks, lanes.problem.architecture
    table = build_table(data, list(rows.values()))
    index = torch.as_tensor(list(rows), dtype=torch.int64, device=data.x.device)
    kept = lanes.kept.select(index).tensors
    network = StackedNetwork(architecture, kept, kept, shared_rows=data.shared_rows)
    length = table.index.shape[2]
    scores = np.empty((len(rows), n_tasks, length, architecture.n_outputs))
    for start in range(0, length, _SCORED_AT_ONCE):
        part = slice(start, start + _SCORED_AT_ONCE)
        batch = data.gather(table.index[..., part], table.weights[..., part])
        scores[:, :, part] = network.forward(batch.x, batch.codes).transpose(2, 3).cpu().numpy()
    slots = [0] * n_tasks if data.shared_rows else range(n_tasks)
    return {
        lane: [own[t, : len(rows[lane][slot])].copy() for t, slot in enumerate(slots)]
        for lane, own in zip(rows, scores, strict=True)
    }
