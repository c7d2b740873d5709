"""Rate gap penalty: difference of the mean scores of sensitive groups."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.fairness.grouped_rows import GroupedRows, as_one_set, checked_vectors, one_number
from skmtl.fairness.pair_penalty import PairPenalty
from skmtl.fairness.parameters import (
    check_pairs,
    check_temperature,
    check_threshold,
    is_probability,
)


class RateGap(PairPenalty):
    r"""Differentiable rate gap: absolute difference of the mean scores of two sensitive groups.

    .. math:: \Big| \frac{1}{n_a} \sum_{i \in a} q(s_i) - \frac{1}{n_b} \sum_{j \in b} q(s_j) \Big|

    where q(s) = s, or with a temperature
    :math:`q(s) = \sigma((s - \text{threshold}) / \text{temperature})`. As the temperature falls,
    the mean of q approaches the rate of scores above the threshold.

    Parameters
    ----------
    threshold : float, default=0.5
        Probability from which a row is predicted positive; used only with a temperature.
    temperature : float, default=None
        Width of the sigmoid that smooths the step at the threshold, in units of the scores. A
        smaller value approximates the counted rate more closely, but rows far from the threshold
        get smaller gradients. None = no step: compare mean scores.
    pairs : {"max", "mean"}, default="max"
        With more than two groups, take the largest value over pairs of groups, or the mean.

    See Also
    --------
    gap_penalty : The same as a function.
    MTAF : Takes ``loss=RateGap(temperature=0.1)``, or "gap" for the defaults.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021, equation (7c), which counts predictions and has no gradient.

    Examples
    --------
    Mean scores differ by 0.6. With a threshold of 0.3, one of two rows of the first group and the
    row of the second are predicted positive:

    >>> import torch
    >>> from skmtl.fairness import RateGap
    >>> scores, groups = torch.tensor([0.2, 0.4, 0.9]), torch.tensor([0, 0, 1])
    >>> RateGap()(scores, groups), RateGap(threshold=0.3, temperature=0.01)(scores, groups)
    (tensor(0.6000), tensor(0.5000))
    """

    scaled_by_rows = False

    def __init__(
        self, *, threshold: float = 0.5, temperature: float | None = None, pairs: str = "max"
    ) -> None:
        self.threshold = threshold
        self.temperature = temperature
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
        return gap_penalty(
            scores,
            groups,
            threshold=self.threshold,
            temperature=self.temperature,
            pairs=self.pairs,
        )

    def check(self) -> None:
        """Raise ValueError if a parameter is out of range."""
        if not is_probability(self.threshold):
            raise ValueError(
                "The 'threshold' parameter of RateGap must be a number between 0 and 1. Got "
                f"{self.threshold!r} instead."
            )
        check_temperature(self.temperature, "RateGap")
        check_pairs(self.pairs, "RateGap")

    def differences(self, scores: Tensor, rows: GroupedRows) -> Tensor:
        """Return the rate gap of every pair of groups, (E, T, S, P).

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
        return gap_differences(
            scores, rows, threshold=float(self.threshold), temperature=self.temperature
        )


def gap_penalty(
    scores: Tensor,
    groups: Tensor,
    *,
    threshold: float = 0.5,
    temperature: float | None = None,
    pairs: str = "max",
) -> Tensor:
    r"""Differentiable rate gap: absolute difference of the mean scores of two sensitive groups.

    .. math:: \Big| \frac{1}{n_a} \sum_{i \in a} q(s_i) - \frac{1}{n_b} \sum_{j \in b} q(s_j) \Big|

    where q(s) = s, or with a temperature
    :math:`q(s) = \sigma((s - \text{threshold}) / \text{temperature})`. As the temperature falls,
    the mean of q approaches the rate of scores above the threshold.

    Parameters
    ----------
    scores : Tensor of shape (n,)
        Predicted probabilities.
    groups : Tensor of shape (n,)
        Group code of every row; rows with a negative code or NaN are ignored.
    threshold : float, default=0.5
        Probability from which a row is predicted positive; used only with a temperature.
    temperature : float, default=None
        Width of the sigmoid that smooths the step at the threshold, in units of the scores. None =
        no step: compare mean scores.
    pairs : {"max", "mean"}, default="max"
        With more than two groups, take the largest value over pairs of groups, or the mean.

    Returns
    -------
    Tensor of shape ()
        Between 0 and 1, differentiable in `scores`. 0 with a zero gradient if fewer than two groups
        have rows.

    Raises
    ------
    ValueError
        If shapes differ, or a parameter is out of range.
    TypeError
        If `scores` or `groups` is not a tensor, or `scores` are not floating point numbers.

    Notes
    -----
    The gap of counted rates, equation (7c) of [1]_, is piecewise constant in the scores: its
    gradient is zero wherever it exists.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021.

    Examples
    --------
    Mean scores differ by 0.6; all rows of one group and none of the other are predicted positive:

    >>> import torch
    >>> from skmtl.fairness import gap_penalty
    >>> scores, groups = torch.tensor([0.2, 0.4, 0.9]), torch.tensor([0, 0, 1])
    >>> gap_penalty(scores, groups), gap_penalty(scores, groups, temperature=0.01)
    (tensor(0.6000), tensor(1.0000))
    """
    check_threshold(threshold, "gap_penalty")
    check_temperature(temperature, "gap_penalty")
    check_pairs(pairs, "gap_penalty")
    values, codes = checked_vectors(scores, groups, "gap_penalty")
    rows = as_one_set(values, codes)
    gaps = gap_differences(values, rows, threshold=float(threshold), temperature=temperature)
    return one_number(values, rows, gaps, pairs)


def gap_differences(
    values: Tensor, rows: GroupedRows, *, threshold: float, temperature: float | None
) -> Tensor:
    """Return the rate gap of every pair of groups, (E, T, S, P), of values (E, T, B)."""
    first, second = rows.pairs
    rates = values
    if temperature is not None:
        limit = torch.tensor(threshold, dtype=values.dtype, device=values.device)
        rates = torch.sigmoid((values - limit) / temperature)
    means = rows.means(rates.unsqueeze(-1)).squeeze(-1)
    return (means[..., first] - means[..., second]).abs()
