"""RLW: random weights."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import weighted_rows
from skmtl.aggregation.losses import Generators, LossBasedWeighting, State, draws, task_softmax
from skmtl.aggregation.numerics import checked_gramian


class RLW(LossBasedWeighting):
    r"""Draw the weights anew in every step.

    .. math:: w = \operatorname{softmax}(z), \qquad z \sim N(0, I)

    Notes
    -----
    Random loss weighting [1]_: the baseline that other weightings have to beat. Reads no losses, so it can be asked for weights by a Gramian as
    well. Without a generator the weights are the mean of the draws, 1/T.

    References
    ----------
    .. [1] Lin et al., "Reasonable effectiveness of random weighting: a litmus test for multi-task learning", TMLR 2022.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import RLW
    >>> weights = RLW().loss_weights(torch.ones(3), generator=torch.Generator().manual_seed(0))
    >>> weights.sum()
    tensor(1., dtype=torch.float64)
    """

    nonnegative = False

    def weights(self, gramian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw weights for task gradients.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Only the shape is read.
        generator : torch.Generator, default=None
            Where the weights are drawn from; None = their mean, 1/T.

        Returns
        -------
        Tensor of shape (..., T)
            Positive weights that sum to 1, float64.
        """
        return self.loss_weights(torch.ones_like(checked_gramian(gramian, "RLW")[..., 0]), generator=generator)

    def aggregate(self, jacobian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Return the randomly weighted sum of the task gradients.

        Parameters
        ----------
        jacobian : Tensor of shape (..., T, P)
            One row a task, one column a parameter.
        generator : torch.Generator, default=None
            Passed to `weights`.

        Returns
        -------
        Tensor of shape (..., P)
            The direction, in the dtype of `jacobian`.
        """
        return weighted_rows(self, jacobian, generator=generator)

    def _weights(self, losses: Tensor, state: State, present: Tensor, generator: Generators) -> Tensor:
        drawn = torch.zeros_like(losses) if generator is None else draws(tuple(losses.shape), generator, losses, normal=True)
        return task_softmax(drawn, present)
