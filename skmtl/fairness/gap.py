"""Gap between the groups' mean scores."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from skmtl.fairness.groups import GroupedRows, as_one_set, checked_vectors, one_number


def gap_penalty(
    scores: Tensor,
    groups: Tensor,
    *,
    threshold: float = 0.5,
    temperature: float | None = None,
    pairs: str = "max",
) -> Tensor:
    r"""Absolute difference of two groups' mean scores: the gap of their rates, made differentiable.

    .. math:: \Big| \frac{1}{n_a} \sum_{i \in a} q(s_i) - \frac{1}{n_b} \sum_{j \in b} q(s_j) \Big|

    with q(s) = s, or with a temperature
    :math:`q(s) = \sigma((s - \text{threshold}) / \text{temperature})`, which comes near the rate of
    scores above the threshold as the temperature falls.

    Parameters
    ----------
    scores : Tensor of shape (n,)
        Predicted probabilities.
    groups : Tensor of shape (n,)
        Code of every row's group; rows with a negative code or NaN take no part.
    threshold : float, default=0.5
        Probability from which on a row is predicted positive; read with a temperature only.
    temperature : float, default=None
        Width of the step at the threshold; None = no step, the mean of the probabilities.
    pairs : {"max", "mean"}, default="max"
        What counts with more than two groups: the largest value over pairs, or their mean.

    Returns
    -------
    Tensor of shape ()
        Differentiable in `scores`; 0 with a gradient of zero where fewer than two groups have rows.

    Raises
    ------
    ValueError
        If shapes differ, or `temperature` is not positive.

    Notes
    -----
    The gap of counted rates, equation (7c) of [1]_, has a gradient of zero wherever it has one.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021.

    Examples
    --------
    >>> import torch
    >>> from skmtl.fairness import gap_penalty
    >>> scores = torch.tensor([0.2, 0.4, 0.9])
    >>> gap_penalty(scores, torch.tensor([0, 0, 1]))
    tensor(0.6000)
    >>> gap_penalty(
    ...     scores, torch.tensor([0, 0, 1]), temperature=0.01
    ... )  # nearly all of one group are predicted positive, none of the other
    tensor(1.0000)
    """
    if temperature is not None and not (
        isinstance(temperature, (int, float)) and 0 < temperature < math.inf
    ):
        raise ValueError(
            "The 'temperature' parameter of gap_penalty must be None or a number > 0. Got "
            f"{temperature!r} instead."
        )
    values, codes = checked_vectors(scores, groups, "gap_penalty")
    rows = as_one_set(values, codes)
    limit = torch.tensor(threshold, dtype=values.dtype, device=values.device)
    return one_number(
        values,
        rows,
        gap_differences(values, rows, threshold=limit, temperature=temperature),
        pairs,
        "gap_penalty",
    )


def gap_differences(
    values: Tensor, rows: GroupedRows, *, threshold: Tensor, temperature: float | None
) -> Tensor:
    """Return the gap of every pair of groups, (E, T, S, P), of values (E, T, B); the threshold is
    () or (T, 1).
    """
    first, second = rows.pairs
    rates = values if temperature is None else torch.sigmoid((values - threshold) / temperature)
    means = rows.means(rates.unsqueeze(-1)).squeeze(-1)
    return (means[..., first] - means[..., second]).abs()
