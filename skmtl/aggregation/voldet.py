"""How far task gradients point apart: VolDet, VolDetPro, and the share of pairs in conflict."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.given import checked_gramian
from skmtl.aggregation.gramians import squared_norms, unit_diagonal


def voldet(gramian: Tensor) -> Tensor:
    r"""Squared volume that the normalized task gradients span.

    .. math:: v(S) = \det(M_S), \qquad M_{ij} = \frac{\langle g_i, g_j\rangle}{\|g_i\| \|g_j\|}

    Parameters
    ----------
    gramian : Tensor of shape (..., T, T)
        Inner products of the task gradients as they are, not normalized; leading axes are fleet
        members.

    Returns
    -------
    Tensor of shape (...)
        Between 0 (two gradients are parallel, or all are linearly dependent) and 1 (all are
        orthogonal). A task whose gradient is zero has no direction and is left out; 0 where all are
        zero, as for the empty set.

    Notes
    -----
    The volume does not see signs: opposite gradients span as little as equal ones.
    :func:`voldetpro` tells them apart.

    References
    ----------
    .. [1] Wang et al., "From gradient volume to Shapley fairness", ICLR 2026, equation (5).

    Examples
    --------
    >>> import torch
    >>> voldet(torch.tensor([[4.0, 1.0], [1.0, 1.0]]))
    tensor(0.7500)
    """
    matrix = checked_gramian(gramian, "voldet")
    return squared_volume(*normalized(matrix)).to(result_dtype(matrix))


def voldetpro(gramian: Tensor) -> Tensor:
    r"""Squared volume of the normalized task gradients, plus a charge for opposed pairs.

    .. math:: v(S) = \det(M_S) + \frac{\sqrt{|I(S)|} + |S|}{|S|} \Bigl|\sum_{(i, j) \in I(S)}
        M_{ij}\Bigr|,
              \qquad I(S) = \{(i, j): i < j, \; M_{ij} < 0\}

    Parameters
    ----------
    gramian : Tensor of shape (..., T, T)
        Inner products of the task gradients as they are, not normalized; leading axes are fleet
        members.

    Returns
    -------
    Tensor of shape (...)
        At least :func:`voldet`, and equal to it where no two gradients have a negative inner
        product; not bounded by 1. Tasks whose gradient is zero are left out.

    Notes
    -----
    The root goes over :math:`|I(S)|` alone, as equation (6) and appendix B.5 of [1]_ print it; a
    heading in its appendix B.3 puts
    :math:`|S|` under the root as well.

    References
    ----------
    .. [1] Wang et al., "From gradient volume to Shapley fairness", ICLR 2026, equation (6).

    Examples
    --------
    >>> import torch
    >>> voldetpro(torch.tensor([[1.0, -0.5], [-0.5, 1.0]]))
    tensor(1.5000)
    """
    matrix = checked_gramian(gramian, "voldetpro")
    cosines, present = normalized(matrix)
    opposed = opposition(cosines).triu(1)
    charge = (
        1 + opposed.count_nonzero((-2, -1)).double().sqrt() / present.sum(-1).clamp(min=1)
    ) * opposed.sum((-2, -1))
    volume = squared_volume(cosines, present).to(result_dtype(matrix))
    return volume + charge.to(result_dtype(matrix))


def negative_cosine_fraction(gramian: Tensor) -> Tensor:
    r"""Share of task pairs whose gradients point away from each other.

    .. math:: \frac{2}{T(T-1)} \sum_{i<j} \mathbb{1}[\langle g_i, g_j\rangle < 0]

    Parameters
    ----------
    gramian : Tensor of shape (..., T, T)
        Inner products of the task gradients; leading axes are networks.

    Returns
    -------
    Tensor of shape (...)
        Between 0 and 1; 0 for a single task. Pairs with a gradient of zero are left out.

    Notes
    -----
    Called PNCP or PNCS in [1]_, which prefers VolDetPro where it stays above 0.25.

    References
    ----------
    .. [1] Wang et al., "From gradient volume to Shapley fairness", ICLR 2026, section 5.5.

    Examples
    --------
    >>> import torch
    >>> negative_cosine_fraction(torch.tensor([[1.0, -0.5], [-0.5, 1.0]]))
    tensor(1.)
    """
    matrix = checked_gramian(gramian, "negative_cosine_fraction")
    return share_in_conflict(*normalized(matrix)).to(result_dtype(matrix))


def squared_volume(cosines: Tensor, present: Tensor) -> Tensor:
    """Return the determinant of the cosines, (...); 0 where no task has a gradient."""
    return torch.linalg.det(cosines).clamp(0, 1) * present.any(-1)


def share_in_conflict(cosines: Tensor, present: Tensor) -> Tensor:
    """Return the share of pairs of tasks with a gradient whose cosine is negative, (...)."""
    n_present = present.double().sum(-1)
    pairs = n_present * (n_present - 1)
    return (cosines < 0).sum((-2, -1)) / pairs.clamp(min=1)


def gradient_conflict(gramian: Tensor) -> dict[str, Tensor]:
    """Return share in conflict and volume of Gramians in training; NaN for diverged networks."""
    cosines, present = normalized(gramian)
    return {
        "negative_cosine_fraction": share_in_conflict(cosines, present),
        "voldet": squared_volume(cosines, present),
    }


def normalized(gramian: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cosines of the task gradients, (..., T, T), and which tasks have one, (..., T).

    Cosines are in float64.

    A task without one gets the row and column of the unit matrix: it changes no determinant and
    opposes no other. A Gramian that is not finite becomes NaN throughout.
    """
    matrix = gramian.to(torch.float64)
    finite = matrix.isfinite().all(-1).all(-1)
    cosines, _ = unit_diagonal(matrix)
    return torch.where(finite[..., None, None], cosines, torch.nan), squared_norms(matrix) > 0


def opposition(cosines: Tensor) -> Tensor:
    """Return -min(cosine, 0) of every pair."""
    return -cosines.clamp(max=0)


def result_dtype(gramian: Tensor) -> torch.dtype:
    """Return the type of results: that of a Gramian of floats, else float64."""
    return gramian.dtype if gramian.dtype.is_floating_point else torch.float64
