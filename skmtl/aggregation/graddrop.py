"""GradDrop: one sign for every parameter."""

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
    r"""Choose per parameter the tasks that want it larger or those that want it smaller.

    .. math:: P = \tfrac12 \Big(1 + \frac{\sum_i g_i}{\sum_i |g_i|}\Big), \qquad
        d = \sum_i \big(\ell_i + (1 - \ell_i) [\, g_i > 0 \text{ and } P > U \text{, or } g_i < 0
        \text{ and } P < U \,]\big) g_i

    entry by entry, with U uniform between 0 and 1: positive entries are kept with probability P,
    else the negative ones.

    Parameters
    ----------
    leak : float or array-like of shape (T,), default=0.0
        Share of each task gradient that is never dropped, between 0 and 1.

    Notes
    -----
    It sees the entries of the Jacobian, not only inner products. Applied to the gradients of the
    trunk's parameters; the paper applies it to those of a layer's outputs.

    References
    ----------
    .. [1] Chen et al., "Just pick a sign: optimizing deep multitask models with gradient sign
       dropout", NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import GradDrop
    >>> GradDrop().aggregate(
    ...     torch.tensor([[1.0, 3.0], [2.0, -1.0]]), generator=torch.Generator().manual_seed(0)
    ... )
    tensor([3., 3.])
    """

    kind = "direction"
    sees_absent_tasks = True  # their rows are zero, and drop out of all sums

    def __init__(self, leak: PerTask = 0.0) -> None:
        self.leak = leak

    def check(self, n_tasks: int) -> None:
        """Raise ValueError where a parameter cannot be used."""
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
            "GradDrop is a Jacobian method: it chooses among the entries of the gradients and has "
            "no weights. Call aggregate(jacobian)."
        )

    def aggregate(self, jacobian: Tensor, *, generator: Generators = None) -> Tensor:
        """Return the sum of the entries that are kept.

        Parameters
        ----------
        jacobian : Tensor of shape (..., T, P)
            One row per task, one column per parameter; leading axes are networks. Never changed.
        generator : torch.Generator or sequence of torch.Generator, default=None
            Draws U, one number per network and parameter, for all networks or each for one of
            the first axis; None = U is 1/2, which follows the larger side.

        Returns
        -------
        Tensor of shape (..., P)
            The direction, in the dtype of `jacobian`; computed in float64.
        """
        rows = checked_jacobian(jacobian, "GradDrop")
        self.check(rows.shape[-2])
        return self.step(Signals(jacobian=rows, generators=generator), {})[0]
