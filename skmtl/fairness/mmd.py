"""MMD penalty: maximum mean discrepancy between the scores of sensitive groups."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from skmtl.fairness.grouped_rows import GroupedRows, as_one_set, checked_vectors, one_number
from skmtl.fairness.pair_penalty import PairPenalty
from skmtl.fairness.parameters import check_length, check_pairs

# Distance, in kernel lengths, beyond which the kernel is zero in every precision.
_FAR = 30.0


class MMD(PairPenalty):
    r"""Squared maximum mean discrepancy (MMD) between two groups' scores, with a Gaussian kernel.

    .. math:: \frac{1}{n_a^2} \sum_{i, i' \in a} k(s_i, s_{i'})
        - \frac{2}{n_a n_b} \sum_{i \in a, j \in b} k(s_i, s_j)
        + \frac{1}{n_b^2} \sum_{j, j' \in b} k(s_j, s_{j'}), \qquad
        k(s, s') = e^{-(s - s')^2 / \ell^2}

    It is 0 only if the scores of the two groups have the same distribution.

    Parameters
    ----------
    length : float, default=0.1
        Length scale :math:`\ell` of the kernel, in units of the scores. A smaller length detects
        finer differences, but gradients vanish between scores that are more than a few lengths
        apart.
    pairs : {"max", "mean"}, default="max"
        With more than two groups, take the largest value over pairs of groups, or the mean.

    See Also
    --------
    mmd_penalty : The same as a function, with notes on its computation.
    MTAF : Takes ``loss=MMD(length=0.2)``, or "mmd" for the defaults.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021, equation (7b).

    Examples
    --------
    A large length scale hardly sees a difference of 0.1:

    >>> import torch
    >>> from skmtl.fairness import MMD
    >>> scores, groups = torch.tensor([0.2, 0.2, 0.3]), torch.tensor([0, 0, 1])
    >>> MMD()(scores, groups), MMD(length=1.0)(scores, groups)
    (tensor(1.2642), tensor(0.0199))
    """

    def __init__(self, length: float = 0.1, *, pairs: str = "max") -> None:
        self.length = length
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
            Between 0 and 2, differentiable in `scores`.
        """
        return mmd_penalty(scores, groups, length=self.length, pairs=self.pairs)

    def check(self) -> None:
        """Raise ValueError if a parameter is out of range."""
        check_length(self.length, "MMD")
        check_pairs(self.pairs, "MMD")

    def differences(self, scores: Tensor, rows: GroupedRows) -> Tensor:
        """Return the discrepancy of every pair of groups, (E, T, S, P).

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
        return mmd_differences(scores, rows, length=float(self.length), bounds=(0.0, 1.0))


def mmd_penalty(
    scores: Tensor, groups: Tensor, *, length: float = 0.1, pairs: str = "max"
) -> Tensor:
    r"""Squared maximum mean discrepancy (MMD) between two groups' scores, with a Gaussian kernel.

    .. math:: \frac{1}{n_a^2} \sum_{i, i' \in a} k(s_i, s_{i'})
        - \frac{2}{n_a n_b} \sum_{i \in a, j \in b} k(s_i, s_j)
        + \frac{1}{n_b^2} \sum_{j, j' \in b} k(s_j, s_{j'}), \qquad
        k(s, s') = e^{-(s - s')^2 / \ell^2}

    It is 0 only if the scores of the two groups have the same distribution.

    Parameters
    ----------
    scores : Tensor of shape (n,)
        Predicted probabilities, or other numbers on the scale of `length`.
    groups : Tensor of shape (n,)
        Group code of every row; rows with a negative code or NaN are ignored.
    length : float, default=0.1
        Length scale :math:`\ell` of the kernel; the default is that of the published code of [1]_.
    pairs : {"max", "mean"}, default="max"
        With more than two groups, take the largest value over pairs of groups, or the mean.

    Returns
    -------
    Tensor of shape ()
        Between 0 and 2, differentiable in `scores`. 0 with a zero gradient if fewer than two groups
        have rows.

    Raises
    ------
    ValueError
        If shapes differ, `length` is not positive, or `pairs` is not one of its values.
    TypeError
        If `scores` or `groups` is not a tensor, or `scores` are not floating point numbers.

    Notes
    -----
    This is the biased estimate, which counts pairs of a row with itself. No square root is taken,
    because its derivative diverges at 0. If n is large relative to the range of the scores, the
    kernel is expanded in a Fourier series up to rounding error; time and memory then grow linearly
    in n instead of quadratically.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021, equation (7b).

    Examples
    --------
    >>> import torch
    >>> from skmtl.fairness import mmd_penalty
    >>> mmd_penalty(torch.tensor([0.2, 0.2, 0.3]), torch.tensor([0, 0, 1]))  # 1 - 2 / e + 1
    tensor(1.2642)
    """
    check_length(length, "mmd_penalty")
    check_pairs(pairs, "mmd_penalty")
    values, codes = checked_vectors(scores, groups, "mmd_penalty")
    rows = as_one_set(values, codes)
    bounds = (
        (float(values.detach().min()), float(values.detach().max()))
        if values.numel()
        else (0.0, 0.0)
    )
    squares = mmd_differences(values, rows, length=length, bounds=bounds)
    return one_number(values, rows, squares, pairs)


def mmd_differences(
    values: Tensor, rows: GroupedRows, *, length: float, bounds: tuple[float, float]
) -> Tensor:
    """Return the squared MMD of every pair of groups, (E, T, S, P), of values (E, T, B).

    ``bounds`` are the smallest and largest value that can occur.
    """
    first, second = rows.pairs
    period, n_waves = _series(bounds[1] - bounds[0], length, values.dtype)
    if 2 * n_waves > values.shape[-1]:
        return _by_kernel(values, rows, length, first, second)
    wave = torch.arange(1, n_waves + 1, dtype=values.dtype, device=values.device)
    decay = torch.exp(-((math.pi * length / period * wave) ** 2))
    power = 2 * length * math.sqrt(math.pi) / period * decay
    means = rows.means(_waves(values - bounds[0], 2 * math.pi / period * wave))
    return ((means[..., first, :] - means[..., second, :]).square() * power.repeat(2)).sum(-1)


class _Waves(torch.autograd.Function):
    """Cosines and sines of values (...) times frequencies (M,), of shape (..., 2 M).

    The backward step reuses them; autograd would compute them again.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, frequencies: Tensor) -> Tensor:
        phase = values.unsqueeze(-1) * frequencies
        waves = phase.new_empty(*values.shape, 2 * len(frequencies))
        cosines, sines = waves.tensor_split(2, -1)
        torch.cos(phase, out=cosines)
        torch.sin(phase, out=sines)
        ctx.save_for_backward(waves, frequencies)
        return waves

    @staticmethod
    def backward(ctx: Any, *derivatives: Tensor) -> tuple[Tensor, None]:
        waves, frequencies = ctx.saved_tensors
        cosines, sines = waves.tensor_split(2, -1)
        by_cosine, by_sine = derivatives[0].tensor_split(2, -1)
        return torch.addcmul(cosines * by_sine, sines, by_cosine, value=-1) @ frequencies, None


def _waves(values: Tensor, frequencies: Tensor) -> Tensor:
    waves: Tensor = _Waves.apply(values, frequencies)  # type: ignore[no-untyped-call]
    return waves


def _series(span: float, length: float, dtype: torch.dtype) -> tuple[float, float]:
    """Return the period and the number of waves that represent the kernel up to rounding error.

    The series is that of the kernel repeated with this period. Repeats and waves below rounding
    error are left out.
    """
    reach = math.sqrt(-math.log(torch.finfo(dtype).eps))
    period = span + reach * length
    waves = reach * period / (math.pi * length)
    return period, math.ceil(waves) if math.isfinite(waves) else math.inf


def _by_kernel(
    values: Tensor, rows: GroupedRows, length: float, first: Tensor, second: Tensor
) -> Tensor:
    distances = ((values.unsqueeze(-1) - values.unsqueeze(-2)) / length).clamp(-_FAR, _FAR)
    inner = rows.means(torch.exp(-distances.square())) @ rows.shares.mT
    own = inner.diagonal(dim1=-2, dim2=-1)
    return (own[..., first] - 2 * inner[..., first, second] + own[..., second]).clamp(min=0)
