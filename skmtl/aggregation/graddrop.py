"""GradDrop: one gradient sign per parameter, drawn at random."""

from __future__ import annotations

from typing import NoReturn

import torch
from torch import Tensor

from skmtl.aggregation.drawing import Generators, draws
from skmtl.aggregation.given import checked_jacobian
from skmtl.aggregation.kinds import State
from skmtl.aggregation.parameter_checks import PerTask, checked_per_task
from skmtl.base import Aggregator, Signals


class GradDrop(Aggregator):
    r"""GradDrop: keep, per parameter, either the positive or the negative task gradients.

    .. math:: P = \tfrac12 \Big(1 + \frac{\sum_i g_i}{\sum_i |g_i|}\Big), \qquad
        d = \sum_i \big(\ell_i + (1 - \ell_i) [\, g_i > 0 \text{ and } P > U \text{, or } g_i < 0
        \text{ and } P < U \,]\big) g_i

    entry by entry, with U uniform on [0, 1]: the positive entries are kept with probability P, and
    the negative ones otherwise.

    Parameters
    ----------
    leak : float or array-like of shape (T,), default=0.0
        Share of each task gradient that is never dropped, between 0 and 1.

    Notes
    -----
    The method needs the entries of the Jacobian, not only inner products. Here it is applied to the
    gradients of the trunk's parameters; the paper [1]_ applies it to those of a layer's outputs.

    References
    ----------
    .. [1] Chen et al., "Just pick a sign: optimizing deep multitask models with gradient sign
       dropout", NeurIPS 2020.

    Examples
    --------
    The gradients agree on the first parameter; on the second, the positive one is drawn:

    >>> import torch
    >>> from skmtl.aggregation import GradDrop
    >>> jacobian = torch.tensor([[1.0, 3.0], [2.0, -1.0]])
    >>> GradDrop().aggregate(jacobian, generator=torch.Generator().manual_seed(0))
    tensor([3., 3.])
    """

    kind = "direction"
    sees_absent_tasks = True  # their rows are zero, which leaves all sums unchanged

    def __init__(self, leak: PerTask = 0.0) -> None:
        self.leak = leak

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        checked_per_task(self, "leak", self.leak, n_tasks, 0.0, 1.0)

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the direction, (..., P)."""
        rows = signals.jacobian
        leak = checked_per_task(self, "leak", self.leak, rows.shape[-2], 0.0, 1.0).to(rows.device)
        leak = leak.expand(rows.shape[-2])[:, None]
        exact = rows.to(torch.float64)
        total = exact.abs().sum(-2)
        purity = 0.5 * (1.0 + torch.where(total == 0, 0.0, exact.sum(-2) / total))
        limits = (
            torch.full_like(purity, 0.5)
            if signals.generators is None
            else draws(tuple(purity.shape), signals.generators, exact, normal=False)
        )
        kept = ((exact > 0) & (purity > limits)[..., None, :]) | (
            (exact < 0) & (purity < limits)[..., None, :]
        )
        share = leak + (1.0 - leak) * kept
        return (share * exact).sum(-2).to(rows.dtype), state

    def weights(self, gramian: Tensor, *, generator: Generators = None) -> NoReturn:
        """Raise TypeError: the method needs the entries of the Jacobian.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Not read.
        generator : torch.Generator, default=None
            Not used.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(
            "GradDrop has no weights: it chooses among the entries of the Jacobian. Call "
            "aggregate(jacobian)."
        )

    def aggregate(self, jacobian: Tensor, *, generator: Generators = None) -> Tensor:
        """Return the sum of the entries that are kept.

        Parameters
        ----------
        jacobian : Tensor of shape (..., T, P)
            One row per task, one column per parameter; leading axes are networks. Never changed.
        generator : torch.Generator or sequence of torch.Generator, default=None
            Source of U, one number per network and parameter: one generator for all networks, or
            one per network (first axis). None = U is 1/2, which keeps the sign with the larger sum.

        Returns
        -------
        Tensor of shape (..., P)
            The direction, in the dtype of `jacobian`; computed in float64.
        """
        rows = checked_jacobian(jacobian, "GradDrop")
        self.check(rows.shape[-2])
        return self.step(Signals(jacobian=rows, generators=generator), {})[0]
