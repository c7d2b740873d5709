"""Measures of conflict between task gradients: VolDet, VolDetPro, share of conflicting pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.given import checked_gramian
from skmtl.aggregation.gramians import squared_norms, unit_diagonal


def voldet(gramian: Tensor) -> Tensor:
    r"""VolDet: squared volume that the normalized task gradients span.

    .. math:: v(S) = \det(M_S), \qquad M_{ij} = \frac{\langle g_i, g_j\rangle}{\|g_i\| \|g_j\|}

    Parameters
    ----------
    gramian : Tensor of shape (..., T, T)
        Inner products of the task gradients, not normalized; leading axes are networks.

    Returns
    -------
    Tensor of shape (...)
        Between 0 (the gradients are linearly dependent, such as two parallel ones) and 1 (all are
        orthogonal). Tasks whose gradient is zero are left out; 0 if all are zero.

    See Also
    --------
    voldetpro : Also penalizes opposed gradients.

    Notes
    -----
    The volume does not depend on signs: opposite gradients span as little as equal ones.
    :func:`voldetpro` distinguishes them.

    References
    ----------
    .. [1] Wang et al., "From gradient volume to Shapley fairness", ICLR 2026, equation (5).

    Examples
    --------
    Two gradients with a cosine of 0.5, or of -0.5, span the same volume:

    >>> import torch
    >>> from skmtl.aggregation import voldet
    >>> voldet(torch.tensor([[[4.0, 1.0], [1.0, 1.0]], [[4.0, -1.0], [-1.0, 1.0]]]))
    tensor([0.7500, 0.7500])
    """
    matrix = checked_gramian(gramian, "voldet")
    return squared_volume(*normalized(matrix)).to(result_dtype(matrix))


def voldetpro(gramian: Tensor) -> Tensor:
    r"""VolDetPro: squared volume of the normalized task gradients, plus a term for opposed pairs.

    .. math:: v(S) = \det(M_S) + \frac{\sqrt{|I(S)|} + |S|}{|S|}
        \Bigl|\sum_{(i, j) \in I(S)} M_{ij}\Bigr|,
        \qquad I(S) = \{(i, j): i < j, \; M_{ij} < 0\}

    Parameters
    ----------
    gramian : Tensor of shape (..., T, T)
        Inner products of the task gradients, not normalized; leading axes are networks.

    Returns
    -------
    Tensor of shape (...)
        At least :func:`voldet`, and equal to it if no two gradients have a negative inner product.
        Not bounded by 1. Tasks whose gradient is zero are left out.

    See Also
    --------
    voldet : The volume alone.

    Notes
    -----
    The root is taken of :math:`|I(S)|` alone, as in equation (6) and appendix B.5 of [1]_. A
    heading in appendix B.3 has :math:`|S|` under the root as well.

    References
    ----------
    .. [1] Wang et al., "From gradient volume to Shapley fairness", ICLR 2026, equation (6).

    Examples
    --------
    A cosine of -0.5 counts as more conflict than one of 0.5:

    >>> import torch
    >>> from skmtl.aggregation import voldetpro
    >>> voldetpro(torch.tensor([[[4.0, 1.0], [1.0, 1.0]], [[4.0, -1.0], [-1.0, 1.0]]]))
    tensor([0.7500, 1.5000])
    """
    matrix = checked_gramian(gramian, "voldetpro")
    cosines, present = normalized(matrix)
    opposed = opposition(cosines).triu(1)
    root = opposed.count_nonzero((-2, -1)).double().sqrt()
    penalty = (1 + root / present.sum(-1).clamp(min=1)) * opposed.sum((-2, -1))
    volume = squared_volume(cosines, present).to(result_dtype(matrix))
    return volume + penalty.to(result_dtype(matrix))


def negative_cosine_fraction(gramian: Tensor) -> Tensor:
    r"""Fraction of task pairs with conflicting gradients (negative cosine similarity).

    .. math:: \frac{2}{T(T-1)} \sum_{i<j} \mathbb{1}[\langle g_i, g_j\rangle < 0]

    Parameters
    ----------
    gramian : Tensor of shape (..., T, T)
        Inner products of the task gradients; leading axes are networks.

    Returns
    -------
    Tensor of shape (...)
        Between 0 and 1; 0 for a single task. Tasks whose gradient is zero are left out.

    Notes
    -----
    Called PNCP or PNCS in [1]_, which recommends VolDetPro if it exceeds 0.25.

    References
    ----------
    .. [1] Wang et al., "From gradient volume to Shapley fairness", ICLR 2026, section 5.5.

    Examples
    --------
    One of three pairs conflicts:

    >>> import torch
    >>> from skmtl.aggregation import negative_cosine_fraction
    >>> negative_cosine_fraction(
    ...     torch.tensor([[1.0, -0.5, 0.0], [-0.5, 1.0, 0.5], [0.0, 0.5, 1.0]])
    ... )
    tensor(0.3333)
    """
    matrix = checked_gramian(gramian, "negative_cosine_fraction")
    return share_in_conflict(*normalized(matrix)).to(result_dtype(matrix))


def squared_volume(cosines: Tensor, present: Tensor) -> Tensor:
    """Return the determinant of the cosines, (...); 0 if no task has a nonzero gradient."""
    return torch.linalg.det(cosines).clamp(0, 1) * present.any(-1)


def share_in_conflict(cosines: Tensor, present: Tensor) -> Tensor:
    """Return the share of negative cosines among pairs of tasks with nonzero gradients, (...)."""
    n_present = present.double().sum(-1)
    pairs = n_present * (n_present - 1)
    return (cosines < 0).sum((-2, -1)) / pairs.clamp(min=1)


def gradient_conflict(gramian: Tensor) -> dict[str, Tensor]:
    """Return the share in conflict and the volume in training; NaN for diverged networks."""
    cosines, present = normalized(gramian)
    return {
        "negative_cosine_fraction": share_in_conflict(cosines, present),
        "voldet": squared_volume(cosines, present),
    }


def normalized(gramian: Tensor) -> tuple[Tensor, Tensor]:
    """Return float64 cosines of the task gradients, (..., T, T), and which are nonzero, (..., T).

    A zero gradient gets the row and column of the identity: it changes no determinant and opposes
    no other gradient. A Gramian that is not finite becomes NaN throughout.
    """
    matrix = gramian.to(torch.float64)
    finite = matrix.isfinite().all(-1).all(-1)
    cosines, _ = unit_diagonal(matrix)
    return torch.where(finite[..., None, None], cosines, torch.nan), squared_norms(matrix) > 0


def opposition(cosines: Tensor) -> Tensor:
    """Return -min(cosine, 0) of every pair."""
    return -cosines.clamp(max=0)


def result_dtype(gramian: Tensor) -> torch.dtype:
    """Return the dtype of the result: that of a floating point Gramian, float64 otherwise."""
    return gramian.dtype if gramian.dtype.is_floating_point else torch.float64
