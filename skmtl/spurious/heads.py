"""Training of new task heads on a fixed trunk."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.data import in_task_order, tidy_labels, wide_columns
from skmtl.estimators import FitJob, MultiTaskClassifier, read_settings, remember, train_job
from skmtl.network import Architecture, FleetData, Member, TrainedMember, Training
from skmtl.spurious.adversary import AdversarialTraining

Array = NDArray[np.float64]

# Rows per step, and the learning rate of heads that start near their optimum, on standardized
# inputs.
ROWS_PER_STEP, LEARNING_RATE = 1024, 0.03


def label_codes(network: MultiTaskClassifier, y: Any) -> Array:
    """Return the labels of a fitted network's tasks as class codes, (n, T), NaN if missing.

    Columns are matched to tasks by name for a DataFrame, by position for an array.
    """
    known = network.task_names_
    columns = wide_columns(in_task_order(y, known, "y", "the tasks of the frozen estimator"))[1]
    if len(columns) != len(known):
        raise ValueError(
            f"y must have one column for each of the {len(known)} tasks of the frozen estimator. "
            f"Got {len(columns)}."
        )
    codes = np.full((len(columns[0]), len(known)), np.nan)
    for t, (name, column) in enumerate(zip(known, columns, strict=True)):
        labeled = ~pd.isna(column)
        if labeled.any():
            labels = tidy_labels(column[labeled], f"Task {name!r}")
            codes[labeled, t] = network.model_.intake.targets.encode(name, labels)
    return codes


def with_new_heads(
    network: MultiTaskClassifier,
    X: Any,
    codes: Array,
    chosen: NDArray[np.bool_],
    *,
    sample_weight: Array | None,
    adversary: AdversarialTraining | None,
    n_steps: int,
    seed: int,
) -> tuple[MultiTaskClassifier, int]:
    """Return a copy of a fitted network in which the heads of some tasks are trained further.

    The outputs of the trunks for X are computed once and standardized to train the heads. The heads
    are then rewritten for outputs that are not standardized.

    Parameters
    ----------
    network : MultiTaskClassifier
        Network fitted on wide targets; it is not changed.
    X : array-like of shape (n, p)
        Training inputs.
    codes : ndarray of shape (n, T)
        Class codes, NaN for missing labels.
    chosen : ndarray of bool of shape (T,)
        Tasks whose heads are replaced.
    sample_weight : ndarray of shape (n,) or (n, T), or None
        Weights of the rows, or of the labels.
    adversary : AdversarialTraining or None
        Term that is added to the loss; training ends once the adversary is beaten.
    n_steps : int
        Largest number of training steps.
    seed : int
        Seed of the order of rows.

    Returns
    -------
    network : MultiTaskClassifier
        Copy with the new heads.
    n_steps : int
        Number of steps taken.
    """
    model, settings = network.model_, read_settings(network)
    shape, n_members = model.architecture, len(model.members)
    first, width = shape.n_trunk_parameters, shape.trunk_sizes[-1]
    weight = np.ones(len(codes)) if sample_weight is None else sample_weight
    used = ((~np.isnan(codes) & (weight.reshape(len(codes), -1) > 0)).any(1)).nonzero()[0]
    seen = network.transform(X).reshape(len(codes), n_members, width)[used]
    codes, weight = codes[used], weight[used]
    center, scale = seen.mean(0), seen.std(0)
    scale[scale < 1e-8] = 1.0
    table = ((seen - center) / scale).transpose(1, 0, 2).reshape(-1, width)
    starts = [
        _moved(own[first:], center[e] / scale[e], scale[e]) for e, own in enumerate(model.members)
    ]

    n_rows = len(codes)
    steps_per_epoch = -(-n_rows // ROWS_PER_STEP)
    data = FleetData(
        table, np.concatenate([codes] * n_members), np.concatenate([weight] * n_members)
    )
    members = [
        Member(
            [np.arange(e * n_rows, (e + 1) * n_rows)],
            start=TrainedMember(parameters=start),
            order_seed=seed,
            learning_rate=LEARNING_RATE,
            n_scores=model.n_scores,
            label=f"heads of network {e}",
        )
        for e, start in enumerate(starts)
    ]
    training = Training(
        loss=model.intake.targets.loss,
        batch_size=None if steps_per_epoch == 1 else -(-n_rows // steps_per_epoch),
        max_iter=-(-n_steps // steps_per_epoch),
        dtype=settings.dtype,
        device=settings.device,
    )
    heads = Architecture(
        width,
        hidden=(),
        head_hidden=shape.head_hidden,
        n_outputs=shape.n_outputs,
        activation=shape.activation,
    )
    job = FitJob(
        heads,
        data,
        members,
        training,
        terms=[] if adversary is None else [adversary],
        together=True,
    )
    stop = None if adversary is None else lambda n_done, now: adversary.is_beaten()
    trained = train_job(job, on_epoch=stop)
    changed = copy.copy(network)
    retrained = [
        [
            *own[:first],
            *_chosen(own[first:], _moved(new.parameters, -center[e], 1 / scale[e]), chosen),
        ]
        for e, (own, new) in enumerate(zip(model.members, trained, strict=True))
    ]
    remember(changed, model.with_members(retrained))
    return changed, steps_per_epoch * max(member.n_iter for member in trained)


def _moved(parameters: list[NDArray[Any]], center: Array, scale: Array) -> list[NDArray[Any]]:
    """Return heads whose scores for z are those of these heads for (z + center) * scale.

    Only the first layer of the heads, (T, o, width), changes.
    """
    weight, bias = parameters[0].astype(np.float64) * scale, parameters[1].astype(np.float64)
    return [weight, bias + (weight @ center)[..., None], *parameters[2:]]


def _chosen(
    old: list[NDArray[Any]], new: list[NDArray[Any]], chosen: NDArray[np.bool_]
) -> list[NDArray[Any]]:
    """Return the new heads of the chosen tasks and the old ones of the others."""
    return [
        np.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), b, a).astype(a.dtype)
        for a, b in zip(old, new, strict=True)
    ]
