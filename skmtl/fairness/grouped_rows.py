"""Rows of mini-batches split by sensitive group, and penalties reduced over pairs of groups."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# If the largest code is at least this, groups are counted instead of assuming one per code.
_MOST_CODES = 64


@dataclass(frozen=True)
class GroupedRows:
    """Rows of several sets, split by sensitive group.

    Attributes
    ----------
    shares : Tensor of shape (E, T, S, G, B)
        Share of every row in the weight of its group, per set of rows. The shares of a group sum to
        1, or are all 0 if the group has no rows in the set.
    totals : Tensor of shape (E, T, S, G)
        Weight of every group in every set: the shares are weights divided by it.
    """

    shares: Tensor
    totals: Tensor

    @property
    def pairs(self) -> tuple[Tensor, Tensor]:
        """Positions of the two groups of every pair, (P,) each."""
        n = self.totals.shape[-1]
        first, second = torch.triu_indices(n, n, 1, device=self.totals.device)
        return first, second

    def means(self, columns: Tensor) -> Tensor:
        """Return the mean of columns (E, T, B, F) per group, (E, T, S, G, F); 0 without rows."""
        means = self.shares.flatten(2, 3) @ columns
        return means.reshape(*self.shares.shape[:4], columns.shape[-1])

    def reduce(self, differences: Tensor, how: str) -> Tensor:
        """Reduce the differences of pairs of groups, (E, T, S, P) >= 0, to their "max" or "mean".

        Pairs in which a group has no rows do not count. The result, (E, T, S), is 0 if fewer than
        two groups have rows.
        """
        first, second = self.pairs
        valid = (self.totals[..., first] > 0) & (self.totals[..., second] > 0)
        differences = torch.where(valid, differences, 0.0)
        if how == "mean":
            return differences.sum(-1) / valid.sum(-1).clamp(min=1)
        return differences.amax(-1)


def split_by_group(weights: Tensor, groups: Tensor) -> GroupedRows:
    """Split the rows of sets by group.

    Parameters
    ----------
    weights : Tensor of shape (E, T, S, B)
        Weight of every row in every set; 0 means that the row is not in the set.
    groups : Tensor of shape (E, 1 or T, B)
        Group code of every row, negative if unknown.
    """
    if groups.numel():
        largest = int(groups.max())
        if largest >= _MOST_CODES:
            known = groups >= 0
            codes, positions = torch.unique(groups[known], return_inverse=True)
            groups = torch.full_like(groups, -1).masked_scatter(known, positions.to(groups.dtype))
            largest = len(codes) - 1
    n_groups = max(largest + 1, 0) if groups.numel() else 0
    own = groups.unsqueeze(-2) == torch.arange(n_groups, device=groups.device).unsqueeze(-1)
    apart = weights.unsqueeze(3) * own.unsqueeze(2)
    totals = apart.sum(-1)
    return GroupedRows(apart / torch.where(totals > 0, totals, 1.0).unsqueeze(-1), totals)


def zeros_of(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return zeros that depend on ``values`` with a gradient of zero, even where they are NaN."""
    nothing = torch.where(torch.ones_like(values, dtype=torch.bool), 0.0, values).sum()
    return nothing.expand(shape)


def checked_vectors(scores: Tensor, groups: Tensor, function: str) -> tuple[Tensor, Tensor]:
    """Return scores (n,) and group codes (n,) as those of one network and one task, (1, 1, n).

    Group codes are renumbered from 0 without omissions.
    """
    if not isinstance(scores, Tensor) or not isinstance(groups, Tensor):
        raise TypeError(
            f"{function} takes tensors. Got scores of type {type(scores).__name__} and groups of "
            f"type {type(groups).__name__}."
        )
    if scores.ndim != 1 or groups.shape != scores.shape:
        raise ValueError(
            f"{function} needs scores and groups of the same shape (n,). Got "
            f"{tuple(scores.shape)} and "
            f"{tuple(groups.shape)}."
        )
    if not scores.is_floating_point():
        raise TypeError(
            f"The scores of {function} must be floating point numbers. Got {scores.dtype}."
        )
    known = groups >= 0  # False for NaN too
    codes = torch.full(groups.shape, -1, dtype=torch.int64, device=scores.device)
    codes[known] = torch.unique(groups[known], return_inverse=True)[1].to(codes.device)
    return scores.view(1, 1, -1), codes.view(1, 1, -1)


def one_number(values: Tensor, rows: GroupedRows, differences: Tensor, pairs: str) -> Tensor:
    """Return a penalty as a scalar, from the differences of the pairs of groups, (1, 1, 1, P)."""
    if differences.shape[-1] == 0:
        return zeros_of(values, ())
    return rows.reduce(differences, pairs).reshape(())


def as_one_set(values: Tensor, codes: Tensor) -> GroupedRows:
    """Return the rows of :func:`checked_vectors` as one set in which every row has weight 1."""
    return split_by_group(torch.ones_like(values).unsqueeze(2), codes)
