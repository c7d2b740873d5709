"""GradDrop: one sign for every parameter."""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch import Tensor

from skmtl.aggregation.numerics import Generators, checked_jacobian, draws
from skmtl.base import JacobianAggregator


class GradDrop(JacobianAggregator):
    r"""Pick for every parameter whether to follow the tasks that want it larger or those that want
    it smaller.

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

    random = True
    ignores_zero_rows = True

    def __init__(self, leak: Any = 0.0) -> None:
        self.leak = leak

    def weights(self, gramian: Tensor, *, generator: torch.Generator | None = None) -> NoReturn:
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
            One row a task, one column a parameter; leading axes are fleet members. Never changed.
        generator : torch.Generator or sequence of torch.Generator, default=None
            Draws U, one number for each member and parameter, for all members or each for one of
            the first axis; None = U is 1/2, which follows the larger side.

        Returns
        -------
        Tensor of shape (..., P)
            The direction, in the dtype of `jacobian`; computed in float64.
        """
        rows = checked_jacobian(jacobian, "GradDrop")
        exact = rows.to(torch.float64)
        total = exact.abs().sum(-2)
        purity = 0.5 * (1.0 + torch.where(total == 0, 0.0, exact.sum(-2) / total))
        limits = (
            torch.full_like(purity, 0.5)
            if generator is None
            else draws(tuple(purity.shape), generator, exact, normal=False)
        )
        kept = ((exact > 0) & (purity > limits)[..., None, :]) | (
            (exact < 0) & (purity < limits)[..., None, :]
        )
        leak = self._leaks(exact)
        share = leak + (1.0 - leak) * kept
        return (share * exact).sum(-2).to(rows.dtype)

    def _leaks(self, rows: Tensor) -> Tensor:
        leak = torch.as_tensor(self.leak, dtype=torch.float64, device=rows.device)
        if (
            leak.ndim > 1
            or (leak.ndim == 1 and len(leak) != rows.shape[-2])
            or not ((leak >= 0) & (leak <= 1)).all()
        ):
            raise ValueError(
                "The 'leak' parameter of GradDrop must be a number between 0 and 1, or one for "
                f"each of the {rows.shape[-2]} tasks. Got {self.leak!r} instead."
            )
        return leak.expand(rows.shape[-2])[:, None]
