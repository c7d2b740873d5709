"""Correlation between scores and group."""

from __future__ import annotations

from torch import Tensor

from skmtl.fairness.groups import GroupedRows, as_one_set, checked_vectors, one_number

# Product of the two standard deviations below which a correlation fades to 0 rather than turn on
# rounding.
_FADE = 1e-6


def correlation_penalty(scores: Tensor, groups: Tensor, *, pairs: str = "max") -> Tensor:
    r"""Absolute correlation between the scores of two groups' rows and which of the two groups a
    row is in.

    .. math:: \frac{|\operatorname{cov}(s, a)|}{\sqrt{\operatorname{var}(s) \operatorname{var}(a) +
        10^{-12}}}, \qquad a \in \{0, 1\}

    with means over the rows of the two groups.

    Parameters
    ----------
    scores : Tensor of shape (n,)
        Predicted probabilities.
    groups : Tensor of shape (n,)
        Code of every row's group; rows with a negative code or NaN take no part.
    pairs : {"max", "mean"}, default="max"
        What counts with more than two groups: the largest value over pairs, or their mean.

    Returns
    -------
    Tensor of shape ()
        Between 0 and 1, differentiable in `scores`; 0 with a gradient of zero where fewer than two
        groups have rows or all scores are one.

    Raises
    ------
    ValueError
        If shapes differ.

    Notes
    -----
    The code that goes with [1]_ adds 1e-6 to the product of the two standard deviations. Here it is
    added in quadrature, which leaves correlations of scores that vary at all as they are.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021, equation (7a).

    Examples
    --------
    >>> import torch
    >>> from skmtl.fairness import correlation_penalty
    >>> correlation_penalty(torch.tensor([0.0, 1.0, 0.0, 0.0]), torch.tensor([0, 0, 1, 1]))
    tensor(0.5774)
    """
    values, codes = checked_vectors(scores, groups, "correlation_penalty")
    if values.numel():
        values = values / values.detach().abs().max().clamp(
            min=1
        )  # squares of large numbers would be infinite
    rows = as_one_set(values, codes)
    return one_number(
        values, rows, correlation_differences(values, rows), pairs, "correlation_penalty"
    )


def correlation_differences(values: Tensor, rows: GroupedRows) -> Tensor:
    """Return the absolute correlation of every pair of groups, (E, T, S, P), of values (E, T, B)."""
    first, second = rows.pairs
    means = rows.means(values.unsqueeze(-1)).squeeze(-1)
    within = ((values[:, :, None, None] - means.unsqueeze(-1)).square() * rows.shares).sum(-1)
    totals = rows.totals[..., first] + rows.totals[..., second]
    share = rows.totals[..., first] / totals.where(totals > 0, 1.0)
    spread = share * (1 - share)  # the variance of the group
    gap = means[..., first] - means[..., second]
    variance = (
        share * within[..., first] + (1 - share) * within[..., second] + spread * gap.square()
    )
    return spread * gap.abs() / (variance * spread + _FADE**2).sqrt()
