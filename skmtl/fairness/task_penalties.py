"""Penalties of all tasks and all networks of a batch at once."""

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
    """Return the penalty of every task on its rows and, on request, on its exclusive rows.

    The rows of a task are those with the label that the criterion compares and a known group. They
    count with their weight in the loss, so that a row repeated to fill a batch counts once.
    Exclusive rows have that label for this task only, and known labels for all tasks. If tasks have
    separate rows (long form), no row is exclusive.

    Parameters
    ----------
    settings : TermSettings
        Parameters of the term; tasks of weight 0 are skipped.
    scores, labels, weights, groups : Tensor
        As in :meth:`skmtl.base.FairnessTerm.values`.
    exclusive : bool
        Whether to compute the penalty on exclusive rows too.
    per_row : bool, default=False
        Whether to multiply each penalty by the share of its rows among the task's rows, as in the
        published code of the paper. The penalty on all rows is not multiplied if it is not
        ``scaled_by_rows``.

    Returns
    -------
    Tensor of shape (E, T, S)
        S = 2 with exclusive rows, else 1. 0 if fewer than two groups have rows.
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
        shared_rows = groups.shape[1] == 1
        sets = [own]
        if exclusive:
            sets.append(own & _alone(positive & known, known, side, shared_rows=shared_rows))
        masked = weights.unsqueeze(2) * torch.stack(sets, 2)
        everything = len(tasks) == shape[1]
        rows = split_by_group(
            _of(masked, tasks, everything), _of(groups, tasks, everything or shared_rows)
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
    """Return one number per task as a tensor (T,) with the dtype and device of another."""
    return torch.as_tensor(numbers, dtype=like.dtype, device=like.device)


# ---------------------------------------------------------------------- helpers
def _positive(labels: Tensor, settings: TermSettings) -> Tensor:
    return labels == as_column(settings.positive_class, labels).unsqueeze(-1)


def _probabilities(scores: Tensor, settings: TermSettings) -> Tensor:
    """Return the probability of the positive classes, (E, T, B), from logits (E, T, k, B).

    The logit of a class that a task does not have is minus infinity.
    """
    codes = torch.as_tensor(settings.positive_class, device=scores.device)
    n_classes = max(scores.shape[2], 2)
    if int(settings.positive_class.max()) >= n_classes:
        raise ValueError(
            f"positive_class is {int(settings.positive_class.max())}, but the tasks have at most "
            f"{n_classes} classes, counted from 0."
        )
    if scores.shape[2] == 1:
        return torch.sigmoid(
            scores.squeeze(2) * torch.where(codes == 1, 1.0, -1.0).to(scores).unsqueeze(-1)
        )
    index = codes.view(1, -1, 1, 1).expand(scores.shape[0], -1, 1, scores.shape[3])
    return torch.softmax(scores, 2).gather(2, index).squeeze(2)


def _alone(positive: Tensor, known: Tensor, side: str, *, shared_rows: bool) -> Tensor:
    """Return the rows, (E, 1, B), in which exactly one task is negative ("tpr": positive)."""
    if not shared_rows:
        return torch.zeros_like(known[:, :1])
    n_positive = positive.sum(1, keepdim=True)
    return known.all(1, keepdim=True) & (n_positive == (1 if side == "tpr" else known.shape[1] - 1))


def _of(values: Tensor, tasks: list[int], everything: bool) -> Tensor:
    return values if everything else values[:, tasks]
