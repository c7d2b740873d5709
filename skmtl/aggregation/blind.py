"""Loss weightings that read nothing but the number of tasks, and can therefore be asked for weights
by a Gramian as well.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.kinds import weighted_rows
from skmtl.aggregation.losses import LossBasedWeighting
from skmtl.aggregation.numerics import checked_gramian


class BlindWeighting(LossBasedWeighting):
    """A loss weighting whose weights do not depend on losses."""

    nonnegative = False

    def weights(self, gramian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Weigh the task gradients, whatever they are.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Only the shape is read.
        generator : torch.Generator, default=None
            For methods that draw; None = the mean of the draws.

        Returns
        -------
        Tensor of shape (..., T)
            One weight a task, float64.
        """
        return self.loss_weights(
            torch.ones_like(checked_gramian(gramian, type(self).__name__)[..., 0]),
            generator=generator,
        )

    def aggregate(self, jacobian: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Return the weighted sum of the task gradients.

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
