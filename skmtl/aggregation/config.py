"""ConFIG: the direction with the same angle to every task gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.gramians import nan_unless, rank_tolerance, settled, unit_diagonal
from skmtl.aggregation.kinds import GradientWeighting, State
from skmtl.base import Signals


class ConFIG(GradientWeighting):
    r"""ConFIG: the direction that makes the same angle with every task gradient.

    .. math:: u = \frac{U^+ 1}{\|U^+ 1\|}, \qquad d = \Big(\sum_i \langle g_i, u \rangle\Big) u

    where the rows of U are the task gradients scaled to length one. The length of the direction is
    the sum of the projections of the gradients onto it. If the gradients are linearly independent,
    no task's loss rises.

    Notes
    -----
    Only the T x T matrix of cosines is inverted, whatever the number of parameters. If no direction
    makes the same angle with all gradients, the least-squares solution is taken. If that is zero,
    as for two opposite gradients, the direction is zero.

    References
    ----------
    .. [1] Liu et al., "ConFIG: towards conflict-free training of physics informed neural networks",
       ICLR 2025.

    Examples
    --------
    The weighted gradients of two orthogonal tasks, of lengths 1 and 2, both have length 1.5:

    >>> import torch
    >>> from skmtl.aggregation import ConFIG
    >>> ConFIG().weights(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
    tensor([1.5000, 0.7500], dtype=torch.float64)
    """

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        gramian, finite = settled(signals.gramian)
        cosines, norms = unit_diagonal(gramian)
        solution = equal_angles(cosines, rank_tolerance(signals.gramian))
        angles = (cosines @ solution[..., None])[..., 0]
        squared_length = (solution * angles).sum(-1, keepdim=True)
        lengths = torch.where(gramian.diagonal(dim1=-2, dim2=-1) > 0, norms, 0.0)
        reach = (lengths * angles).sum(-1, keepdim=True)
        length = torch.where(squared_length > 0, reach / squared_length, 0.0)
        return nan_unless(finite, length * solution / norms), state


def equal_angles(cosines: Tensor, tolerance: float) -> Tensor:
    """Return the shortest least-squares solution of ``cosines @ v = 1``, (..., T).

    Entries that are rounding errors become zero.
    """
    values, vectors = torch.linalg.eigh(cosines)
    kept = values > tolerance * values[..., -1:]
    sums = vectors.sum(-2)
    # An eigenvector that is orthogonal to 1 up to rounding adds nothing, but its rounding error
    # divided by a small eigenvalue would.
    parts = torch.where(kept & (sums.abs() > tolerance), sums / torch.where(kept, values, 1.0), 0.0)
    return (vectors @ parts[..., None])[..., 0]
