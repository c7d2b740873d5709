"""The protocol of penalties, which measure how the scores of sensitive groups differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Penalty(Protocol):
    """Differentiable measure of how much the scores of sensitive groups differ.

    Any callable with this signature is a penalty: a function, or an object whose parameters a
    search can set. Fairness terms such as :class:`skmtl.fairness.MTAF` call it in every mini-batch,
    once per network, task, and set of rows that is compared.

    Methods
    -------
    __call__(scores, groups)
        Return the penalty, a tensor with one element.

    See Also
    --------
    skmtl.base.FairnessTerm : Term that is added to the loss.
    skmtl.fairness.MMD : Maximum mean discrepancy between the groups' scores.

    Examples
    --------
    >>> import torch
    >>> def squared_gap(scores, groups):
    ...     return (scores[groups == 0].mean() - scores[groups == 1].mean()).square()
    >>> squared_gap(torch.tensor([0.2, 0.4, 0.8]), torch.tensor([0, 0, 1]))
    tensor(0.2500)
    """

    def __call__(self, scores: Tensor, groups: Tensor, /) -> Tensor:
        """Return the penalty of some rows.

        Parameters
        ----------
        scores : Tensor of shape (n,)
            Predicted probabilities of the positive class.
        groups : Tensor of shape (n,)
            Code of the group of every row, 0 or more; at least two groups have rows.

        Returns
        -------
        Tensor with one element
            Differentiable in ``scores``; small where the groups' scores are alike.
        """
        ...
