"""Correlation between scores and membership in a group."""

from __future__ import annotations

from torch import Tensor

from skmtl.fairness.grouped_rows import GroupedRows, as_one_set, checked_vectors, one_number
from skmtl.fairness.pair_penalty import PairPenalty
from skmtl.fairness.parameters import check_pairs

# Product of the two standard deviations below which a correlation fades to 0 rather than turn on
# rounding.
_FADE = 1e-6


class Correlation(PairPenalty):
    r"""Absolute correlation between scores and membership in one of two groups.

    .. math:: \frac{|\operatorname{cov}(s, a)|}{\sqrt{\operatorname{var}(s) \operatorname{var}(a) +
        10^{-12}}}, \qquad a \in \{0, 1\}

    with means over the rows of the two groups. Unlike :class:`RateGap` it does not depend on the
    scale of the scores.

    Parameters
    ----------
    pairs : {"max", "mean"}, default="max"
        What counts with more than two groups: the largest value over pairs, or their mean.

    See Also
    --------
    correlation_penalty : The same as a function.
    MTAF : Takes ``loss=Correlation()``, or "correlation".

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021, equation (7a).

    Examples
    --------
    >>> import torch
    >>> from skmtl.fairness import Correlation
    >>> Correlation()(torch.tensor([0.0, 1.0, 0.0, 0.0]), torch.tensor([0, 0, 1, 1]))
    tensor(0.5774)
    """

    def __init__(self, *, pairs: str = "max") -> None:
        self.pairs = pairs

    def __call__(self, scores: Tensor, groups: Tensor) -> Tensor:
        """Return the penalty of some rows.

        Parameters
        ----------
        scores : Tensor of shape (n,)
            Predicted probabilities.
        groups : Tensor of shape (n,)
            Code of the group of every row; rows with a negative code or NaN take no part.

        Returns
        -------
        Tensor of shape ()
            Between 0 and 1, differentiable in `scores`.
        """
        return correlation_penalty(scores, groups, pairs=self.pairs)

    def check(self) -> None:
        """Raise ValueError where a parameter is out of range."""
        check_pairs(self.pairs, "Correlation")

    def differences(self, scores: Tensor, rows: GroupedRows) -> Tensor:
        """Return the absolute correlation of every pair of groups, (E, T, S, P).

        Parameters
        ----------
        scores : Tensor of shape (E, T, B)
            Probabilities.
        rows : GroupedRows
            Rows of the sets, by group.

        Returns
        -------
        Tensor of shape (E, T, S, P)
            Differentiable in `scores`.
        """
        return correlation_differences(scores, rows)


def correlation_penalty(scores: Tensor, groups: Tensor, *, pairs: str = "max") -> Tensor:
    r"""Absolute correlation between scores and membership in one of two groups.

    .. math:: \frac{|\operatorname{cov}(s, a)|}{\sqrt{\operatorname{var}(s) \operatorname{var}(a) +
        10^{-12}}}, \qquad a \in \{0, 1\}

    with means over the rows of the two groups.

    Parameters
    ----------
    scores : Tensor of shape (n,)
        Predicted probabilities.
    groups : Tensor of shape (n,)
        Code of the group of every row; rows with a negative code or NaN take no part.
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
    check_pairs(pairs, "correlation_penalty")
    values, codes = checked_vectors(scores, groups, "correlation_penalty")
    if values.numel():
        values = values / values.detach().abs().max().clamp(
            min=1
        )  # squares of large numbers would be infinite
    rows = as_one_set(values, codes)
    return one_number(values, rows, correlation_differences(values, rows), pairs)


def correlation_differences(values: Tensor, rows: GroupedRows) -> Tensor:
    """Return the correlation of every pair of groups, (E, T, S, P), of values (E, T, B)."""
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
