"""What a fit says of its passes: curves of an ensemble, and one entry a pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.network import TrainedMember


def mean_curve(curves: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean over the members that are still running; NaN where all of them diverged."""
    if not curves:
        return np.empty(0)
    longest = max(len(curve) for curve in curves)
    padded = np.full((len(curves), longest, *curves[0].shape[1:]), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
    running = np.isfinite(padded)
    total, count = np.where(running, padded, 0.0).sum(axis=0), running.sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def weighted_curve(
    task_losses: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the weighted mean over the tasks that have a loss; NaN where none has."""
    shares = np.where(np.isnan(task_losses), 0.0, 1.0 if weights is None else weights)
    total = shares.sum(axis=1)
    return np.divide(
        (shares * np.nan_to_num(task_losses)).sum(axis=1),
        total,
        out=np.full(len(total), np.nan),
        where=total > 0,
    )


def diagnostic_curves(trained: Sequence[TrainedMember]) -> dict[str, NDArray[np.float64]]:
    """Return what aggregators said of the task gradients, mean over the members still running, by
    name.
    """
    names = sorted({name for member in trained for entry in member.diagnostics for name in entry})
    return {
        name: mean_curve(
            [
                np.array([entry.get(name, np.nan) for entry in member.diagnostics])
                for member in trained
            ]
        )
        for name in names
    }


def entries(loss: NDArray[np.float64], **curves: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return one entry a pass; a curve that is shorter is left out of later entries."""
    history: list[dict[str, Any]] = [
        {"iteration": k + 1, "loss": float(value)} for k, value in enumerate(loss)
    ]
    for name, curve in curves.items():
        for entry, value in zip(history, curve, strict=False):
            entry[name] = float(value)
    return history
