"""Correlation penalty: correlation between scores and membership in a sensitive group."""

from __future__ import annotations

from torch import Tensor

from skmtl.fairness.grouped_rows import GroupedRows, as_one_set, checked_vectors, one_number
from skmtl.fairness.pair_penalty import PairPenalty
from skmtl.fairness.parameters import check_pairs

# Where the product of the two standard deviations is smaller, the correlation fades to 0, so that
# it does not amplify rounding errors.
_FADE = 1e-6


class Correlation(PairPenalty):
    r"""Absolute correlation between scores and membership in one of two sensitive groups.

    .. math:: \frac{|\operatorname{cov}(s, a)|}
        {\sqrt{\operatorname{var}(s) \operatorname{var}(a) + 10^{-12}}}, \qquad a \in \{0, 1\}

    where s are the scores, and a is the group membership, over the rows of the two groups. Unlike
    :class:`RateGap`, it does not depend on the scale of the scores.

    Parameters
    ----------
    pairs : {"max", "mean"}, default="max"
        With more than two groups, take the largest value over pairs of groups, or the mean.

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
    Scores ten times as large have the same correlation:

    >>> import torch
    >>> from skmtl.fairness import Correlation
    >>> scores, groups = torch.tensor([0.0, 1.0, 0.0, 0.0]), torch.tensor([0, 0, 1, 1])
    >>> Correlation()(scores, groups), Correlation()(scores / 10, groups)
    (tensor(0.5774), tensor(0.5774))
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
            Group code of every row; rows with a negative code or NaN are ignored.

        Returns
        -------
        Tensor of shape ()
            Between 0 and 1, differentiable in `scores`.
        """
        return correlation_penalty(scores, groups, pairs=self.pairs)

    def check(self) -> None:
        """Raise ValueError if a parameter is out of range."""
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
    r"""Absolute correlation between scores and membership in one of two sensitive groups.

    .. math:: \frac{|\operatorname{cov}(s, a)|}
        {\sqrt{\operatorname{var}(s) \operatorname{var}(a) + 10^{-12}}}, \qquad a \in \{0, 1\}

    where s are the scores, and a is the group membership, over the rows of the two groups.

    Parameters
    ----------
    scores : Tensor of shape (n,)
        Predicted probabilities.
    groups : Tensor of shape (n,)
        Group code of every row; rows with a negative code or NaN are ignored.
    pairs : {"max", "mean"}, default="max"
        With more than two groups, take the largest value over pairs of groups, or the mean.

    Returns
    -------
    Tensor of shape ()
        Between 0 and 1, differentiable in `scores`. 0 with a zero gradient if fewer than two groups
        have rows, or all scores are equal.

    Raises
    ------
    ValueError
        If shapes differ, or `pairs` is not one of its values.
    TypeError
        If `scores` or `groups` is not a tensor, or `scores` are not floating point numbers.

    Notes
    -----
    The published code of [1]_ adds 1e-6 to the product of the two standard deviations. Here it is
    added in quadrature, which changes the correlation only where the scores hardly vary.

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
    if values.numel():  # squares of large scores would overflow
        values = values / values.detach().abs().max().clamp(min=1)
    rows = as_one_set(values, codes)
    return one_number(values, rows, correlation_differences(values, rows), pairs)


def correlation_differences(values: Tensor, rows: GroupedRows) -> Tensor:
    """Return the absolute correlation of every pair of groups, (E, T, S, P), for (E, T, B)."""
    first, second = rows.pairs
    means = rows.means(values.unsqueeze(-1)).squeeze(-1)
    within = ((values[:, :, None, None] - means.unsqueeze(-1)).square() * rows.shares).sum(-1)
    totals = rows.totals[..., first] + rows.totals[..., second]
    share = rows.totals[..., first] / totals.where(totals > 0, 1.0)
    spread = share * (1 - share)  # the variance of the group membership
    gap = means[..., first] - means[..., second]
    between = spread * gap.square()
    variance = share * within[..., first] + (1 - share) * within[..., second] + between
    return spread * gap.abs() / (variance * spread + _FADE**2).sqrt()
