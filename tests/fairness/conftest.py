"""Batches of networks for fairness terms, and terms computed one network and task at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from skmtl.fairness import correlation_penalty, gap_penalty, mmd_penalty

PENALTIES = {"mmd": mmd_penalty, "gap": gap_penalty, "correlation": correlation_penalty}


@dataclass
class FairnessBatch:
    scores: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    groups: torch.Tensor

    @property
    def arguments(self):
        return self.scores, self.labels, self.weights, self.groups


@pytest.fixture
def random_batch(rng):
    def build(
        members=3,
        tasks=2,
        rows=64,
        *,
        classes=2,
        n_groups=2,
        missing=0.0,
        unknown=0.0,
        own_rows=False,
        dtype=torch.float64,
    ):
        k = 1 if classes == 2 else classes
        labels = rng.integers(0, classes, size=(members, tasks, rows))
        groups = rng.integers(0, n_groups, size=(members, tasks if own_rows else 1, rows))
        groups = np.where(rng.random(groups.shape) < unknown, -1, groups)
        weights = np.where(rng.random(labels.shape) < missing, 0.0, 1.0 / rows)
        scores = torch.tensor(
            2 * rng.normal(size=(members, tasks, k, rows)), dtype=dtype, requires_grad=True
        )
        return FairnessBatch(
            scores,
            torch.tensor(labels, dtype=dtype),
            torch.tensor(weights, dtype=dtype),
            torch.tensor(groups),
        )

    return build


def _reference(batch, *, loss, criterion="fpr", positive=1, form="whole"):
    """Penalty of every member and task on its rows ("whole") or its exclusive rows ("own"), by
    loops.
    """
    members, tasks, k, rows = batch.scores.shape
    table = []
    for e in range(members):
        for t in range(tasks):
            p = (
                torch.sigmoid(batch.scores[e, t, 0])
                if k == 1
                else torch.softmax(batch.scores[e, t], 0)[positive]
            )
            total = p.sum() * 0
            for side in {"fpr": [False], "tpr": [True], "equalized_odds": [False, True]}[criterion]:
                chosen = []
                for b in range(rows):
                    truth = [int(batch.labels[e, s, b]) == positive for s in range(tasks)]
                    known = [float(batch.weights[e, s, b]) > 0 for s in range(tasks)]
                    inside = known[t] and truth[t] == side
                    if form == "own":
                        inside = (
                            inside
                            and all(known)
                            and all(truth[s] != side for s in range(tasks) if s != t)
                        )
                    chosen.append(inside)
                mask = torch.tensor(chosen)
                total = total + PENALTIES[loss](
                    p[mask], batch.groups[e, 0 if batch.groups.shape[1] == 1 else t][mask]
                )
            table.append(total)
    return torch.stack(table).view(members, tasks)


@pytest.fixture
def reference():
    return _reference
