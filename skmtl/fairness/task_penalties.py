"""Penalties of all tasks of all networks of a batch at once."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.fairness.grouped_rows import split_by_group, zeros_of
from skmtl.fairness.named_penalties import SetPenalty
from skmtl.fairness.term_settings import TermSettings


def task_penalties(
    settings: TermSettings,
    scores: Tensor,
    labels: Tensor,
    weights: Tensor,
    groups: Tensor | None,
    *,
    exclusive: bool,
    per_row: bool = False,
) -> Tensor:
    """Return the penalty of every task on its rows and, where wanted, on its exclusive rows.

    The rows of a task are those with the label that the criterion looks at, and a known group. They
    count by their weight in the loss, so a row that is repeated to fill a batch counts once.
    Exclusive rows have that label for this task only; labels of all tasks must be known there.
    Where tasks have separate rows (long form) there are none.

    Parameters
    ----------
    settings : TermSettings
        Parameters of the term; tasks of weight 0 are not computed.
    scores, labels, weights, groups
        As in :meth:`skmtl.base.FairnessTerm.values`.
    exclusive : bool
        Whether the penalty on exclusive rows is wanted.
    per_row : bool, default=False
        Whether each penalty is multiplied by the share of its rows among the task's rows (not the
        penalty on all rows where it is not ``scaled_by_rows``), as in the code that goes with the
        paper.

    Returns
    -------
    Tensor of shape (E, T, S)
        S = 2 with exclusive rows, else 1; 0 where fewer than two groups have rows.
    """
    shape = (scores.shape[0], scores.shape[1], 2 if exclusive else 1)
    jobs: dict[tuple[int, str], tuple[SetPenalty, list[int]]] = {}
    for t in np.flatnonzero(settings.weight):
        for side in settings.sides[t]:
            penalty = settings.penalties[t]
            jobs.setdefault((id(penalty), side), (penalty, []))[1].append(int(t))
    total = zeros_of(scores, shape)
    if groups is None or not jobs or groups.numel() == 0 or int(groups.max()) < 0:
        return total
    known, positive = weights > 0, _positive(labels, settings)
    probabilities = _probabilities(scores, settings)
    for (_, side), (penalty, tasks) in jobs.items():
        own = (positive if side == "tpr" else ~positive) & known
        sets = [own]
        if exclusive:
            sets.append(
                own & _alone(positive & known, known, side, shared_rows=groups.shape[1] == 1)
            )
        masked = weights.unsqueeze(2) * torch.stack(sets, 2)
        everything = len(tasks) == shape[1]
        rows = split_by_group(
            _of(masked, tasks, everything), _of(groups, tasks, everything or groups.shape[1] == 1)
        )
        if rows.totals.shape[-1] < 2:
            continue
        values = penalty.of_sets(_of(probabilities, tasks, everything), rows)
        if per_row:
            counted = rows.totals.sum(-1) / _of(weights, tasks, everything).sum(-1).clamp(
                min=torch.finfo(weights.dtype).tiny
            ).unsqueeze(-1)
            if not penalty.scaled_by_rows:
                counted = torch.cat([torch.ones_like(counted[..., :1]), counted[..., 1:]], -1)
            values = values * counted
        total = (
            total + values
            if everything
            else total.index_add(1, torch.tensor(tasks, device=values.device), values)
        )
    return total


def as_column(numbers: NDArray[np.generic], like: Tensor) -> Tensor:
    """Return numbers of the tasks as a tensor (T,) of the kind of another."""
    return torch.as_tensor(numbers, dtype=like.dtype, device=like.device)


# ---------------------------------------------------------------------- helpers
def _positive(labels: Tensor, settings: TermSettings) -> Tensor:
    return labels == as_column(settings.positive_class, labels).unsqueeze(-1)


def _probabilities(scores: Tensor, settings: TermSettings) -> Tensor:
    """Return the probability of the positive classes, (E, T, B), from logits (E, T, k, B).

    A class without a logit is at minus infinity.
    """
    codes = torch.as_tensor(settings.positive_class, device=scores.device)
    n_classes = max(scores.shape[2], 2)
    if int(settings.positive_class.max()) >= n_classes:
        raise ValueError(
            f"positive_class is {int(settings.positive_class.max())}, but tasks have at most "
            f"{n_classes} classes, which are counted from 0."
        )
    if scores.shape[2] == 1:
        return torch.sigmoid(
            scores.squeeze(2) * torch.where(codes == 1, 1.0, -1.0).to(scores).unsqueeze(-1)
        )
    index = codes.view(1, -1, 1, 1).expand(scores.shape[0], -1, 1, scores.shape[3])
    return torch.softmax(scores, 2).gather(2, index).squeeze(2)


def _alone(positive: Tensor, known: Tensor, side: str, *, shared_rows: bool) -> Tensor:
    """Return in which rows, (E, 1, B), a task that is negative (positive) is the only one."""
    if not shared_rows:
        return torch.zeros_like(known[:, :1])
    n_positive = positive.sum(1, keepdim=True)
    return known.all(1, keepdim=True) & (n_positive == (1 if side == "tpr" else known.shape[1] - 1))


def _of(values: Tensor, tasks: list[int], everything: bool) -> Tensor:
    return values if everything else values[:, tasks]
