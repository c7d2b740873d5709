"""A user-defined penalty, called once per network, task and set of rows."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.base import Penalty
from skmtl.fairness.grouped_rows import GroupedRows, zeros_of


class CalledPenalty:
    """Calls a function of scores (n,) and groups (n,) for the sets of rows of a mini-batch.

    The function sees the rows of a set that have a positive weight and a known group; their weights
    are not used.

    Parameters
    ----------
    penalty : Penalty
        Function to call for each set in which at least two groups have rows.
    """

    scaled_by_rows = True

    def __init__(self, penalty: Penalty):
        self.penalty = penalty

    def of_sets(self, scores: Tensor, rows: GroupedRows) -> Tensor:
        """Return the penalty of every set of rows, (E, T, S), of probabilities (E, T, B)."""
        in_group = rows.shares > 0  # (E, T, S, G, B)
        takes_part, codes = in_group.any(3), in_group.to(torch.uint8).argmax(3)
        compared = ((rows.totals > 0).sum(3) > 1).cpu()
        nothing = zeros_of(scores, ())
        found = []
        for position in torch.cartesian_prod(*map(torch.arange, compared.shape)).tolist():
            e, t, s = position
            own = takes_part[e, t, s]
            found.append(
                self._checked(self.penalty(scores[e, t, own], codes[e, t, s, own]), nothing)
                if compared[e, t, s]
                else nothing
            )
        return torch.stack(found).view(compared.shape)

    def _checked(self, value: object, like: Tensor) -> Tensor:
        """Return a value as a scalar; raise if it is not a scalar or has no gradient."""
        name = getattr(self.penalty, "__name__", type(self.penalty).__name__)
        if not (isinstance(value, Tensor) and value.numel() == 1 and value.is_floating_point()):
            what = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)[:80]
            raise TypeError(
                f"The penalty {name} must return a floating point tensor with one element. Got "
                f"{type(value).__name__}, {what}."
            )
        if like.requires_grad and not value.requires_grad and bool(value != 0):
            raise ValueError(
                f"The penalty {name} returned {float(value):.3g} without a gradient, so training "
                "cannot lower it. Compute it from the scores with differentiable torch operations, "
                "without detach() or comparisons."
            )
        return value.reshape(()).to(like)
