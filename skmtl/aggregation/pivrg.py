"""PIVRG: tasks that lag behind their baseline come first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skmtl.aggregation.kinds import checked_number, solve_finite, weighted_rows
from skmtl.aggregation.newton import Array, EquationWeighting
from skmtl.aggregation.numerics import checked_gramian
from skmtl.base import GradientUse


class PIVRG(EquationWeighting):
    r"""Share the improvement fairly, more of it for tasks that are behind what they reach alone.

    .. math:: (G w)^2 = p / w, \qquad w > 0, \qquad p = T \operatorname{softmax}(s / \tau), \qquad
        \tau = \max\big((\max s - \min s) / \log b,\ \tau_{\min}\big)

    Parameters
    ----------
    bound : float, default=2.0
        Largest ratio b between two tasks' priorities, above 1.
    min_temperature : float, default=10.0
        Smallest temperature, in the unit of the scores; larger values make priorities more alike.
        With `bound`, the paper's setting for two of its four data sets; 20 and 100 for the others.

    Notes
    -----
    Scores are each task's loss of performance against its single-task baseline, in percent,
    positive = worse; take them from validation rows. Without scores, or with equal ones, it is
    `FairGrad` with alpha 2.

    References
    ----------
    .. [1] Qin et al., "Revisiting fairness in multitask learning: a performance-driven approach for
       variance reduction", CVPR 2025.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import PIVRG
    >>> PIVRG().priorities(torch.tensor([0.0, 1000.0]))
    tensor([0.6667, 1.3333], dtype=torch.float64)
    """

    reads = ("scores",)
    _use = GradientUse(max_norm=1.0, times_tasks=True)

    def __init__(self, bound: float = 2.0, min_temperature: float = 10.0) -> None:
        self.bound = bound
        self.min_temperature = min_temperature

    def priorities(self, scores: Tensor) -> Tensor:
        """Return the priorities of the tasks, which sum to T.

        Parameters
        ----------
        scores : Tensor of shape (..., T)
            Loss of performance against the baseline, in percent; positive = worse.

        Returns
        -------
        Tensor of shape (..., T)
            The priorities, float64; no two differ by more than a factor of `bound`.
        """
        bound = checked_number(self, "bound", self.bound, 1.0, strict=True)
        smallest = checked_number(self, "min_temperature", self.min_temperature, 0.0, strict=True)
        values = torch.as_tensor(scores).detach().to(torch.float64)
        if not bool(values.isfinite().all()):
            raise ValueError(
                "scores must be finite for every task. Use 0 for a task without a baseline."
            )
        spread = values.amax(-1, keepdim=True) - values.amin(-1, keepdim=True)
        return values.shape[-1] * (values / (spread / math.log(bound)).clamp(min=smallest)).softmax(
            -1
        )

    def weights(
        self,
        gramian: Tensor,
        *,
        scores: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Weigh the task gradients by their inner products.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients; leading axes are fleet members. Never changed.
        scores : Tensor of shape (..., T), default=None
            Loss of performance against the baseline, in percent; None = equal priorities.
        generator : torch.Generator, default=None
            Not used: the method draws nothing.

        Returns
        -------
        Tensor of shape (..., T)
            One weight a task, float64; NaN for a member whose Gramian is not finite.
        """
        return solve_finite(self, gramian, **self._options(gramian, scores=scores))

    def aggregate(
        self,
        jacobian: Tensor,
        *,
        scores: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the weighted sum of the task gradients, without clipping or rescaling.

        Parameters
        ----------
        jacobian : Tensor of shape (..., T, P)
            One row a task, one column a parameter; leading axes are fleet members. Never changed.
        scores : Tensor of shape (..., T), default=None
            Passed to `weights`.
        generator : torch.Generator, default=None
            Passed to `weights`.

        Returns
        -------
        Tensor of shape (..., P)
            The direction, in the dtype of `jacobian`; computed in float64.
        """
        return weighted_rows(self, jacobian, scores=scores, generator=generator)

    def _options(self, gramian: Tensor, **options: Any) -> dict[str, Any]:
        scores = options.get("scores")
        equal = torch.zeros_like(checked_gramian(gramian, "PIVRG")[..., 0])
        return {"priorities": self.priorities(equal if scores is None else scores)}

    def _equation(
        self, cosines: Array, norms: Array, gramian: Tensor, **options: Any
    ) -> tuple[Array, float]:
        return np.broadcast_to(options["priorities"].cpu().numpy(), norms.shape), 2.0
