"""History of a fit: curves of an ensemble, and one entry per epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.network import TrainedMember


@dataclass(frozen=True, eq=False)
class FitHistory:
    """Curves of a fit, means over the networks that are still training.

    Attributes
    ----------
    n_iter, best_iteration : int
        Number of epochs, and the epoch of the final weights; the largest over networks.
    loss : ndarray of shape (n_iter,)
        Training loss.
    task_losses : ndarray of shape (n_iter, T)
        Training loss of every task.
    aggregation_weights : ndarray of shape (n_iter, T)
        Weights that the aggregator gave the tasks.
    entries : list of dict
        One entry per epoch.
    """

    n_iter: int
    best_iteration: int
    loss: NDArray[np.float64]
    task_losses: NDArray[np.float64]
    aggregation_weights: NDArray[np.float64]
    entries: list[dict[str, Any]]

    @classmethod
    def of(
        cls, trained: Sequence[TrainedMember], task_weights: NDArray[np.float64] | None
    ) -> FitHistory:
        """Return the history of an ensemble."""
        watched = mean_curve(
            [network.validation_curve for network in trained if len(network.validation_curve)]
        )
        task_losses = mean_curve([network.task_loss_curve for network in trained])
        loss = weighted_curve(task_losses, task_weights)
        return cls(
            n_iter=max(network.n_iter for network in trained),
            best_iteration=max(network.best_iteration for network in trained),
            loss=loss,
            task_losses=task_losses,
            aggregation_weights=mean_curve([network.aggregation_weights for network in trained]),
            entries=entries(loss, validation_loss=watched, **diagnostic_curves(trained)),
        )

    def followed_by(
        self, later: FitHistory, task_weights: NDArray[np.float64] | None
    ) -> FitHistory:
        """Return the history with one more epoch."""
        task_losses = np.concatenate([self.task_losses, later.task_losses])
        n_iter = self.n_iter + 1
        return FitHistory(
            n_iter=n_iter,
            best_iteration=n_iter,
            loss=weighted_curve(task_losses, task_weights),
            task_losses=task_losses,
            aggregation_weights=np.concatenate(
                [self.aggregation_weights, later.aggregation_weights]
            ),
            entries=[*self.entries, *({**entry, "iteration": n_iter} for entry in later.entries)],
        )


def mean_curve(curves: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean over the networks that are still training; NaN if all have diverged."""
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
    """Return the aggregator's diagnostics, by name."""
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
    """Return one entry per epoch; a curve that is shorter is left out of later entries."""
    history: list[dict[str, Any]] = [
        {"iteration": k + 1, "loss": float(value)} for k, value in enumerate(loss)
    ]
    for name, curve in curves.items():
        for entry, value in zip(history, curve, strict=False):
            entry[name] = float(value)
    return history
